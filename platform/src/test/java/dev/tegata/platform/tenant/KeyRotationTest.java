// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.tenant;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.KeyEncryptionKey;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.pki.key.Secret;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.SoftwareVault;
import dev.tegata.pki.key.VaultException;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.TestPlatform;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class KeyRotationTest {
    private static final SecureRandom RANDOM = new SecureRandom();
    private static final KeyEncryptionKey OLD = key("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
    private static final KeyEncryptionKey NEW = key("YWJjZGVmZ2hpamFiY2RlZmdoaWphYmNkZWZnaGlqYWI=");
    private static final byte[] DATA = {1, 2, 3};

    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    private final Database database = testDatabase.database();
    private final PostgresSealedKeyStore store = new PostgresSealedKeyStore(database);

    private static KeyEncryptionKey key(String base64) {
        return KeyEncryptionKey.of(Secret.of(base64), Bytes.of(new byte[16]));
    }

    /// A node that was given these keys.
    private final class Node implements AutoCloseable {
        private final TestPlatform platform;
        private final KeyRotation rotation;

        Node(KeyEncryptionKey... keys) {
            VaultKeys given = new VaultKeys(store, List.of(keys), RANDOM);
            platform = new TestPlatform(database, new SoftwareVault(store, given, RANDOM, 1), InstantSource.system());
            rotation = new KeyRotation(database, store, given, platform.audit);
        }

        void signs(TenantId tenant, KeyHandle key) {
            byte[] signature = platform.vault.sign(tenant.keySpace(), key, SignatureAlgorithm.ECDSA_SHA256, DATA);
            assertThat(platform.vault
                            .publicKey(tenant.keySpace(), key)
                            .verifies(SignatureAlgorithm.ECDSA_SHA256, DATA, signature))
                    .isTrue();
        }

        @Override
        public void close() {
            rotation.close();
            platform.close();
        }
    }

    /// One after the other: the key that keys are sealed under is one for the installation.
    @Test
    void theKeyIsChangedUnderLoadByTwoNodesAndTheOldOneIsNotNeededAfterwards() throws Exception {
        TenantId tenant;
        List<KeyHandle> keys = new CopyOnWriteArrayList<>();
        try (Node alone = new Node(OLD)) {
            tenant = alone.platform.tenant().tenant().id();
            for (int i = 0; i < 250; i++) {
                keys.add(alone.platform.vault.generate(tenant.keySpace(), KeyAlgorithm.EC_P256));
            }
            assertThatThrownBy(alone.rotation::begin)
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("no next key");
            try (Node prepared = new Node(OLD, NEW)) {
                assertThatThrownBy(prepared.rotation::begin)
                        .isInstanceOf(RefusedException.class)
                        .hasMessageContaining("1 running nodes were not given the next key");
            }
        }
        try (Node first = new Node(OLD, NEW);
                Node second = new Node(OLD, NEW);
                ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            AtomicBoolean over = new AtomicBoolean();
            Future<?> load = threads.submit(() -> {
                for (int i = 0; !over.get(); i++) {
                    first.signs(tenant, keys.get(i % keys.size()));
                    if (i % 20 == 0) {
                        keys.add(second.platform.vault.generate(tenant.keySpace(), KeyAlgorithm.EC_P256));
                    }
                }
            });
            first.rotation.begin();
            assertThatThrownBy(second.rotation::begin).hasMessageContaining("being changed already");
            Future<?> one = threads.submit(first.rotation::advance);
            Future<?> other = threads.submit(second.rotation::advance);
            one.get();
            other.get();
            over.set(true);
            load.get();
            assertThat(first.rotation.state().next()).isNull();
            assertThat(first.rotation.state().key()).isEqualTo(NEW.id());
        }
        assertThatThrownBy(() -> new VaultKeys(store, List.of(OLD), RANDOM)).isInstanceOf(VaultException.class);
        try (Node after = new Node(NEW)) {
            keys.forEach(key -> after.signs(tenant, key));
            assertThat(after.platform
                            .audit
                            .recordsAbout(tenant, "tenant:" + tenant, Page.Request.first())
                            .items())
                    .anyMatch(record -> record.action().equals("vault.keys-sealed-anew"));
        }
    }
}
