// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.order;

import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.InvalidRequestException;
import dev.tegata.pki.certificate.Issuance;
import dev.tegata.pki.certificate.KeyUsage;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.pki.key.KeySpace;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.Vault;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.authority.IssuingAuthority;
import dev.tegata.platform.fleet.IssuingFleet;
import dev.tegata.platform.store.Database;
import dev.tegata.protocol.SignedOrders;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;

/// Keys that sign orders and answers for the devices of a fleet. The fleet's issuing authority certifies
/// them for a month, for this and nothing else, so that devices verify them with the trust anchors that
/// they hold.
///
/// A certificate is made anew ten days before its end, and where the authority has another certificate by
/// now.
public final class OrderSigners {
    private static final Duration AHEAD = Duration.ofDays(10);
    private static final int MAX_CACHED = 10_000;
    private static final CertificateProfile PROFILE = new CertificateProfile(
            "order-signing",
            CertificateProfile.Kind.DEVICE,
            "CN=Order signing",
            "P30D",
            "PT1H",
            List.of(KeyAlgorithm.EC_P256),
            null,
            List.of(KeyUsage.DIGITAL_SIGNATURE),
            List.of(SignedOrders.PURPOSE.toString()),
            List.of(),
            CertificateProfile.Locations.NONE,
            CertificateProfile.RequestedExtensions.IGNORE);

    private final Database database;
    private final Vault vault;
    private final AuditLog audit;
    private final InstantSource clock;
    private final SecureRandom random;
    private final ConcurrentHashMap<AuthorityId, OrderSigner> cached = new ConcurrentHashMap<>();

    public OrderSigners(Database database, Vault vault, AuditLog audit, InstantSource clock, SecureRandom random) {
        this.database = database;
        this.vault = vault;
        this.audit = audit;
        this.clock = clock;
        this.random = random;
    }

    /// A key, and the certificates that lead from it to a trust anchor, which is left out.
    public record OrderSigner(Certificate certificate, Signer signer, List<Bytes> chain) {}

    /// The signer for a fleet's devices. Not to be called inside a transaction.
    public OrderSigner of(IssuingFleet fleet) {
        IssuingAuthority authority = fleet.authority();
        OrderSigner known = cached.get(authority.id());
        if (known != null && isGood(known, authority)) {
            return known;
        }
        if (cached.size() >= MAX_CACHED) {
            cached.clear();
        }
        return cached.compute(authority.id(), (_, old) -> old != null && isGood(old, authority) ? old : load(fleet));
    }

    /// The way to a trust anchor changes where a root is being replaced.
    private boolean isGood(OrderSigner known, IssuingAuthority authority) {
        return isGood(known.certificate(), authority) && known.chain().equals(chain(known.certificate(), authority));
    }

    private static List<Bytes> chain(Certificate certificate, IssuingAuthority authority) {
        return Stream.concat(Stream.of(certificate), authority.path().stream())
                .map(Certificate::encoded)
                .toList();
    }

    private boolean isGood(Certificate certificate, IssuingAuthority authority) {
        Instant now = clock.instant();
        // An authority that ends soon can certify nothing that lasts longer: its last signer is used to the end.
        Instant renewal = authority.certificate().validity().notAfter().isBefore(now.plus(AHEAD.multipliedBy(2)))
                ? certificate.validity().notAfter()
                : certificate.validity().notAfter().minus(AHEAD);
        return now.isBefore(renewal)
                && certificate.issuer().equals(authority.certificate().subject())
                && certificate
                        .authorityKeyIdentifier()
                        .equals(authority.certificate().subjectKeyIdentifier());
    }

    private record Stored(KeyHandle key, Certificate certificate) {}

    private OrderSigner load(IssuingFleet fleet) {
        IssuingAuthority authority = fleet.authority();
        Optional<Stored> stored = stored(fleet.tenant(), authority.id());
        if (stored.isPresent() && isGood(stored.get().certificate(), authority)) {
            return signer(authority, stored.get());
        }
        // A key that was good so far stays in use: only its certificate is short-lived.
        KeyHandle key =
                stored.map(Stored::key).orElseGet(() -> vault.generate(authority.space(), KeyAlgorithm.EC_P256));
        Stored made = new Stored(key, issue(fleet, key));
        store(fleet.tenant(), authority, made);
        return signer(authority, made);
    }

