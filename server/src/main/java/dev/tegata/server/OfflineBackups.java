// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server;

import dev.tegata.pki.key.Vault;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.backup.Backups;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.DatabaseConfig;
import dev.tegata.platform.store.EmbeddedPostgres;
import dev.tegata.platform.tenant.PostgresSealedKeyStore;
import dev.tegata.platform.tenant.VaultKeys;
import java.io.IOException;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.Optional;

/// Backups of the installation that settings describe, for its operator on its machine. The server need not
/// run; with the embedded database it must not.
public final class OfflineBackups {
    private OfflineBackups() {}

    /// What is done with them.
    public interface Work<T> {
        T with(Backups backups) throws IOException;
    }

    /// Opens the installation, does `work`, and closes it.
    ///
    /// @throws dev.tegata.platform.UnavailableException where the database cannot be used
    /// @throws dev.tegata.pki.key.VaultException where the vault cannot be opened
    public static <T> T open(ServerConfig config, Work<T> work) throws IOException {
        Server.makeDataFolder(config.data());
        if (config.database().isPresent()) {
            return open(config, config.database().get(), work);
        }
        try (EmbeddedPostgres postgres = EmbeddedPostgres.start(config.data())) {
            return open(config, postgres.config(), work);
        }
    }

    private static <T> T open(ServerConfig config, DatabaseConfig where, Work<T> work) throws IOException {
        SecureRandom random = new SecureRandom();
        InstantSource clock = InstantSource.system();
        try (Database database = Database.open(where)) {
            PostgresSealedKeyStore store = new PostgresSealedKeyStore(database);
            Optional<VaultKeys> keys = Server.vaultKeys(config, store, random);
            try (Vault vault = Server.openVault(config.vault(), store, keys, random);
                    AuditLog auditLog = new AuditLog(database, vault, clock)) {
                return work.with(new Backups(
                        new Backups.Ground(database, vault, keys, auditLog, Server.version()), clock, random));
            }
        }
    }
}
