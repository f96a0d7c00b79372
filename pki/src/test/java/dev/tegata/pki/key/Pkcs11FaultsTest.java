// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import static dev.tegata.pki.key.VaultContract.ACME;
import static dev.tegata.pki.key.VaultContract.DATA;
import static dev.tegata.pki.key.VaultContract.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What a token may answer on a bad day.
class Pkcs11FaultsTest {
    private static final SecureRandom RANDOM = new SecureRandom();
    private static final Secret SECRET = Secret.of("the module's own secret");
    private static final long DEVICE_MEMORY = 0x31;
    private static final long PIN_INCORRECT = 0xa0;
    private static final long PIN_LOCKED = 0xa4;
    private static final long SESSION_COUNT = 0xb1;

    private static Path tokens;

    @BeforeAll
    static void configure(@TempDir Path directory) throws IOException {
        SoftHsm.configure(directory);
        tokens = directory.resolve("tokens");
        try (Vault vault = Pkcs11Vault.open(Pkcs11Config.tokenPerSpace(SoftHsm.LIBRARY, SECRET), RANDOM)) {
            vault.createSpace(ACME);
        }
    }

    private static Pkcs11Vault open(FaultyModule module) {
        return Pkcs11Vault.open(module.cryptoki(), Pkcs11Config.tokenPerSpace(SoftHsm.LIBRARY, SECRET), RANDOM);
    }

    private static int objects(Pkcs11Vault vault) {
        Cryptoki.Attribute label = Cryptoki.Attribute.of(Cryptoki.LABEL, ACME.name());
        return vault.engine()
                .use(ACME, "counting", session -> vault.engine().cryptoki.findObjects(session, List.of(label), 1000))
                .length;
    }

