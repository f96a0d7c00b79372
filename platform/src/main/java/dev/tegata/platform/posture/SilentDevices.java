// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.posture;

import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.fleet.Fleets;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.OptionalLong;
import java.util.UUID;
import org.jdbi.v3.core.Handle;

/// Gives a posture to devices that have never shown evidence, in fleets that draw consequences: silence is
/// not good.
///
/// Implementation notes:
/// - When a fleet's policy changes, its devices are looked at once, in the order of their ids (`posture_watch.walked`).
///   Whoever is activated later is found in the tenant's events, which have no gaps and follow the order of commits: so
///   nothing is missed, nothing is written when a device enrols, and a round costs what has happened since the last.
/// - `event_reader` says how far the events were read. Its row is the lock between nodes.
final class SilentDevices {
    private static final int AT_ONCE = 1_000;
    private static final UUID FIRST = new UUID(0, 0);
    private static final String READER = "posture";

    /// `w.since` and the device's activation, whichever is later.
    private static final String ADD = """
            INSERT INTO device_posture (tenant_id, device_id, fleet_id, status, vector, reasons, release, boot_epoch,
                judged_at, changed_at, bad_since, step_due)
            SELECT d.tenant_id, d.device_id, d.fleet_id, 'NONE', '{}', '{"list": []}', '', '', :now, s.since, s.since,
                s.since + w.grace
            FROM device d JOIN posture_watch w ON w.tenant_id = d.tenant_id AND w.fleet_id = d.fleet_id
                CROSS JOIN LATERAL (SELECT greatest(w.since, d.activated_at) AS since) s
            WHERE d.tenant_id = :tenant AND d.device_id = ANY (:devices) AND d.state IN ('ACTIVE', 'SUSPENDED')
                AND d.activated_at IS NOT NULL AND NOT EXISTS (SELECT FROM device_posture p
                    WHERE p.tenant_id = d.tenant_id AND p.device_id = d.device_id)
            ON CONFLICT (tenant_id, device_id) DO NOTHING""";

    private final InstantSource clock;

    SilentDevices(InstantSource clock) {
        this.clock = clock;
    }

    /// Looks at some devices, as a transaction of its own.
    ///
    /// @return whether there are more
    boolean look(Handle tx, TenantId tenant) {
        List<FleetId> watched = tx.createQuery("SELECT fleet_id FROM posture_watch WHERE tenant_id = :tenant")
                .bind("tenant", tenant)
                .mapTo(FleetId.class)
                .list();
        if (watched.isEmpty()) {
            tx.createUpdate("DELETE FROM event_reader WHERE tenant_id = :tenant AND reader = :reader")
                    .bind("tenant", tenant)
                    .bind("reader", READER)
                    .execute();
            return false;
        }
        OptionalLong read = lockReader(tx, tenant);
        if (read.isEmpty()) {
            begin(tx, tenant);
            return true;
        }
        return readEvents(tx, tenant, read.getAsLong()) | walk(tx, tenant);
    }

    private static OptionalLong lockReader(Handle tx, TenantId tenant) {
        return tx.createQuery("""
                        SELECT sequence FROM event_reader WHERE tenant_id = :tenant AND reader = :reader FOR UPDATE""").bind("tenant", tenant).bind("reader", READER).mapTo(Long.class).findOne().stream()
                .mapToLong(Long::longValue)
                .findFirst();
    }

    /// Reads from here on. What was before is seen by looking at all devices.
    private static void begin(Handle tx, TenantId tenant) {
        tx.createUpdate("""
                        INSERT INTO event_reader (tenant_id, reader, sequence, due_at)
                        SELECT tenant_id, :reader, event_sequence, now() FROM audit_head WHERE tenant_id = :tenant
                        ON CONFLICT DO NOTHING""").bind("reader", READER).bind("tenant", tenant).execute();
        tx.createUpdate("UPDATE posture_watch SET walked = :first WHERE tenant_id = :tenant")
                .bind("first", FIRST)
                .bind("tenant", tenant)
                .execute();
    }

