// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import static dev.tegata.pki.key.VaultContract.ACME;
import static dev.tegata.pki.key.VaultContract.DATA;
import static dev.tegata.pki.key.VaultContract.GLOBEX;
import static dev.tegata.pki.key.VaultContract.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// All key spaces in one token that an operator made.
class SharedTokenTest {
    private static final SecureRandom RANDOM = new SecureRandom();
    private static final String LABEL = "The Token";
    private static final String PIN = "24680";

    @BeforeAll
    static void makeToken(@TempDir Path directory) throws IOException, CryptokiException {
        SoftHsm.configure(directory);
        Cryptoki module = Cryptoki.load(SoftHsm.LIBRARY);
        module.initialize();
        makeToken(module, LABEL, PIN);
        module.shutDown();
    }

    /// Does what an operator does by the HSM's own tool.
    static void makeToken(Cryptoki module, String label, String pin) throws CryptokiException {
        long[] slots = module.slots();
        module.initToken(slots[slots.length - 1], "13579", label);
        long session = module.openSession(Pkcs11Engine.slotOf(module, label).orElseThrow());
        module.login(session, Cryptoki.SECURITY_OFFICER, "13579");
        module.initPin(session, pin);
        module.logout(session);
        module.closeSession(session);
    }

    private static Vault open(String label) {
        return Pkcs11Vault.open(Pkcs11Config.sharedToken(SoftHsm.LIBRARY, label, Secret.of(PIN)), RANDOM);
    }

    @Test
    void spacesAreIsolatedByLabel() {
        KeyHandle key;
        try (Vault vault = open(LABEL)) {
            vault.createSpace(ACME);
            vault.createSpace(GLOBEX);
            key = vault.generate(ACME, KeyAlgorithm.EC_P256);
        }
        try (Vault vault = open(LABEL)) {
            byte[] signature = vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);
            assertThat(vault.publicKey(ACME, key).verifies(SignatureAlgorithm.ECDSA_SHA256, DATA, signature))
                    .isTrue();
            assertRefused(() -> vault.publicKey(GLOBEX, key)).hasMessageContaining("no key");
            assertRefused(() -> vault.sign(GLOBEX, key, SignatureAlgorithm.ECDSA_SHA256, DATA));
            vault.destroy(GLOBEX, key);
            vault.publicKey(ACME, key);
            vault.destroy(ACME, key);
            assertRefused(() -> vault.publicKey(ACME, key)).hasMessageContaining("no key");
        }
    }

    @Test
    void aTokenThatIsNotThereIsTold() {
        try (Vault vault = open("Another")) {
            assertThatThrownBy(() -> vault.createSpace(ACME))
                    .isInstanceOf(VaultException.class)
                    .hasMessageContaining("no token called 'Another'");
        }
    }
}