    private OrderSigner signer(IssuingAuthority authority, Stored stored) {
        KeySpace space = authority.space();
        PublicKeyInfo publicKey = vault.publicKey(space, stored.key());
        return new OrderSigner(
                stored.certificate(),
                new Signer(
                        publicKey,
                        data -> vault.sign(
                                space, stored.key(), publicKey.algorithm().signatureAlgorithm(), data)),
                chain(stored.certificate(), authority));
    }

    private Certificate issue(IssuingFleet fleet, KeyHandle key) {
        IssuingAuthority authority = fleet.authority();
        PublicKeyInfo publicKey = vault.publicKey(authority.space(), key);
        CertificateRequest request = CertificateRequest.create(
                Name.EMPTY,
                publicKey,
                List.of(),
                data -> vault.sign(authority.space(), key, publicKey.algorithm().signatureAlgorithm(), data));
        try {
            return Issuance.of(authority.certificate(), PROFILE)
                    .grant(request.prove(), Map.of(), SerialNumber.random(random), clock.instant())
                    .lint()
                    .redeem(authority.signer(vault));
        } catch (InvalidCertificateException | InvalidRequestException e) {
            throw new RefusedException(ErrorCode.AUTHORITY_NOT_READY, String.valueOf(e.getMessage()));
        }
    }

    private Optional<Stored> stored(TenantId tenant, AuthorityId authority) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                SELECT key_handle, encoded FROM order_signer
                                WHERE tenant_id = :tenant AND authority_id = :authority
                                ORDER BY created_at DESC LIMIT 1""")
                        .bind("tenant", tenant)
                        .bind("authority", authority)
                        .map((row, _) -> new Stored(
                                new KeyHandle(row.getString("key_handle")), parse(Bytes.of(row.getBytes("encoded")))))
                        .findOne());
    }

    private void store(TenantId tenant, IssuingAuthority authority, Stored made) {
        Certificate certificate = made.certificate();
        database.inTenant(tenant, tx -> {
            tx.createUpdate("""
                            WITH listed AS (
                                INSERT INTO certificate (tenant_id, serial_number, authority_id, public_key_fingerprint,
                                    not_before, not_after, issued_at, encoded)
                                VALUES (:tenant, :serial, :authority, :fingerprint, :notBefore, :notAfter, :now,
                                    :encoded))
                            INSERT INTO order_signer (tenant_id, serial_number, authority_id, key_handle, encoded,
                                created_at)
                            VALUES (:tenant, :serial, :authority, :key, :encoded, :now)""")
                    .bind("tenant", tenant)
                    .bind("serial", certificate.serial().content())
                    .bind("authority", authority.id())
                    .bind("fingerprint", certificate.publicKeyEncoded().sha256())
                    .bind("notBefore", certificate.validity().notBefore())
                    .bind("notAfter", certificate.validity().notAfter())
                    .bind("now", clock.instant())
                    .bind("encoded", certificate.encoded())
                    .bind("key", made.key().id())
                    .execute();
            audit.append(
                    tx,
                    tenant,
                    List.of(new AuditEvent(
                            Actor.system("orders"),
                            "order-signer.certified",
                            "authority:" + authority.id(),
                            Map.of(
                                    "serialNumber", certificate.serial().hex(),
                                    "publicKey",
                                            certificate
                                                    .publicKeyEncoded()
                                                    .sha256()
                                                    .hex(),
                                    "notAfter", certificate.validity().notAfter()))));
            return null;
        });
    }

    private static Certificate parse(Bytes encoded) {
        try {
            return Certificate.parse(encoded);
        } catch (InvalidCertificateException e) {
            throw new IntegrityException("the certificate of an order signer cannot be read", e);
        }
    }
}
