// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import dev.tegata.attestation.appraisal.Trust;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.Extension;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Database;
import java.util.List;
import java.util.Optional;

/// What is known about the revocation of certificates that come with evidence.
///
/// Of those that we issued, everything; one that is on hold until its device proves itself is good for
/// just that. Of others, that a certificate which names neither a CRL nor an OCSP
/// responder is of a CA that revokes nothing; about one that does, nothing is known, and that is a refusal.
final class KnownRevocation implements Trust.Revocation {
    /// The access method OCSP (RFC 5280 §4.2.2.1) in DER.
    private static final String OCSP = "06082b06010505073001";

    private final Database database;
    private final TenantId tenant;

    KnownRevocation(Database database, TenantId tenant) {
        this.database = database;
        this.tenant = tenant;
    }

    @Override
    public Status of(List<Certificate> path) {
        for (Certificate certificate : path.subList(0, Math.max(path.size() - 1, 0))) {
            Status status =
                    ofOurs(certificate).orElseGet(() -> isRevocable(certificate) ? Status.UNKNOWN : Status.GOOD);
            if (status != Status.GOOD) {
                return status;
            }
        }
        return Status.GOOD;
    }

    private Optional<Status> ofOurs(Certificate certificate) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                        SELECT c.revoked_at IS NOT NULL AND NOT (c.revocation_reason = 6 AND EXISTS (
                            SELECT FROM device d WHERE d.tenant_id = c.tenant_id AND d.device_id = c.device_id
                                AND d.state = 'SUSPENDED' AND d.suspended_until_good))
                        FROM certificate c
                        WHERE c.tenant_id = :tenant AND c.serial_number = :serial AND c.encoded = :encoded
                        UNION ALL
                        SELECT revoked_at IS NOT NULL FROM certificate_archive
                        WHERE tenant_id = :tenant AND serial_number = :serial AND fingerprint = sha256(:encoded)""")
                        .bind("tenant", tenant)
                        .bind("serial", certificate.serial().content())
                        .bind("encoded", certificate.encoded())
                        .mapTo(Boolean.class)
                        .findOne()
                        .map(revoked -> revoked ? Status.REVOKED : Status.GOOD));
    }

    private static boolean isRevocable(Certificate certificate) {
        Optional<Bytes> access =
                certificate.extension(Extension.AUTHORITY_INFORMATION_ACCESS).map(Extension::value);
        return certificate.extension(Extension.CRL_DISTRIBUTION_POINTS).isPresent()
                || access.filter(value -> value.hex().contains(OCSP)).isPresent();
    }
}
