// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import dev.tegata.platform.PeriodicWork;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.endorsement.EndorsementStore;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.tenant.Tenants;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;

/// Once a minute: notes what endorsements began or ceased to hold by their dates, and clears away exchanges
/// that are over. Each node does so; what one has done, the others find done.
public final class VerificationUpkeep implements AutoCloseable {
    private static final Duration PAUSE = Duration.ofMinutes(1);
    /// A nonce that a caller chose must not come twice, so nonces are kept for a while.
    private static final Duration NONCES_KEPT = Duration.ofDays(1);
    private static final int AT_ONCE = 10_000;

    private final Database database;
    private final Tenants tenants;
    private final EndorsementStore endorsements;
    private final InstantSource clock;
    private final PeriodicWork work;

    public VerificationUpkeep(Database database, Tenants tenants, EndorsementStore endorsements, InstantSource clock) {
        this.database = database;
        this.tenants = tenants;
        this.endorsements = endorsements;
        this.clock = clock;
        this.work = PeriodicWork.start("verification-upkeep", PAUSE, this::run);
    }

    /// Does what is due in all tenants.
    public void run() {
        tenants.forEachId(this::run);
    }

    private void run(TenantId tenant) {
        endorsements.noteDates(tenant);
        Instant now = clock.instant();
        delete(tenant, "verification_session", "session_id", now);
        delete(tenant, "key_activation", "activation_id", now);
        delete(tenant, "nonce", "nonce", now.minus(NONCES_KEPT));
    }

    private void delete(TenantId tenant, String table, String key, Instant before) {
        String sql = """
                DELETE FROM %1$s WHERE tenant_id = :tenant AND %2$s = ANY (ARRAY(
                    SELECT %2$s FROM %1$s WHERE tenant_id = :tenant AND expires_at < :before
                    ORDER BY expires_at LIMIT :limit))""".formatted(table, key);
        int deleted;
        do {
            deleted = database.inTenant(
                    tenant,
                    tx -> tx.createUpdate(sql)
                            .bind("tenant", tenant)
                            .bind("before", before)
                            .bind("limit", AT_ONCE)
                            .execute());
        } while (deleted == AT_ONCE);
    }

    @Override
    public void close() {
        work.close();
    }
}
