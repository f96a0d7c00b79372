// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.acme;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.PublicIds;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.seal.TenantSeals;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import java.security.SecureRandom;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.function.UnaryOperator;
import org.jdbi.v3.core.Handle;

/// What operators decide about ACME: which fleets offer it and for what, and which devices may make an
/// account.
public final class AcmeSettings {
    private static final int LISTED = 1000;
    private static final int ID_LENGTH = 16;
    private static final String KEY_COLUMNS =
            "key_id, fleet_id, device_id, names, address, created_at, expires_at, used_at";

    private final Database database;
    private final AuditLog auditLog;
    private final TenantSeals seals;
    private final InstantSource clock;
    private final SecureRandom random;

    public AcmeSettings(
            Database database, AuditLog auditLog, TenantSeals seals, InstantSource clock, SecureRandom random) {
        this.database = database;
        this.auditLog = auditLog;
        this.seals = seals;
        this.clock = clock;
        this.random = random;
    }

    /// Turns ACME on for a fleet, or changes what it is for.
    ///
    /// @throws RefusedException where the tenant has no such fleet
    public AcmePolicy set(TenantId tenant, Actor actor, FleetId fleet, AcmePolicy policy) {
        requireOwn(tenant, fleet);
        return database.inTenant(tenant, tx -> {
            requireFleet(tx, tenant, fleet);
            store(tx, tenant, actor, fleet, policy);
            return policy;
        });
    }

    /// Changes a part of what a fleet offers.
    ///
    /// @throws RefusedException where it offers no ACME
    public AcmePolicy change(TenantId tenant, Actor actor, FleetId fleet, UnaryOperator<AcmePolicy> change) {
        requireOwn(tenant, fleet);
        return database.inTenant(tenant, tx -> {
            AcmePolicy policy = change.apply(policy(tx, fleet, " FOR UPDATE")
                    .orElseThrow(
                            () -> new RefusedException(ErrorCode.NOT_FOUND, "fleet " + fleet + " offers no ACME")));
            store(tx, tenant, actor, fleet, policy);
            return policy;
        });
    }

    private void store(Handle tx, TenantId tenant, Actor actor, FleetId fleet, AcmePolicy policy) {
        tx.createUpdate("""
                        INSERT INTO acme_policy (tenant_id, fleet_id, names, networks, http_port, attestation)
                        VALUES (:tenant, :fleet, :names, :networks, :port, :attestation)
                        ON CONFLICT (tenant_id, fleet_id) DO UPDATE SET names = excluded.names,
                            networks = excluded.networks, http_port = excluded.http_port,
                            attestation = excluded.attestation""")
                .bind("tenant", tenant)
                .bind("fleet", fleet)
                .bindArray("names", String.class, policy.names())
                .bindArray("networks", String.class, policy.networks())
                .bind("port", policy.httpPort())
                .bind("attestation", policy.attestation())
                .execute();
        audit(
                tx,
                tenant,
                actor,
                "fleet.acme-set",
                fleet,
                Map.of(
                        "names", policy.names(),
                        "networks", policy.networks(),
                        "httpPort", policy.httpPort(),
                        "attestation", policy.attestation()));
    }

    /// Turns ACME off for a fleet. What was issued stays valid.
    public void remove(TenantId tenant, Actor actor, FleetId fleet) {
        requireOwn(tenant, fleet);
        database.inTenant(tenant, tx -> {
            int removed = tx.createUpdate("DELETE FROM acme_policy WHERE tenant_id = :tenant AND fleet_id = :fleet")
                    .bind("tenant", tenant)
                    .bind("fleet", fleet)
                    .execute();
            if (removed == 0) {
                throw new RefusedException(ErrorCode.NOT_FOUND, "fleet " + fleet + " offers no ACME");
            }
            audit(tx, tenant, actor, "fleet.acme-removed", fleet, Map.of());
            return null;
        });
    }

    private void audit(
            Handle tx, TenantId tenant, Actor actor, String action, FleetId fleet, Map<String, Object> detail) {
        auditLog.append(tx, tenant, List.of(new AuditEvent(actor, action, "fleet:" + fleet, detail)));
    }

    /// What a fleet offers; empty where it offers no ACME, or there is no such fleet.
    public Optional<AcmePolicy> policy(FleetId fleet) {
        return database.inTenant(fleet.tenant(), tx -> policy(tx, fleet, ""));
    }

    private static Optional<AcmePolicy> policy(Handle tx, FleetId fleet, String locking) {
        return tx.createQuery("SELECT names, networks, http_port, attestation FROM acme_policy"
                        + " WHERE tenant_id = :tenant AND fleet_id = :fleet" + locking)
                .bind("tenant", fleet.tenant())
                .bind("fleet", fleet)
                .map((row, context) -> new AcmePolicy(
                        texts(row, "names"),
                        texts(row, "networks"),
                        row.getInt("http_port"),
                        row.getBoolean("attestation")))
                .findOne();
    }

    static List<String> texts(ResultSet row, String column) throws SQLException {
        return List.of((String[]) row.getArray(column).getArray());
    }

    /// Another tenant's fleet is one that does not exist.
    private static void requireOwn(TenantId tenant, FleetId fleet) {
        if (!fleet.tenant().equals(tenant)) {
            throw new RefusedException(ErrorCode.NOT_FOUND, "there is no fleet " + fleet);
        }
    }

    private static void requireFleet(Handle tx, TenantId tenant, FleetId fleet) {
        boolean known = tx.createQuery("SELECT 1 FROM fleet WHERE tenant_id = :tenant AND fleet_id = :fleet")
                .bind("tenant", tenant)
                .bind("fleet", fleet)
                .mapTo(Integer.class)
                .findOne()
                .isPresent();
        if (!known) {
            throw new RefusedException(ErrorCode.NOT_FOUND, "there is no fleet " + fleet);
        }
    }

