// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.KeyEncryptionKey;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.pki.key.KeySpace;
import dev.tegata.pki.key.Pkcs11Config;
import dev.tegata.pki.key.Pkcs11Vault;
import dev.tegata.pki.key.RefusedPins;
import dev.tegata.pki.key.ReplicatedVault;
import dev.tegata.pki.key.SealedKeyStore;
import dev.tegata.pki.key.Secret;
import dev.tegata.pki.key.SoftwareVault;
import dev.tegata.pki.key.Vault;
import dev.tegata.pki.key.VaultCheck;
import dev.tegata.pki.key.VaultSurvey;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/// Tries out the vault that settings describe, without a server and without a database.
public final class VaultInspection {
    /// Where the test keys of the check are made. No tenant is called so.
    private static final KeySpace SPACE = new KeySpace("tegata-check");

    private static final int SOFTWARE_CALLERS = 8;

    private VaultInspection() {}

    /// What was seen and tried.
    ///
    /// @param modules empty for the software vault
    public record Result(String kind, List<VaultSurvey> modules, VaultCheck.Report report) {
        public Result {
            modules = List.copyOf(modules);
        }
    }

    /// @param measured how long each rate is measured
    /// @throws dev.tegata.pki.key.VaultException where the vault cannot be used at all
    public static Result check(ServerConfig config, Duration measured) {
        SecureRandom random = new SecureRandom();
        return switch (config.vault()) {
            case ServerConfig.Software _ -> {
                byte[] secret = new byte[32];
                random.nextBytes(secret);
                KeyEncryptionKey key = KeyEncryptionKey.of(
                        Secret.of(Base64.getEncoder().encodeToString(secret)), Bytes.of(new byte[16]));
                try (Vault vault = new SoftwareVault(new Memory(), key, random, 16)) {
                    yield new Result(
                            vault.kind(), List.of(), new VaultCheck(vault, SPACE, measured).run(SOFTWARE_CALLERS));
                }
            }
            case ServerConfig.Hsm hsm -> {
                try (Vault vault = open(hsm, random)) {
                    VaultCheck.Report report = new VaultCheck(vault, SPACE, measured)
                            .run(hsm.config().sessions());
                    List<Pkcs11Vault> tokens = vault instanceof ReplicatedVault replicas
                            ? replicas.tokens()
                            : List.of((Pkcs11Vault) vault);
                    yield new Result(
                            vault.kind(),
                            tokens.stream().map(Pkcs11Vault::survey).toList(),
                            report);
                }
            }
        };
    }

    /// Has PINs that tokens have refused offered once more, by whatever process of the installation.
    public static void tryPinsAnew(ServerConfig config) {
        if (config.vault() instanceof ServerConfig.Hsm hsm && hsm.config().refusals() != null) {
            RefusedPins.forget(hsm.config().refusals());
        }
    }

    static Vault open(ServerConfig.Hsm hsm, SecureRandom random) {
        if (hsm.replicas().isEmpty()) {
            return Pkcs11Vault.open(hsm.config(), random);
        }
        List<Pkcs11Config> tokens = new ArrayList<>();
        tokens.add(hsm.config());
        tokens.addAll(hsm.replicas());
        return ReplicatedVault.open(tokens, random);
    }

    /// Sealed keys that nobody keeps.
    private static final class Memory implements SealedKeyStore {
        private final Map<KeyHandle, Bytes> keys = new ConcurrentHashMap<>();

        @Override
        public boolean put(KeySpace space, KeyHandle key, Bytes sealed) {
            keys.put(key, sealed);
            return true;
        }

        @Override
        public Optional<Bytes> get(KeySpace space, KeyHandle key) {
            return Optional.ofNullable(keys.get(key));
        }

        @Override
        public void delete(KeySpace space, KeyHandle key) {
            keys.remove(key);
        }
    }
}
