// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import static dev.tegata.chip.Rig.HEX;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/// What the chip computes, against vectors of the standards, through the commands.
class KnownAnswersTest {
    private static final int TEMP_KEY = 0xFFFF;

    @Test
    @DisplayName("FIPS 197 C.1: AES-128, key in a slot and in TempKey")
    void aes() {
        byte[] key = HEX.parseHex("000102030405060708090a0b0c0d0e0f");
        byte[] plain = HEX.parseHex("00112233445566778899aabbccddeeff");
        byte[] cipher = HEX.parseHex("69c4e0d86a7b0430d8cdb78070b4c55a");
        Rig rig = Rig.open()
                .slot(9, 0x0F8F, 0x0018)
                .lockConfig()
                .fill(9, Rig.join(new byte[16], key))
                .lockData();
        assertThat(rig.ok(Opcode.AES, 0x40, 9, plain)).isEqualTo(cipher);
        assertThat(rig.ok(Opcode.AES, 0x41, 9, cipher)).isEqualTo(plain);
        assertThat(rig.ok(Opcode.AES, 0x00, 9, plain)).isNotEqualTo(cipher);
        rig.load(Rig.join(key, new byte[48]));
        assertThat(rig.ok(Opcode.AES, 0x00, TEMP_KEY, plain)).isEqualTo(cipher);
        assertThat(rig.ok(Opcode.AES, 0xC0, TEMP_KEY, plain)).isNotEqualTo(cipher);
    }

    @Test
    @DisplayName("GCM specification, test case 2: multiplication by H")
    void galoisFieldMultiply() {
        Rig rig = Rig.open().lockConfig().lockData();
        byte[] h = HEX.parseHex("66e94bd4ef8a2c3b884cfa59ca342b2e");
        byte[] c = HEX.parseHex("0388dace60b6a392f328c2b971b2fe78");
        assertThat(HEX.formatHex(rig.ok(Opcode.AES, 3, 0, Rig.join(h, c))))
                .isEqualTo("5e2ec746917062882c85b0685353deb7");
    }

