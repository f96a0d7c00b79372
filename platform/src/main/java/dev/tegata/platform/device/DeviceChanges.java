// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.device;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.event.Event;
import dev.tegata.platform.event.Outbox;
import dev.tegata.protocol.OrderContent;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Changes devices: one or a few hundred in one transaction. Everybody who takes a step in a device's
/// life for it does it here, except enrolment, which writes its own.
///
/// Implementation notes:
/// - Rows are locked in the order of their ids, then judged by [DeviceState], then changed by one
///   statement each for devices and certificates. The audit chain comes last.
/// - An enrolment that was decided before and is stored after finds another version, and loses.
final class DeviceChanges {
    /// A device that was away that long renews by itself, or never.
    private static final Duration RENEWAL_LIFE = Duration.ofDays(90);

    /// A device that is to wipe itself may lie in a box for long.
    private static final Duration REFURBISHMENT_LIFE = Duration.ofDays(366);

    private final AuditLog auditLog;
    private final Outbox outbox;
    private final DeviceOrders orders;
    private final List<DeviceData> erasable;
    private final LifeRecord record;
    private final InstantSource clock;

    DeviceChanges(
            AuditLog auditLog,
            Outbox outbox,
            DeviceOrders orders,
            List<DeviceData> erasable,
            LifeRecord record,
            InstantSource clock) {
        this.auditLog = auditLog;
        this.outbox = outbox;
        this.orders = orders;
        this.erasable = List.copyOf(erasable);
        this.record = record;
        this.clock = clock;
    }

    /// A device that a change was refused for.
    record Refused(DeviceId device, RefusedException why) {}

    private record Row(
            DeviceId id,
            DeviceState state,
            boolean untilGood,
            @Nullable String approval) {}

    /// Carries a change out where it is allowed.
    ///
    /// @param judgeOnly whether nothing is to be changed
    /// @return the devices that it was refused for
    List<Refused> apply(
            Handle tx,
            TenantId tenant,
            Collection<DeviceId> devices,
            DeviceChange change,
            Actor actor,
            boolean judgeOnly) {
        if (!judgeOnly) {
            lock(tx, tenant, devices);
        }
        Map<DeviceId, Row> rows = read(tx, tenant, devices);
        List<Refused> refused = new ArrayList<>();
        List<Row> allowed = new ArrayList<>();
        for (DeviceId id : devices) {
            Row row = rows.get(id);
            RefusedException why = row == null
                    ? new RefusedException(ErrorCode.NOT_FOUND, "there is no device " + id)
                    : refusal(row, change);
            if (why != null) {
                refused.add(new Refused(id, why));
            } else if (row != null) {
                allowed.add(row);
            }
        }
        if (!judgeOnly && !allowed.isEmpty()) {
            carryOut(tx, tenant, allowed, change, actor, refused);
        }
        return refused;
    }

    /// A statement of its own: one that read the approvals too would read them as they were before it
    /// waited.
    private static void lock(Handle tx, TenantId tenant, Collection<DeviceId> devices) {
        tx.createQuery("""
                        SELECT device_id FROM device WHERE tenant_id = :tenant AND device_id = ANY(:devices)
                        ORDER BY device_id FOR UPDATE""")
                .bind("tenant", tenant)
                .bindArray("devices", UUID.class, ids(devices))
                .mapTo(UUID.class)
                .list();
    }

    private static Map<DeviceId, Row> read(Handle tx, TenantId tenant, Collection<DeviceId> devices) {
        Map<DeviceId, Row> rows = new LinkedHashMap<>();
        tx.createQuery("""
                        SELECT d.device_id, d.state, d.suspended_until_good, (SELECT p.state FROM pending_enrolment p
                            WHERE p.tenant_id = d.tenant_id AND p.device_id = d.device_id) AS approval
                        FROM device d WHERE d.tenant_id = :tenant AND d.device_id = ANY(:devices)
                        ORDER BY d.device_id""")
                .bind("tenant", tenant)
                .bindArray("devices", UUID.class, ids(devices))
                .map((row, context) -> new Row(
                        new DeviceId(row.getObject(1, UUID.class)),
                        DeviceState.valueOf(row.getString(2)),
                        row.getBoolean(3),
                        row.getString(4)))
                .forEach(row -> rows.put(row.id(), row));
        return rows;
    }

