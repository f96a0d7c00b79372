// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class SoftwareVaultTest extends VaultContract {
    private static final SecureRandom RANDOM = new SecureRandom();

    private final MemoryStore store = new MemoryStore();
    private final KeyEncryptionKey kek = kek();

    private static final class MemoryStore implements SealedKeyStore {
        private final Map<String, Bytes> keys = new ConcurrentHashMap<>();

        @Override
        public boolean put(KeySpace space, KeyHandle key, Bytes sealed) {
            keys.put(space.name() + "/" + key.id(), sealed);
            return true;
        }

        @Override
        public Optional<Bytes> get(KeySpace space, KeyHandle key) {
            return Optional.ofNullable(keys.get(space.name() + "/" + key.id()));
        }

        @Override
        public void delete(KeySpace space, KeyHandle key) {
            keys.remove(space.name() + "/" + key.id());
        }
    }

    private static KeyEncryptionKey kek() {
        byte[] key = new byte[32];
        RANDOM.nextBytes(key);
        return KeyEncryptionKey.of(Secret.of(Base64.getEncoder().encodeToString(key)), Bytes.EMPTY);
    }

    @Override
    Vault open() {
        return new SoftwareVault(store, kek, RANDOM, 16);
    }

    @Test
    void aWrongKeyEncryptionKeyIsNamed() {
        KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
        KeyEncryptionKey other = kek();
        try (Vault wrong = new SoftwareVault(store, other, RANDOM, 16)) {
            assertRefused(() -> wrong.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA))
                    .hasMessageContaining(kek.id().hex())
                    .hasMessageContaining(other.id().hex());
        }
    }

    @Test
    @DisplayName("A sealed key opens only where it was sealed: same space, same handle")
    void sealedKeysCannotBeMoved() {
        KeyHandle first = vault.generate(ACME, KeyAlgorithm.EC_P256);
        KeyHandle second = vault.generate(ACME, KeyAlgorithm.EC_P256);
        Bytes sealed = store.get(ACME, first).orElseThrow();
        store.put(ACME, second, sealed);
        store.put(GLOBEX, first, sealed);
        reopen();

        assertRefused(() -> vault.publicKey(ACME, second)).hasMessageContaining("moved");
        assertRefused(() -> vault.publicKey(GLOBEX, first)).hasMessageContaining("moved");
        vault.publicKey(ACME, first);
    }

    @Test
    @DisplayName("Fuzz: a damaged sealed key is refused, whatever the damage")
    void damagedKeysAreRefused() {
        KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
        Bytes sealed = store.get(ACME, key).orElseThrow();
        Random random = new Random(38);
        for (int i = 0; i < sealed.size(); i++) {
            byte[] damaged = sealed.toArray();
            damaged[i] ^= (byte) (1 + random.nextInt(255));
            assertDamaged(key, Bytes.of(damaged));
        }
        for (int i = 0; i < 2_000; i++) {
            Bytes damaged = Mutations.of(sealed.toArray(), random);
            if (!damaged.equals(sealed)) {
                assertDamaged(key, damaged);
            }
        }
    }

    private void assertDamaged(KeyHandle key, Bytes damaged) {
        store.put(ACME, key, damaged);
        vault.close(); // forgets what it had opened
        assertRefused(() -> vault.publicKey(ACME, key));
    }

    @Test
    void sealingTheSameKeyTwiceGivesDifferentBytes() {
        byte[] pkcs8 = SoftwareKey.generate(KeyAlgorithm.ED25519).pkcs8();
        Bytes first = store.get(ACME, vault.importKey(ACME, pkcs8)).orElseThrow();
        Bytes second = store.get(ACME, vault.importKey(ACME, pkcs8)).orElseThrow();

        assertThat(first).isNotEqualTo(second);
        assertThat(first.hex()).doesNotContain(Bytes.of(pkcs8).hex().substring(32));
    }

    @Test
    void moreKeysThanTheCacheHolds() {
        KeyHandle[] keys = new KeyHandle[40];
        for (int i = 0; i < keys.length; i++) {
            keys[i] = vault.generate(ACME, KeyAlgorithm.EC_P256);
        }
        for (KeyHandle key : keys) {
            vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);
        }
    }

    @Test
    void toStringShowsNoSecret() {
        assertThat(vault.toString()).isEqualTo("software vault under key-encryption key " + kek.id());
        assertThat(vault.kind()).isEqualTo("software");
    }
}
