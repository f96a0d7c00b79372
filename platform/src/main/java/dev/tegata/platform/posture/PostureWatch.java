// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.posture;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.PeriodicWork;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.device.Device;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.device.Devices;
import dev.tegata.platform.event.Event;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.fleet.AttestationPolicy;
import dev.tegata.platform.fleet.Fleets;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.tenant.Tenants;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Tells of postures that have grown stale, and draws the consequences of those that are not good, a few at
/// a time and tenant by tenant. Each node does so; rows are taken with their lock, so that nothing is told
/// or done twice.
public final class PostureWatch implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(PostureWatch.class);
    private static final Duration PAUSE = Duration.ofSeconds(5);
    private static final int AT_ONCE = 500;
    private static final Duration RETRY = Duration.ofMinutes(1);
    private static final Actor ACTOR = Actor.system("posture");

    private final Database database;
    private final Tenants tenants;
    private final Devices devices;
    private final Outbox outbox;
    private final AuditLog audit;
    private final InstantSource clock;
    private final PeriodicWork work;

    /// What the watch rests on.
    public record Services(Database database, Tenants tenants, Devices devices, Outbox outbox, AuditLog audit) {}

    public PostureWatch(Services services, InstantSource clock) {
        this.database = services.database();
        this.tenants = services.tenants();
        this.devices = services.devices();
        this.outbox = services.outbox();
        this.audit = services.audit();
        this.clock = clock;
        this.work = PeriodicWork.start("posture-watch", PAUSE, () -> tenants.forEachId(this::run));
    }

    /// Does what is due in a tenant.
    public void run(TenantId tenant) {
        int told;
        do {
            told = database.inTenant(tenant, tx -> tellStale(tx, tenant));
        } while (told == AT_ONCE);
        List<Due> due;
        do {
            due = database.inTenant(tenant, tx -> due(tx, tenant));
            due.forEach(each -> draw(tenant, each));
        } while (due.size() == AT_ONCE);
    }

    private record Stale(DeviceId device, FleetId fleet, Instant appraisedAt, String release) {}

    /// The fleet's budget may have grown since the row was written: then it is not stale yet.
    private int tellStale(Handle tx, TenantId tenant) {
        Instant now = clock.instant();
        List<Stale> due = tx.createQuery("""
                        SELECT device_id, fleet_id, appraised_at, release FROM device_posture
                        WHERE tenant_id = :tenant AND status = 'AFFIRMING' AND NOT stale_told AND stale_at <= :now
                        ORDER BY stale_at LIMIT :limit FOR UPDATE SKIP LOCKED""")
                .bind("tenant", tenant)
                .bind("now", now)
                .bind("limit", AT_ONCE)
                .map((row, context) -> new Stale(
                        new DeviceId(row.getObject("device_id", UUID.class)),
                        new FleetId(row.getString("fleet_id")),
                        row.getTimestamp("appraised_at").toInstant(),
                        row.getString("release")))
                .list();
        List<Event> events = new ArrayList<>();
        for (Stale each : due) {
            AttestationPolicy policy = Fleets.attestation(tx, tenant, each.fleet);
            Instant end = each.appraisedAt.plus(policy.freshness());
            boolean stale = policy.asksForEvidence() && !now.isBefore(end);
            tx.createUpdate("""
                            UPDATE device_posture SET stale_told = :stale,
                                stale_at = CASE WHEN :stale THEN stale_at ELSE :end::timestamptz END,
                                bad_since = CASE WHEN :stale THEN coalesce(bad_since, :now) ELSE bad_since END,
                                step_due = CASE WHEN :stale THEN coalesce(step_due, :due::timestamptz) ELSE step_due END
                            WHERE tenant_id = :tenant AND device_id = :device""")
                    .bind("stale", stale)
                    .bind("end", policy.asksForEvidence() ? end : null)
                    .bind("now", now)
                    .bind("due", Postures.firstStep(policy, now))
                    .bind("tenant", tenant)
                    .bind("device", each.device)
                    .execute();
            if (stale) {
                events.add(new Event(
                        "dev.tegata.posture.stale",
                        "device:" + each.device,
                        Map.of(
                                "device",
                                each.device.toString(),
                                "from",
                                "affirming",
                                "to",
                                "stale",
                                "release",
                                each.release,
                                "appraisedAt",
                                each.appraisedAt.toString())));
            }
        }
        outbox.append(tx, tenant, events);
        return due.size();
    }

    /// @param badSince null where the device is good again, and what was done is to be taken back
    private record Due(
            DeviceId device, FleetId fleet, @Nullable Instant badSince, int taken, boolean suspended) {}

    /// Those whose next consequence is due. They are put off a little, so that a device about which nothing
    /// can be done does not hold up others, and another node leaves them alone meanwhile.
    private List<Due> due(Handle tx, TenantId tenant) {
        Instant now = clock.instant();
        return tx.createQuery("""
                        UPDATE device_posture SET step_due = :later
                        WHERE tenant_id = :tenant AND device_id IN (
                            SELECT device_id FROM device_posture
                            WHERE tenant_id = :tenant AND step_due <= :now
                            ORDER BY step_due LIMIT :limit FOR UPDATE SKIP LOCKED)
                        RETURNING device_id, fleet_id, bad_since, steps_taken, suspended""")
                .bind("later", now.plus(RETRY))
                .bind("tenant", tenant)
                .bind("now", now)
                .bind("limit", AT_ONCE)
                .map((row, context) -> new Due(
                        new DeviceId(row.getObject("device_id", UUID.class)),
                        new FleetId(row.getString("fleet_id")),
                        row.getTimestamp("bad_since") == null
                                ? null
                                : row.getTimestamp("bad_since").toInstant(),
                        row.getInt("steps_taken"),
                        row.getBoolean("suspended")))
                .list();
    }

    private void draw(TenantId tenant, Due due) {
        try {
            if (due.badSince == null) {
                takeBack(tenant, due);
                return;
            }
            AttestationPolicy policy = database.inTenant(tenant, tx -> Fleets.attestation(tx, tenant, due.fleet));
            if (due.taken >= policy.consequences().size()) {
                database.inTenant(tenant, tx -> settle(tx, tenant, due, due.taken, Optional.empty(), due.suspended));
                return;
            }
            AttestationPolicy.Consequence step = policy.consequences().get(due.taken);
            boolean suspended = due.suspended | act(tenant, due, step.action());
            Optional<Instant> next = due.taken + 1 < policy.consequences().size()
                    ? Optional.of(due.badSince.plus(
                            policy.consequences().get(due.taken + 1).after()))
                    : Optional.empty();
            database.inTenant(tenant, tx -> {
                settle(tx, tenant, due, due.taken + 1, next, suspended);
                tell(tx, tenant, due, step.action().name().toLowerCase(Locale.ROOT));
                return null;
            });
        } catch (RefusedException e) {
            LOG.warn("a consequence for device {} is put off: {}", due.device, e.detail());
        }
    }

    /// Whether the device is suspended by this.
    private boolean act(TenantId tenant, Due due, AttestationPolicy.Action action) {
        Device device = devices.get(tenant, due.device);
        return switch (action) {
            case NOTIFY -> false;
            case SUSPEND -> {
                if (device.state() != DeviceState.ACTIVE) {
                    yield false;
                }
                devices.suspend(tenant, due.device, ACTOR, "the device's posture is not good");
                yield true;
            }
            case REVOKE -> {
                if (device.state() != DeviceState.REVOKED && device.state() != DeviceState.RETIRED) {
                    devices.revoke(tenant, due.device, ACTOR, "the device's posture is not good");
                }
                yield false;
            }
        };
    }

    private void takeBack(TenantId tenant, Due due) {
        if (due.suspended && devices.get(tenant, due.device).state() == DeviceState.SUSPENDED) {
            devices.resume(tenant, due.device, ACTOR, "the device's posture is good again");
        }
        database.inTenant(tenant, tx -> {
            settle(tx, tenant, due, 0, Optional.empty(), false);
            tell(tx, tenant, due, "taken-back");
            return null;
        });
    }

    /// What the device's evidence has changed meanwhile stays.
    private static int settle(
            Handle tx, TenantId tenant, Due due, int taken, Optional<Instant> next, boolean suspended) {
        return tx.createUpdate("""
                        UPDATE device_posture SET suspended = :suspended,
                            steps_taken = CASE WHEN bad_since IS NOT DISTINCT FROM :bad THEN :taken ELSE steps_taken END,
                            step_due = CASE WHEN bad_since IS NOT DISTINCT FROM :bad THEN :next ELSE step_due END
                        WHERE tenant_id = :tenant AND device_id = :device""")
                .bind("suspended", suspended)
                .bind("bad", due.badSince)
                .bind("taken", taken)
                .bind("next", next.orElse(null))
                .bind("tenant", tenant)
                .bind("device", due.device)
                .execute();
    }

    private void tell(Handle tx, TenantId tenant, Due due, String what) {
        Map<String, Object> detail = Map.of("device", due.device.toString(), "action", what);
        audit.append(tx, tenant, List.of(new AuditEvent(ACTOR, "posture.consequence", "device:" + due.device, detail)));
        outbox.append(tx, tenant, new Event("dev.tegata.posture.consequence", "device:" + due.device, detail));
    }

    @Override
    public void close() {
        work.close();
    }
}
