// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.endorsement;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.RecentValues;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.claim.TrustPurpose;
import dev.tegata.platform.claim.TrustedCertificates;
import dev.tegata.platform.store.Database;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;

/// The CAs that a tenant believes about keys that sign evidence. They are remembered for two seconds.
public final class AttestationTrust {
    private static final Duration REMEMBERED = Duration.ofSeconds(2);
    private static final int TENANTS = 1_000;

    private final Database database;
    private final TrustedCertificates trusted;
    private final RecentValues<TenantId, Anchors> recent;

    public AttestationTrust(Database database, TrustedCertificates trusted, InstantSource clock) {
        this.database = database;
        this.trusted = trusted;
        this.recent = new RecentValues<>(clock, REMEMBERED, TENANTS, this::load);
    }

    /// @param attesters of certificates that come with evidence: attestation CAs, DICE roots, CAs of
    ///     birth
    ///     certificates, and the tenant's own authorities
    /// @param tpmVendors of certificates of TPMs' endorsement keys
    public record Anchors(TrustAnchors attesters, TrustAnchors tpmVendors) {}

    public Anchors of(TenantId tenant) {
        return recent.get(tenant);
    }

    private Anchors load(TenantId tenant) {
        List<Certificate> attesters = new ArrayList<>(trusted.trustedFor(
                tenant, EnumSet.of(TrustPurpose.ATTESTATION_CA, TrustPurpose.DICE_ROOT, TrustPurpose.BIRTH_CA)));
        attesters.addAll(ownAuthorities(tenant));
        List<Certificate> vendors = trusted.trustedFor(tenant, EnumSet.of(TrustPurpose.TPM_VENDOR_CA));
        return new Anchors(TrustAnchors.of(attesters), TrustAnchors.of(vendors));
    }

    private List<Certificate> ownAuthorities(TenantId tenant) {
        return database
                .inTenant(
                        tenant,
                        tx -> tx.createQuery(
                                        "SELECT certificate FROM authority WHERE tenant_id = :tenant AND state = 'ACTIVE'")
                                .bind("tenant", tenant)
                                .mapTo(Bytes.class)
                                .list())
                .stream()
                .map(AttestationTrust::certificate)
                .toList();
    }

    private static Certificate certificate(Bytes encoded) {
        try {
            return Certificate.parse(encoded);
        } catch (InvalidCertificateException e) {
            throw new IntegrityException("a stored certificate cannot be read", e);
        }
    }
}
