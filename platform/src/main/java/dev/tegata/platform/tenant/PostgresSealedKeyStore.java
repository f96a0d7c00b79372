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
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Work;
import java.util.Optional;
import java.util.random.RandomGenerator;

/// The sealed keys of the software vault, in the database that everything else is in. Key spaces are tenants.
public final class PostgresSealedKeyStore implements SealedKeyStore {
    private final Database database;

    public PostgresSealedKeyStore(Database database) {
        this.database = database;
    }

    @Override
    public void put(KeySpace space, KeyHandle key, Bytes sealed) {
        run(
                space,
                tx -> tx.createUpdate("""
                        INSERT INTO sealed_key (tenant_id, key_handle, sealed) VALUES (:tenant, :key, :sealed)""")
                        .bind("tenant", space.name())
                        .bind("key", key.id())
                        .bind("sealed", sealed)
                        .execute());
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

    /// Makes sure that keys are sealed under one key only, from the first start on: with another one, what was sealed
    /// before would not open.
    ///
    /// @throws VaultException where `key` is not the one that was used first
    public void requireSameKey(KeyEncryptionKey key, RandomGenerator random) {
        passphraseSalt(random);
        Bytes first = installation(tx -> {
            tx.createUpdate("UPDATE vault_key SET key_id = :key WHERE key_id IS NULL")
                    .bind("key", key.id())
                    .execute();
            return tx.createQuery("SELECT key_id FROM vault_key")
                    .mapTo(Bytes.class)
                    .one();
        });
        if (!first.equals(key.id())) {
            throw new VaultException(
                    "the passphrase or key file of the vault is not the one that its keys are sealed under", false);
        }
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
