// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.tenant;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.KeyEncryptionKey;
import dev.tegata.pki.key.KeyEncryptionKeys;
import dev.tegata.pki.key.VaultException;
import java.util.List;
import java.util.Optional;
import java.util.random.RandomGenerator;

/// The key-encryption keys that this node was given; which of them keys are sealed under now stands in
/// the database.
public final class VaultKeys implements KeyEncryptionKeys {
    private final PostgresSealedKeyStore store;
    private final List<KeyEncryptionKey> keys;

    /// @param keys the one for a first start first
    /// @throws VaultException where the keys in the store are sealed under another one
    public VaultKeys(PostgresSealedKeyStore store, List<KeyEncryptionKey> keys, RandomGenerator random) {
        this.store = store;
        this.keys = List.copyOf(keys);
        store.requireKeys(this.keys, random);
    }

    @Override
    public KeyEncryptionKey sealing() {
        Bytes id = store.sealingKeys().sealing();
        return find(id).orElseThrow(() -> new VaultException(
                "the key-encryption key was changed to " + id.hex() + ", which this node was not given", false));
    }

    @Override
    public Optional<KeyEncryptionKey> find(Bytes id) {
        return keys.stream().filter(key -> key.id().equals(id)).findFirst();
    }

    List<Bytes> ids() {
        return keys.stream().map(KeyEncryptionKey::id).toList();
    }

    /// The ids only.
    @Override
    public String toString() {
        return keys.toString();
    }
}
