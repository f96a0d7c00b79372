// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import dev.tegata.attestation.appraisal.Trust;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.claim.ForeignStatus;
import dev.tegata.platform.claim.StatusLook;
import dev.tegata.platform.store.Database;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.jdbi.v3.core.Handle;

/// What is known about the revocation of certificates that come with evidence: of those that we issued,
/// everything; of others, what the lists say that the tenant has brought in.
final class KnownRevocation implements Trust.Revocation {
    private final Database database;
    private final TenantId tenant;
    private final Instant now;
    private final boolean acceptsUnknown;
    private final StatusLook look;

    /// @param acceptsUnknown whether the policy puts up with not knowing
    KnownRevocation(Database database, TenantId tenant, Instant now, boolean acceptsUnknown, StatusLook look) {
        this.database = database;
        this.tenant = tenant;
        this.now = now;
        this.acceptsUnknown = acceptsUnknown;
        this.look = look;
    }

    @Override
    public Status of(List<Certificate> path) {
        Status known = known(path);
        // Evidence is judged once: a device would be out for hours because nobody had asked about it before. Where a
        // list is not to be had the responder is asked.
        for (int looks = 0; known == Status.UNKNOWN && looks < 2; looks++) {
            look.now(tenant);
            known = known(path);
        }
        return known;
    }

    private Status known(List<Certificate> path) {
        return database.inTenant(tenant, tx -> {
            Status worst = Status.GOOD;
            for (int at = 0; at + 1 < path.size() && worst != Status.REVOKED; at++) {
                Certificate certificate = path.get(at);
                List<Certificate> rest = path.subList(at, path.size());
                Status status = ofOurs(tx, certificate)
                        .orElseGet(() -> switch (ForeignStatus.of(tx, tenant, rest, now)) {
                            case GOOD -> Status.GOOD;
                            case REVOKED -> Status.REVOKED;
                            case UNKNOWN -> acceptsUnknown ? Status.GOOD : Status.UNKNOWN;
                        });
                worst = status == Status.GOOD ? worst : status;
            }
            return worst;
        });
    }

    private Optional<Status> ofOurs(Handle tx, Certificate certificate) {
        return tx.createQuery("""
                        SELECT revoked_at IS NOT NULL FROM certificate
                        WHERE tenant_id = :tenant AND serial_number = :serial AND encoded = :encoded
                        UNION ALL
                        SELECT revoked_at IS NOT NULL FROM certificate_archive
                        WHERE tenant_id = :tenant AND serial_number = :serial AND fingerprint = sha256(:encoded)""")
                .bind("tenant", tenant)
                .bind("serial", certificate.serial().content())
                .bind("encoded", certificate.encoded())
                .mapTo(Boolean.class)
                .findOne()
                .map(revoked -> revoked ? Status.REVOKED : Status.GOOD);
    }
}
