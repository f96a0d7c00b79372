// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import dev.tegata.pki.Bytes;
import java.util.Optional;

/// Where the software vault keeps its sealed keys. What it holds is worthless without the key-encryption
/// key.
///
/// Implementations are safe for use by many threads, and throw a retryable [VaultException] where storage
/// is away.
public interface SealedKeyStore {
    /// Stores a key that was not there before; it is durable when this returns.
    ///
    /// @return false, with nothing stored, where keys are by now sealed under another key-encryption key
    boolean put(KeySpace space, KeyHandle key, Bytes sealed);

    Optional<Bytes> get(KeySpace space, KeyHandle key);

    /// Deletes a key. Does nothing where it does not exist.
    void delete(KeySpace space, KeyHandle key);
}
