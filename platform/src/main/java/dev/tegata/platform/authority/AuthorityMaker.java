// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.authority;

import dev.tegata.pki.certificate.BasicConstraints;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.InvalidRequestException;
import dev.tegata.pki.certificate.Issuance;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.pki.certificate.Signer;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.pki.key.KeySpace;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.Vault;
import dev.tegata.pki.key.VaultException;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.authority.Authority.Kind;
import dev.tegata.platform.authority.Authority.State;
import dev.tegata.platform.authority.PreparedAuthority.Origin;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/// Makes keys and certificates of authorities. Works with the vault and stores nothing: what it makes is
/// stored afterwards, in one transaction, or [#discard]ed. A crash in between leaves keys that nothing
/// names.
public final class AuthorityMaker {
    private final Vault vault;
    private final PublicAddresses addresses;
    private final InstantSource clock;
    private final SecureRandom random;

    public AuthorityMaker(Vault vault, InstantSource clock, SecureRandom random) {
        this(vault, PublicAddresses.LOCAL, clock, random);
    }

    /// @param addresses to write into certificates
    public AuthorityMaker(Vault vault, PublicAddresses addresses, InstantSource clock, SecureRandom random) {
        this.vault = vault;
        this.addresses = addresses;
        this.clock = clock;
        this.random = random;
    }

    PublicAddresses addresses() {
        return addresses;
    }

    /// How deep a tree may become below an authority.
    public enum Below {
        /// Devices only.
        DEVICES(0),
        /// One level of issuing authorities, and devices below them.
        AUTHORITIES(1);

        private final int pathLength;

        Below(int pathLength) {
            this.pathLength = pathLength;
        }
    }

    /// A self-signed root.
    public PreparedAuthority root(TenantId tenant, NewAuthority wanted, Below below) {
        KeyHandle key = vault.generate(tenant.keySpace(), wanted.algorithm());
        return discardingOnFailure(tenant, key, () -> {
            Issuance issuance = Issuance.selfSigned(profile(CertificateProfile.root(), wanted, below.pathLength));
            Certificate certificate = issue(issuance, tenant, key, wanted, signer(tenant, key, wanted.algorithm()));
            return prepared(tenant, Kind.ROOT, wanted, key, null, certificate, List.of());
        });
    }

    /// An authority for devices under another one of the tenant.
    ///
    /// @throws RefusedException where `parent` may have no authority below it
    public PreparedAuthority issuing(TenantId tenant, NewAuthority wanted, IssuingAuthority parent) {
        CertificateProfile profile = profile(CertificateProfile.issuing(), wanted, 0);
        Issuance issuance = issuance(
                parent, profile.withLocations(profile.locations().or(addresses.forAuthorities(tenant, parent.id()))));
        KeyHandle key = vault.generate(tenant.keySpace(), wanted.algorithm());
        return discardingOnFailure(tenant, key, () -> {
            Certificate certificate = issue(issuance, tenant, key, wanted, parent.signer(vault));
            return prepared(tenant, Kind.ISSUING, wanted, key, parent.id(), certificate, parent.chain());
        });
    }

    /// A certificate for the key of one root, signed by another one of the same name (RFC 4210 §4.4):
    /// whoever trusts `issuer` can follow what is below `subject`.
    public Certificate cross(TenantId tenant, IssuingAuthority subject, IssuingAuthority issuer) {
        Certificate root = subject.certificate();
        NewAuthority wanted = new NewAuthority("cross", root.subject(), subject.algorithm());
        OptionalInt pathLength =
                root.basicConstraints().map(BasicConstraints::pathLength).orElse(OptionalInt.empty());
        CertificateProfile profile =
                profile(CertificateProfile.issuing(), wanted, pathLength.isPresent() ? pathLength.getAsInt() : null);
        Issuance issuance = issuance(
                issuer, profile.withLocations(profile.locations().or(addresses.forAuthorities(tenant, issuer.id()))));
        return issue(issuance, tenant, subject.key(), wanted, issuer.signer(vault));
    }

    /// An authority for devices whose certificate is made elsewhere: a key, and a request for it.
    public PreparedAuthority pending(TenantId tenant, NewAuthority wanted) {
        if (wanted.lifetime() != null) {
            throw Fields.invalid("lifetime", "is for whoever signs the request to decide");
        }
        KeyHandle key = vault.generate(tenant.keySpace(), wanted.algorithm());
        return discardingOnFailure(tenant, key, () -> {
            Authority authority = new Authority(
                    tenant,
                    newId(),
                    Kind.ISSUING,
                    State.PENDING_CERTIFICATE,
                    wanted.name(),
                    wanted.algorithm(),
                    key,
                    null,
                    request(tenant, key, wanted),
                    null,
                    List.of(),
                    now());
            return new PreparedAuthority(authority, Origin.REQUESTED, List.of());
        });
    }

