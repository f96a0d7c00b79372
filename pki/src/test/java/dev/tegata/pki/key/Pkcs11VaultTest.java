// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class Pkcs11VaultTest extends VaultContract {
    private static final SecureRandom RANDOM = new SecureRandom();
    private static final Secret SECRET = Secret.of("the module's own secret");

    @BeforeAll
    static void configure(@TempDir Path directory) throws IOException {
        SoftHsm.configure(directory);
    }

    @Override
    Vault open() {
        return Pkcs11Vault.open(Pkcs11Config.tokenPerSpace(SoftHsm.LIBRARY, SECRET), RANDOM);
    }

    @Override
    boolean makes(KeyAlgorithm algorithm) {
        return !algorithm.isPostQuantum();
    }

    private Pkcs11Vault pkcs11() {
        return (Pkcs11Vault) vault;
    }

    private byte[] attribute(KeyHandle key, long type) {
        Pkcs11Token.Address address = new Pkcs11Token.Address(ACME, key);
        return pkcs11().engine()
                .use(
                        ACME,
                        "reading an attribute",
                        session -> pkcs11().engine()
                                .cryptoki
                                .attribute(
                                        session,
                                        pkcs11().engine().find(session, address).object(),
                                        type));
    }

    @Test
    @DisplayName("PKCS#11 v2.40 §4.9: a key is sensitive, never extractable, and its value cannot be read")
    void keysCannotBeExtracted() {
        KeyHandle generated = vault.generate(ACME, KeyAlgorithm.EC_P256);
        KeyHandle imported =
                vault.importKey(ACME, SoftwareKey.generate(KeyAlgorithm.EC_P256).pkcs8());
        for (KeyHandle key : new KeyHandle[] {generated, imported}) {
            assertRefused(() -> attribute(key, Cryptoki.VALUE)).hasMessageContaining("CKR_ATTRIBUTE_SENSITIVE");
            assertThat(attribute(key, Cryptoki.SENSITIVE)).containsExactly(1);
            assertThat(attribute(key, Cryptoki.EXTRACTABLE)).containsExactly(0);
        }
        assertThat(attribute(generated, Cryptoki.ALWAYS_SENSITIVE)).containsExactly(1);
        assertThat(attribute(generated, Cryptoki.NEVER_EXTRACTABLE)).containsExactly(1);
    }

    @Test
    void aPlantedPublicKeyIsNotBelieved() {
        KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
        KeyHandle other = vault.generate(ACME, KeyAlgorithm.EC_P256);
        Cryptoki cryptoki = pkcs11().engine().cryptoki;
        pkcs11().engine().use(ACME, "swapping public keys", session -> {
            long[] found = cryptoki.findObjects(session, publicKeyTemplate(key), 1);
            cryptoki.destroyObject(session, found[0]);
            byte[] point = cryptoki.attribute(
                    session, cryptoki.findObjects(session, publicKeyTemplate(other), 1)[0], Cryptoki.EC_POINT);
            List<Cryptoki.Attribute> planted = new ArrayList<>(publicKeyTemplate(key));
            planted.add(Cryptoki.Attribute.of(Cryptoki.TOKEN, true));
            planted.add(Cryptoki.Attribute.of(Cryptoki.KEY_TYPE, Cryptoki.EC));
            planted.add(new Cryptoki.Attribute(
                    Cryptoki.EC_PARAMS, Bytes.ofHex("06082a8648ce3d030107").toArray()));
            planted.add(new Cryptoki.Attribute(Cryptoki.EC_POINT, point));
            return cryptoki.createObject(session, planted);
        });

        assertRefused(() -> vault.publicKey(ACME, key)).hasMessageContaining("does not fit");
        vault.publicKey(ACME, other);
    }

    private static List<Cryptoki.Attribute> publicKeyTemplate(KeyHandle key) {
        return List.of(
                Cryptoki.Attribute.of(Cryptoki.CLASS, Cryptoki.PUBLIC_KEY),
                Cryptoki.Attribute.of(Cryptoki.LABEL, ACME.name()),
                new Cryptoki.Attribute(Cryptoki.ID, Bytes.ofHex(key.id()).toArray()));
    }

    @Test
    void survivesLostSessionsAndLogins() {
        KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
        KeyHandle unseen = vault.generate(ACME, KeyAlgorithm.EC_P256);
        Cryptoki cryptoki = pkcs11().engine().cryptoki;
        vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);

        closeSession(cryptoki);
        vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);

        logOut(cryptoki);
        vault.sign(ACME, unseen, SignatureAlgorithm.ECDSA_SHA256, DATA);
        logOut(cryptoki);
        vault.sign(ACME, unseen, SignatureAlgorithm.ECDSA_SHA256, DATA);
        logOut(cryptoki);
        vault.generate(ACME, KeyAlgorithm.EC_P256);
        logOut(cryptoki);
        vault.destroy(ACME, unseen);
        assertRefused(() -> vault.publicKey(ACME, unseen)).hasMessageContaining("no key");
    }

    private void closeSession(Cryptoki cryptoki) {
        pkcs11().engine().use(ACME, "closing a session", session -> {
            cryptoki.closeSession(session);
            return session;
        });
    }

    private void logOut(Cryptoki cryptoki) {
        pkcs11().engine().use(ACME, "logging out", session -> {
            cryptoki.logout(session);
            return session;
        });
    }

    @Test
    void aModuleThatWasShutDownIsStartedAgain() throws CryptokiException {
        KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
        pkcs11().engine().cryptoki.shutDown();

        vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);
    }

    @Test
    void aKeyThatAnotherProcessDestroyedIsGone() {
        KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
        vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);
        try (Vault other = open()) {
            other.destroy(ACME, key);
        }

        assertRefused(() -> vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA))
                .hasMessageContaining("no key");
    }

    @Test
    void aWrongSecretIsTold() {
        vault.close();
        Secret wrong = Secret.of("some other long secret");
        vault = Pkcs11Vault.open(Pkcs11Config.tokenPerSpace(SoftHsm.LIBRARY, wrong), RANDOM);
        for (int i = 0; i < 3; i++) {
            assertRefused(() -> vault.generate(ACME, KeyAlgorithm.EC_P256))
                    .hasMessageContaining("CKR_PIN_INCORRECT")
                    .hasMessageNotContaining("other long");
        }
        assertThat(vault.toString()).doesNotContain("secret");
        assertThat(Pkcs11Config.tokenPerSpace(SoftHsm.LIBRARY, wrong).toString())
                .doesNotContain("other long");
    }

    @Test
    void spacesMustBeCreatedFirst() {
        assertThatThrownBy(() -> vault.generate(new KeySpace("initech"), KeyAlgorithm.EC_P256))
                .isInstanceOf(VaultException.class)
                .hasMessageContaining("no token called 'initech'");
    }

    @Test
    void aLibraryThatIsNoneIsTold(@TempDir Path directory) {
        Path ofTheJdk = Path.of(System.getProperty("java.home"), "lib", System.mapLibraryName("zip"));
        for (Path library : new Path[] {directory.resolve("absent.so"), ofTheJdk}) {
            assertRefused(() -> Pkcs11Vault.open(Pkcs11Config.tokenPerSpace(library, SECRET), RANDOM))
                    .hasMessageContaining(library.toString());
        }
    }

    @Test
    void shortSecretsAreRefused() {
        assertRefused(() -> Pkcs11Config.tokenPerSpace(SoftHsm.LIBRARY, Secret.of("1234")))
                .hasMessageContaining("16");
    }

    @Test
    void aClosedVaultRefuses() {
        vault.close();
        assertRefused(() -> vault.generate(ACME, KeyAlgorithm.EC_P256)).hasMessageContaining("closed");
        vault = open();
    }

    @Test
    void namesReturnValues() {
        assertThat(CryptokiException.name(0x101)).isEqualTo("CKR_USER_NOT_LOGGED_IN");
        assertThat(CryptokiException.name(0x80000005L)).isEqualTo("vendor-defined error 0x80000005");
        assertThat(CryptokiException.name(0x999)).isEqualTo("unknown error 0x999");
    }
}