    /// Makes a key with which a device makes its account.
    ///
    /// @throws RefusedException where there is no such device
    public AcmeKey.Created createKey(TenantId tenant, Actor actor, DeviceId device, AcmeKey.Wanted wanted) {
        TenantSeals.Seal seal = seals.of(tenant);
        byte[] secret = new byte[32];
        random.nextBytes(secret);
        Instant now = clock.instant();
        return database.inTenant(tenant, tx -> {
            FleetId fleet = fleetOf(tx, tenant, device);
            AcmeKey key = new AcmeKey(
                    PublicIds.random(random, ID_LENGTH),
                    fleet,
                    device,
                    wanted.scope(),
                    now,
                    now.plus(wanted.validity()),
                    null);
            tx.createUpdate("""
                            INSERT INTO acme_key (tenant_id, key_id, fleet_id, device_id, names, address, sealed,
                                created_at, expires_at)
                            VALUES (:tenant, :id, :fleet, :device, :names, :address, :sealed, :now, :end)""")
                    .bind("tenant", tenant)
                    .bind("id", key.id())
                    .bind("fleet", fleet)
                    .bind("device", device)
                    .bindArray("names", String.class, wanted.scope().names())
                    .bindByType("address", wanted.scope().address(), String.class)
                    .bind("sealed", seal.seal(name(key.id()), secret))
                    .bind("now", now)
                    .bind("end", key.expiresAt())
                    .execute();
            auditLog.append(
                    tx,
                    tenant,
                    List.of(new AuditEvent(
                            actor,
                            "acme-key.created",
                            "device:" + device,
                            Map.of("key", key.id(), "names", wanted.scope().names(), "expiresAt", key.expiresAt()))));
            return new AcmeKey.Created(key, Bytes.of(secret).base64Url());
        });
    }

    private static FleetId fleetOf(Handle tx, TenantId tenant, DeviceId device) {
        return tx.createQuery("SELECT fleet_id FROM device WHERE tenant_id = :tenant AND device_id = :device")
                .bind("tenant", tenant)
                .bind("device", device)
                .mapTo(FleetId.class)
                .findOne()
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no device " + device));
    }

    /// The newest keys of a device.
    ///
    /// @throws RefusedException where there is no such device
    public List<AcmeKey> keys(TenantId tenant, DeviceId device) {
        return database.inTenant(tenant, tx -> {
            fleetOf(tx, tenant, device);
            return tx.createQuery("SELECT " + KEY_COLUMNS + """
                             FROM acme_key WHERE tenant_id = :tenant AND device_id = :device
                            ORDER BY created_at DESC, key_id LIMIT :limit""")
                    .bind("tenant", tenant)
                    .bind("device", device)
                    .bind("limit", LISTED)
                    .map((row, context) -> key(row))
                    .list();
        });
    }

    /// Takes a key back. The account that was made with it, if there is one, is deactivated.
    public void revokeKey(TenantId tenant, Actor actor, DeviceId device, String id) {
        database.inTenant(tenant, tx -> {
            int removed = tx.createUpdate("""
                            DELETE FROM acme_key WHERE tenant_id = :tenant AND key_id = :id AND device_id = :device""")
                    .bind("tenant", tenant)
                    .bind("id", id)
                    .bind("device", device)
                    .execute();
            if (removed == 0) {
                throw new RefusedException(ErrorCode.NOT_FOUND, "the device has no such key");
            }
            tx.createUpdate("""
                            UPDATE acme_account SET active = false
                            WHERE tenant_id = :tenant AND device_id = :device AND key_id = :id""")
                    .bind("tenant", tenant)
                    .bind("device", device)
                    .bind("id", id)
                    .execute();
            auditLog.append(
                    tx,
                    tenant,
                    List.of(new AuditEvent(actor, "acme-key.revoked", "device:" + device, Map.of("key", id))));
            return null;
        });
    }

    /// A key that may still make an account, and its secret.
    public record Usable(AcmeKey key, Bytes secret) {
        @Override
        public String toString() {
            return "Usable[" + key.id() + "]";
        }
    }

    public Optional<Usable> usable(FleetId fleet, String id) {
        TenantId tenant = fleet.tenant();
        record Row(AcmeKey key, Bytes sealed) {}
        Optional<Row> found = database.inTenant(
                tenant,
                tx -> tx.createQuery("SELECT " + KEY_COLUMNS + """
                                , sealed FROM acme_key WHERE tenant_id = :tenant AND key_id = :id
                                    AND fleet_id = :fleet AND used_at IS NULL AND expires_at > :now""")
                        .bind("tenant", tenant)
                        .bind("id", id)
                        .bind("fleet", fleet)
                        .bind("now", clock.instant())
                        .map((row, context) -> new Row(key(row), Bytes.of(row.getBytes("sealed"))))
                        .findOne());
        return found.map(row -> new Usable(row.key(), Bytes.of(seals.of(tenant).open(name(id), row.sealed()))));
    }

    private static String name(String id) {
        return "acme key " + id;
    }

    static AcmeKey.Scope scope(ResultSet row) throws SQLException {
        return new AcmeKey.Scope(texts(row, "names"), row.getString("address"));
    }

    private static AcmeKey key(ResultSet row) throws SQLException {
        return new AcmeKey(
                row.getString("key_id"),
                new FleetId(row.getString("fleet_id")),
                new DeviceId(row.getObject("device_id", UUID.class)),
                scope(row),
                row.getTimestamp("created_at").toInstant(),
                row.getTimestamp("expires_at").toInstant(),
                Columns.instant(row, "used_at"));
    }
}
