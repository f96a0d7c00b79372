// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import static dev.tegata.pki.key.VaultContract.ACME;
import static dev.tegata.pki.key.VaultContract.DATA;
import static dev.tegata.pki.key.VaultContract.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What a token may answer on a bad day.
class Pkcs11FaultsTest {
    private static final SecureRandom RANDOM = new SecureRandom();
    private static final Secret SECRET = Secret.of("the module's own secret");
    private static final long DEVICE_MEMORY = 0x31;
    private static final long PIN_INCORRECT = 0xa0;
    private static final long PIN_LOCKED = 0xa4;
    private static final long SESSION_COUNT = 0xb1;

    @BeforeAll
    static void configure(@TempDir Path directory) throws IOException {
        SoftHsm.configure(directory);
        try (Vault vault = Pkcs11Vault.open(Pkcs11Config.tokenPerSpace(SoftHsm.LIBRARY, SECRET), RANDOM)) {
            vault.createSpace(ACME);
        }
    }

    private static Pkcs11Vault open(FaultyModule module) {
        return Pkcs11Vault.open(module.cryptoki(), Pkcs11Config.tokenPerSpace(SoftHsm.LIBRARY, SECRET), RANDOM);
    }

    private static int objects(Pkcs11Vault vault) {
        Cryptoki.Attribute label = Cryptoki.Attribute.of(Cryptoki.LABEL, ACME.name());
        return vault.use(ACME, "counting", session -> vault.cryptoki.findObjects(session, List.of(label), 1000)).length;
    }

    @Test
    void aTokenThatFillsUpHalfWayThroughAKeyKeepsNothingOfIt() throws Exception {
        FaultyModule module = new FaultyModule(FaultyModule.C_CREATE_OBJECT, 4);
        try (Pkcs11Vault vault = open(module)) {
            byte[] pkcs8 = SoftwareKey.generate(KeyAlgorithm.EC_P256).pkcs8();
            int before = objects(vault);
            module.failAfter(1, DEVICE_MEMORY);

            assertRefused(() -> vault.importKey(ACME, pkcs8))
                    .hasMessageContaining("CKR_DEVICE_MEMORY")
                    .hasMessageContaining("the token is full");

            assertThat(objects(vault)).isEqualTo(before);
            module.heal();
            KeyHandle key = vault.importKey(ACME, pkcs8);
            vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);
        }
    }

    @Test
    void aFullTokenMakesNoKeyAndTellsSo() throws Exception {
        FaultyModule module = new FaultyModule(FaultyModule.C_GENERATE_KEY_PAIR, 8);
        try (Pkcs11Vault vault = open(module)) {
            KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
            int before = objects(vault);
            module.failAfter(0, DEVICE_MEMORY);

            assertRefused(() -> vault.generate(ACME, KeyAlgorithm.EC_P256))
                    .hasMessageContaining("CKR_DEVICE_MEMORY")
                    .hasMessageContaining("the token is full");

            assertThat(module.calls()).as("not tried again").isOne();
            assertThat(objects(vault)).isEqualTo(before);
            vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);
        }
    }

    @Test
    void aPinThatWasRefusedIsNeverOfferedAgain() throws Exception {
        for (long answer : new long[] {PIN_INCORRECT, PIN_LOCKED}) {
            FaultyModule module = new FaultyModule(FaultyModule.C_LOGIN, 4);
            try (Pkcs11Vault vault = open(module)) {
                module.failAfter(0, answer);
                for (int i = 0; i < 20; i++) {
                    assertRefused(() -> vault.generate(ACME, KeyAlgorithm.EC_P256))
                            .hasMessageContaining(CryptokiException.name(answer))
                            .hasMessageContaining("restart");
                }
                module.heal();
                assertRefused(() -> vault.generate(ACME, KeyAlgorithm.EC_P256));
                assertThat(module.calls()).isOne();
            }
        }
    }

    @Test
    void sessionsThatAreUsedUpAreAMatterOfTime() throws Exception {
        FaultyModule module = new FaultyModule(FaultyModule.C_GENERATE_KEY_PAIR, 8);
        try (Pkcs11Vault vault = open(module)) {
            module.failAfter(0, SESSION_COUNT);
            VaultException refusal = org.assertj.core.api.Assertions.catchThrowableOfType(
                    VaultException.class, () -> vault.generate(ACME, KeyAlgorithm.EC_P256));
            assertThat(refusal.retryable()).isTrue();
            assertThat(refusal).hasMessageContaining("lower pkcs11-sessions");
        }
    }
}