    private static @Nullable RefusedException refusal(Row row, DeviceChange change) {
        if (change.kind().isDecision()) {
            boolean waits = row.approval() != null
                    && !row.approval().equals("APPROVED")
                    && !row.approval().equals(decision(change));
            return waits ? null : new RefusedException(ErrorCode.CONFLICT, "the device does not wait for approval");
        }
        // What somebody decided takes the place of what ends by itself.
        boolean takenOver = row.state() == DeviceState.SUSPENDED
                && row.untilGood()
                && change.kind() == DeviceChange.Kind.SUSPEND
                && !change.untilGood();
        return takenOver
                        || isErasedLater(row, change)
                        || row.state().after(change.action()).isPresent()
                ? null
                : new RefusedException(
                        ErrorCode.CONFLICT,
                        "a device that is " + Texts.word(row.state()) + " cannot be "
                                + change.kind().participle());
    }

    /// Whoever asks for erasure may do so long after the device's end. That is no step in its life.
    private static boolean isErasedLater(Row row, DeviceChange change) {
        return row.state() == DeviceState.RETIRED && change.kind() == DeviceChange.Kind.RETIRE && change.erase();
    }

    private void carryOut(
            Handle tx, TenantId tenant, List<Row> allowed, DeviceChange change, Actor actor, List<Refused> refused) {
        Instant now = clock.instant();
        List<DeviceId> ids = allowed.stream().map(Row::id).toList();
        switch (change.kind()) {
            case APPROVE, REJECT -> decide(tx, tenant, ids, decision(change), actor, now);
            case RENEW -> allowed = order(tx, tenant, allowed, renewal(change), RENEWAL_LIFE, actor, refused);
            case SUSPEND -> {
                move(tx, tenant, ids, DeviceState.SUSPENDED, change.untilGood());
                revoke(tx, tenant, ids, RevocationReason.CERTIFICATE_HOLD, now);
            }
            case RESUME -> {
                move(tx, tenant, ids, DeviceState.ACTIVE, false);
                release(tx, tenant, ids);
                takeForOne(tx, tenant, allowed);
            }
            case REVOKE -> {
                moveOut(tx, tenant, ids, DeviceState.REVOKED);
                revoke(tx, tenant, ids, revocation(change), now);
            }
            case REFURBISH -> {
                moveOut(tx, tenant, ids, DeviceState.REFURBISHING);
                revoke(tx, tenant, ids, RevocationReason.SUPERSEDED, now);
                order(tx, tenant, allowed, new OrderContent.Refurbish(), REFURBISHMENT_LIFE, actor, new ArrayList<>());
            }
            case RETIRE -> {
                List<DeviceId> living = allowed.stream()
                        .filter(row -> row.state() != DeviceState.RETIRED)
                        .map(Row::id)
                        .toList();
                moveOut(tx, tenant, living, DeviceState.RETIRED);
                revoke(tx, tenant, living, RevocationReason.CESSATION_OF_OPERATION, now);
                forget(tx, tenant, ids, change.erase());
                record.note(tx, tenant, living, DeviceState.Action.RETIRE, now);
            }
        }
        tell(tx, tenant, allowed, change, actor);
    }

    private static OrderContent renewal(DeviceChange change) {
        return change.newKey() ? new OrderContent.RenewKey() : new OrderContent.RenewCertificate();
    }

    private static RevocationReason revocation(DeviceChange change) {
        return change.revocation() == null ? RevocationReason.UNSPECIFIED : change.revocation();
    }

    private static String decision(DeviceChange change) {
        return change.kind() == DeviceChange.Kind.APPROVE ? "APPROVED" : "REJECTED";
    }

