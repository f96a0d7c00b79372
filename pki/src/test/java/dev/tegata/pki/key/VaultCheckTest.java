// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import static dev.tegata.pki.key.VaultContract.ACME;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VaultCheckTest {
    private static final Secret SECRET = Secret.of("the module's own secret");

    @BeforeAll
    static void configure(@TempDir Path directory) throws IOException {
        SoftHsm.configure(directory);
    }

    private static Pkcs11Vault open(Cryptoki module) {
        return Pkcs11Vault.open(
                module, Pkcs11Config.tokenPerSpace(SoftHsm.LIBRARY, SECRET).withSessions(4), new SecureRandom());
    }

    private static VaultCheck.Report check(Pkcs11Vault vault) {
        return new VaultCheck(vault, ACME, Duration.ofMillis(20)).run(4);
    }

    @Test
    void triesEveryAlgorithmMeasuresAndLeavesNothing() {
        try (Pkcs11Vault vault = open(Cryptoki.load(SoftHsm.LIBRARY))) {
            VaultCheck.Report report = check(vault);

            assertThat(report.sound()).isTrue();
            assertThat(report.trials()).hasSize(KeyAlgorithm.values().length);
            assertThat(report.trials().getFirst().detail())
                    .contains("CKA_SENSITIVE true", "CKA_EXTRACTABLE false", "CKA_NEVER_EXTRACTABLE true");
            assertThat(report.rates())
                    .filteredOn(rate -> rate.algorithm() == KeyAlgorithm.EC_P256)
                    .extracting(VaultCheck.Rate::callers)
                    .containsExactly(1, 2, 4);
            long[] left = vault.engine()
                    .use(ACME, "looking", session -> vault.engine().cryptoki.findObjects(session, List.of(), 10));
            assertThat(left).isEmpty();
        }
    }

    @Test
    void describesModuleTokensAndMechanisms() {
        try (Pkcs11Vault vault = open(Cryptoki.load(SoftHsm.LIBRARY))) {
            vault.createSpace(ACME);
            VaultSurvey survey = vault.survey();

            assertThat(survey.manufacturer()).isEqualTo("SoftHSM");
            assertThat(survey.tokens())
                    .filteredOn(token -> token.label().equals(ACME.name()))
                    .singleElement()
                    .satisfies(token -> {
                        assertThat(token.state()).isEqualTo("ready");
                        assertThat(token.used()).isTrue();
                        assertThat(token.mechanisms())
                                .extracting(VaultSurvey.Mechanism::name)
                                .contains("CKM_ECDSA", "CKM_EC_KEY_PAIR_GEN");
                    });
            assertThat(survey.tokens()).anyMatch(token -> token.state().equals("not initialized"));
        }
    }

    @Test
    void aTokenThatMakesNoKeysIsNotSound() throws Exception {
        FaultyModule module = new FaultyModule(FaultyModule.C_GENERATE_KEY_PAIR, 8);
        try (Pkcs11Vault vault = open(module.cryptoki())) {
            module.failAfter(0, 0x70);

            VaultCheck.Report report = check(vault);

            assertThat(report.sound()).isFalse();
            assertThat(report.trials().getFirst().detail())
                    .contains("CKR_MECHANISM_INVALID", "choose another key algorithm");
        }
    }
}
