// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import static dev.tegata.pki.key.VaultContract.ACME;
import static dev.tegata.pki.key.VaultContract.DATA;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The HSM is a process that dies while many threads sign, and comes back.
@Timeout(300)
class Pkcs11RecoveryTest {
    private static final int SIGNERS = 6;
    private static final Secret SECRET = Secret.of("the module's own secret");

    @TempDir
    @SuppressWarnings("NullAway.Init")
    Path directory;

    /// With several sessions p11-kit's client leaves all calls but one waiting for ever when its server
    /// dies.
    @ParameterizedTest
    @ValueSource(ints = {1, 4})
    void aKilledHsmIsBackWithoutARestartOfOurs(int sessions) throws Exception {
        Pkcs11Config config = Pkcs11Config.tokenPerSpace(RemoteHsm.LIBRARY, SECRET)
                .withSessions(sessions)
                .withTimeout(Duration.ofSeconds(5));
        try (RemoteHsm hsm = new RemoteHsm(directory);
                Pkcs11Vault vault = Pkcs11Vault.open(config, new SecureRandom())) {
            vault.createSpace(ACME);
            KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
            PublicKeyInfo publicKey = vault.publicKey(ACME, key);
            try (Load load = new Load(vault, key, publicKey)) {
                for (int round = 0; round < 2; round++) {
                    load.awaitSignatures();
                    hsm.kill();
                    load.awaitRefusals();
                    hsm.restart();
                    load.awaitSignatures();
                }
            }
            KeyHandle another = vault.generate(ACME, KeyAlgorithm.EC_P256);
            vault.destroy(ACME, another);
        }
    }

    @Test
    void anHsmThatSaysNothingIsAskedNowAndThenAndIsBackWhenItTalks() throws Exception {
        Pkcs11Config config = Pkcs11Config.tokenPerSpace(RemoteHsm.LIBRARY, SECRET)
                .withSessions(3)
                .withTimeout(Duration.ofSeconds(5));
        try (RemoteHsm hsm = new RemoteHsm(directory);
                Pkcs11Vault vault = Pkcs11Vault.open(config, new SecureRandom())) {
            vault.createSpace(ACME);
            KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
            PublicKeyInfo publicKey = vault.publicKey(ACME, key);
            try (Load load = new Load(vault, key, publicKey)) {
                load.awaitSignatures();
                hsm.signal("STOP");
                load.awaitRefusals();
                while (vault.condition().answers()) {
                    load.awaitRefusals();
                }
                assertThat(vault.condition().hangingCalls()).isPositive();
                hsm.signal("CONT");
                load.awaitSignatures();
            }
        }
    }

    /// Threads that sign without pause; every failure must be one that says "later".
    private static final class Load implements AutoCloseable {
        private final AtomicBoolean running = new AtomicBoolean(true);
        private final AtomicLong signatures = new AtomicLong();
        private final AtomicLong refusals = new AtomicLong();
        private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
        private final List<Future<?>> signers = new ArrayList<>();

        Load(Vault vault, KeyHandle key, PublicKeyInfo publicKey) {
            for (int i = 0; i < SIGNERS; i++) {
                signers.add(threads.submit(() -> {
                    while (running.get()) {
                        try {
                            byte[] signature = vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);
                            assertThat(publicKey.verifies(SignatureAlgorithm.ECDSA_SHA256, DATA, signature))
                                    .isTrue();
                            signatures.incrementAndGet();
                        } catch (VaultException e) {
                            assertThat(e.retryable()).as(e.getMessage()).isTrue();
                            refusals.incrementAndGet();
                        }
                    }
                }));
            }
        }

        void awaitSignatures() throws Exception {
            await(signatures);
        }

        void awaitRefusals() throws Exception {
            await(refusals);
        }

        /// Until every signer can have added one, or one has failed otherwise.
        private void await(AtomicLong count) throws Exception {
            long enough = count.get() + 2 * SIGNERS;
            while (count.get() < enough) {
                for (Future<?> signer : signers) {
                    if (signer.isDone()) {
                        signer.get();
                    }
                }
                TimeUnit.MILLISECONDS.sleep(2);
            }
        }

        @Override
        public void close() throws Exception {
            running.set(false);
            for (Future<?> signer : signers) {
                signer.get();
            }
            threads.close();
        }
    }
}