    private static void move(Handle tx, TenantId tenant, List<DeviceId> devices, DeviceState to, boolean untilGood) {
        tx.createUpdate("""
                        UPDATE device SET state = :state, suspended_until_good = :untilGood, version = version + 1
                        WHERE tenant_id = :tenant AND device_id = ANY(:devices)""")
                .bind("state", to.name())
                .bind("untilGood", untilGood)
                .bind("tenant", tenant)
                .bindArray("devices", UUID.class, ids(devices))
                .execute();
    }

    /// Without a certificate that counts, there is nothing to expire.
    private static void moveOut(Handle tx, TenantId tenant, List<DeviceId> devices, DeviceState to) {
        tx.createUpdate("""
                        UPDATE device SET state = :state, version = version + 1, expires_at = NULL
                        WHERE tenant_id = :tenant AND device_id = ANY(:devices)""")
                .bind("state", to.name())
                .bind("tenant", tenant)
                .bindArray("devices", UUID.class, ids(devices))
                .execute();
    }

    /// A certificate on hold becomes revoked for good, and keeps no trace of the hold but in the audit.
    /// One that is revoked for good stays as it is.
    private static void revoke(
            Handle tx, TenantId tenant, List<DeviceId> devices, RevocationReason reason, Instant now) {
        tx.createUpdate("""
                        UPDATE certificate SET revoked_at = :now, revocation_reason = :reason
                        WHERE tenant_id = :tenant AND device_id = ANY(:devices) AND not_after > :now
                            AND (revoked_at IS NULL OR revocation_reason = 6)""")
                .bind("now", now)
                .bind("reason", reason.code())
                .bind("tenant", tenant)
                .bindArray("devices", UUID.class, ids(devices))
                .execute();
    }

    private static void release(Handle tx, TenantId tenant, List<DeviceId> devices) {
        tx.createUpdate("""
                        UPDATE certificate SET revoked_at = NULL, revocation_reason = NULL
                        WHERE tenant_id = :tenant AND device_id = ANY(:devices) AND revocation_reason = 6""")
                .bind("tenant", tenant)
                .bindArray("devices", UUID.class, ids(devices))
                .execute();
    }

    /// Whoever ends a suspension takes the device for the one that it should be: the watch for clones
    /// begins anew with its next check-in. What ends by itself says nothing of that.
    private static void takeForOne(Handle tx, TenantId tenant, List<Row> devices) {
        List<DeviceId> judged =
                devices.stream().filter(row -> !row.untilGood()).map(Row::id).toList();
        tx.createUpdate("""
                        UPDATE device_report SET identity = NULL, heard_mark = NULL, shown_from = NULL, clone_suspected_at = NULL
                        WHERE tenant_id = :tenant AND device_id = ANY(:devices) AND clone_suspected_at IS NOT NULL""")
                .bind("tenant", tenant)
                .bindArray("devices", UUID.class, ids(judged))
                .execute();
    }

    private static void decide(
            Handle tx, TenantId tenant, List<DeviceId> devices, String decision, Actor actor, Instant now) {
        tx.createUpdate("""
                        UPDATE pending_enrolment SET state = :state, decided_at = :now, decided_by = :actor
                        WHERE tenant_id = :tenant AND device_id = ANY(:devices)""")
                .bind("state", decision)
                .bind("now", now)
                .bind("actor", actor.toString())
                .bind("tenant", tenant)
                .bindArray("devices", UUID.class, ids(devices))
                .execute();
    }

    /// @return the devices that were given the order
    private List<Row> order(
            Handle tx,
            TenantId tenant,
            List<Row> devices,
            OrderContent content,
            Duration life,
            Actor actor,
            List<Refused> refused) {
        List<Row> told = new ArrayList<>(devices.size());
        for (Row device : devices) {
            try {
                orders.place(tx, tenant, device.id(), content, life, actor);
                told.add(device);
            } catch (RefusedException e) {
                refused.add(new Refused(device.id(), e));
            }
        }
        return told;
    }

