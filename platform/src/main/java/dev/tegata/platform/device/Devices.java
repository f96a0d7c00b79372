// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.device;

import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.ManifestId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import dev.tegata.protocol.Receipt;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.result.RowView;
import org.jdbi.v3.core.statement.Query;

/// What operators see of devices and do to them.
public final class Devices {
    static final String COLUMNS = """
            d.device_id, d.fleet_id, d.chip, d.serial, d.model, d.state, d.proof, d.manifest_id, d.claimed_at,
            d.activated_at, d.last_seen_at, d.expires_at, d.certificate AS current_certificate, d.version""";

    private final Database database;
    private final DeviceChanges changes;

    /// @param orders how devices are told to renew or to wipe themselves
    /// @param erasable what is erased beside the device's own row when a retirement asks for it
    /// @param record where refurbishments and retirements are put down for good
    public Devices(
            Database database,
            AuditLog auditLog,
            Outbox outbox,
            DeviceOrders orders,
            List<DeviceData> erasable,
            LifeRecord record,
            InstantSource clock) {
        this.database = database;
        this.changes = new DeviceChanges(auditLog, outbox, orders, erasable, record, clock);
    }

    /// The device.
    ///
    /// @throws RefusedException where the tenant has no such device
    public Device get(TenantId tenant, DeviceId device) {
        return database.inTenant(tenant, tx -> find(tx, tenant, device));
    }

    /// Devices in the order in which they were claimed.
    public Page<Device> search(TenantId tenant, DeviceQuery query, Page.Request page) {
        Map<String, Object> bindings = new HashMap<>();
        StringBuilder sql = new StringBuilder("SELECT " + COLUMNS + " FROM device d WHERE ")
                .append(condition(tenant, query, bindings));
        sql.append(" AND d.device_id > :after ORDER BY d.device_id LIMIT :limit");
        bindings.put("after", page.after(id -> DeviceId.parse(id).value(), new UUID(0, 0)));
        bindings.put("limit", page.limit() + 1);
        List<Device> rows = database.inTenant(
                tenant,
                tx -> tx.createQuery(sql).bindMap(bindings).reduceRows(new java.util.ArrayList<>(), (list, row) -> {
                    list.add(device(row));
                    return list;
                }));
        return Page.of(rows, page, device -> device.id().toString());
    }