    /// An authority that was made elsewhere, with its key.
    ///
    /// @param certificates its own and those above it, in any order
    /// @param pkcs8 DER PrivateKeyInfo; the caller wipes it
    /// @throws RefusedException where the key is not that of one of the certificates, or they make no
    ///     good chain
    public PreparedAuthority imported(TenantId tenant, String name, List<Certificate> certificates, byte[] pkcs8) {
        KeyHandle key = importKey(tenant.keySpace(), pkcs8);
        return discardingOnFailure(tenant, key, () -> {
            PublicKeyInfo publicKey = vault.publicKey(tenant.keySpace(), key);
            CertificateChain chain = CertificateChain.of(publicKey.encoded(), certificates, clock.instant());
            Authority authority = new Authority(
                    tenant,
                    newId(),
                    chain.above().isEmpty() ? Kind.ROOT : Kind.ISSUING,
                    State.ACTIVE,
                    Fields.name("name", name),
                    publicKey.algorithm(),
                    key,
                    null,
                    null,
                    chain.certificate(),
                    chain.above(),
                    now());
            return new PreparedAuthority(authority, Origin.IMPORTED, chain.all());
        });
    }

    /// Destroys the key of an authority that will not be stored after all.
    public void discard(PreparedAuthority prepared) {
        vault.destroy(
                prepared.authority().tenant().keySpace(), prepared.authority().key());
    }

    private PreparedAuthority prepared(
            TenantId tenant,
            Kind kind,
            NewAuthority wanted,
            KeyHandle key,
            @Nullable AuthorityId parent,
            Certificate certificate,
            List<Certificate> above) {
        Authority authority = new Authority(
                tenant,
                newId(),
                kind,
                State.ACTIVE,
                wanted.name(),
                wanted.algorithm(),
                key,
                parent,
                null,
                certificate,
                List.of(),
                now());
        return new PreparedAuthority(authority, Origin.ISSUED, PreparedAuthority.chain(certificate, above));
    }

    private Certificate issue(Issuance issuance, TenantId tenant, KeyHandle key, NewAuthority wanted, Signer issuer) {
        try {
            return issuance.grant(
                            request(tenant, key, wanted).prove(),
                            Map.of(),
                            SerialNumber.random(random),
                            clock.instant())
                    .lint()
                    .redeem(issuer);
        } catch (InvalidRequestException e) {
            throw new RefusedException(ErrorCode.CONFLICT, String.valueOf(e.getMessage()));
        }
    }

    private CertificateRequest request(TenantId tenant, KeyHandle key, NewAuthority wanted) {
        PublicKeyInfo publicKey = vault.publicKey(tenant.keySpace(), key);
        return CertificateRequest.create(
                wanted.subject(), publicKey, List.of(), signer(tenant, key, wanted.algorithm()));
    }

    private Signer signer(TenantId tenant, KeyHandle key, KeyAlgorithm algorithm) {
        return data -> vault.sign(tenant.keySpace(), key, algorithm.signatureAlgorithm(), data);
    }

    private static Issuance issuance(IssuingAuthority parent, CertificateProfile profile) {
        try {
            return Issuance.of(parent.certificate(), profile);
        } catch (InvalidCertificateException e) {
            throw new RefusedException(ErrorCode.CONFLICT, String.valueOf(e.getMessage()));
        }
    }

    /// `base` for one subject and one kind of key.
    private static CertificateProfile profile(
            CertificateProfile base, NewAuthority wanted, @Nullable Integer pathLength) {
        return new CertificateProfile(
                base.name(),
                base.kind(),
                literal(wanted.subject()),
                wanted.lifetime() == null ? base.lifetime() : wanted.lifetime(),
                base.backdate(),
                List.of(wanted.algorithm()),
                pathLength,
                base.keyUsages(),
                base.extendedKeyUsages(),
                base.alternativeNames(),
                base.locations(),
                base.requestedExtensions());
    }

    /// A template that says `name` and has no gaps.
    private static String literal(Name name) {
        return name.toString().replace("{", "\\{").replace("}", "\\}");
    }

    private KeyHandle importKey(KeySpace space, byte[] pkcs8) {
        try {
            return vault.importKey(space, pkcs8);
        } catch (VaultException e) {
            if (e.retryable()) {
                throw e;
            }
            throw Fields.invalid("privateKey", "is not accepted: " + e.getMessage());
        }
    }

    private interface Making {
        PreparedAuthority make();
    }

    private PreparedAuthority discardingOnFailure(TenantId tenant, KeyHandle key, Making making) {
        try {
            return making.make();
        } catch (RuntimeException e) {
            vault.destroy(tenant.keySpace(), key);
            throw e;
        }
    }

    private AuthorityId newId() {
        return new AuthorityId(TimeOrderedIds.next(clock.instant(), random));
    }

    private Instant now() {
        return clock.instant().truncatedTo(ChronoUnit.MICROS);
    }
}
