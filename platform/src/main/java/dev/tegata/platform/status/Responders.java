// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.status;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.InvalidRequestException;
import dev.tegata.pki.certificate.Issuance;
import dev.tegata.pki.certificate.LintException;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.Vault;
import dev.tegata.pki.status.OcspResponder;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.platform.authority.IssuingAuthority;
import dev.tegata.platform.store.Database;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// The delegated OCSP responders of authorities. Their certificates live two weeks, since nobody asks
/// whether they were revoked (`id-pkix-ocsp-nocheck`), and are renewed when half of that is over.
///
/// Several nodes may renew at the same moment: then there are two, and either is good.
public final class Responders {
    static final Duration LIFETIME = Duration.ofDays(14);
    private static final Actor SELF = Actor.system("status");

    /// How long a responder's key is kept after its certificate has ended: an answer may be under way.
    private static final Duration KEPT = Duration.ofHours(1);

    private final Database database;
    private final Authorities authorities;
    private final AuditLog auditLog;
    private final Vault vault;
    private final InstantSource clock;
    private final SecureRandom random;

    public Responders(
            Database database,
            Authorities authorities,
            AuditLog auditLog,
            Vault vault,
            InstantSource clock,
            SecureRandom random) {
        this.database = database;
        this.authorities = authorities;
        this.auditLog = auditLog;
        this.vault = vault;
        this.clock = clock;
        this.random = random;
    }

    /// A responder that is ready to sign.
    ///
    /// @param renewAt when the next one is to be made
    record Ready(OcspResponder responder, Instant renewAt) {
        Certificate certificate() {
            return responder.certificate();
        }

        boolean isValid(Instant now) {
            return certificate().validity().contains(now);
        }
    }

    private record Row(KeyHandle key, Certificate certificate) {}

    /// The certificate of the responder that answers now; empty where none has been made yet.
    Optional<Certificate> certificate(TenantId tenant, AuthorityId authority) {
        return newest(tenant, authority).map(Row::certificate);
    }

    /// The authority's responder, made anew where there is none that is valid, or half of its time is over.
    /// Where a new one cannot be made, the old one goes on as long as it is valid.
    ///
    /// @throws RefusedException where there is no such authority, or it cannot have a responder
    Ready ready(TenantId tenant, AuthorityId id) {
        IssuingAuthority authority = authorities.forStatus(tenant, id);
        Instant now = clock.instant();
        Optional<Row> newest =
                newest(tenant, id).filter(row -> row.certificate().validity().contains(now));
        if (newest.isPresent() && now.isBefore(renewAt(newest.get().certificate()))) {
            return open(authority, newest.get());
        }
        try {
            return open(authority, make(tenant, authority, now));
        } catch (RuntimeException e) {
            if (newest.isPresent()) {
                return open(authority, newest.get());
            }
            throw e;
        }
    }

    private static Instant renewAt(Certificate certificate) {
        Instant begin = certificate.validity().notBefore();
        return begin.plus(
                Duration.between(begin, certificate.validity().notAfter()).dividedBy(2));
    }

    private Ready open(IssuingAuthority authority, Row row) {
        SignatureAlgorithm algorithm;
        try {
            algorithm = row.certificate().publicKey().algorithm().signatureAlgorithm();
            OcspResponder responder = new OcspResponder(
                    authority.certificate(),
                    row.certificate(),
                    data -> vault.sign(authority.space(), row.key(), algorithm, data));
            return new Ready(responder, renewAt(row.certificate()));
        } catch (InvalidCertificateException | dev.tegata.pki.key.InvalidKeyInfoException e) {
            throw new IntegrityException("a responder of authority " + authority.id() + " cannot be used", e);
        }
    }

