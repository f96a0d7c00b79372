// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.chip.ChipConfiguration;
import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.Opcode;
import dev.tegata.chip.P256;
import dev.tegata.chip.Preset;
import dev.tegata.chip.Status;
import dev.tegata.chip.VirtualChip;
import dev.tegata.chip.port.ChipServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.List;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

@ParameterizedClass
@EnumSource(Ecc608Test.Way.class)
class Ecc608Test {
    enum Way {
        IN_PROCESS,
        TCP,
        I2C
    }

    private final Way way;

    private final SecureRandom random = new SecureRandom();
    private final VirtualChip chip =
            new ChipFactory(random).make(Preset.TRUST_GO, Instant.parse("2026-01-01T00:00:00Z"));

    @Nullable
    private ChipServer server;

    Ecc608Test(Way way) {
        this.way = way;
    }

    private Ecc608 driver(VirtualChip target) throws IOException {
        Transport transport = switch (way) {
            case IN_PROCESS -> Transport.of(target);
            case TCP -> {
                server = ChipServer.start(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), target, 10_000);
                yield Transport.tcp(server.address(), 10_000);
            }
            case I2C -> new I2cTransport(new FakeI2cBus(target), FakeI2cBus.ADDRESS);
        };
        return new Ecc608(transport, random);
    }

    @AfterEach
    void stop() throws IOException {
        if (server != null) {
            server.close();
        }
    }

    @Test
    void tellsWhatTheChipIs() throws IOException {
        try (Ecc608 driver = driver(chip)) {
            assertThat(driver.revision()).containsExactly(0, 0, 0x60, 3);
            assertThat(driver.serial()).isEqualTo(chip.serial());
            ChipConfiguration configuration = driver.configuration();
            assertThat(configuration.serial()).isEqualTo(chip.serial());
            assertThat(configuration.isConfigLocked()).isTrue();
            assertThat(configuration.isDataLocked()).isTrue();
            assertThat(configuration.slotConfig(2)).isEqualTo(0x2085);
            assertThat(configuration.keyConfig(2)).isEqualTo(0x0073);
            assertThat(configuration.isSlotLocked(2)).isFalse();
            assertThat(driver.selfTest()).isTrue();
        }
    }

    @Test
    void rebuildsTheVendorsCertificates() throws IOException {
        try (Ecc608 driver = driver(chip)) {
            List<byte[]> chain = driver.certificateChain();
            assertThat(chain).hasSize(2);
            assertThat(chain.get(0)).isEqualTo(chip.certificateChain().get(0));
            assertThat(chain.get(1)).isEqualTo(chip.certificateChain().get(1));
        }
        try (Ecc608 driver = driver(VirtualChip.create(Preset.TRUST_GO, random))) {
            assertThatThrownBy(driver::certificateChain).isInstanceOf(IOException.class);
        }
    }

    @Test
    void signsVerifiesAndAgrees() throws IOException {
        try (Ecc608 driver = driver(chip)) {
            byte[] digest = bytes(32);
            byte[] signature = driver.sign(0, digest);
            assertThat(P256.verify(driver.publicKey(0), digest, signature)).isTrue();
            assertThat(driver.verify(driver.publicKey(0), digest, signature)).isTrue();
            assertThat(driver.verify(driver.publicKey(0), bytes(32), signature)).isFalse();
            byte[] renewed = driver.newKey(2);
            assertThat(renewed).isEqualTo(chip.publicKey(2));
            byte[] mine = P256.newPrivateKey(random);
            assertThat(driver.ecdh(2, P256.publicKey(mine))).isEqualTo(P256.ecdh(mine, renewed));
            List<byte[]> ephemeral = driver.ephemeralEcdh(P256.publicKey(mine));
            assertThat(ephemeral.get(1)).isEqualTo(P256.ecdh(mine, ephemeral.get(0)));
            assertThat(driver.random()).isNotEqualTo(driver.random());
        }
    }

    @Test
    void verifiesWithAStoredKey() throws IOException {
        byte[] maker = P256.newPrivateKey(random);
        byte[] key = P256.publicKey(maker);
        byte[] stored = new byte[72];
        System.arraycopy(key, 0, stored, 4, 32);
        System.arraycopy(key, 32, stored, 40, 32);
        try (Ecc608 driver = driver(chip)) {
            driver.write(15, 0, stored);
            assertThat(driver.read(15, 0, 72)).isEqualTo(stored);
            byte[] digest = bytes(32);
            assertThat(driver.verify(15, digest, P256.sign(maker, digest, random)))
                    .isTrue();
            assertThat(driver.verify(15, digest, bytes(64))).isFalse();
        }
    }

    @Test
    void attestsAFreshKeyAndAnOldOne() throws IOException {
        try (Ecc608 driver = driver(chip)) {
            byte[] challenge = bytes(Ecc608.CHALLENGE_LENGTH);
            KeyAttestation fresh = driver.attest(1, 2, challenge, true);
            assertThat(fresh.isSignedBy(driver.publicKey(1))).isTrue();
            assertThat(fresh.wasMadeInside()).isTrue();
            assertThat(fresh.publicKey()).isEqualTo(driver.publicKey(2));
            KeyAttestation old = driver.attest(1, 0, challenge, false);
            assertThat(old.isSignedBy(driver.publicKey(1))).isTrue();
            assertThat(old.wasMadeInside()).isFalse();
            assertThat(fresh.isSignedBy(driver.publicKey(0))).isFalse();
            driver.lockSlot(2);
            assertThat(driver.attest(1, 2, challenge, false).isSignedBy(driver.publicKey(1)))
                    .isTrue();
            assertThatExceptionOfType(ChipException.class)
                    .isThrownBy(() -> driver.attest(1, 2, challenge, true))
                    .satisfies(refusal -> assertThat(refusal.status()).isEqualTo(Status.EXECUTION_ERROR));
        }
    }

    @Test
    void usesSymmetricKeys() throws Exception {
        byte[] key = bytes(32);
        try (Ecc608 driver = driver(chip)) {
            byte[] message = bytes(200);
            assertThat(driver.sha256(message))
                    .isEqualTo(MessageDigest.getInstance("SHA-256").digest(message));
            driver.write(9, 0, key);
            assertThat(driver.hmac(9, message)).isEqualTo(hmac(key, message));
            byte[] info = bytes(30);
            assertThat(driver.hkdfStep(9, info)).isEqualTo(hmac(key, info));
            assertThat(driver.tlsPrf(9, info, 64)).hasSize(64).startsWith(driver.tlsPrf(9, info, 32));
            assertThat(driver.mac(9, bytes(32))).hasSize(32);
            byte[] block = bytes(16);
            Cipher cipher = Cipher.getInstance("AES/ECB/NoPadding");
            cipher.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(key, 16, 16, "AES"));
            assertThat(driver.aesEncrypt(9, 1, block)).isEqualTo(cipher.doFinal(block));
            assertThat(driver.aesDecrypt(9, 1, driver.aesEncrypt(9, 1, block))).isEqualTo(block);
        }
    }

    private static byte[] hmac(byte[] key, byte[] message) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(message);
    }

    @Test
    void writesAndReadsMemory() throws IOException {
        try (Ecc608 driver = driver(chip)) {
            byte[] content = bytes(416);
            driver.write(8, 0, content);
            assertThat(driver.read(8, 0, 416)).isEqualTo(content);
            byte[] part = bytes(40);
            driver.write(8, 28, part);
            assertThat(driver.read(8, 28, 40)).isEqualTo(part);
            assertThatThrownBy(() -> driver.read(8, 2, 4)).isInstanceOf(IllegalArgumentException.class);
            byte[] writeKey = bytes(32);
            driver.write(6, 0, writeKey);
            byte[] secret = bytes(32);
            driver.writeEncrypted(5, 6, writeKey, secret);
            assertThat(driver.hmac(5, new byte[0])).hasSize(32);
            assertThatExceptionOfType(ChipException.class)
                    .isThrownBy(() -> driver.writeEncrypted(5, 6, bytes(32), secret))
                    .satisfies(refusal -> assertThat(refusal.opcode()).isEqualTo(Opcode.WRITE));
            assertThatExceptionOfType(ChipException.class).isThrownBy(() -> driver.read(5, 0, 32));
        }
    }

    @Test
    void countsAndProvisionsABlankChip() throws IOException {
        VirtualChip blank = VirtualChip.create(Preset.BLANK, random);
        try (Ecc608 driver = driver(blank)) {
            driver.lockConfiguration(driver.configuration());
            assertThatExceptionOfType(ChipException.class)
                    .isThrownBy(() -> driver.lockConfiguration(driver.configuration()));
            byte[] publicKey = driver.newKey(0);
            byte[] readKey = bytes(32);
            byte[] secret = bytes(32);
            driver.write(4, 0, readKey);
            driver.write(3, 0, secret);
            driver.lockData();
            assertThat(driver.publicKey(0)).isEqualTo(publicKey);
            assertThat(driver.readEncrypted(3, 4, readKey)).isEqualTo(secret);
            assertThat(driver.counter(1)).isZero();
            assertThat(driver.increment(1)).isEqualTo(1);
            assertThat(driver.counter(1)).isEqualTo(1);
            assertThat(driver.command(Opcode.UPDATE_EXTRA, 0, 7)).isEmpty();
        }
    }

    private byte[] bytes(int length) {
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return bytes;
    }
}
