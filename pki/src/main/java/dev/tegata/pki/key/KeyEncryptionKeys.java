// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import dev.tegata.pki.Bytes;
import java.util.Optional;

/// The key-encryption keys that a software vault has: one that it seals under, and those that it can open.
public interface KeyEncryptionKeys {
    /// The key for what is sealed now.
    KeyEncryptionKey sealing();

    Optional<KeyEncryptionKey> find(Bytes id);

    /// One key for everything.
    static KeyEncryptionKeys of(KeyEncryptionKey only) {
        return new KeyEncryptionKeys() {
            @Override
            public KeyEncryptionKey sealing() {
                return only;
            }

            @Override
            public Optional<KeyEncryptionKey> find(Bytes id) {
                return only.id().equals(id) ? Optional.of(only) : Optional.empty();
            }

            @Override
            public String toString() {
                return only.toString();
            }
        };
    }
}
