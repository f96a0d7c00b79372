// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.tenant;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.KeyEncryptionKey;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.pki.key.KeySpace;
import dev.tegata.pki.key.SealedKeyStore;
import dev.tegata.pki.key.VaultException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Work;
import java.util.List;
import java.util.Optional;
import java.util.random.RandomGenerator;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// The sealed keys of the software vault, in the database that everything else is in. Key spaces are
/// tenants.
public final class PostgresSealedKeyStore implements SealedKeyStore {
    private final Database database;

    public PostgresSealedKeyStore(Database database) {
        this.database = database;
    }

    @Override
    public boolean put(KeySpace space, KeyHandle key, Bytes sealed) {
        return run(
                space,
                tx -> tx.createUpdate("""
                        WITH sealing AS (SELECT coalesce(next_key_id, key_id) AS id FROM vault_key FOR SHARE)
                        INSERT INTO sealed_key (tenant_id, key_handle, sealed)
                        SELECT :tenant, :key, :sealed
                        WHERE NOT EXISTS (SELECT FROM sealing WHERE id <> substring(:sealed FROM 2 FOR 8))""")
                                .bind("tenant", space.name())
                                .bind("key", key.id())
                                .bind("sealed", sealed)
                                .execute()
                        == 1);
    }

    @Override
    public Optional<Bytes> get(KeySpace space, KeyHandle key) {
        return run(
                space,
                tx -> tx.createQuery("SELECT sealed FROM sealed_key WHERE tenant_id = :tenant AND key_handle = :key")
                        .bind("tenant", space.name())
                        .bind("key", key.id())
                        .mapTo(Bytes.class)
                        .findOne());
    }

    @Override
    public void delete(KeySpace space, KeyHandle key) {
        run(
                space,
                tx -> tx.createUpdate("DELETE FROM sealed_key WHERE tenant_id = :tenant AND key_handle = :key")
                        .bind("tenant", space.name())
                        .bind("key", key.id())
                        .execute());
    }

    /// The salt that a passphrase for these keys is stretched with: made once, the same for every process.
    public Bytes passphraseSalt(RandomGenerator random) {
        byte[] salt = new byte[KeyEncryptionKey.MIN_SALT_SIZE];
        random.nextBytes(salt);
        return installation(tx -> {
            tx.createUpdate("INSERT INTO vault_key (salt) VALUES (:salt) ON CONFLICT DO NOTHING")
                    .bind("salt", salt)
                    .execute();
            return tx.createQuery("SELECT salt FROM vault_key")
                    .mapTo(Bytes.class)
                    .one();
        });
    }

    /// Makes sure that this process can open what there is, from the first start on.
    ///
    /// @param keys what the process was given, the one for the first start first
    /// @throws VaultException where the key that was used first, or the one that it is being
    ///     changed to, is not there
    public void requireKeys(List<KeyEncryptionKey> keys, RandomGenerator random) {
        passphraseSalt(random);
        List<Bytes> ids = keys.stream().map(KeyEncryptionKey::id).toList();
        SealingKeys present = installation(tx -> {
            tx.createUpdate("UPDATE vault_key SET key_id = :key WHERE key_id IS NULL")
                    .bind("key", ids.getFirst())
                    .execute();
            return sealingKeys(tx);
        });
        if (!ids.contains(present.key()) || present.next() != null && !ids.contains(present.next())) {
            throw new VaultException(
                    "the passphrase or key file of the vault is not the one that its keys are sealed under", false);
        }
    }

    /// The key that keys are sealed under, and the one that it is being changed to.
    record SealingKeys(Bytes key, @Nullable Bytes next) {
        Bytes sealing() {
            return next == null ? key : next;
        }
    }

    SealingKeys sealingKeys() {
        return installation(PostgresSealedKeyStore::sealingKeys);
    }

    static SealingKeys sealingKeys(Handle tx) {
        return tx.createQuery("SELECT key_id, next_key_id FROM vault_key")
                .map((row, context) -> {
                    return new SealingKeys(Bytes.of(row.getBytes("key_id")), Columns.bytes(row, "next_key_id"));
                })
                .one();
    }

    private <T> T installation(Work<T> work) {
        try {
            return database.installation(work);
        } catch (UnavailableException e) {
            throw new VaultException("the store of sealed keys cannot be used now", true, e);
        }
    }

    private <T> T run(KeySpace space, Work<T> work) {
        try {
            return database.inTenant(new TenantId(space.name()), work);
        } catch (UnavailableException e) {
            throw new VaultException("the store of sealed keys cannot be used now", true, e);
        }
    }
}
