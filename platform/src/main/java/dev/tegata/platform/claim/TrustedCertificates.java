// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.store.Database;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jdbi.v3.core.Handle;

/// The manifest signers and birth CAs that a tenant trusts beside the built-in ones.
public final class TrustedCertificates {
    private static final int MAX_PER_TENANT = 1000;

    private final Database database;
    private final AuditLog audit;
    private final InstantSource clock;

    public TrustedCertificates(Database database, AuditLog audit, InstantSource clock) {
        this.database = database;
        this.audit = audit;
        this.clock = clock;
    }

    /// Trusts a certificate for a purpose. Trusting it once more changes nothing.
    ///
    /// @param name what people call it; where empty, its subject
    /// @throws RefusedException where the certificate does not fit the purpose
    public TrustedCertificate add(
            TenantId tenant, Actor actor, TrustPurpose purpose, String name, Certificate certificate) {
        return add(tenant, actor, purpose, name, certificate, false);
    }

    /// As [#add], where `statusRequired` says whether birth and TPM certificates that lead to it are
    /// refused while it is not known whether they are revoked; of a signer of manifests, whether it is
    /// itself.
    public TrustedCertificate add(
            TenantId tenant,
            Actor actor,
            TrustPurpose purpose,
            String name,
            Certificate certificate,
            boolean statusRequired) {
        check(purpose, certificate);
        if (statusRequired && (purpose == TrustPurpose.ATTESTATION_CA || purpose == TrustPurpose.DICE_ROOT)) {
            throw Fields.invalid(
                    "statusRequired",
                    "is for birth CAs, TPM vendors and signers of manifests: elsewhere a policy says it");
        }
        String shown = Texts.quoted(name.isBlank() ? certificate.subject().toString() : name.strip());
        return database.inTenant(tenant, tx -> {
            audit.takeTurn(tx, tenant);
            int added = tx.createUpdate("""
                            INSERT INTO trusted_certificate
                                (tenant_id, purpose, fingerprint, name, certificate, status_required, created_at)
                            SELECT :tenant, :purpose, :fingerprint, :name, :certificate, :required, :now
                            WHERE (SELECT count(*) FROM trusted_certificate WHERE tenant_id = :tenant) < :limit
                            ON CONFLICT DO NOTHING""")
                    .bind("tenant", tenant)
                    .bind("purpose", purpose.name())
                    .bind("fingerprint", certificate.fingerprint())
                    .bind("name", shown)
                    .bind("certificate", certificate.encoded())
                    .bind("required", statusRequired)
                    .bind("now", clock.instant())
                    .bind("limit", MAX_PER_TENANT)
                    .execute();
            if (added == 1) {
                audit.append(tx, tenant, List.of(event(actor, "trust.added", purpose, certificate)));
            }
            return select(tx, tenant).stream()
                    .filter(trusted -> trusted.purpose() == purpose
                            && trusted.certificate().equals(certificate))
                    .findFirst()
                    .orElseThrow(() -> new RefusedException(
                            ErrorCode.CONFLICT,
                            "no more than " + MAX_PER_TENANT + " certificates can be trusted: remove one first"));
        });
    }

    private static void check(TrustPurpose purpose, Certificate certificate) {
        PublicKeyInfo key;
        try {
            key = certificate.publicKey();
        } catch (InvalidKeyInfoException e) {
            throw new RefusedException(ErrorCode.INVALID_FIELD, String.valueOf(e.getMessage()));
        }
        switch (purpose) {
            case MANIFEST_SIGNER -> {
                if (key.algorithm() != KeyAlgorithm.EC_P256) {
                    throw new RefusedException(ErrorCode.INVALID_FIELD, "a manifest signer has a P-256 key");
                }
            }
            case BIRTH_CA, ATTESTATION_CA, TPM_VENDOR_CA, DICE_ROOT -> {
                if (!certificate.isAuthority()) {
                    throw new RefusedException(
                            ErrorCode.INVALID_FIELD,
                            "the certificate of '"
                                    + Texts.quoted(certificate.subject().toString())
                                    + "' is not one of a CA: its basic constraints do not say so");
                }
            }
        }
    }

    /// What the tenant trusts, by purpose and fingerprint.
    public Page<TrustedCertificate> list(TenantId tenant, Page.Request page) {
        return database.inTenant(tenant, tx -> {
            List<TrustedCertificate> rows = tx.createQuery("""
                            SELECT * FROM trusted_certificate
                            WHERE tenant_id = :tenant AND purpose || encode(fingerprint, 'hex') > :after
                            ORDER BY purpose || encode(fingerprint, 'hex') LIMIT :limit""")
                    .bind("tenant", tenant)
                    .bind("after", page.after(id -> id, ""))
                    .bind("limit", page.limit() + 1)
                    .map((row, context) -> trusted(row))
                    .list();
            return Page.of(
                    rows,
                    page,
                    trusted -> trusted.purpose().name()
                            + trusted.certificate().fingerprint().hex());
        });
    }

    /// The CAs whose birth certificates the tenant accepts; the built-in ones are not among them.
    public List<Certificate> birthAuthorities(TenantId tenant) {
        return trustedFor(tenant, EnumSet.of(TrustPurpose.BIRTH_CA));
    }

