// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import static dev.tegata.pki.key.VaultContract.ACME;
import static dev.tegata.pki.key.VaultContract.DATA;
import static dev.tegata.pki.key.VaultContract.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// One vault over two tokens that hold the same keys.
class ReplicatedVaultTest {
    private static final SecureRandom RANDOM = new SecureRandom();
    private static final String PIN = "24680";
    private static final List<String> LABELS = List.of("Berlin", "Hamburg");

    @BeforeAll
    static void makeTokens(@TempDir Path directory) throws IOException, CryptokiException {
        SoftHsm.configure(directory);
        Cryptoki module = Cryptoki.load(SoftHsm.LIBRARY);
        module.initialize();
        byte[] wrappingKey = new byte[32];
        RANDOM.nextBytes(wrappingKey);
        for (String label : List.of("Berlin", "Hamburg", "Bare")) {
            SharedTokenTest.makeToken(module, label, PIN);
            if (!label.equals("Bare")) {
                putWrappingKey(module, label, wrappingKey);
            }
        }
        module.shutDown();
    }

    private static void putWrappingKey(Cryptoki module, String label, byte[] key) throws CryptokiException {
        long session = module.openSession(Pkcs11Engine.slotOf(module, label).orElseThrow());
        module.login(session, Cryptoki.USER, PIN);
        module.createObject(
                session,
                List.of(
                        Cryptoki.Attribute.of(Cryptoki.CLASS, Cryptoki.SECRET_KEY),
                        Cryptoki.Attribute.of(Cryptoki.KEY_TYPE, Cryptoki.AES),
                        Cryptoki.Attribute.of(Cryptoki.LABEL, Pkcs11Engine.WRAPPING_KEY),
                        Cryptoki.Attribute.of(Cryptoki.TOKEN, true),
                        Cryptoki.Attribute.of(Cryptoki.PRIVATE, true),
                        Cryptoki.Attribute.of(Cryptoki.SENSITIVE, true),
                        Cryptoki.Attribute.of(Cryptoki.WRAP, true),
                        Cryptoki.Attribute.of(Cryptoki.UNWRAP, true),
                        new Cryptoki.Attribute(Cryptoki.VALUE, key)));
        module.closeSession(session);
    }

    private static Pkcs11Config token(String label) {
        return Pkcs11Config.sharedToken(SoftHsm.LIBRARY, label, Secret.of(PIN));
    }

    @SuppressWarnings("NullAway.Init") // opened before each test
    private ReplicatedVault vault;

    @BeforeEach
    void open() {
        vault = ReplicatedVault.open(
                LABELS.stream().map(ReplicatedVaultTest::token).toList(), RANDOM);
        vault.createSpace(ACME);
    }

    @AfterEach
    void close() {
        vault.close();
    }

    @Test
    void eachTokenAloneHasTheKeysAndGivesNoneAway() {
        List<KeyHandle> keys = List.of(
                vault.generate(ACME, KeyAlgorithm.EC_P256),
                vault.generate(ACME, KeyAlgorithm.RSA_2048),
                vault.importKey(ACME, SoftwareKey.generate(KeyAlgorithm.EC_P384).pkcs8()));
        for (Pkcs11Vault token : vault.tokens()) {
            for (KeyHandle key : keys) {
                PublicKeyInfo publicKey = vault.publicKey(ACME, key);
                SignatureAlgorithm algorithm = publicKey.algorithm().signatureAlgorithm();
                assertThat(publicKey.verifies(algorithm, DATA, token.sign(ACME, key, algorithm, DATA)))
                        .isTrue();
                assertThat(token.protection(ACME, key).flaws()).isEmpty();
                assertThatThrownBy(() -> token.wrap(new Pkcs11Token.Address(ACME, key)))
                        .hasMessageContaining("CKR_KEY_UNEXTRACTABLE");
            }
        }
    }

    @Test
    void signsWhereTheFirstTokenHasLostTheKey() {
        KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
        Pkcs11Vault first = vault.tokens().getFirst();
        first.destroy(ACME, key);

        byte[] signature = vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);

        assertThat(vault.publicKey(ACME, key).verifies(SignatureAlgorithm.ECDSA_SHA256, DATA, signature))
                .isTrue();
    }

    @Test
    void aTokenThatCannotTakeTheKeyLeavesNothingBehind() {
        try (ReplicatedVault broken = ReplicatedVault.open(List.of(token("Berlin"), token("Bare")), RANDOM)) {
            Pkcs11Vault first = broken.tokens().getFirst();
            int before = objects(first);
            assertRefused(() -> broken.generate(ACME, KeyAlgorithm.EC_P256))
                    .hasMessageContaining("the token 'Bare' has no secret key called 'tegata-replication'");
            assertThat(objects(first)).isEqualTo(before);
        }
    }

    @Test
    void anAlgorithmThatTheTokenCannotWrapIsToldAndLeavesNothing() {
        Pkcs11Vault first = vault.tokens().getFirst();
        int before = objects(first);
        assertRefused(() -> vault.generate(ACME, KeyAlgorithm.ED25519)).hasMessageContaining("CKR_KEY_NOT_WRAPPABLE");
        assertThat(objects(first)).isEqualTo(before);
    }

    @Test
    void destroysEverywhere() {
        KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
        vault.destroy(ACME, key);
        for (Pkcs11Vault token : vault.tokens()) {
            assertRefused(() -> token.publicKey(ACME, key)).hasMessageContaining("no key");
        }
    }

    private static int objects(Pkcs11Vault vault) {
        Cryptoki.Attribute label = Cryptoki.Attribute.of(Cryptoki.LABEL, ACME.name());
        return vault.engine()
                .use(ACME, "counting", session -> vault.engine().cryptoki.findObjects(session, List.of(label), 1000))
                .length;
    }
}
