// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.acme;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.PublicIds;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
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

/// The accounts of a fleet's devices.
public final class AcmeAccounts {
    private static final int ID_LENGTH = 12;
    private static final String COLUMNS =
            "account_id, fleet_id, device_id, names, address, jwk, contacts, active, created_at";

    private final Database database;
    private final AuditLog auditLog;
    private final InstantSource clock;
    private final SecureRandom random;

    public AcmeAccounts(Database database, AuditLog auditLog, InstantSource clock, SecureRandom random) {
        this.database = database;
        this.auditLog = auditLog;
        this.clock = clock;
        this.random = random;
    }

    /// Makes an account, and uses up the key of external account binding.
    ///
    /// @return empty where that key was used at the same moment, or the account's key has one already
    public Optional<AcmeAccount> create(AcmeKey binding, Bytes thumbprint, String jwk, List<String> contacts) {
        TenantId tenant = binding.fleet().tenant();
        Instant now = clock.instant();
        return database.inTenant(tenant, tx -> {
            String id = PublicIds.random(random, ID_LENGTH);
            int made = tx.createUpdate("""
                            WITH used AS (
                                UPDATE acme_key SET used_at = :now
                                WHERE tenant_id = :tenant AND key_id = :key AND used_at IS NULL
                                    AND NOT EXISTS (SELECT FROM acme_account WHERE tenant_id = :tenant
                                        AND fleet_id = :fleet AND thumbprint = :thumbprint)
                                RETURNING device_id, names, address)
                            INSERT INTO acme_account (tenant_id, account_id, fleet_id, device_id, names, address,
                                key_id, thumbprint, jwk, contacts, active, created_at)
                            SELECT :tenant, :id, :fleet, device_id, names, address, :key, :thumbprint, :jwk, :contacts,
                                true, :now
                            FROM used""")
                    .bind("now", now)
                    .bind("tenant", tenant)
                    .bind("key", binding.id())
                    .bind("id", id)
                    .bind("fleet", binding.fleet())
                    .bind("thumbprint", thumbprint)
                    .bind("jwk", jwk)
                    .bindArray("contacts", String.class, contacts)
                    .execute();
            if (made == 0) {
                return Optional.empty();
            }
            audit(
                    tx,
                    tenant,
                    binding.device(),
                    "acme-account.created",
                    Map.of("account", id, "key", binding.id(), "thumbprint", thumbprint.base64Url()));
            return Optional.of(
                    new AcmeAccount(id, binding.fleet(), binding.device(), binding.scope(), jwk, contacts, true, now));
        });
    }

    private void audit(
            org.jdbi.v3.core.Handle tx, TenantId tenant, DeviceId device, String action, Map<String, Object> detail) {
        auditLog.append(tx, tenant, List.of(new AuditEvent(Actor.device(device), action, "device:" + device, detail)));
    }

    public Optional<AcmeAccount> find(FleetId fleet, String id) {
        return find(fleet, "account_id = :value", id);
    }

    public Optional<AcmeAccount> byKey(FleetId fleet, Bytes thumbprint) {
        return find(fleet, "thumbprint = :value", thumbprint);
    }

    private Optional<AcmeAccount> find(FleetId fleet, String condition, Object value) {
        return database.inTenant(
                fleet.tenant(),
                tx -> tx.createQuery("SELECT " + COLUMNS
                                + " FROM acme_account WHERE tenant_id = :tenant AND fleet_id = :fleet AND " + condition)
                        .bind("tenant", fleet.tenant())
                        .bind("fleet", fleet)
                        .bind("value", value)
                        .map((row, context) -> account(row))
                        .findOne());
    }

    /// Changes the ways to reach whoever runs the device.
    public void setContacts(AcmeAccount account, List<String> contacts) {
        database.inTenant(
                account.fleet().tenant(),
                tx -> tx.createUpdate("""
                                UPDATE acme_account SET contacts = :contacts
                                WHERE tenant_id = :tenant AND account_id = :id""")
                        .bindArray("contacts", String.class, contacts)
                        .bind("tenant", account.fleet().tenant())
                        .bind("id", account.id())
                        .execute());
    }

    /// Ends an account at the wish of whoever has its key.
    public void deactivate(AcmeAccount account) {
        TenantId tenant = account.fleet().tenant();
        database.inTenant(tenant, tx -> {
            tx.createUpdate("UPDATE acme_account SET active = false WHERE tenant_id = :tenant AND account_id = :id")
                    .bind("tenant", tenant)
                    .bind("id", account.id())
                    .execute();
            audit(tx, tenant, account.device(), "acme-account.deactivated", Map.of("account", account.id()));
            return null;
        });
    }

    /// Gives an account another key.
    ///
    /// @return false where that key has an account already, or the account's key changed at the same
    ///     moment
    public boolean changeKey(AcmeAccount account, Bytes oldThumbprint, Bytes newThumbprint, String newJwk) {
        TenantId tenant = account.fleet().tenant();
        return database.inTenant(tenant, tx -> {
            int changed = tx.createUpdate("""
                            UPDATE acme_account SET thumbprint = :new, jwk = :jwk
                            WHERE tenant_id = :tenant AND account_id = :id AND thumbprint = :old
                                AND NOT EXISTS (SELECT FROM acme_account other WHERE other.tenant_id = :tenant
                                    AND other.fleet_id = :fleet AND other.thumbprint = :new)""")
                    .bind("new", newThumbprint)
                    .bind("jwk", newJwk)
                    .bind("tenant", tenant)
                    .bind("id", account.id())
                    .bind("old", oldThumbprint)
                    .bind("fleet", account.fleet())
                    .execute();
            if (changed == 1) {
                audit(
                        tx,
                        tenant,
                        account.device(),
                        "acme-account.key-changed",
                        Map.of("account", account.id(), "thumbprint", newThumbprint.base64Url()));
            }
            return changed == 1;
        });
    }

    private static AcmeAccount account(ResultSet row) throws SQLException {
        return new AcmeAccount(
                row.getString("account_id"),
                new FleetId(row.getString("fleet_id")),
                new DeviceId(row.getObject("device_id", UUID.class)),
                AcmeSettings.scope(row),
                row.getString("jwk"),
                AcmeSettings.texts(row, "contacts"),
                row.getBoolean("active"),
                row.getTimestamp("created_at").toInstant());
    }
}