    /// What the tenant trusts for any of these purposes.
    public List<Certificate> trustedFor(TenantId tenant, Set<TrustPurpose> purposes) {
        return database.inTenant(tenant, tx -> select(tx, tenant)).stream()
                .filter(trusted -> purposes.contains(trusted.purpose()))
                .map(TrustedCertificate::certificate)
                .toList();
    }

    /// Ends the trust in a certificate. What was claimed through it stays claimed.
    ///
    /// @param fingerprint SHA-256 of the DER
    /// @throws RefusedException where it is not trusted for this
    public void remove(TenantId tenant, Actor actor, TrustPurpose purpose, Bytes fingerprint) {
        database.inTenant(tenant, tx -> {
            TrustedCertificate removed = tx.createQuery("""
                            DELETE FROM trusted_certificate
                            WHERE tenant_id = :tenant AND purpose = :purpose AND fingerprint = :fingerprint
                            RETURNING *""")
                    .bind("tenant", tenant)
                    .bind("purpose", purpose.name())
                    .bind("fingerprint", fingerprint)
                    .map((row, context) -> trusted(row))
                    .findOne()
                    .orElseThrow(() -> new RefusedException(
                            ErrorCode.NOT_FOUND, "no such certificate is trusted: " + fingerprint.hex()));
            audit.append(tx, tenant, List.of(event(actor, "trust.removed", purpose, removed.certificate())));
            return removed;
        });
    }

    /// Whom an import of this tenant believes.
    Trust trust(TenantId tenant) {
        List<Signer> signers = new ArrayList<>(Signer.BUILT_IN);
        List<BirthChains.Anchor> anchors = new ArrayList<>(BirthChains.BUILT_IN);
        for (TrustedCertificate trusted : database.inTenant(tenant, tx -> believed(tx, tenant))) {
            try {
                switch (trusted.purpose()) {
                    case MANIFEST_SIGNER -> signers.add(Signer.of(trusted.certificate()));
                    case BIRTH_CA -> anchors.add(BirthChains.Anchor.of(trusted.certificate()));
                    case ATTESTATION_CA, TPM_VENDOR_CA, DICE_ROOT -> {
                        // These say nothing about manifests.
                    }
                }
            } catch (InvalidKeyInfoException e) {
                throw new IntegrityException("a trusted certificate of " + tenant + " has an unusable key", e);
            }
        }
        return new Trust(signers, anchors);
    }

    /// All but signers of manifests that the CA above them has revoked, where that CA is trusted, too, and
    /// those whose status is not known and must be.
    private List<TrustedCertificate> believed(Handle tx, TenantId tenant) {
        List<TrustedCertificate> all = select(tx, tenant);
        List<Certificate> authorities = all.stream()
                .filter(each -> each.purpose() != TrustPurpose.MANIFEST_SIGNER)
                .map(TrustedCertificate::certificate)
                .toList();
        return all.stream()
                .filter(each -> each.purpose() != TrustPurpose.MANIFEST_SIGNER
                        || switch (status(tx, tenant, each.certificate(), authorities)) {
                            case GOOD -> true;
                            case REVOKED -> false;
                            case UNKNOWN -> !each.statusRequired();
                        })
                .toList();
    }

    private ForeignStatus status(Handle tx, TenantId tenant, Certificate certificate, List<Certificate> authorities) {
        boolean revocable = !certificate.locations().crls().isEmpty()
                || !certificate.locations().ocsp().isEmpty();
        return authorities.stream()
                .filter(authority -> isBy(certificate, authority))
                .findFirst()
                .map(authority -> ForeignStatus.of(tx, tenant, List.of(certificate, authority), clock.instant()))
                .orElse(revocable ? ForeignStatus.UNKNOWN : ForeignStatus.GOOD);
    }

    private static boolean isBy(Certificate certificate, Certificate authority) {
        try {
            return certificate.issuer().equals(authority.subject()) && certificate.isSignedBy(authority.publicKey());
        } catch (InvalidKeyInfoException e) {
            return false;
        }
    }

    private static List<TrustedCertificate> select(Handle tx, TenantId tenant) {
        return tx.createQuery("SELECT * FROM trusted_certificate WHERE tenant_id = :tenant")
                .bind("tenant", tenant)
                .map((row, context) -> trusted(row))
                .list();
    }

    private static TrustedCertificate trusted(ResultSet row) throws SQLException {
        try {
            return new TrustedCertificate(
                    TrustPurpose.valueOf(row.getString("purpose")),
                    row.getString("name"),
                    Certificate.parse(Bytes.of(row.getBytes("certificate"))),
                    row.getBoolean("status_required"),
                    row.getTimestamp("created_at").toInstant());
        } catch (InvalidCertificateException e) {
            throw new IntegrityException("a stored certificate cannot be read", e);
        }
    }

    private static AuditEvent event(Actor actor, String action, TrustPurpose purpose, Certificate certificate) {
        return new AuditEvent(
                actor,
                action,
                "trusted-certificate:" + certificate.fingerprint().hex(),
                Map.of("purpose", purpose, "certificate", certificate.subject()));
    }
}
