// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.posture;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.PeriodicWork;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.device.DeviceChange;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.device.Devices;
import dev.tegata.platform.event.Event;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.fleet.AttestationPolicy;
import dev.tegata.platform.fleet.AttestationPolicy.Action;
import dev.tegata.platform.fleet.AttestationPolicy.Consequence;
import dev.tegata.platform.fleet.Fleets;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.tenant.Tenants;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
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
    private static final String NOT_GOOD = "the device's posture is not good";

    private final Database database;
    private final Tenants tenants;
    private final Devices devices;
    private final Outbox outbox;
    private final AuditLog audit;
    private final InstantSource clock;
    private final SilentDevices silent;
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
        this.silent = new SilentDevices(clock);
        this.work = PeriodicWork.start("posture-watch", PAUSE, () -> tenants.forEachId(this::run));
    }

    /// Does what is due in a tenant.
    public void run(TenantId tenant) {
        while (database.inTenant(tenant, tx -> silent.look(tx, tenant))) {
            // There is more.
        }
        int told;
        do {
            told = database.inTenant(tenant, tx -> tellStale(tx, tenant));
        } while (told == AT_ONCE);
        List<DeviceId> due;
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

    /// Those about whom something is due. They are put off a little, so that a device about which nothing
    /// can be done does not hold up others, and another node leaves them alone meanwhile.
    private List<DeviceId> due(Handle tx, TenantId tenant) {
        Instant now = clock.instant();
        return tx.createQuery("""
                        UPDATE device_posture SET step_due = :later
                        WHERE tenant_id = :tenant AND device_id = ANY (ARRAY(
                            SELECT device_id FROM device_posture
                            WHERE tenant_id = :tenant AND step_due <= :now
                            ORDER BY step_due LIMIT :limit FOR UPDATE SKIP LOCKED))
                        RETURNING device_id""")
                .bind("later", now.plus(RETRY))
                .bind("tenant", tenant)
                .bind("now", now)
                .bind("limit", AT_ONCE)
                .mapTo(UUID.class)
                .map(DeviceId::new)
                .list();
    }

    /// Does what is due for a device: draws the consequences whose grace is over, or takes back what can be
    /// where the device is good again. Nothing where nothing is due.
    void draw(TenantId tenant, DeviceId device) {
        try {
            database.inTenant(tenant, tx -> {
                if (lock(tx, tenant, device)) {
                    standing(tx, tenant, device).ifPresent(standing -> {
                        if (standing.badSince == null) {
                            takeBack(tx, tenant, standing);
                        } else {
                            drawDue(tx, tenant, standing, standing.badSince);
                        }
                    });
                }
                return null;
            });
        } catch (RefusedException e) {
            LOG.warn("a consequence for device {} is put off: {}", device, e.detail());
        }
    }

    /// Locks a device about whom something is due; its posture comes after it, as where evidence is noted.
    private static boolean lock(Handle tx, TenantId tenant, DeviceId device) {
        return tx.createQuery("""
                        SELECT 1 FROM device d WHERE d.tenant_id = :tenant AND d.device_id = :device
                            AND EXISTS (SELECT FROM device_posture p WHERE p.tenant_id = d.tenant_id
                                AND p.device_id = d.device_id AND p.step_due IS NOT NULL)
                        FOR UPDATE OF d""")
                .bind("tenant", tenant)
                .bind("device", device)
                .mapTo(Integer.class)
                .findOne()
                .isPresent();
    }

    /// @param badSince null where the device is good
    /// @param suspended whether a consequence has suspended it, which is to be taken back
    private record Standing(
            DeviceId device, FleetId fleet, @Nullable Instant badSince, int taken, boolean suspended) {}

    private static Optional<Standing> standing(Handle tx, TenantId tenant, DeviceId device) {
        return tx.createQuery("""
                        SELECT fleet_id, bad_since, steps_taken, suspended FROM device_posture
                        WHERE tenant_id = :tenant AND device_id = :device FOR UPDATE""")
                .bind("tenant", tenant)
                .bind("device", device)
                .map((row, context) -> new Standing(
                        device,
                        new FleetId(row.getString("fleet_id")),
                        Columns.instant(row, "bad_since"),
                        row.getInt("steps_taken"),
                        row.getBoolean("suspended")))
                .findOne();
    }

    private void drawDue(Handle tx, TenantId tenant, Standing standing, Instant badSince) {
        Instant now = clock.instant();
        List<Consequence> all = Fleets.attestation(tx, tenant, standing.fleet).consequences();
        boolean suspended = standing.suspended;
        int taken = standing.taken;
        while (taken < all.size() && !now.isBefore(badSince.plus(all.get(taken).after()))) {
            Action action = all.get(taken++).action();
            suspended |= act(tx, tenant, standing.device, action);
            tell(tx, tenant, standing.device, Texts.word(action));
        }
        settle(
                tx,
                tenant,
                new Standing(standing.device, standing.fleet, badSince, taken, suspended),
                taken < all.size() ? badSince.plus(all.get(taken).after()) : null);
    }

    /// Whether the device is suspended by this.
    private boolean act(Handle tx, TenantId tenant, DeviceId id, Action action) {
        DeviceState state = Devices.find(tx, tenant, id).state();
        return switch (action) {
            // The enrolment sees for itself who gets no certificate, or a short one.
            case NOTIFY, REFUSE_RENEWAL -> false;
            case SHORTEN_LIFE -> {
                if (state == DeviceState.ACTIVE) {
                    devices.change(tx, tenant, id, DeviceChange.of(DeviceChange.Kind.RENEW, NOT_GOOD), ACTOR);
                }
                yield false;
            }
            case SUSPEND -> {
                if (state != DeviceState.ACTIVE) {
                    yield false;
                }
                devices.change(tx, tenant, id, DeviceChange.suspendUntilGood(NOT_GOOD), ACTOR);
                yield true;
            }
            case REVOKE -> {
                if (state.after(DeviceState.Action.REVOKE).isPresent()) {
                    devices.change(tx, tenant, id, DeviceChange.of(DeviceChange.Kind.REVOKE, NOT_GOOD), ACTOR);
                }
                yield false;
            }
        };
    }

    private void takeBack(Handle tx, TenantId tenant, Standing standing) {
        settle(tx, tenant, new Standing(standing.device, standing.fleet, null, 0, false), null);
        if (standing.suspended
                && devices.endSuspensionUntilGood(
                        tx, tenant, standing.device, ACTOR, "the device's posture is good again")) {
            tell(tx, tenant, standing.device, "taken-back");
        }
    }

    private static void settle(Handle tx, TenantId tenant, Standing standing, @Nullable Instant next) {
        tx.createUpdate("""
                        UPDATE device_posture SET suspended = :suspended, steps_taken = :taken, step_due = :next
                        WHERE tenant_id = :tenant AND device_id = :device""")
                .bind("suspended", standing.suspended)
                .bind("taken", standing.taken)
                .bind("next", next)
                .bind("tenant", tenant)
                .bind("device", standing.device)
                .execute();
    }

    private void tell(Handle tx, TenantId tenant, DeviceId device, String what) {
        Map<String, Object> detail = Map.of("device", device.toString(), "action", what);
        audit.append(tx, tenant, List.of(new AuditEvent(ACTOR, "posture.consequence", "device:" + device, detail)));
        outbox.append(tx, tenant, new Event("dev.tegata.posture.consequence", "device:" + device, detail));
    }

    @Override
    public void close() {
        work.close();
    }
}
