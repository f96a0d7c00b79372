// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.status;

import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Database;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.OffsetDateTime;
import java.util.concurrent.ConcurrentHashMap;
import org.jdbi.v3.core.Handle;

/// Moves certificates of devices that have long expired out of the way of those that live: into a narrow
/// table that still knows their status, without their DER.
///
/// A certificate stays where it is as long as a device may come back with it (it is the device's current
/// one), as long as a revocation list names it, and for a month after its end.
public final class Retention {
    private static final Duration KEPT = Duration.ofDays(31);
    private static final Duration PAUSE = Duration.ofDays(1);
    private static final int STEP = 1_000;

    /// How many are looked at for a tenant before others have their turn.
    private static final int STEPS = 50;

    private final Database database;
    private final InstantSource clock;

    /// How far each tenant's certificates have been gone through, by their ends. Those that stay are not
    /// looked at again before the next day.
    private final ConcurrentHashMap<TenantId, Position> positions = new ConcurrentHashMap<>();

    public Retention(Database database, InstantSource clock) {
        this.database = database;
        this.clock = clock;
    }

    @SuppressWarnings("ArrayRecordComponent")
    private record Position(Instant notBefore, Instant end, byte[] serial) {
        static Position start(Instant notBefore) {
            return new Position(notBefore, Instant.EPOCH, new byte[0]);
        }
    }

    private record Step(int seen, int moved, Position next) {}

    /// Moves some of a tenant's expired certificates.
    ///
    /// @return how many
    public int run(TenantId tenant) {
        Instant now = clock.instant();
        int moved = 0;
        for (int i = 0; i < STEPS; i++) {
            Position from = positions.computeIfAbsent(tenant, _ -> Position.start(Instant.EPOCH));
            if (now.isBefore(from.notBefore())) {
                break;
            }
            Step step = database.inTenant(tenant, tx -> step(tx, tenant, from, now));
            moved += step.moved();
            positions.put(tenant, step.seen() < STEP ? Position.start(now.plus(PAUSE)) : step.next());
        }
        return moved;
    }

    private static Step step(Handle tx, TenantId tenant, Position from, Instant now) {
        return tx.createQuery("""
                        WITH seen AS (
                            SELECT not_after, serial_number FROM certificate
                            WHERE tenant_id = :tenant AND not_after < :before
                                AND (not_after, serial_number) > (:end, :serial)
                            ORDER BY not_after, serial_number LIMIT :limit),
                        gone AS (
                            DELETE FROM certificate c USING seen s
                            WHERE c.tenant_id = :tenant AND c.serial_number = s.serial_number
                                AND c.device_id IS NOT NULL
                                AND (c.revoked_at IS NULL OR c.not_after < (
                                    SELECT min(l.scheduled_at) FROM crl l WHERE l.tenant_id = :tenant
                                        AND l.authority_id = c.authority_id AND l.partition IN (0, c.crl_partition)))
                                AND NOT EXISTS (SELECT FROM device d WHERE d.tenant_id = :tenant
                                    AND d.device_id = c.device_id
                                    AND c.serial_number IN (d.certificate, d.parallel_certificate))
                            RETURNING c.*),
                        moved AS (
                            INSERT INTO certificate_archive (tenant_id, serial_number, authority_id, device_id,
                                not_before, not_after, issued_at, revoked_at, revocation_reason,
                                public_key_fingerprint, fingerprint)
                            SELECT tenant_id, serial_number, authority_id, device_id, not_before, not_after, issued_at,
                                revoked_at, revocation_reason, public_key_fingerprint, sha256(encoded)
                            FROM gone RETURNING 1)
                        SELECT (SELECT count(*) FROM seen), (SELECT count(*) FROM moved), last.not_after,
                            last.serial_number
                        FROM (VALUES (1)) one LEFT JOIN LATERAL (
                            SELECT * FROM seen ORDER BY not_after DESC, serial_number DESC LIMIT 1) last ON true""")
                .bind("tenant", tenant)
                .bind("before", now.minus(KEPT))
                .bind("end", from.end())
                .bind("serial", from.serial())
                .bind("limit", STEP)
                .map((row, context) -> {
                    OffsetDateTime end = row.getObject(3, OffsetDateTime.class);
                    Position next = end == null ? from : new Position(Instant.EPOCH, end.toInstant(), row.getBytes(4));
                    return new Step(row.getInt(1), row.getInt(2), next);
                })
                .one();
    }
}