    private boolean readEvents(Handle tx, TenantId tenant, long read) {
        record Heard(long sequence, String subject) {}
        List<Heard> heard = tx.createQuery("""
                        SELECT sequence, subject FROM event
                        WHERE tenant_id = :tenant AND sequence > :read ORDER BY sequence LIMIT :limit""")
                .bind("tenant", tenant)
                .bind("read", read)
                .bind("limit", AT_ONCE)
                .map((row, context) -> new Heard(row.getLong(1), row.getString(2)))
                .list();
        if (heard.isEmpty()) {
            return false;
        }
        add(
                tx,
                tenant,
                heard.stream()
                        .map(Heard::subject)
                        .filter(subject -> subject.startsWith("device:"))
                        .map(subject -> UUID.fromString(subject.substring("device:".length())))
                        .distinct()
                        .toList());
        tx.createUpdate("UPDATE event_reader SET sequence = :last WHERE tenant_id = :tenant AND reader = :reader")
                .bind("last", heard.getLast().sequence)
                .bind("tenant", tenant)
                .bind("reader", READER)
                .execute();
        return heard.size() == AT_ONCE;
    }

    private void add(Handle tx, TenantId tenant, List<UUID> devices) {
        if (!devices.isEmpty()) {
            tx.createUpdate(ADD)
                    .bind("now", clock.instant())
                    .bind("tenant", tenant)
                    .bindArray("devices", UUID.class, devices)
                    .execute();
        }
    }

    private record Walk(FleetId fleet, Instant since, UUID walked) {}

    private boolean walk(Handle tx, TenantId tenant) {
        List<Walk> open = tx.createQuery("""
                        SELECT fleet_id, since, walked FROM posture_watch
                        WHERE tenant_id = :tenant AND walked IS NOT NULL ORDER BY fleet_id LIMIT 1 FOR UPDATE""")
                .bind("tenant", tenant)
                .map((row, context) -> new Walk(
                        new FleetId(row.getString("fleet_id")),
                        row.getTimestamp("since").toInstant(),
                        row.getObject("walked", UUID.class)))
                .list();
        if (open.isEmpty()) {
            return false;
        }
        Walk walk = open.getFirst();
        List<UUID> devices = tx.createQuery("""
                        SELECT device_id FROM device
                        WHERE tenant_id = :tenant AND fleet_id = :fleet AND device_id > :walked
                        ORDER BY device_id LIMIT :limit""")
                .bind("tenant", tenant)
                .bind("fleet", walk.fleet)
                .bind("walked", walk.walked)
                .bind("limit", AT_ONCE)
                .mapTo(UUID.class)
                .list();
        if (!devices.isEmpty()) {
            apply(tx, tenant, walk, devices);
            add(tx, tenant, devices);
        }
        tx.createUpdate("""
                        UPDATE posture_watch SET walked = :last::uuid WHERE tenant_id = :tenant AND fleet_id = :fleet""")
                .bind("last", devices.size() < AT_ONCE ? null : devices.getLast())
                .bind("tenant", tenant)
                .bind("fleet", walk.fleet)
                .execute();
        return true;
    }

    /// Has postures that are there follow the policy as it is now: the time at which evidence ceases to
    /// count, and what is due about those that are not good.
    private void apply(Handle tx, TenantId tenant, Walk walk, List<UUID> devices) {
        long freshness = Fleets.attestation(tx, tenant, walk.fleet).freshness().toSeconds();
        tx.createUpdate("""
                        UPDATE device_posture SET
                            bad_since = CASE WHEN bad_since IS NOT NULL THEN greatest(bad_since, :since) END,
                            step_due = CASE WHEN bad_since IS NOT NULL THEN :now ELSE step_due END,
                            stale_at = CASE WHEN stale_told OR appraised_at IS NULL THEN stale_at
                                WHEN :freshness > 0 THEN appraised_at + make_interval(secs => :freshness) END
                        WHERE tenant_id = :tenant AND device_id IN (
                            SELECT device_id FROM device_posture
                            WHERE tenant_id = :tenant AND device_id = ANY (:devices) AND fleet_id = :fleet
                                AND (bad_since IS NOT NULL OR NOT stale_told AND stale_at IS DISTINCT FROM
                                    CASE WHEN :freshness > 0 THEN appraised_at + make_interval(secs => :freshness) END)
                            ORDER BY device_id FOR UPDATE)""")
                .bind("since", walk.since)
                .bind("now", clock.instant())
                .bind("freshness", freshness)
                .bind("tenant", tenant)
                .bindArray("devices", UUID.class, devices)
                .bind("fleet", walk.fleet)
                .execute();
    }
}
