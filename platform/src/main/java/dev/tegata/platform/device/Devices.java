// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.device;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.ManifestId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.store.Database;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.result.RowView;
import org.jdbi.v3.core.statement.Query;

/// What operators see of devices and do to them.
public final class Devices {
    /// `unspecified` and `certificateHold` of RFC 5280 §5.3.1.
    private static final int UNSPECIFIED = 0;

    private static final int CERTIFICATE_HOLD = 6;

    private static final String COLUMNS = """
            d.device_id, d.fleet_id, d.chip, d.serial, d.model, d.state, d.proof, d.manifest_id, d.claimed_at,
            d.activated_at, d.last_seen_at, d.certificate AS current_certificate, d.version""";

    private final Database database;
    private final AuditLog auditLog;
    private final InstantSource clock;

    public Devices(Database database, AuditLog auditLog, InstantSource clock) {
        this.database = database;
        this.auditLog = auditLog;
        this.clock = clock;
    }

    /// The device.
    ///
    /// @throws RefusedException where the tenant has no such device
    public Device get(TenantId tenant, DeviceId device) {
        return database.inTenant(tenant, tx -> find(tx, tenant, device));
    }

    /// Devices in the order in which they were claimed.
    public Page<Device> search(TenantId tenant, DeviceQuery query, Page.Request page) {
        StringBuilder sql = new StringBuilder("SELECT " + COLUMNS + " FROM device d WHERE d.tenant_id = :tenant");
        Map<String, Object> bindings = new HashMap<>();
        bindings.put("tenant", tenant.value());
        if (query.fleet() != null) {
            sql.append(" AND d.fleet_id = :fleet");
            bindings.put("fleet", query.fleet().value());
        }
        if (query.state() != null) {
            sql.append(" AND d.state = :state");
            bindings.put("state", query.state().name());
        }
        if (query.serial() != null) {
            sql.append(" AND d.serial = :serial");
            bindings.put("serial", query.serial().toLowerCase(Locale.ROOT));
        }
        if (query.text() != null && !query.text().isBlank()) {
            String prefix = query.text().strip().toLowerCase(Locale.ROOT);
            sql.append(" AND (d.serial >= :text AND d.serial < :textEnd");
            bindings.put("text", prefix);
            bindings.put("textEnd", prefix + "\uffff");
            uuidRange(prefix).ifPresent(range -> {
                sql.append(" OR d.device_id BETWEEN :idFrom AND :idTo");
                bindings.put("idFrom", range.from());
                bindings.put("idTo", range.to());
            });
            sql.append(")");
        }
        page.position().ifPresent(after -> {
            sql.append(" AND d.device_id > :after");
            bindings.put("after", DeviceId.parse(after).value());
        });
        sql.append(" ORDER BY d.device_id LIMIT :limit");
        bindings.put("limit", page.limit() + 1);
        List<Device> rows = database.inTenant(
                tenant,
                tx -> tx.createQuery(sql).bindMap(bindings).reduceRows(new java.util.ArrayList<>(), (list, row) -> {
                    list.add(device(row));
                    return list;
                }));
        return Page.of(rows, page, device -> device.id().toString());
    }

    private record UuidRange(UUID from, UUID to) {}

    /// The ids whose text begins with `prefix`, where that could be the beginning of an id.
    private static Optional<UuidRange> uuidRange(String prefix) {
        String shape = "00000000-0000-0000-0000-000000000000";
        if (prefix.length() > shape.length()) {
            return Optional.empty();
        }
        for (int i = 0; i < prefix.length(); i++) {
            boolean dash = shape.charAt(i) == '-';
            if (dash != (prefix.charAt(i) == '-') || (!dash && Character.digit(prefix.charAt(i), 16) < 0)) {
                return Optional.empty();
            }
        }
        String rest = shape.substring(prefix.length());
        return Optional.of(
                new UuidRange(UUID.fromString(prefix + rest), UUID.fromString(prefix + rest.replace('0', 'f'))));
    }