    private Optional<Row> newest(TenantId tenant, AuthorityId authority) {
        Instant now = clock.instant();
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                SELECT key_handle, certificate FROM ocsp_responder
                                WHERE tenant_id = :tenant AND authority_id = :authority
                                ORDER BY not_before <= :now DESC, not_after DESC LIMIT 1""")
                        .bind("tenant", tenant)
                        .bind("authority", authority)
                        .bind("now", now)
                        .map((row, context) ->
                                new Row(new KeyHandle(row.getString(1)), read(Bytes.of(row.getBytes(2)))))
                        .findOne());
    }

    private static Certificate read(Bytes encoded) {
        try {
            return Certificate.parse(encoded);
        } catch (InvalidCertificateException e) {
            throw new IntegrityException("a stored certificate cannot be read", e);
        }
    }

    private Row make(TenantId tenant, IssuingAuthority authority, Instant now) {
        if (!authority.certificate().validity().contains(now)) {
            throw refused("its certificate is not valid");
        }
        // Whoever verifies the authority's signatures can verify these, and whoever breaks a weaker kind of key
        // cannot answer for a stronger one.
        KeyAlgorithm algorithm = switch (authority.algorithm()) {
            case RSA_2048, RSA_3072, RSA_4096 -> KeyAlgorithm.RSA_2048;
            case EC_P256, EC_P384 -> KeyAlgorithm.EC_P256;
            case ED25519, ML_DSA_44, ML_DSA_65, ML_DSA_87 -> authority.algorithm();
        };
        KeyHandle key = vault.generate(authority.space(), algorithm);
        try {
            Row made = new Row(key, issue(authority, key, algorithm, now));
            return database.inTenant(tenant, tx -> store(tx, tenant, authority.id(), made, now));
        } catch (RuntimeException e) {
            vault.destroy(authority.space(), key);
            throw e;
        }
    }

    private Certificate issue(IssuingAuthority authority, KeyHandle key, KeyAlgorithm algorithm, Instant now) {
        Name subject = Name.parse("CN=OCSP responder");
        CertificateRequest request = CertificateRequest.create(
                subject,
                vault.publicKey(authority.space(), key),
                List.of(),
                data -> vault.sign(authority.space(), key, algorithm.signatureAlgorithm(), data));
        CertificateProfile profile = CertificateProfile.ocspResponder()
                .withSubject(subject.toString())
                .withLifetime(LIFETIME.toString());
        try {
            return Issuance.of(authority.certificate(), profile)
                    .grant(request.prove(), Map.of(), SerialNumber.random(random), now)
                    .lint()
                    .redeem(authority.signer(vault));
        } catch (InvalidCertificateException | InvalidRequestException | LintException e) {
            throw refused(e.getMessage());
        }
    }

    private static RefusedException refused(@Nullable String why) {
        return new RefusedException(
                ErrorCode.AUTHORITY_NOT_READY, "the authority cannot have an OCSP responder: " + why);
    }

    private Row store(Handle tx, TenantId tenant, AuthorityId authority, Row made, Instant now) {
        Certificate certificate = made.certificate();
        tx.createUpdate("""
                        INSERT INTO ocsp_responder (tenant_id, authority_id, serial_number, key_handle, certificate,
                            not_before, not_after)
                        VALUES (:tenant, :authority, :serial, :key, :encoded, :notBefore, :notAfter)""")
                .bind("tenant", tenant)
                .bind("authority", authority)
                .bind("serial", certificate.serial().content())
                .bind("key", made.key().id())
                .bind("encoded", certificate.encoded())
                .bind("notBefore", certificate.validity().notBefore())
                .bind("notAfter", certificate.validity().notAfter())
                .execute();
        tx.createUpdate("""
                        INSERT INTO certificate (tenant_id, serial_number, authority_id, public_key_fingerprint,
                            not_before, not_after, issued_at, encoded)
                        VALUES (:tenant, :serial, :authority, :key, :notBefore, :notAfter, :now, :encoded)""")
                .bind("tenant", tenant)
                .bind("serial", certificate.serial().content())
                .bind("authority", authority)
                .bind("key", certificate.publicKeyEncoded().sha256())
                .bind("notBefore", certificate.validity().notBefore())
                .bind("notAfter", certificate.validity().notAfter())
                .bind("now", now)
                .bind("encoded", certificate.encoded())
                .execute();
        auditLog.append(
                tx,
                tenant,
                List.of(new AuditEvent(
                        SELF,
                        "responder.certified",
                        "authority:" + authority,
                        Map.of(
                                "serialNumber",
                                certificate.serial().hex(),
                                "notAfter",
                                certificate.validity().notAfter().toString()))));
        return made;
    }

    /// Destroys the keys of responders whose certificates have ended.
    void removeEnded(TenantId tenant, AuthorityId authority) {
        Instant before = clock.instant().minus(KEPT);
        List<KeyHandle> ended = database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                DELETE FROM ocsp_responder WHERE tenant_id = :tenant AND authority_id = :authority
                                    AND not_after < :before RETURNING key_handle""")
                        .bind("tenant", tenant)
                        .bind("authority", authority)
                        .bind("before", before)
                        .mapTo(String.class)
                        .map(KeyHandle::new)
                        .list());
        ended.forEach(key -> vault.destroy(tenant.keySpace(), key));
    }
}