    private void forget(Handle tx, TenantId tenant, List<DeviceId> devices, boolean erase) {
        for (String table : List.of("claim_token", "pending_enrolment", "label_code")) {
            tx.createUpdate("DELETE FROM " + table + " WHERE tenant_id = :tenant AND device_id = ANY(:devices)")
                    .bind("tenant", tenant)
                    .bindArray("devices", UUID.class, ids(devices))
                    .execute();
        }
        if (erase) {
            tx.createUpdate("""
                            UPDATE device SET last_seen_at = NULL, model = ''
                            WHERE tenant_id = :tenant AND device_id = ANY(:devices)""")
                    .bind("tenant", tenant)
                    .bindArray("devices", UUID.class, ids(devices))
                    .execute();
            erasable.forEach(data -> data.erase(tx, tenant, devices));
        }
    }

    private void tell(Handle tx, TenantId tenant, List<Row> devices, DeviceChange change, Actor actor) {
        List<AuditEvent> records = new ArrayList<>(devices.size());
        List<Event> events = new ArrayList<>(devices.size());
        for (Row device : devices) {
            String subject = "device:" + device.id();
            Map<String, Object> detail = detail(device, change);
            String action = isErasedLater(device, change) ? "device.erased" : auditAction(change);
            records.add(new AuditEvent(actor, action, subject, detail));
            events.add(new Event("dev.tegata." + action, subject, detail));
        }
        auditLog.append(tx, tenant, records);
        outbox.append(tx, tenant, events);
    }

    private static Map<String, Object> detail(Row device, DeviceChange change) {
        Map<String, Object> detail = new LinkedHashMap<>();
        if (!change.kind().isDecision()) {
            device.state().after(change.action()).ifPresent(to -> {
                detail.put("from", device.state().name());
                detail.put("to", to.name());
            });
        }
        if (!change.reason().isEmpty()) {
            detail.put("reason", change.reason());
        }
        switch (change.kind()) {
            case REVOKE -> detail.put("revocationReason", revocation(change).code());
            case RENEW -> detail.put("newKey", change.newKey());
            case RETIRE -> detail.put("erased", change.erase());
            case SUSPEND -> detail.put("untilGood", change.untilGood());
            case APPROVE, REJECT, RESUME, REFURBISH -> {}
        }
        return detail;
    }

    /// As the audit and the events call it.
    private static String auditAction(DeviceChange change) {
        return switch (change.kind()) {
            case APPROVE -> "enrolment.approved";
            case REJECT -> "enrolment.rejected";
            case RENEW -> "device.renewal-ordered";
            case SUSPEND -> "device.suspended";
            case RESUME -> "device.resumed";
            case REVOKE -> "device.revoked";
            case REFURBISH -> "device.refurbishment-ordered";
            case RETIRE -> "device.retired";
        };
    }

    /// A device that was wiped: claimed again, as on the first day. An operator is asked again where the
    /// fleet wants it.
    void refurbished(Handle tx, TenantId tenant, DeviceId device, Map<String, ?> proof) {
        tx.createUpdate("""
                        UPDATE device SET state = 'CLAIMED', version = version + 1, certificate = NULL,
                            parallel_certificate = NULL, expires_at = NULL
                        WHERE tenant_id = :tenant AND device_id = :device""").bind("tenant", tenant).bind("device", device).execute();
        tx.createUpdate("DELETE FROM pending_enrolment WHERE tenant_id = :tenant AND device_id = :device")
                .bind("tenant", tenant)
                .bind("device", device)
                .execute();
        record.note(tx, tenant, List.of(device), DeviceState.Action.REFURBISHED, clock.instant());
        Actor actor = Actor.device(device);
        String subject = "device:" + device;
        auditLog.append(tx, tenant, List.of(new AuditEvent(actor, "device.refurbished", subject, proof)));
        outbox.append(tx, tenant, new Event("dev.tegata.device.refurbished", subject, proof));
    }

    private static Object[] ids(Collection<DeviceId> devices) {
        return devices.stream().map(DeviceId::value).toArray();
    }
}