    /// How many devices there are in each state.
    public Map<DeviceState, Long> countByState(TenantId tenant) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("SELECT state, count(*) AS n FROM device WHERE tenant_id = :tenant GROUP BY state")
                        .bind("tenant", tenant.value())
                        .reduceRows(new java.util.EnumMap<DeviceState, Long>(DeviceState.class), (counts, row) -> {
                            counts.put(
                                    DeviceState.valueOf(row.getColumn("state", String.class)),
                                    row.getColumn("n", Long.class));
                            return counts;
                        }));
    }

    /// The device's operational certificates, newest first.
    public List<DeviceCertificate> certificates(TenantId tenant, DeviceId id) {
        return database.inTenant(tenant, tx -> {
            Bytes current = find(tx, tenant, id).certificate();
            return tx.createQuery("""
                            SELECT serial_number, authority_id, not_before, not_after, issued_at, revoked_at,
                                revocation_reason, encoded
                            FROM certificate WHERE tenant_id = :tenant AND device_id = :device
                            ORDER BY issued_at DESC, serial_number LIMIT 1000""")
                    .bind("tenant", tenant.value())
                    .bind("device", id.value())
                    .map((row, context) -> new DeviceCertificate(
                            Bytes.of(row.getBytes("serial_number")),
                            new AuthorityId(row.getObject("authority_id", UUID.class)),
                            row.getTimestamp("not_before").toInstant(),
                            row.getTimestamp("not_after").toInstant(),
                            row.getTimestamp("issued_at").toInstant(),
                            row.getTimestamp("revoked_at") == null
                                    ? null
                                    : row.getTimestamp("revoked_at").toInstant(),
                            row.getObject("revocation_reason", Integer.class),
                            Objects.equals(Bytes.of(row.getBytes("serial_number")), current),
                            Bytes.of(row.getBytes("encoded"))))
                    .list();
        });
    }

    /// Shuts a device out until [#resume]: its certificates are put on hold.
    public Device suspend(TenantId tenant, DeviceId device, Actor actor, String reason) {
        return change(tenant, device, DeviceState.Action.SUSPEND, actor, reason);
    }

    public Device resume(TenantId tenant, DeviceId device, Actor actor, String reason) {
        return change(tenant, device, DeviceState.Action.RESUME, actor, reason);
    }

    /// Shuts a device out for good: every certificate it holds is revoked in the same transaction.
    public Device revoke(TenantId tenant, DeviceId device, Actor actor, String reason) {
        return change(tenant, device, DeviceState.Action.REVOKE, actor, reason);
    }

    private Device change(TenantId tenant, DeviceId id, DeviceState.Action action, Actor actor, String reason) {
        return database.inTenant(tenant, tx -> {
            Device device = find(tx, tenant, id);
            DeviceState next = device.state()
                    .after(action)
                    .orElseThrow(() -> new RefusedException(
                            ErrorCode.CONFLICT,
                            "a device that is " + device.state() + " cannot "
                                    + action.name().toLowerCase(Locale.ROOT)));
            Instant now = clock.instant();
            int updated = tx.createUpdate("""
                            UPDATE device SET state = :state, version = version + 1
                            WHERE tenant_id = :tenant AND device_id = :device AND version = :version""")
                    .bind("state", next.name())
                    .bind("tenant", tenant.value())
                    .bind("device", id.value())
                    .bind("version", device.version())
                    .execute();
            if (updated == 0) {
                throw new RefusedException(ErrorCode.CONFLICT, "the device changed at the same moment; try again");
            }
            switch (action) {
                case SUSPEND -> revokeCertificates(tx, tenant, id, CERTIFICATE_HOLD, now);
                case RESUME -> releaseCertificates(tx, tenant, id);
                case REVOKE -> revokeCertificates(tx, tenant, id, UNSPECIFIED, now);
                case ACTIVATE, RENEW, REFURBISH, REFURBISHED, RETIRE -> throw new IllegalStateException(action.name());
            }
            auditLog.append(
                    tx,
                    tenant,
                    List.of(new AuditEvent(
                            actor,
                            "device." + action.name().toLowerCase(Locale.ROOT),
                            device.subject(),
                            Map.of("from", device.state().name(), "to", next.name(), "reason", reason))));
            return find(tx, tenant, id);
        });
    }

    private static void revokeCertificates(Handle tx, TenantId tenant, DeviceId device, int reason, Instant now) {
        // A certificate on hold becomes revoked for good and keeps no trace of the hold's time but in the audit.
        tx.createUpdate("""
                        UPDATE certificate SET revoked_at = :now, revocation_reason = :reason
                        WHERE tenant_id = :tenant AND device_id = :device AND not_after > :now
                            AND (revoked_at IS NULL OR revocation_reason = 6)""")
                .bind("now", now)
                .bind("reason", reason)
                .bind("tenant", tenant.value())
                .bind("device", device.value())
                .execute();
    }

    private static void releaseCertificates(Handle tx, TenantId tenant, DeviceId device) {
        tx.createUpdate("""
                        UPDATE certificate SET revoked_at = NULL, revocation_reason = NULL
                        WHERE tenant_id = :tenant AND device_id = :device AND revocation_reason = 6""")
                .bind("tenant", tenant.value())
                .bind("device", device.value())
                .execute();
    }

    /// Lets a device that waits for approval have its certificate; takes a rejection back.
    public void approve(TenantId tenant, DeviceId device, Actor actor) {
        decide(tenant, device, actor, "APPROVED");
    }

    /// Refuses a device that waits for approval. [#approve] takes it back.
    public void reject(TenantId tenant, DeviceId device, Actor actor) {
        decide(tenant, device, actor, "REJECTED");
    }

    private void decide(TenantId tenant, DeviceId id, Actor actor, String decision) {
        database.inTenant(tenant, tx -> {
            Device device = find(tx, tenant, id);
            int updated = tx.createUpdate("""
                            UPDATE pending_enrolment SET state = :state, decided_at = :now, decided_by = :actor
                            WHERE tenant_id = :tenant AND device_id = :device AND state <> 'APPROVED' AND state <> :state""")
                    .bind("state", decision)
                    .bind("now", clock.instant())
                    .bind("actor", actor.toString())
                    .bind("tenant", tenant.value())
                    .bind("device", id.value())
                    .execute();
            if (updated == 0) {
                throw new RefusedException(ErrorCode.CONFLICT, "the device does not wait for approval");
            }
            auditLog.append(
                    tx,
                    tenant,
                    List.of(new AuditEvent(
                            actor, "enrolment." + decision.toLowerCase(Locale.ROOT), device.subject(), Map.of())));
            return updated;
        });
    }

    private static Device find(Handle tx, TenantId tenant, DeviceId device) {
        Query query = tx.createQuery(
                        "SELECT " + COLUMNS + " FROM device d WHERE d.tenant_id = :tenant AND d.device_id = :device")
                .bind("tenant", tenant.value())
                .bind("device", device.value());
        return query
                .reduceRows(new java.util.ArrayList<Device>(1), (list, row) -> {
                    list.add(device(row));
                    return list;
                })
                .stream()
                .findFirst()
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no device " + device));
    }

    private static Device device(RowView row) {
        UUID manifest = row.getColumn("manifest_id", UUID.class);
        byte[] certificate = row.getColumn("current_certificate", byte[].class);
        return new Device(
                new DeviceId(row.getColumn("device_id", UUID.class)),
                new FleetId(row.getColumn("fleet_id", String.class)),
                row.getColumn("chip", String.class),
                row.getColumn("serial", String.class),
                row.getColumn("model", String.class),
                DeviceState.valueOf(row.getColumn("state", String.class)),
                Device.Proof.valueOf(row.getColumn("proof", String.class)),
                manifest == null ? null : new ManifestId(manifest),
                row.getColumn("claimed_at", Instant.class),
                row.getColumn("activated_at", Instant.class),
                row.getColumn("last_seen_at", Instant.class),
                certificate == null ? null : Bytes.of(certificate),
                row.getColumn("version", Integer.class));
    }
}