    @Test
    @DisplayName(
            "FIPS 180: SHA-256 of messages of every length around a block, with the context taken out and put back")
    void sha() throws Exception {
        Rig rig = Rig.open().lockConfig().lockData();
        byte[] abc = "abc".getBytes(StandardCharsets.US_ASCII);
        rig.ok(Opcode.SHA, 0, 0);
        assertThat(HEX.formatHex(rig.ok(Opcode.SHA, 0xC2, 3, abc)))
                .isEqualTo("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        Random random = new Random(2);
        for (int length = 0; length < 200; length++) {
            byte[] message = new byte[length];
            random.nextBytes(message);
            rig.ok(Opcode.SHA, 0, 0);
            int at = 0;
            for (; length - at >= 64; at += 64) {
                rig.ok(Opcode.SHA, 1, 64, Arrays.copyOfRange(message, at, at + 64));
                byte[] context = rig.ok(Opcode.SHA, 6, 0);
                assertThat(context).hasSize(40 + (context[0] & 0x3F));
                rig.ok(Opcode.SHA, 0, 0);
                rig.ok(Opcode.SHA, 7, context.length, context);
            }
            assertThat(rig.ok(Opcode.SHA, 0xC2, length - at, Arrays.copyOfRange(message, at, length)))
                    .isEqualTo(MessageDigest.getInstance("SHA-256").digest(message));
        }
    }

    @Test
    void shaLeavesItsDigestWhereItIsTold() {
        Rig rig = Rig.of(Preset.TRUST_GO);
        rig.ok(Opcode.SHA, 0, 0);
        byte[] digest = rig.ok(Opcode.SHA, 0x02, 3, new byte[] {1, 2, 3});
        assertThat(P256.verify(rig.chip.publicKey(0), digest, rig.ok(Opcode.SIGN, 0x80, 0)))
                .isTrue();
        rig.ok(Opcode.SHA, 0, 0);
        digest = rig.ok(Opcode.SHA, 0x42, 3, new byte[] {4, 5, 6});
        assertThat(P256.verify(rig.chip.publicKey(0), digest, rig.ok(Opcode.SIGN, 0xA0, 0)))
                .isTrue();
    }

    @Test
    @DisplayName("RFC 4231 §4.3 and §4.4: HMAC-SHA-256, key in a slot")
    void hmac() {
        byte[] jefe = Arrays.copyOf("Jefe".getBytes(StandardCharsets.US_ASCII), 32);
        byte[] aa = new byte[32];
        Arrays.fill(aa, 0, 20, (byte) 0xaa);
        Rig rig = Rig.open()
                .slot(5, 0x0F8F, 0x001C)
                .slot(6, 0x0F8F, 0x001C)
                .lockConfig()
                .fill(5, jefe)
                .fill(6, aa)
                .lockData();
        byte[] question = "what do ya want for nothing?".getBytes(StandardCharsets.US_ASCII);
        rig.ok(Opcode.SHA, 4, 5);
        assertThat(HEX.formatHex(rig.ok(Opcode.SHA, 0xC2, question.length, question)))
                .isEqualTo("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        byte[] dd = new byte[50];
        Arrays.fill(dd, (byte) 0xdd);
        rig.ok(Opcode.SHA, 4, 6);
        assertThat(HEX.formatHex(rig.ok(Opcode.SHA, 5, dd.length, dd)))
                .isEqualTo("773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    }

    @Test
    @DisplayName("RFC 5869 A.1 and A.3: HKDF-SHA-256 as two KDF commands")
    void hkdf() {
        Rig rig = Rig.open().lockConfig().lockData();
        // extract: the salt is the key of the HMAC, padded with zeros as HMAC does it
        byte[] salt = Arrays.copyOf(HEX.parseHex("000102030405060708090a0b0c"), 32);
        byte[] input = HEX.parseHex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
        byte[] info = HEX.parseHex("f0f1f2f3f4f5f6f7f8f901");
        rig.load(salt);
        rig.ok(Opcode.KDF, 0x40, 0, Rig.join(Rig.bytes(2, 0, 0, input.length), input));
        byte[] output = rig.ok(Opcode.KDF, 0x50, 0, Rig.join(Rig.bytes(2, 0, 0, info.length), info));
        assertThat(HEX.formatHex(output)).isEqualTo("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
        // without salt: a key of zeros
        rig.ok(Opcode.KDF, 0x40, 0, Rig.join(Rig.bytes(6, 0, 0, input.length), input));
        output = rig.ok(Opcode.KDF, 0x50, 0, Rig.join(Rig.bytes(2, 0, 0, 1), Rig.bytes(1)));
        assertThat(HEX.formatHex(output)).isEqualTo("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
    }

    @Test
    @DisplayName("RFC 5246 §5: the pseudo-random function of TLS 1.2")
    void prf() {
        Rig rig = Rig.open().lockConfig().lockData();
        byte[] secret = HEX.parseHex("9bbe436ba940f017b17652849a71db35");
        byte[] message = Rig.join(
                "test label".getBytes(StandardCharsets.US_ASCII), HEX.parseHex("a0ba9f936cda311827a6f796ffd5198c"));
        rig.load(Rig.join(secret, new byte[16]));
        byte[] output = rig.ok(Opcode.KDF, 0x10, 0, Rig.join(Rig.bytes(0, 1, 0, message.length), message));
        assertThat(HEX.formatHex(output))
                .isEqualTo("e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a"
                        + "6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab");
    }

    @Test
    void kdfWithAesEncryptsOneBlock() {
        Rig rig = Rig.of(Preset.TRUST_GO);
        rig.load(Rig.join(new byte[16], HEX.parseHex("000102030405060708090a0b0c0d0e0f")));
        byte[] plain = HEX.parseHex("00112233445566778899aabbccddeeff");
        assertThat(HEX.formatHex(rig.ok(Opcode.KDF, 0x30, 0, Rig.join(Rig.bytes(1, 0, 0, 16), plain))))
                .isEqualTo("69c4e0d86a7b0430d8cdb78070b4c55a" + "00".repeat(16));
    }

    @Test
    @DisplayName("RFC 5903 §8.1: ECDH with a stored key")
    void ecdh() {
        byte[] key = HEX.parseHex("c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433");
        byte[] peer = HEX.parseHex("d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63"
                + "56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab");
        Rig rig = Rig.open().slot(2, 0x2087, 0x0033).lockConfig();
        rig.ok(Opcode.PRIV_WRITE, 0, 2, Rig.join(new byte[4], key));
        rig.lockData();
        assertThat(HEX.formatHex(rig.ok(Opcode.ECDH, 0x0C, 2, peer)))
                .isEqualTo("d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de");
    }

    @Test
    @DisplayName("RFC 6979 A.2.5: Verify a known signature, external and stored")
    void verify() {
        byte[] publicKey = HEX.parseHex("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
                + "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299");
        byte[] signature = HEX.parseHex("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
                + "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");
        byte[] digest = Crypto.sha256("sample".getBytes(StandardCharsets.US_ASCII));
        Rig rig = Rig.open().slot(11, 0x0F0F, 0x0010).lockConfig();
        rig.fill(11, Rig.join(new byte[4], Arrays.copyOf(publicKey, 28)));
        rig.ok(
                Opcode.WRITE,
                0x82,
                1 << 8 | 11 << 3,
                Rig.join(Arrays.copyOfRange(publicKey, 28, 32), new byte[4], Arrays.copyOfRange(publicKey, 32, 56)));
        rig.ok(Opcode.WRITE, 0x02, 2 << 8 | 11 << 3, Arrays.copyOfRange(publicKey, 56, 60));
        rig.ok(Opcode.WRITE, 0x02, 2 << 8 | 11 << 3 | 1, Arrays.copyOfRange(publicKey, 60, 64));
        rig.lockData();
        rig.load(digest);
        rig.ok(Opcode.VERIFY, 2, 4, Rig.join(signature, publicKey));
        rig.load(digest);
        rig.ok(Opcode.VERIFY, 0, 11, signature);
        rig.ok(Opcode.NONCE, 0x43, 0, digest);
        rig.ok(Opcode.VERIFY, 0x22, 4, Rig.join(signature, publicKey));
        rig.load(new byte[32]);
        assertThat(rig.status(Opcode.VERIFY, 2, 4, Rig.join(signature, publicKey)))
                .isEqualTo(Status.MISMATCH);
    }

    @Test
    void selfTestsPass() {
        Rig rig = Rig.open().lockConfig();
        assertThat(rig.exchange(Opcode.SELF_TEST, 0x3B, 0)).containsExactly(0);
        assertThat(rig.exchange(Opcode.SELF_TEST, 0, 0)).containsExactly(0);
        assertThat(rig.status(Opcode.SELF_TEST, 0x40, 0)).isEqualTo(Status.PARSE_ERROR);
    }

    @Test
    void untilTheConfigurationIsLockedRandomNumbersAreATestPattern() {
        Rig rig = Rig.of(Preset.BLANK);
        assertThat(HEX.formatHex(rig.ok(Opcode.RANDOM, 0, 0))).isEqualTo("ffff0000".repeat(8));
        rig.lockConfig();
        assertThat(rig.ok(Opcode.RANDOM, 0, 0)).isNotEqualTo(rig.ok(Opcode.RANDOM, 0, 0));
    }
}
