// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.Base64;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("What a vault remembers of its signatures")
final class WatchedVaultTest {
    private static final Instant NOW = Instant.parse("2026-11-22T12:00:00Z");
    private static final KeySpace ACME = new KeySpace("acme");
    private static final KeySpace GLOBEX = new KeySpace("globex");
    private static final byte[] DATA = {1, 2, 3};

    private final Keys keys = new Keys();
    private final WatchedVault vault = new WatchedVault(
            new SoftwareVault(keys, KeyEncryptionKey.of(secret(), Bytes.EMPTY), new SecureRandom(), 1), () -> NOW);
    private final KeyHandle acme = vault.generate(ACME, KeyAlgorithm.EC_P256);
    private final KeyHandle other = vault.generate(ACME, KeyAlgorithm.EC_P256);
    private final KeyHandle globex = vault.generate(GLOBEX, KeyAlgorithm.EC_P256);

    private static Secret secret() {
        byte[] key = new byte[32];
        new SecureRandom().nextBytes(key);
        return Secret.of(Base64.getEncoder().encodeToString(key));
    }

    /// Keys that can be taken away.
    private static final class Keys implements SealedKeyStore {
        private final Map<KeyHandle, Bytes> keys = new ConcurrentHashMap<>();
        private final Set<KeySpace> away = ConcurrentHashMap.newKeySet();
        private final CountDownLatch hangs = new CountDownLatch(1);
        private final CountDownLatch goOn = new CountDownLatch(1);
        private volatile @Nullable KeyHandle hanging;

        @Override
        public boolean put(KeySpace space, KeyHandle key, Bytes sealed) {
            keys.put(key, sealed);
            return true;
        }

        @Override
        public Optional<Bytes> get(KeySpace space, KeyHandle key) {
            if (key.equals(hanging)) {
                hangs.countDown();
                await(goOn);
                throw new VaultException("the call was given up", true);
            }
            if (away.contains(space)) {
                throw new VaultException("the token is away", true);
            }
            return Optional.ofNullable(keys.get(key));
        }

        @Override
        public void delete(KeySpace space, KeyHandle key) {
            keys.remove(key);
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private void sign(KeySpace space, KeyHandle key) {
        vault.sign(space, key, SignatureAlgorithm.ECDSA_SHA256, DATA);
    }

    @Test
    @DisplayName("is of each space, until it signs again")
    void perSpace() {
        assertThat(vault.signing(ACME).signedAt()).isNull();
        sign(ACME, acme);
        sign(GLOBEX, globex);
        assertThat(vault.failing()).isEmpty();
        assertThat(vault.signing(ACME).signedAt()).isEqualTo(NOW);

        keys.away.add(ACME);
        assertThatThrownBy(() -> sign(ACME, acme)).isInstanceOf(VaultException.class);
        sign(GLOBEX, globex);

        assertThat(vault.failing()).containsOnlyKeys("acme");
        assertThat(vault.signing(ACME).failing()).hasValueSatisfying(failure -> {
            assertThat(failure.problem()).isEqualTo("the token is away");
            assertThat(failure.passing()).isTrue();
            assertThat(failure.at()).isEqualTo(NOW);
        });
        assertThat(vault.signing(GLOBEX).failing()).isEmpty();

        keys.away.clear();
        sign(ACME, acme);
        assertThat(vault.failing()).isEmpty();
        assertThat(vault.signing(ACME).failure())
                .as("when it was is still told")
                .isNotNull();
    }

    @Test
    @DisplayName("is not changed by a call that began before the last signature and is given up after it")
    void lateFailure() throws InterruptedException {
        keys.hanging = acme;
        Thread late = Thread.ofVirtual()
                .start(() -> assertThatThrownBy(() -> sign(ACME, acme)).isInstanceOf(VaultException.class));
        keys.hangs.await();
        sign(ACME, other);
        keys.goOn.countDown();
        late.join();

        assertThat(vault.signing(ACME).failure()).isNotNull();
        assertThat(vault.failing()).isEmpty();
    }
}
