// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.decision;

import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Json;
import dev.tegata.platform.store.Remembered;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The relying parties of a tenant and what each of them requires.
public final class RelyingParties {
    private static final int MOST = 1_000;
    private static final int REMEMBERED = 10_000;

    private final Database database;
    private final AuditLog audit;
    private final InstantSource clock;
    private final Remembered<Key, RelyingParty> byKey;
    private final Remembered<Key, Optional<RelyingParty>> byName;

    /// @param name of a key or of a party
    private record Key(TenantId tenant, String name) {}

    public RelyingParties(Database database, AuditLog audit, InstantSource clock) {
        this.database = database;
        this.audit = audit;
        this.clock = clock;
        this.byKey = new Remembered<>(
                database.changes(),
                REMEMBERED,
                key -> found(key, read(key, "key_id").orElse(RelyingParty.ANYBODY)));
        this.byName = new Remembered<>(database.changes(), REMEMBERED, key -> found(key, read(key, "name")));
    }

    /// The relying party that an API key belongs to, or [RelyingParty#ANYBODY].
    RelyingParty ofKey(TenantId tenant, String keyId, long moment) {
        return byKey.get(new Key(tenant, keyId), moment);
    }

    private static <V> Remembered.Found<V> found(Key key, V value) {
        return new Remembered.Found<>(value, "parties " + key.tenant);
    }

    private Optional<RelyingParty> read(Key key, String column) {
        return database.inTenant(
                key.tenant,
                tx -> tx.createQuery("SELECT name, key_id, policy FROM relying_party WHERE tenant_id = :tenant AND "
                                + column + " = :name")
                        .bind("tenant", key.tenant)
                        .bind("name", key.name)
                        .map((row, context) -> party(row))
                        .findOne());
    }

    /// All of them, by their names.
    public List<RelyingParty> list(TenantId tenant) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                        SELECT name, key_id, policy FROM relying_party WHERE tenant_id = :tenant ORDER BY name""")
                        .bind("tenant", tenant)
                        .map((row, context) -> party(row))
                        .list());
    }

    /// @throws RefusedException where there is none of that name
    RelyingParty get(TenantId tenant, String name, long moment) {
        return find(tenant, name, moment)
                .orElseThrow(() ->
                        new RefusedException(ErrorCode.NOT_FOUND, "there is no relying party " + Texts.quoted(name)));
    }

    Optional<RelyingParty> find(TenantId tenant, String name, long moment) {
        return byName.get(new Key(tenant, name), moment);
    }

    /// Adds a relying party, or changes the one of that name.
    ///
    /// @throws RefusedException where the key is not one of the tenant's or is another party's, or
    ///     there
    ///     are too many
    public RelyingParty put(TenantId tenant, Actor actor, RelyingParty party) {
        if (!party.name().matches("[a-z0-9][a-z0-9-]{0,63}") || party.name().equals(RelyingParty.ANYBODY.name())) {
            throw Fields.invalid("name", "must be 1 to 64 of a-z, 0-9 and '-', and not 'default'");
        }
        database.inTenant(tenant, tx -> {
            String key = party.keyId();
            audit.takeTurn(tx, tenant);
            boolean free = tx.createQuery("""
                            SELECT :key::text IS NULL OR EXISTS (SELECT FROM api_key
                                    WHERE tenant_id = :tenant AND key_id = :key AND revoked_at IS NULL)
                                AND NOT EXISTS (SELECT FROM relying_party
                                    WHERE tenant_id = :tenant AND key_id = :key AND name <> :name)""")
                    .bind("key", key)
                    .bind("tenant", tenant)
                    .bind("name", party.name())
                    .mapTo(Boolean.class)
                    .one();
            if (!free) {
                throw new RefusedException(
                        ErrorCode.CONFLICT, "the API key is not there, or belongs to another relying party");
            }
            int others = tx.createQuery("""
                            SELECT count(*) FROM relying_party WHERE tenant_id = :tenant AND name <> :name""")
                    .bind("tenant", tenant)
                    .bind("name", party.name())
                    .mapTo(Integer.class)
                    .one();
            if (others >= MOST) {
                throw new RefusedException(
                        ErrorCode.CONFLICT, "there are " + MOST + " relying parties already: remove one first");
            }
            tx.createUpdate("""
                            INSERT INTO relying_party (tenant_id, name, key_id, policy, created_at)
                            VALUES (:tenant, :name, :key, :policy::jsonb, :now)
                            ON CONFLICT (tenant_id, name) DO UPDATE
                            SET key_id = excluded.key_id, policy = excluded.policy""")
                    .bind("tenant", tenant)
                    .bind("name", party.name())
                    .bind("key", key)
                    .bind("policy", Json.write(party.policy()))
                    .bind("now", clock.instant())
                    .execute();
            audit.append(
                    tx,
                    tenant,
                    List.of(new AuditEvent(
                            actor,
                            "relying-party.changed",
                            "relying-party:" + party.name(),
                            Map.of("policy", Json.write(party.policy()), "key", key == null ? "" : key))));
            return null;
        });
        return party;
    }

    /// @throws RefusedException where there is none of that name
    public void remove(TenantId tenant, Actor actor, String name) {
        database.inTenant(tenant, tx -> {
            int removed = tx.createUpdate("DELETE FROM relying_party WHERE tenant_id = :tenant AND name = :name")
                    .bind("tenant", tenant)
                    .bind("name", name)
                    .execute();
            if (removed == 0) {
                throw new RefusedException(ErrorCode.NOT_FOUND, "there is no relying party " + Texts.quoted(name));
            }
            audit.append(
                    tx,
                    tenant,
                    List.of(new AuditEvent(actor, "relying-party.removed", "relying-party:" + name, Map.of())));
            return null;
        });
    }

    private static RelyingParty party(ResultSet row) throws SQLException {
        return new RelyingParty(
                row.getString("name"), row.getString("key_id"), Json.read(row.getString("policy"), PartyPolicy.class));
    }
}
