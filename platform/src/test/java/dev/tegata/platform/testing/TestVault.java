// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.testing;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.KeyEncryptionKey;
import dev.tegata.pki.key.Pkcs11Config;
import dev.tegata.pki.key.Pkcs11Vault;
import dev.tegata.pki.key.Secret;
import dev.tegata.pki.key.SoftwareVault;
import dev.tegata.pki.key.Vault;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.tenant.PostgresSealedKeyStore;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
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
    },
    /// SoftHSM; a test that asks for it where it is not installed is skipped. One at a time: the module is one per
    /// process.
    PKCS11 {
        private static final Path LIBRARY = Path.of("/usr/lib/softhsm/libsofthsm2.so");

        @Override
        public Vault open(Database database) {
            assumeTrue(Files.exists(LIBRARY), "SoftHSM is not installed: there is no " + LIBRARY);
            try {
                Path folder =
                        Files.createTempDirectory(Files.createDirectories(Path.of("target", "softhsm")), "tokens");
                Path config =
                        Files.writeString(folder.resolve("softhsm2.conf"), """
                        directories.tokendir = %s
                        objectstore.backend = file
                        log.level = ERROR
                        """.formatted(folder.toAbsolutePath()));
                setEnvironment("SOFTHSM2_CONF", config.toAbsolutePath().toString());
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            Secret secret = Secret.of("the secret of the test's tokens");
            return Pkcs11Vault.open(Pkcs11Config.tokenPerSpace(LIBRARY, secret), new SecureRandom());
        }
    };

    /// Opens the vault; the software vault keeps its keys in `database`.
    public abstract Vault open(Database database);

    /// The module reads its environment by getenv(3), which knows nothing of Java's copy.
    private static void setEnvironment(String name, String value) {
        Linker linker = Linker.nativeLinker();
        var setenv = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("setenv"),
                FunctionDescriptor.of(
                        ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
        try (Arena arena = Arena.ofConfined()) {
            int result = (int) setenv.invokeExact(arena.allocateFrom(name), arena.allocateFrom(value), 1);
            if (result != 0) {
                throw new IllegalStateException("setenv failed");
            }
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("native functions throw nothing", e);
        }
    }
}
