// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// What every [Vault] does, run unchanged against each.
abstract class VaultContract {
    static final KeySpace ACME = new KeySpace("acme");
    static final KeySpace GLOBEX = new KeySpace("globex");
    static final byte[] DATA = "data".getBytes(StandardCharsets.UTF_8);
    private static final String P256_ORDER = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

    /// Never null between @BeforeEach and @AfterEach.
    @SuppressWarnings("NullAway.Init")
    Vault vault;

    /// A vault over the same keys as all others of this test.
    abstract Vault open();

    /// Whether the vault makes keys of this kind; where not, it must say so.
    boolean makes(KeyAlgorithm algorithm) {
        return true;
    }

    @BeforeEach
    void openVault() {
        vault = open();
        vault.createSpace(ACME);
        vault.createSpace(GLOBEX);
    }

    @AfterEach
    void closeVault() {
        vault.close();
    }

    void reopen() {
        vault.close();
        vault = open();
    }

    @ParameterizedTest
    @EnumSource(KeyAlgorithm.class)
    void generatesAndSignsWithEveryAlgorithm(KeyAlgorithm algorithm) {
        if (!makes(algorithm)) {
            assertRefused(() -> vault.generate(ACME, algorithm)).hasMessageContaining(algorithm.id());
            return;
        }
        KeyHandle key = vault.generate(ACME, algorithm);
        PublicKeyInfo publicKey = vault.publicKey(ACME, key);

        assertThat(publicKey.algorithm()).isEqualTo(algorithm);
        for (SignatureAlgorithm signature : SignatureAlgorithm.values()) {
            if (algorithm.signsWith(signature)) {
                assertThat(publicKey.verifies(signature, DATA, vault.sign(ACME, key, signature, DATA)))
                        .as("%s", signature)
                        .isTrue();
            } else {
                assertRefused(() -> vault.sign(ACME, key, signature, DATA)).hasMessageContaining("cannot sign");
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = KeyAlgorithm.class,
            names = {"EC_P256", "EC_P384", "ED25519", "RSA_2048"})
    void importsKeys(KeyAlgorithm algorithm) {
        SoftwareKey key = SoftwareKey.generate(algorithm);
        KeyHandle handle = vault.importKey(ACME, key.pkcs8());

        assertThat(vault.publicKey(ACME, handle)).isEqualTo(key.publicKey());
        reopen();
        assertThat(vault.publicKey(ACME, handle)).isEqualTo(key.publicKey());
        byte[] signature = vault.sign(ACME, handle, algorithm.signatureAlgorithm(), DATA);
        assertThat(key.publicKey().verifies(algorithm.signatureAlgorithm(), DATA, signature))
                .isTrue();
    }

    @Test
    void refusesToImportWhatIsNoKey() {
        assertRefused(() -> vault.importKey(ACME, new byte[0]));
        assertRefused(() -> vault.importKey(ACME, DATA));
    }

    @Test
    void creatingASpaceAgainChangesNothing() {
        KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
        PublicKeyInfo publicKey = vault.publicKey(ACME, key);

        vault.createSpace(ACME);
        reopen();
        vault.createSpace(ACME);

        assertThat(vault.publicKey(ACME, key)).isEqualTo(publicKey);
    }

    @Test
    @DisplayName("A handle of one space does nothing in another")
    void spacesAreIsolated() {
        KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
        vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);

        assertRefused(() -> vault.publicKey(GLOBEX, key)).hasMessageContaining("no key");
        assertRefused(() -> vault.sign(GLOBEX, key, SignatureAlgorithm.ECDSA_SHA256, DATA))
                .hasMessageContaining("no key");
        vault.destroy(GLOBEX, key);
        vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);
    }

    @Test
    void keysOutliveTheProcess() {
        KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
        PublicKeyInfo publicKey = vault.publicKey(ACME, key);
        reopen();

        assertThat(vault.publicKey(ACME, key)).isEqualTo(publicKey);
        byte[] signature = vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);
        assertThat(publicKey.verifies(SignatureAlgorithm.ECDSA_SHA256, DATA, signature))
                .isTrue();
    }

    @Test
    void destroyedKeysAreGone() {
        KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
        KeyHandle other = vault.generate(ACME, KeyAlgorithm.EC_P256);
        vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);

        vault.destroy(ACME, key);
        vault.destroy(ACME, key);

        assertRefused(() -> vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA));
        assertRefused(() -> vault.publicKey(ACME, key));
        vault.sign(ACME, other, SignatureAlgorithm.ECDSA_SHA256, DATA);
        reopen();
        assertRefused(() -> vault.publicKey(ACME, key)).hasMessageContaining("no key");
    }

    @Test
    void worksFromManyVirtualThreads() throws Exception {
        KeyHandle first = vault.generate(ACME, KeyAlgorithm.EC_P256);
        KeyHandle second = vault.generate(GLOBEX, KeyAlgorithm.EC_P256);
        List<Future<Boolean>> results = new ArrayList<>();
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < 400; i++) {
                byte[] data = {(byte) i, (byte) (i >> 8)};
                KeySpace space = i % 2 == 0 ? ACME : GLOBEX;
                KeyHandle key = i % 2 == 0 ? first : second;
                results.add(threads.submit(() -> vault.publicKey(space, key)
                        .verifies(
                                SignatureAlgorithm.ECDSA_SHA256,
                                data,
                                vault.sign(space, key, SignatureAlgorithm.ECDSA_SHA256, data))));
            }
            for (int i = 0; i < 20; i++) {
                results.add(threads.submit(() -> {
                    KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
                    vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);
                    vault.destroy(ACME, key);
                    return true;
                }));
            }
        }
        for (Future<Boolean> result : results) {
            assertThat(result.get()).isTrue();
        }
    }

    @Test
    @DisplayName("Wycheproof's kinds of bad ECDSA signature verify false under a vault's key")
    void badSignatures() {
        KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
        PublicKeyInfo publicKey = vault.publicKey(ACME, key);
        byte[] good = vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);
        for (String bad : BadSignatures.ecdsa(good, P256_ORDER)) {
            assertThat(publicKey.verifies(
                            SignatureAlgorithm.ECDSA_SHA256,
                            DATA,
                            HexFormat.of().parseHex(bad)))
                    .as(bad)
                    .isFalse();
        }
    }

    static AbstractThrowableAssert<?, ? extends Throwable> assertRefused(ThrowingCallable call) {
        return assertThatThrownBy(call)
                .isInstanceOf(VaultException.class)
                .matches(e -> !((VaultException) e).retryable(), "is not retryable");
    }
}