    @Test
    void tokensThatWereAwayForAMomentAreUsedAgain() throws Exception {
        try (Pkcs11Vault vault = Pkcs11Vault.open(Pkcs11Config.tokenPerSpace(SoftHsm.LIBRARY, SECRET), RANDOM)) {
            KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
            assertThat(signs(vault, key)).isTrue();
            Path gone = Files.move(tokens, tokens.resolveSibling("away"));
            try {
                assertThatThrownBy(() -> vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA))
                        .isInstanceOfSatisfying(
                                VaultException.class,
                                e -> assertThat(e.retryable())
                                        .as(e.getMessage())
                                        .isTrue());
            } finally {
                Files.move(gone, tokens);
            }
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
            while (!signs(vault, key)) {
                assertThat(System.nanoTime()).isLessThan(end);
            }
        }
    }

    private static boolean signs(Pkcs11Vault vault, KeyHandle key) {
        try {
            vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);
            return true;
        } catch (VaultException e) {
            return false;
        }
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

    /// A supervisor that starts a server again and again must not spend the attempts that lock the token.
    @Test
    void aRefusedPinIsRememberedAcrossRestartsUntilItIsAnotherOrIsTriedAnew(@TempDir Path folder) throws Exception {
        Path file = folder.resolve("refused-pins");
        Pkcs11Config right = Pkcs11Config.tokenPerSpace(SoftHsm.LIBRARY, SECRET).withRefusals(file);
        Pkcs11Config wrong = Pkcs11Config.tokenPerSpace(SoftHsm.LIBRARY, Secret.of("some other long secret"))
                .withRefusals(file);

        assertThat(attempts(wrong)).isOne();
        for (int i = 0; i < 5; i++) {
            assertThat(attempts(wrong)).as("after a restart").isZero();
        }
        assertThat(Files.readString(file)).doesNotContain("other long");
        assertThat(Files.getPosixFilePermissions(file))
                .containsExactlyInAnyOrder(PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE);

        FaultyModule sound = new FaultyModule(FaultyModule.C_LOGIN, 4);
        try (Pkcs11Vault vault = Pkcs11Vault.open(sound.cryptoki(), right, RANDOM)) {
            vault.generate(ACME, KeyAlgorithm.EC_P256);
            assertThat(sound.calls()).as("another PIN is offered").isPositive();
        }

        RefusedPins.forget(file);
        assertThat(attempts(wrong)).as("tried anew").isOne();
        Files.writeString(file, "no such line\n00 zz\n");
        assertThat(attempts(wrong)).as("with a file that is none").isOne();
        assertThat(attempts(wrong)).isZero();

        Pkcs11Config nowhere = wrong.withRefusals(folder.resolve("missing/refused-pins"));
        assertThat(attempts(nowhere))
                .as("without a folder, once for each process")
                .isOne();
    }

    /// How often a vault that is started now offers its PIN to the token, however often it is asked.
    private static int attempts(Pkcs11Config config) throws Exception {
        FaultyModule module = new FaultyModule(FaultyModule.C_LOGIN, 4);
        try (Pkcs11Vault vault = Pkcs11Vault.open(module.cryptoki(), config, RANDOM)) {
            for (int i = 0; i < 3; i++) {
                assertRefused(() -> vault.generate(ACME, KeyAlgorithm.EC_P256))
                        .hasMessageContaining("CKR_PIN_INCORRECT")
                        .hasMessageContaining("not offered again");
            }
        }
        return module.calls();
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

    private static Pkcs11Vault openImpatient(FaultyModule module) {
        Pkcs11Config config = Pkcs11Config.tokenPerSpace(SoftHsm.LIBRARY, SECRET)
                .withSessions(2)
                .withTimeout(Duration.ofSeconds(5));
        return Pkcs11Vault.open(module.cryptoki(), config, RANDOM);
    }

    private static Future<byte[]> signAside(Pkcs11Vault vault, KeyHandle key) {
        FutureTask<byte[]> signature =
                new FutureTask<>(() -> vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA));
        Thread.startVirtualThread(signature);
        return signature;
    }

    private static void assertGivenUp(Future<byte[]> signature) {
        assertThatThrownBy(() -> signature.get(60, TimeUnit.SECONDS))
                .hasCauseInstanceOf(VaultException.class)
                .hasMessageContaining("did not answer within 5 seconds: check the HSM");
    }

    private static void awaitHanging(Pkcs11Vault vault, int calls) throws InterruptedException {
        long patience = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (vault.condition().hangingCalls() != calls && System.nanoTime() < patience) {
            TimeUnit.MILLISECONDS.sleep(5);
        }
        assertThat(vault.condition()).isEqualTo(new VaultCondition(true, calls));
    }

    @Test
    void aCallThatHangsEndsInItsTimeAndTheOthersGoOn() throws Exception {
        FaultyModule module = new FaultyModule(FaultyModule.C_SIGN, 5);
        try (Pkcs11Vault vault = openImpatient(module)) {
            KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
            vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);
            module.hang(1);

            Future<byte[]> hanging = signAside(vault, key);
            module.awaitHanging(1);
            while (!hanging.isDone()) {
                vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);
            }

            assertGivenUp(hanging);
            awaitHanging(vault, 1);
            module.release();
            awaitHanging(vault, 0);
            vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);
        }
    }

    @Test
    void aModuleInWhichAllCallsHangIsLeftAloneAndAnotherCopyGoesOn() throws Exception {
        FaultyModule module = new FaultyModule(FaultyModule.C_SIGN, 5);
        try (Pkcs11Vault vault = openImpatient(module)) {
            KeyHandle key = vault.generate(ACME, KeyAlgorithm.EC_P256);
            PublicKeyInfo publicKey = vault.publicKey(ACME, key);
            module.hang(3);

            Future<byte[]> one = signAside(vault, key);
            Future<byte[]> other = signAside(vault, key);
            module.awaitHanging(2);
            assertGivenUp(one);
            assertGivenUp(other);

            byte[] signature = vault.sign(ACME, key, SignatureAlgorithm.ECDSA_SHA256, DATA);
            assertThat(publicKey.verifies(SignatureAlgorithm.ECDSA_SHA256, DATA, signature))
                    .isTrue();
            awaitHanging(vault, 2);
            module.release();
            awaitHanging(vault, 0);
        }
    }

    /// In CK_ATTRIBUTE[] at `address`: the value of a flag.
    private static void setFlag(long address, long count, long type, boolean value) {
        MemorySegment attributes = MemorySegment.ofAddress(address).reinterpret(24 * count);
        for (long i = 0; i < count; i++) {
            if (attributes.getAtIndex(ValueLayout.JAVA_LONG, 3 * i) == type) {
                MemorySegment.ofAddress(attributes.getAtIndex(ValueLayout.JAVA_LONG, 3 * i + 1))
                        .reinterpret(1)
                        .set(ValueLayout.JAVA_BYTE, 0, (byte) (value ? 1 : 0));
            }
        }
    }

    @Test
    void aModuleThatMakesAKeyWhichCanLeaveItIsNotUsed() throws Exception {
        Map<Long, Boolean> badAttributes = Map.of(Cryptoki.EXTRACTABLE, true, Cryptoki.SENSITIVE, false);
        for (Map.Entry<Long, Boolean> bad : badAttributes.entrySet()) {
            FaultyModule module = new FaultyModule(FaultyModule.C_GENERATE_KEY_PAIR, 8);
            try (Pkcs11Vault vault = open(module)) {
                vault.generate(ACME, KeyAlgorithm.EC_P256);
                int before = objects(vault);
                module.change(arguments -> setFlag(arguments[4], arguments[5], bad.getKey(), bad.getValue()));

                assertRefused(() -> vault.generate(ACME, KeyAlgorithm.EC_P256))
                        .hasMessageContaining("does not protect keys as it was asked to")
                        .hasMessageContaining(bad.getValue() ? "CKA_EXTRACTABLE is true" : "CKA_SENSITIVE is false")
                        .hasMessageContaining("The key was destroyed");

                assertThat(objects(vault)).isEqualTo(before);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0x03, 0x05, 0x12, 0x30, 0x31, 0x32, 0x62, 0x70, 0xb1, 0xe0, 0xe2, 0x101, 0x102, 0x140, 0x1c1})
    void tellsWhatTheTokenAnsweredAndWhatToDo(long code) throws Exception {
        FaultyModule module = new FaultyModule(FaultyModule.C_GENERATE_KEY_PAIR, 8);
        try (Pkcs11Vault vault = open(module)) {
            module.failAfter(0, code);
            assertThatThrownBy(() -> vault.generate(ACME, KeyAlgorithm.EC_P256))
                    .isInstanceOf(VaultException.class)
                    .hasMessageStartingWith("generating a key of ec-p256 failed: ")
                    .hasMessageContaining("answered " + CryptokiException.name(code) + " to C_GenerateKeyPair: ");
            assertThat(module.calls()).as("tries").isLessThanOrEqualTo(3);
            module.heal();
            vault.generate(ACME, KeyAlgorithm.EC_P256);
        }
    }
}
