// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.testing;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.KeyEncryptionKey;
import dev.tegata.pki.key.Secret;
import dev.tegata.pki.key.SoftwareVault;
import dev.tegata.pki.key.Vault;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.tenant.PostgresSealedKeyStore;
import java.security.SecureRandom;

/// The vaults that tests run on.
public enum TestVault {
    SOFTWARE {
        @Override
        public Vault open(Database database) {
            KeyEncryptionKey kek = KeyEncryptionKey.of(
                    Secret.of("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="), Bytes.of(new byte[16]));
            return new SoftwareVault(new PostgresSealedKeyStore(database), kek, new SecureRandom(), 1000);
        }
    };

    /// Opens the vault; the software vault keeps its keys in `database`.
    public abstract Vault open(Database database);
}
