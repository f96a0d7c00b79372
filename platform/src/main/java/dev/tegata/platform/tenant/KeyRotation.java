// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.tenant;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.KeyEncryptionKey;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.pki.key.SoftwareVault;
import dev.tegata.pki.key.VaultException;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.PeriodicWork;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.store.Database;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// Changes the key-encryption key of the software vault while everything goes on.
///
/// - Each node is given both keys, and says so in `vault_node`. Only when all that run have both may
///   the change begin.
/// - From then on new keys are sealed under the next key; every node seals the others anew, a few at
///   a time. The old
///   sealing is named in the update, so two nodes that meet at one key do the work once.
/// - A node that is killed leaves nothing half-done: each key is sealed under one of the two, and
///   both are known.
/// - When no key is left, the next key takes the place of the old one, which no node needs any more.
public final class KeyRotation implements AutoCloseable {
    private static final Duration PAUSE = Duration.ofSeconds(5);
    private static final int AT_ONCE = 100;

    private final Database database;
    private final PostgresSealedKeyStore store;
    private final VaultKeys keys;
    private final AuditLog auditLog;
    private final UUID node = UUID.randomUUID();
    private final PeriodicWork work;

    /// How far a change is.
    ///
    /// @param next null where none is under way
    public record State(Bytes key, @Nullable Bytes next, List<Bytes> known) {
        public State {
            known = List.copyOf(known);
        }
    }

    private record Sealed(KeyHandle handle, Bytes sealed) {}

    public KeyRotation(Database database, PostgresSealedKeyStore store, VaultKeys keys, AuditLog auditLog) {
        this.database = database;
        this.store = store;
        this.keys = keys;
        this.auditLog = auditLog;
        register();
        this.work = PeriodicWork.start("sealing of keys", PAUSE, this::step);
    }

    public State state() {
        PostgresSealedKeyStore.SealingKeys present = store.sealingKeys();
        return new State(present.key(), present.next(), keys.ids());
    }

    /// Begins to change to the key that this node was given beside the present one.
    ///
    /// @throws RefusedException where there is none, where a node lacks it, or where a change is under way
    public State begin() {
        register();
        database.installation(tx -> {
            PostgresSealedKeyStore.SealingKeys present = PostgresSealedKeyStore.sealingKeys(tx);
            Bytes next = keys.ids().stream()
                    .filter(id -> !id.equals(present.key()))
                    .findFirst()
                    .orElseThrow(() -> new RefusedException(
                            ErrorCode.CONFLICT,
                            "the server was given no next key: name its file with vault-next-passphrase-file"));
            if (present.next() != null) {
                throw new RefusedException(ErrorCode.CONFLICT, "the key is being changed already");
            }
            int lacking = tx.createQuery("""
                            SELECT count(*) FROM vault_node
                            WHERE seen_at > now() - interval '1 minute' AND NOT :next = ANY (key_ids)""")
                    .bind("next", next.hex())
                    .mapTo(Integer.class)
                    .one();
            if (lacking > 0) {
                throw new RefusedException(
                        ErrorCode.CONFLICT,
                        lacking + " running nodes were not given the next key: restart them with it");
            }
            return tx.createUpdate("UPDATE vault_key SET next_key_id = :next WHERE next_key_id IS NULL")
                    .bind("next", next)
                    .execute();
        });
        return state();
    }

    private void register() {
        database.installation(tx -> {
            tx.createUpdate("DELETE FROM vault_node WHERE seen_at < now() - interval '1 day'")
                    .execute();
            return tx.createUpdate("""
                            INSERT INTO vault_node (node_id, key_ids, seen_at) VALUES (:node, :ids, now())
                            ON CONFLICT (node_id) DO UPDATE SET seen_at = now()""")
                    .bind("node", node)
                    .bindArray(
                            "ids",
                            String.class,
                            keys.ids().stream().map(Bytes::hex).toArray())
                    .execute();
        });
    }

    private void step() {
        register();
        advance();
    }

    /// Seals anew whatever is to be, and ends the change when nothing is left.
    void advance() {
        Bytes next = store.sealingKeys().next();
        if (next == null) {
            return;
        }
        KeyEncryptionKey to =
                keys.find(next).orElseThrow(() -> new VaultException("the next key is not known here", false));
        for (TenantId tenant : tenants()) {
            sealAnew(tenant, to);
        }
        database.installation(tx -> tx.createUpdate(
                        "UPDATE vault_key SET key_id = next_key_id, next_key_id = NULL WHERE next_key_id = :next")
                .bind("next", next)
                .execute());
    }

    private List<TenantId> tenants() {
        return database.acrossTenants(tx -> tx.createQuery("SELECT tenant_id FROM tenant ORDER BY tenant_id")
                .mapTo(String.class)
                .map(TenantId::new)
                .list());
    }

    private void sealAnew(TenantId tenant, KeyEncryptionKey to) {
        long count = 0;
        String after = "";
        while (true) {
            List<Sealed> some = sealedOtherwise(tenant, to.id(), after);
            if (some.isEmpty()) {
                break;
            }
            for (Sealed key : some) {
                count += replace(
                        tenant, key, SoftwareVault.sealAnew(tenant.keySpace(), key.handle(), key.sealed(), keys, to));
            }
            after = some.getLast().handle().id();
        }
        if (count > 0) {
            long sealed = count;
            database.inTenant(tenant, tx -> {
                auditLog.append(
                        tx,
                        tenant,
                        List.of(new AuditEvent(
                                new Actor(Actor.Kind.SYSTEM, "vault"),
                                "vault.keys-sealed-anew",
                                "tenant:" + tenant,
                                Map.of(
                                        "keys",
                                        sealed,
                                        "keyEncryptionKey",
                                        to.id().hex()))));
                return sealed;
            });
        }
    }

    private List<Sealed> sealedOtherwise(TenantId tenant, Bytes key, String after) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                SELECT key_handle, sealed FROM sealed_key
                                WHERE tenant_id = :tenant AND key_handle > :after
                                  AND substring(sealed FROM 2 FOR 8) <> :key
                                ORDER BY key_handle LIMIT :limit""")
                        .bind("tenant", tenant)
                        .bind("after", after)
                        .bind("key", key)
                        .bind("limit", AT_ONCE)
                        .map((row, context) -> new Sealed(new KeyHandle(row.getString(1)), Bytes.of(row.getBytes(2))))
                        .list());
    }

    private int replace(TenantId tenant, Sealed old, Bytes sealed) {
        return database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                                UPDATE sealed_key SET sealed = :sealed
                                WHERE tenant_id = :tenant AND key_handle = :key AND sealed = :old""")
                        .bind("tenant", tenant)
                        .bind("key", old.handle().id())
                        .bind("old", old.sealed())
                        .bind("sealed", sealed)
                        .execute());
    }

    @Override
    public void close() {
        work.close();
        database.installation(tx -> tx.createUpdate("DELETE FROM vault_node WHERE node_id = :node")
                .bind("node", node)
                .execute());
    }
}