    /// The part of a statement behind WHERE that finds the devices `d` of a query.
    static String condition(TenantId tenant, DeviceQuery query, Map<String, Object> bindings) {
        StringBuilder sql = new StringBuilder("d.tenant_id = :tenant");
        bindings.put("tenant", tenant);
        if (query.fleet() != null) {
            sql.append(" AND d.fleet_id = :fleet");
            bindings.put("fleet", query.fleet());
        }
        if (query.state() != null) {
            // Spelt out, so that the planner knows how rare it is.
            sql.append(" AND d.state = '").append(query.state().name()).append("'");
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
        if (query.waiting()) {
            sql.append(" AND ").append("""
                    EXISTS (SELECT FROM pending_enrolment p WHERE p.tenant_id = d.tenant_id
                        AND p.device_id = d.device_id AND p.state = 'PENDING')""");
        }
        if (query.manifest() != null) {
            sql.append(" AND d.manifest_id = :manifest");
            bindings.put("manifest", query.manifest());
        }
        if (query.finding() != null) {
            sql.append(" AND ").append("""
                    EXISTS (SELECT FROM health_affected h WHERE h.tenant_id = d.tenant_id AND h.code = :finding
                        AND h.subject = :subject AND h.device_id = d.device_id)""");
            bindings.put("finding", query.finding());
            bindings.put("subject", "authority:" + query.authority());
        } else if (query.authority() != null) {
            sql.append(" AND ").append("""
                    EXISTS (SELECT FROM certificate c WHERE c.tenant_id = d.tenant_id
                        AND c.serial_number = d.certificate AND c.authority_id = :authority)""");
            bindings.put("authority", query.authority());
        }
        if (query.keyAlgorithm() != null) {
            // As the index device_by_key has it.
            sql.append(" AND d.key_algorithm = '")
                    .append(query.keyAlgorithm().id())
                    .append("' AND d.state IN ('ACTIVE', 'SUSPENDED')");
        }
        if (query.expiresBefore() != null) {
            sql.append(" AND d.expires_at < :expiresBefore");
            bindings.put("expiresBefore", query.expiresBefore());
        }
        if (query.notSeenSince() != null) {
            sql.append(" AND coalesce(d.last_seen_at, d.claimed_at) < :notSeenSince");
            bindings.put("notSeenSince", query.notSeenSince());
        }
        return sql.toString();
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

    /// The device's operational certificates, newest first, archived ones included.
    public List<DeviceCertificate> certificates(TenantId tenant, DeviceId id) {
        return database.inTenant(tenant, tx -> {
            find(tx, tenant, id);
            return tx.createQuery("""
                            WITH current AS (
                                SELECT unnest(ARRAY[certificate, parallel_certificate]) FROM device
                                WHERE tenant_id = :tenant AND device_id = :device)
                            SELECT serial_number, authority_id, not_before, not_after, issued_at, revoked_at,
                                revocation_reason, sha256(encoded) AS fingerprint, encoded,
                                serial_number IN (SELECT * FROM current WHERE unnest IS NOT NULL) AS current
                            FROM certificate WHERE tenant_id = :tenant AND device_id = :device
                            UNION ALL
                            SELECT serial_number, authority_id, not_before, not_after, issued_at, revoked_at,
                                revocation_reason, fingerprint, NULL, false
                            FROM certificate_archive WHERE tenant_id = :tenant AND device_id = :device
                            ORDER BY issued_at DESC, serial_number LIMIT 1000""")
                    .bind("tenant", tenant.value())
                    .bind("device", id.value())
                    .map((row, context) -> new DeviceCertificate(
                            Bytes.of(row.getBytes("serial_number")),
                            new AuthorityId(row.getObject("authority_id", UUID.class)),
                            row.getTimestamp("not_before").toInstant(),
                            row.getTimestamp("not_after").toInstant(),
                            row.getTimestamp("issued_at").toInstant(),
                            Columns.instant(row, "revoked_at"),
                            row.getObject("revocation_reason", Integer.class),
                            row.getBoolean("current"),
                            Bytes.of(row.getBytes("fingerprint")),
                            Columns.bytes(row, "encoded")))
                    .list();
        });
    }

    /// Carries out a change of one device.
    ///
    /// @return the device after it
    /// @throws RefusedException where there is no such device, or its state does not allow it
    public Device change(TenantId tenant, DeviceId device, DeviceChange change, Actor actor) {
        return database.inTenant(tenant, tx -> {
            change(tx, tenant, device, change, actor);
            return find(tx, tenant, device);
        });
    }

    /// As [#change], as part of a larger transaction.
    public void change(Handle tx, TenantId tenant, DeviceId device, DeviceChange change, Actor actor) {
        for (DeviceChanges.Refused refused : changes.apply(tx, tenant, List.of(device), change, actor, false)) {
            throw refused.why();
        }
    }

    DeviceChanges changes() {
        return changes;
    }

    /// Shuts a device out until [#resume]: its certificates are put on hold.
    public Device suspend(TenantId tenant, DeviceId device, Actor actor, String reason) {
        return change(tenant, device, DeviceChange.of(DeviceChange.Kind.SUSPEND, reason), actor);
    }

    /// Ends a suspension that was to last until the device is good, as part of a larger transaction.
    ///
    /// @return whether there was one
    public boolean endSuspensionUntilGood(Handle tx, TenantId tenant, DeviceId device, Actor actor, String reason) {
        boolean suspended = tx.createQuery("""
                        SELECT 1 FROM device WHERE tenant_id = :tenant AND device_id = :device
                            AND state = 'SUSPENDED' AND suspended_until_good FOR UPDATE""")
                .bind("tenant", tenant)
                .bind("device", device)
                .mapTo(Integer.class)
                .findOne()
                .isPresent();
        if (suspended) {
            change(tx, tenant, device, DeviceChange.of(DeviceChange.Kind.RESUME, reason), actor);
        }
        return suspended;
    }

    public Device resume(TenantId tenant, DeviceId device, Actor actor, String reason) {
        return change(tenant, device, DeviceChange.of(DeviceChange.Kind.RESUME, reason), actor);
    }

    /// Shuts a device out for good: every certificate it holds is revoked in the same transaction.
    public Device revoke(TenantId tenant, DeviceId device, Actor actor, String reason) {
        return change(tenant, device, DeviceChange.of(DeviceChange.Kind.REVOKE, reason), actor);
    }

    /// Lets a device that waits for approval have its certificate; takes a rejection back.
    public void approve(TenantId tenant, DeviceId device, Actor actor) {
        change(tenant, device, DeviceChange.of(DeviceChange.Kind.APPROVE, ""), actor);
    }

    /// Refuses a device that waits for approval. [#approve] takes it back.
    public void reject(TenantId tenant, DeviceId device, Actor actor) {
        change(tenant, device, DeviceChange.of(DeviceChange.Kind.REJECT, ""), actor);
    }

    /// Takes a device's word that it has wiped itself: it is as it was when it was claimed.
    ///
    /// @param receipt signed with a birth key of the device, about the order that it answers
    /// @return why the receipt is not believed, with nothing changed; empty where all is well
    public Optional<String> refurbished(Handle tx, TenantId tenant, DeviceId id, UUID order, Optional<Bytes> receipt) {
        tx.createQuery("SELECT 1 FROM device WHERE tenant_id = :tenant AND device_id = :device FOR UPDATE")
                .bind("tenant", tenant)
                .bind("device", id)
                .mapTo(Integer.class)
                .findOne();
        Device device = find(tx, tenant, id);
        if (device.state().after(DeviceState.Action.REFURBISHED).isEmpty()) {
            return Optional.of("the device is " + Texts.word(device.state()) + ", not on its way to be refurbished");
        }
        if (receipt.isEmpty()) {
            return Optional.of("there is no receipt");
        }
        Receipt.Signed signed;
        try {
            signed = Receipt.parse(receipt.get());
        } catch (MalformedException e) {
            return Optional.of("the receipt cannot be read: " + e.getMessage());
        }
        if (!signed.receipt().device().equals(id.value())
                || !signed.receipt().order().equals(order)) {
            return Optional.of("the receipt is for another device or another order");
        }
        Bytes key = signed.signer().publicKeyEncoded().sha256();
        if (!isBirthKey(tx, tenant, id, key)) {
            return Optional.of("the receipt is not signed with a birth key of the device");
        }
        changes.refurbished(
                tx,
                tenant,
                id,
                Map.of(
                        "order", order.toString(),
                        "publicKey", key.hex(),
                        "receipt", receipt.get().sha256().hex(),
                        "wiped", signed.receipt().wiped()));
        return Optional.empty();
    }

    private static boolean isBirthKey(Handle tx, TenantId tenant, DeviceId device, Bytes fingerprint) {
        return tx.createQuery("""
                        SELECT EXISTS (SELECT FROM device_key WHERE tenant_id = :tenant AND fingerprint = :key
                            AND device_id = :device)""")
                .bind("tenant", tenant)
                .bind("key", fingerprint)
                .bind("device", device)
                .mapTo(Boolean.class)
                .one();
    }

    /// As [#get], as part of a larger transaction.
    public static Device find(Handle tx, TenantId tenant, DeviceId device) {
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

    static Device device(RowView row) {
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
                row.getColumn("expires_at", Instant.class),
                certificate == null ? null : Bytes.of(certificate),
                row.getColumn("version", Integer.class));
    }
}
