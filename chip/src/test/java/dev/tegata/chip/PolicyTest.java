// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import static dev.tegata.chip.Rig.bytes;
import static dev.tegata.chip.Rig.join;
import static dev.tegata.chip.Rig.random;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/// What a chip permits and what it refuses, command by command.
class PolicyTest {
    private static final int TEMP_KEY = 0xFFFF;

    @Nested
    class ReadAndWrite {
        @Test
        void theConfigurationIsReadAlwaysAndWrittenUntilItIsLocked() {
            Rig rig = Rig.of(Preset.BLANK);
            byte[] config = rig.ok(Opcode.READ, 0x80, 0);
            assertThat(Rig.head(config, 4)).isEqualTo(Rig.head(rig.serial(), 4));
            assertThat(rig.status(Opcode.WRITE, 0x00, 0, new byte[4])).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.WRITE, 0x00, 3, new byte[4])).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.WRITE, 0x00, 21, new byte[4])).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.WRITE, 0x80, 0, new byte[32])).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.WRITE, 0x80, 2 << 3, new byte[32])).isEqualTo(Status.EXECUTION_ERROR);
            rig.ok(Opcode.WRITE, 0x80, 1 << 3, random(32));
            rig.ok(Opcode.WRITE, 0x00, 20, random(4));
            rig.lockConfig();
            assertThat(rig.status(Opcode.WRITE, 0x80, 1 << 3, random(32))).isEqualTo(Status.EXECUTION_ERROR);
            rig.ok(Opcode.READ, 0x00, 31);
        }

        @Test
        void nothingIsReadOfTheDataUntilItIsLocked() {
            Rig rig = Rig.open();
            assertThat(rig.status(Opcode.WRITE, 0x82, 0, new byte[32])).isEqualTo(Status.EXECUTION_ERROR);
            rig.lockConfig().fill(0, random(32));
            assertThat(rig.status(Opcode.READ, 0x82, 0)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.READ, 0x81, 0)).isEqualTo(Status.EXECUTION_ERROR);
            rig.ok(Opcode.WRITE, 0x81, 1 << 3, random(32));
            rig.lockData();
            rig.ok(Opcode.READ, 0x82, 0);
            rig.ok(Opcode.READ, 0x81, 1 << 3);
            assertThat(rig.status(Opcode.WRITE, 0x81, 0, random(32))).isEqualTo(Status.EXECUTION_ERROR);
        }

        @Test
        void addressesEndWhereSlotsEnd() {
            Rig rig = Rig.open().lockConfig().lockData();
            rig.ok(Opcode.READ, 0x02, 1 << 8);
            assertThat(rig.status(Opcode.READ, 0x02, 1 << 8 | 1)).isEqualTo(Status.PARSE_ERROR);
            assertThat(rig.status(Opcode.READ, 0x82, 2 << 8)).isEqualTo(Status.PARSE_ERROR);
            rig.ok(Opcode.READ, 0x82, 12 << 8 | 8 << 3);
            assertThat(rig.status(Opcode.READ, 0x82, 13 << 8 | 8 << 3)).isEqualTo(Status.PARSE_ERROR);
            rig.ok(Opcode.READ, 0x02, 2 << 8 | 9 << 3 | 1);
            assertThat(rig.status(Opcode.READ, 0x02, 2 << 8 | 9 << 3 | 2)).isEqualTo(Status.PARSE_ERROR);
            assertThat(rig.status(Opcode.READ, 0x03, 0)).isEqualTo(Status.PARSE_ERROR);
            assertThat(rig.status(Opcode.READ, 0x80, 1 << 5)).isEqualTo(Status.PARSE_ERROR);
            assertThat(rig.status(Opcode.WRITE, 0x82, 0, new byte[31])).isEqualTo(Status.PARSE_ERROR);
        }

        /// As drivers read and write public keys, which are 72 bytes in a slot: three blocks.
        @Test
        void theLastBlockOfASlotIsReadAndWrittenWhole() {
            Rig rig = Rig.open().lockConfig().lockData();
            byte[] neighbour = rig.ok(Opcode.READ, 0x82, 10 << 3);
            byte[] written = random(32);
            rig.ok(Opcode.WRITE, 0x82, 2 << 8 | 9 << 3, written);
            assertThat(rig.ok(Opcode.READ, 0x82, 2 << 8 | 9 << 3))
                    .isEqualTo(Arrays.copyOf(Arrays.copyOf(written, 8), 32));
            assertThat(rig.ok(Opcode.READ, 0x82, 10 << 3)).isEqualTo(neighbour);
            assertThat(rig.status(Opcode.READ, 0x82, 3 << 8 | 9 << 3)).isEqualTo(Status.PARSE_ERROR);
        }

        @Test
        void secretsAndPrivateKeysAreNeverRead() {
            for (Preset preset : new Preset[] {Preset.TRUST_GO, Preset.TRUST_MANAGER}) {
                Rig rig = Rig.of(preset);
                for (int slot = 0; slot < 16; slot++) {
                    byte[] answer = rig.exchange(Opcode.READ, 0x82, slot << 3);
                    int config = rig.ok(Opcode.READ, 0, (20 + 2 * slot) / 4)[slot * 2 % 4] & 0xFF;
                    boolean secret = (config & 0x80) != 0;
                    assertThat(answer).as("%s slot %d", preset, slot).hasSize(secret ? 1 : 32);
                    rig.ok(Opcode.RANDOM, 0, 0);
                }
                assertThat(rig.status(Opcode.READ, 0x02, 0)).isEqualTo(Status.EXECUTION_ERROR);
            }
        }

        @Test
        void aSecretIsReadUnderItsSessionKeyOnly() {
            byte[] secret = random(32);
            byte[] key = random(32);
            Rig rig = Rig.open()
                    .slot(3, 0x00C4, 0x001C)
                    .slot(4, 0x0F8F, 0x001C)
                    .lockConfig()
                    .fill(3, secret)
                    .fill(4, key)
                    .lockData();
            assertThat(rig.status(Opcode.READ, 0x82, 3 << 3)).isEqualTo(Status.EXECUTION_ERROR);
            byte[] session = rig.sessionKey(4, key);
            assertThat(rig.status(Opcode.READ, 0x02, 3 << 3)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(Crypto.xor(rig.ok(Opcode.READ, 0x82, 3 << 3), session)).isEqualTo(secret);
            assertThat(rig.status(Opcode.READ, 0x82, 3 << 3))
                    .as("a session key serves once")
                    .isEqualTo(Status.EXECUTION_ERROR);
            rig.sessionKey(5, new byte[32]);
            assertThat(rig.status(Opcode.READ, 0x82, 3 << 3)).isEqualTo(Status.EXECUTION_ERROR);
            rig.load(random(32));
            rig.ok(Opcode.GEN_DIG, 2, 4);
            assertThat(rig.status(Opcode.READ, 0x82, 3 << 3))
                    .as("the nonce must be the chip's")
                    .isEqualTo(Status.EXECUTION_ERROR);
        }

        @Test
        void aDigestOfAnotherZoneIsNoSessionKey() {
            Rig rig = Rig.open()
                    .slot(3, 0x01C1, 0x001C)
                    .slot(1, 0x0F8F, 0x001C)
                    .lockConfig()
                    .fill(3, random(32))
                    .lockData();
            for (int zone : new int[] {0, 1, 4, 5}) {
                rig.randomNonce();
                rig.ok(Opcode.GEN_DIG, zone, 1);
                assertThat(rig.status(Opcode.READ, 0x82, 3 << 3)).isEqualTo(Status.EXECUTION_ERROR);
            }
            rig.randomNonce();
            rig.ok(Opcode.GEN_DIG, 3, 1, random(32));
            assertThat(rig.status(Opcode.READ, 0x82, 3 << 3)).isEqualTo(Status.EXECUTION_ERROR);
        }

        @Test
        void anEncryptedWriteNeedsItsKeyAndItsMac() {
            byte[] key = random(32);
            byte[] content = random(32);
            Rig rig = Rig.open()
                    .slot(5, 0x460F, 0x001C)
                    .slot(6, 0x0F8F, 0x001C)
                    .lockConfig()
                    .fill(6, key)
                    .lockData();
            assertThat(rig.status(Opcode.WRITE, 0x82, 5 << 3, content)).isEqualTo(Status.EXECUTION_ERROR);
            byte[] session = rig.sessionKey(6, key);
            byte[] data = rig.encryptedWrite(session, 0xC2, 5 << 3, content);
            byte[] damaged = data.clone();
            damaged[40] ^= 1;
            assertThat(rig.status(Opcode.WRITE, 0xC2, 5 << 3, damaged)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.WRITE, 0xC2, 5 << 3, data)).isEqualTo(Status.EXECUTION_ERROR);
            session = rig.sessionKey(6, key);
            rig.ok(Opcode.WRITE, 0xC2, 5 << 3, rig.encryptedWrite(session, 0xC2, 5 << 3, content));
            session = rig.sessionKey(6, key);
            rig.ok(Opcode.WRITE, 0x82, 5 << 3, rig.encryptedWrite(session, 0x82, 5 << 3, content));
            assertThat(rig.ok(Opcode.READ, 0x82, 5 << 3)).isEqualTo(content);
            session = rig.sessionKey(6, key);
            assertThat(rig.status(Opcode.WRITE, 0xC2, 6 << 3, rig.encryptedWrite(session, 0xC2, 6 << 3, content)))
                    .as("a slot that is written in the clear takes no encrypted write")
                    .isEqualTo(Status.EXECUTION_ERROR);
        }

        @Test
        void aSecretIsNotReplacedInPart() {
            Rig rig = Rig.open().slot(6, 0x0F8F, 0x001C).lockConfig().lockData();
            assertThat(rig.status(Opcode.WRITE, 0x02, 6 << 3, random(4))).isEqualTo(Status.EXECUTION_ERROR);
            rig.ok(Opcode.WRITE, 0x82, 6 << 3, random(32));
        }

        @Test
        void slotsThatAreNeverWrittenOrLockedStayAsTheyAre() {
            Rig rig = Rig.open()
                    .slot(2, 0x8F0F, 0x001C)
                    .slot(8, 0x0F0F, 0x003C)
                    .lockConfig()
                    .lockData();
            assertThat(rig.status(Opcode.WRITE, 0x82, 2 << 3, random(32))).isEqualTo(Status.EXECUTION_ERROR);
            rig.ok(Opcode.WRITE, 0x82, 8 << 3, random(32));
            rig.ok(Opcode.LOCK, 0x02 | 8 << 2, 0);
            assertThat(rig.status(Opcode.WRITE, 0x82, 8 << 3, random(32))).isEqualTo(Status.EXECUTION_ERROR);
            rig.ok(Opcode.READ, 0x82, 8 << 3);
        }
    }

    @Nested
    class Locks {
        @Test
        void theChecksumMustBeThatOfTheZone() {
            Rig rig = Rig.open();
            assertThat(rig.status(Opcode.LOCK, 0x01, 0)).isEqualTo(Status.EXECUTION_ERROR);
            byte[] config = join(
                    rig.ok(Opcode.READ, 0x80, 0),
                    rig.ok(Opcode.READ, 0x80, 1 << 3),
                    rig.ok(Opcode.READ, 0x80, 2 << 3),
                    rig.ok(Opcode.READ, 0x80, 3 << 3));
            int crc = Packet.crc(config, config.length, 0);
            assertThat(rig.status(Opcode.LOCK, 0x00, crc ^ 1)).isEqualTo(Status.EXECUTION_ERROR);
            rig.ok(Opcode.LOCK, 0x00, crc);
            assertThat(rig.status(Opcode.LOCK, 0x80, 0)).isEqualTo(Status.EXECUTION_ERROR);
            byte[] data = new byte[8 * 36 + 416 + 7 * 72 + 64];
            crc = Packet.crc(data, data.length, 0);
            assertThat(rig.status(Opcode.LOCK, 0x01, crc ^ 1)).isEqualTo(Status.EXECUTION_ERROR);
            rig.ok(Opcode.LOCK, 0x01, crc);
            assertThat(rig.status(Opcode.LOCK, 0x81, 0)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.LOCK, 0x83, 0)).isEqualTo(Status.PARSE_ERROR);
        }

        @Test
        void onlyALockableSlotIsLockedAndOnlyOnce() {
            Rig rig = Rig.of(Preset.TRUST_GO);
            assertThat(rig.status(Opcode.LOCK, 0x02, 0)).isEqualTo(Status.EXECUTION_ERROR);
            rig.ok(Opcode.LOCK, 0x02 | 3 << 2, 0);
            assertThat(rig.status(Opcode.LOCK, 0x02 | 3 << 2, 0)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.GEN_KEY, 0x04, 3)).isEqualTo(Status.EXECUTION_ERROR);
            rig.ok(Opcode.GEN_KEY, 0x00, 3);
            rig.load(random(32));
            rig.ok(Opcode.SIGN, 0x80, 3);
        }
    }

    @Nested
    class Keys {
        @Test
        void identityKeysStayAndSecondaryKeysAreRenewed() {
            Rig rig = Rig.of(Preset.TRUST_GO);
            byte[] before = rig.chip.publicKey(2);
            assertThat(rig.ok(Opcode.GEN_KEY, 0x00, 2)).isEqualTo(before);
            assertThat(rig.ok(Opcode.GEN_KEY, 0x04, 2)).isNotEqualTo(before).isEqualTo(rig.chip.publicKey(2));
            assertThat(rig.status(Opcode.GEN_KEY, 0x04, 0)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.GEN_KEY, 0x04, 1)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.GEN_KEY, 0x04, 8)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.GEN_KEY, 0x04, 16)).isEqualTo(Status.PARSE_ERROR);
            assertThat(rig.status(Opcode.GEN_KEY, 0x01, 2)).isEqualTo(Status.PARSE_ERROR);
        }

        @Test
        void aKeyWithoutPublicInformationKeepsIt() {
            Rig rig = Rig.open().slot(0, 0x2083, 0x0031).lockConfig();
            rig.ok(Opcode.GEN_KEY, 0x04, 0);
            assertThat(rig.status(Opcode.GEN_KEY, 0x00, 0)).isEqualTo(Status.EXECUTION_ERROR);
        }

        @Test
        void anEmptyKeySlotServesNothing() {
            Rig rig = Rig.of(Preset.TRUST_MANAGER);
            assertThat(rig.status(Opcode.GEN_KEY, 0x00, 0)).isEqualTo(Status.EXECUTION_ERROR);
            rig.load(random(32));
            assertThat(rig.status(Opcode.SIGN, 0x80, 0)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.ok(Opcode.INFO, 1, 0)).containsExactly(0, 0, 0, 0);
            rig.ok(Opcode.GEN_KEY, 0x04, 0);
            assertThat(rig.ok(Opcode.INFO, 1, 0)).containsExactly(1, 0, 0, 0);
            rig.load(random(32));
            rig.ok(Opcode.SIGN, 0x80, 0);
        }

        @Test
        void aPrivateKeyIsWrittenInTheClearBeforeTheLockAndEncryptedAfter() {
            byte[] writeKey = random(32);
            byte[] key = P256.newPrivateKey(Rig.RANDOM);
            Rig rig = Rig.open()
                    .slot(0, 0x4683, 0x0033)
                    .slot(1, 0x2083, 0x0033)
                    .slot(6, 0x0F8F, 0x001C)
                    .lockConfig()
                    .fill(6, writeKey);
            assertThat(rig.status(Opcode.WRITE, 0x82, 0, random(32))).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.PRIV_WRITE, 0, 0, new byte[36])).isEqualTo(Status.ECC_FAULT);
            byte[] plain = join(new byte[4], key);
            rig.ok(Opcode.PRIV_WRITE, 0, 0, plain);
            rig.lockData();
            assertThat(rig.chip.publicKey(0)).isEqualTo(P256.publicKey(key));
            assertThat(rig.status(Opcode.PRIV_WRITE, 0, 0, plain)).isEqualTo(Status.EXECUTION_ERROR);

            byte[] other = join(new byte[4], P256.newPrivateKey(Rig.RANDOM));
            rig.ok(Opcode.PRIV_WRITE, 0x40, 0, privWrite(rig, rig.sessionKey(6, writeKey), 0, other));
            assertThat(rig.chip.publicKey(0)).isEqualTo(P256.publicKey(Arrays.copyOfRange(other, 4, 36)));
            byte[] damaged = privWrite(rig, rig.sessionKey(6, writeKey), 0, plain);
            damaged[60] ^= 1;
            assertThat(rig.status(Opcode.PRIV_WRITE, 0x40, 0, damaged)).isEqualTo(Status.EXECUTION_ERROR);
            byte[] forbidden = privWrite(rig, rig.sessionKey(6, writeKey), 1, plain);
            assertThat(rig.status(Opcode.PRIV_WRITE, 0x40, 1, forbidden)).isEqualTo(Status.EXECUTION_ERROR);
        }

        private byte[] privWrite(Rig rig, byte[] session, int slot, byte[] plain) {
            byte[] sn = rig.serial();
            byte[] mask = join(session, Rig.head(Crypto.sha256(session), 4));
            byte[] mac = Crypto.sha256(session, bytes(0x46, 0x40, slot, 0, sn[8], sn[0], sn[1]), new byte[21], plain);
            return join(Crypto.xor(plain, mask), mac);
        }

        @Test
        void aSignatureUsesTempKeyUp() {
            Rig rig = Rig.of(Preset.TRUST_GO);
            assertThat(rig.status(Opcode.SIGN, 0x80, 0)).isEqualTo(Status.EXECUTION_ERROR);
            byte[] digest = random(32);
            rig.load(digest);
            assertThat(P256.verify(rig.chip.publicKey(0), digest, rig.ok(Opcode.SIGN, 0x80, 0)))
                    .isTrue();
            assertThat(rig.status(Opcode.SIGN, 0x80, 0)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.SIGN, 0x82, 0)).isEqualTo(Status.PARSE_ERROR);
            assertThat(rig.status(Opcode.SIGN, 0xA0, 0)).isEqualTo(Status.EXECUTION_ERROR);
        }

        @Test
        void aPublicKeyThatNeedsValidationIsUselessUntilItsParentHasSigned() {
            byte[] parent = P256.newPrivateKey(Rig.RANDOM);
            byte[] child = P256.newPrivateKey(Rig.RANDOM);
            Rig rig =
                    Rig.open().slot(13, 0x0F0F, 0x0010).slot(14, 0x1F0D, 0x0012).lockConfig();
            writePublicKey(rig, 13, P256.publicKey(parent));
            rig.lockData();
            writePublicKey(rig, 14, P256.publicKey(child));
            byte[] digest = random(32);
            rig.load(digest);
            byte[] signature = P256.sign(child, digest, Rig.RANDOM);
            assertThat(rig.status(Opcode.VERIFY, 0, 14, signature)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.ok(Opcode.INFO, 1, 14)[0]).isZero();

            byte[] otherData = random(19);
            otherData[0] = 0;
            approval(rig, parent, P256.publicKey(child), otherData);
            assertThat(rig.status(Opcode.VERIFY, 3, 14, join(random(64), otherData)))
                    .isEqualTo(Status.MISMATCH);
            byte[] approval = approval(rig, parent, P256.publicKey(child), otherData);
            assertThat(rig.status(Opcode.VERIFY, 7, 14, join(approval, otherData)))
                    .as("an approval is no rejection")
                    .isEqualTo(Status.EXECUTION_ERROR);
            rig.ok(Opcode.VERIFY, 3, 14, join(approval, otherData));
            assertThat(rig.ok(Opcode.INFO, 1, 14)[0]).isEqualTo((byte) 1);
            rig.load(digest);
            rig.ok(Opcode.VERIFY, 0, 14, signature);
            assertThat(rig.status(Opcode.WRITE, 0x82, 14 << 3, random(32)))
                    .as("a validated key is not overwritten")
                    .isEqualTo(Status.EXECUTION_ERROR);

            otherData[0] = 1;
            byte[] rejection = approval(rig, parent, P256.publicKey(child), otherData);
            rig.ok(Opcode.VERIFY, 7, 14, join(rejection, otherData));
            rig.load(digest);
            assertThat(rig.status(Opcode.VERIFY, 0, 14, signature)).isEqualTo(Status.EXECUTION_ERROR);
            rig.ok(Opcode.WRITE, 0x82, 14 << 3, random(32));
        }

        private byte[] approval(Rig rig, byte[] parent, byte[] publicKey, byte[] otherData) {
            byte[] sn = rig.serial();
            byte[] nonce = random(32);
            rig.load(nonce);
            rig.ok(Opcode.GEN_KEY, 0x10, 14, bytes(1, 2, 3));
            byte[] digest = Crypto.sha256(nonce, bytes(0x40, 1, 2, 3, sn[8], sn[0], sn[1]), new byte[25], publicKey);
            byte[] message = Crypto.sha256(
                    digest,
                    bytes(0x41),
                    Arrays.copyOfRange(otherData, 0, 10),
                    bytes(sn[8]),
                    Arrays.copyOfRange(otherData, 10, 14),
                    bytes(sn[0], sn[1]),
                    Arrays.copyOfRange(otherData, 14, 19));
            return P256.sign(parent, message, Rig.RANDOM);
        }
    }

    static void writePublicKey(Rig rig, int slot, byte[] key) {
        byte[] stored = join(new byte[4], Rig.head(key, 32), new byte[4], Arrays.copyOfRange(key, 32, 64));
        rig.ok(Opcode.WRITE, 0x82, slot << 3, Rig.head(stored, 32));
        rig.ok(Opcode.WRITE, 0x82, 1 << 8 | slot << 3, Arrays.copyOfRange(stored, 32, 64));
        rig.ok(Opcode.WRITE, 0x02, 2 << 8 | slot << 3, Arrays.copyOfRange(stored, 64, 68));
        rig.ok(Opcode.WRITE, 0x02, 2 << 8 | slot << 3 | 1, Arrays.copyOfRange(stored, 68, 72));
    }

    @Nested
    class Ecdh {
        private final byte[] peerKey = P256.newPrivateKey(Rig.RANDOM);
        private final byte[] peer = P256.publicKey(peerKey);

        @Test
        void aSecretLeavesOnlyAsTheSlotSays() {
            Rig rig = Rig.open()
                    .slot(0, 0x2083, 0x0033)
                    .slot(2, 0x2087, 0x0033)
                    .slot(4, 0x208F, 0x0033)
                    .slot(5, 0x0F8F, 0x001C)
                    .lockConfig();
            rig.ok(Opcode.GEN_KEY, 4, 0);
            byte[] mine = rig.ok(Opcode.GEN_KEY, 4, 2);
            byte[] intoSlot = rig.ok(Opcode.GEN_KEY, 4, 4);
            rig.lockData();
            assertThat(rig.status(Opcode.ECDH, 0, 0, peer)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.ok(Opcode.ECDH, 0, 2, peer)).isEqualTo(P256.ecdh(peerKey, mine));
            assertThat(rig.status(Opcode.ECDH, 0x0C, 4, peer)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.ECDH, 0x08, 4, peer)).isEqualTo(Status.EXECUTION_ERROR);
            rig.ok(Opcode.ECDH, 0, 4, peer);
            byte[] session = rig.sessionKey(5, P256.ecdh(peerKey, intoSlot));
            assertThat(session).hasSize(32);
            assertThat(rig.ok(Opcode.MAC, 0x01, 5))
                    .as("chip and host share the secret in slot 5")
                    .isEqualTo(mac(rig, P256.ecdh(peerKey, intoSlot), session, 0x01, 5));
        }

        @Test
        void aPointThatIsNotOnTheCurveIsAFault() {
            Rig rig = Rig.of(Preset.TRUST_GO);
            byte[] bad = peer.clone();
            bad[63] ^= 1;
            assertThat(rig.status(Opcode.ECDH, 0x0C, 0, bad)).isEqualTo(Status.ECC_FAULT);
        }

        @Test
        void anEphemeralKeyServesOnceAndNothingElse() {
            Rig rig = Rig.of(Preset.TRUST_GO);
            byte[] ephemeral = rig.ok(Opcode.GEN_KEY, 4, TEMP_KEY);
            assertThat(rig.status(Opcode.SIGN, 0x80, 0)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.MAC, 0x07, 6)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.AES, 0, TEMP_KEY, new byte[16])).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.SHA, 4, TEMP_KEY)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.ok(Opcode.ECDH, 0x0D, 0, peer)).isEqualTo(P256.ecdh(peerKey, ephemeral));
            assertThat(rig.status(Opcode.ECDH, 0x0D, 0, peer)).isEqualTo(Status.EXECUTION_ERROR);
        }

        @Test
        void theBusIsProtectedByTheIoKey() {
            Rig rig = Rig.of(Preset.TRUST_GO);
            byte[] ioKey = random(32);
            rig.fill(6, ioKey);
            byte[] answer = rig.ok(Opcode.ECDH, 0x0E, 0, peer);
            byte[] mask = Crypto.sha256(ioKey, Arrays.copyOfRange(answer, 32, 48));
            assertThat(Crypto.xor(Rig.head(answer, 32), mask)).isEqualTo(P256.ecdh(peerKey, rig.chip.publicKey(0)));
        }

        @Test
        void chipOptionsForbidTheClear() {
            Rig rig =
                    Rig.open().slot(2, 0x2087, 0x0033).setConfigWord(90, 0x6102).lockConfig();
            rig.ok(Opcode.GEN_KEY, 4, 2);
            rig.lockData();
            assertThat(rig.ok(Opcode.ECDH, 0x0C, 2, peer)).hasSize(64);
            rig = Rig.open().slot(2, 0x2087, 0x0033).setConfigWord(90, 0x6202).lockConfig();
            rig.ok(Opcode.GEN_KEY, 4, 2);
            rig.lockData();
            assertThat(rig.status(Opcode.ECDH, 0x0C, 2, peer)).isEqualTo(Status.EXECUTION_ERROR);
            rig.ok(Opcode.ECDH, 0x08, 2, peer);
        }
    }

    static byte[] mac(Rig rig, byte[] first, byte[] second, int mode, int slot) {
        byte[] sn = rig.serial();
        boolean whole = (mode & 0x40) != 0;
        return Crypto.sha256(
                first,
                second,
                bytes(0x08, mode, slot, 0),
                new byte[11],
                bytes(sn[8]),
                whole ? Arrays.copyOfRange(sn, 4, 8) : new byte[4],
                bytes(sn[0], sn[1]),
                whole ? Arrays.copyOfRange(sn, 2, 4) : new byte[2]);
    }

    @Nested
    class SymmetricKeys {
        private final byte[] key = random(32);

        @Test
        void macsAreMadeAndChecked() {
            Rig rig =
                    Rig.open().slot(5, 0x0F8F, 0x001C).lockConfig().fill(5, key).lockData();
            byte[] challenge = random(32);
            assertThat(rig.ok(Opcode.MAC, 0x40, 5, challenge)).isEqualTo(mac(rig, key, challenge, 0x40, 5));
            byte[] sn = rig.serial();
            byte[] otherData =
                    join(bytes(0x08, 0x40, 5, 0), new byte[3], Arrays.copyOfRange(sn, 4, 8), bytes(sn[2], sn[3]));
            byte[] response = mac(rig, key, challenge, 0x40, 5);
            rig.ok(Opcode.CHECK_MAC, 0, 5, join(challenge, response, otherData));
            response[0] ^= 1;
            assertThat(rig.status(Opcode.CHECK_MAC, 0, 5, join(challenge, response, otherData)))
                    .isEqualTo(Status.MISMATCH);
            assertThat(rig.status(Opcode.CHECK_MAC, 0, 5, join(challenge, response)))
                    .isEqualTo(Status.PARSE_ERROR);
        }

        @Test
        void aKeyThatForbidsMacsOrWantsRandomNoncesIsObeyed() {
            Rig rig = Rig.open()
                    .slot(4, 0x0F9F, 0x001C)
                    .slot(5, 0x0F8F, 0x005C)
                    .lockConfig()
                    .fill(5, key)
                    .lockData();
            assertThat(rig.status(Opcode.MAC, 0, 4, random(32))).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.SHA, 4, 4)).isEqualTo(Status.EXECUTION_ERROR);
            rig.randomNonce();
            rig.ok(Opcode.GEN_DIG, 2, 4);
            assertThat(rig.status(Opcode.MAC, 0x03, 5)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.MAC, 0, 5, random(32))).isEqualTo(Status.EXECUTION_ERROR);
            rig.load(random(32));
            assertThat(rig.status(Opcode.MAC, 0x05, 5)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.GEN_DIG, 2, 5)).isEqualTo(Status.EXECUTION_ERROR);
            byte[] nonce = rig.randomNonce();
            assertThat(rig.status(Opcode.MAC, 0x05, 5))
                    .as("the command says the wrong source")
                    .isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.ok(Opcode.MAC, 0x01, 5)).isEqualTo(mac(rig, key, nonce, 0x01, 5));
        }

        @Test
        void privateKeysAreNoSymmetricKeys() {
            Rig rig = Rig.of(Preset.TRUST_GO);
            rig.randomNonce();
            assertThat(rig.status(Opcode.GEN_DIG, 2, 0)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.MAC, 0x01, 0)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.CHECK_MAC, 0x01, 0, new byte[77])).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.SHA, 0x04, 0)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.AES, 0, 0, new byte[16])).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.KDF, 0x52, 0, bytes(2, 0, 0, 1, 1))).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.KDF, 0x50, 0, bytes(0, 0, 0, 1, 1))).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.DERIVE_KEY, 0, 2)).isEqualTo(Status.EXECUTION_ERROR);
        }

        @Test
        void deriveKeyRollsAndDerives() {
            byte[] parent = random(32);
            Rig rig = Rig.open()
                    .slot(4, 0x2F8F, 0x001C) // roll
                    .slot(5, 0x368F, 0x001C) // from slot 6
                    .slot(7, 0xB68F, 0x001C) // from slot 6, with its MAC
                    .slot(6, 0x8F8F, 0x001C)
                    .lockConfig()
                    .fill(4, key)
                    .fill(6, parent)
                    .lockData();
            assertThat(rig.status(Opcode.DERIVE_KEY, 0, 4)).isEqualTo(Status.EXECUTION_ERROR);
            byte[] nonce = rig.randomNonce();
            assertThat(rig.status(Opcode.DERIVE_KEY, 4, 4)).isEqualTo(Status.EXECUTION_ERROR);
            rig.ok(Opcode.DERIVE_KEY, 0, 4);
            assertKey(rig, 4, derived(rig, key, 4, nonce));
            nonce = rig.randomNonce();
            rig.ok(Opcode.DERIVE_KEY, 0, 5);
            assertKey(rig, 5, derived(rig, parent, 5, nonce));
            nonce = rig.randomNonce();
            assertThat(rig.status(Opcode.DERIVE_KEY, 0, 7)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.DERIVE_KEY, 0, 7, random(32))).isEqualTo(Status.EXECUTION_ERROR);
            byte[] sn = rig.serial();
            rig.ok(Opcode.DERIVE_KEY, 0, 7, Crypto.sha256(parent, bytes(0x1C, 0, 7, 0, sn[8], sn[0], sn[1])));
            assertKey(rig, 7, derived(rig, parent, 7, nonce));
            rig.randomNonce();
            assertThat(rig.status(Opcode.DERIVE_KEY, 0, 6)).isEqualTo(Status.EXECUTION_ERROR);
        }

        private byte[] derived(Rig rig, byte[] source, int target, byte[] nonce) {
            byte[] sn = rig.serial();
            return Crypto.sha256(source, bytes(0x1C, 0, target, 0, sn[8], sn[0], sn[1]), new byte[25], nonce);
        }

        private void assertKey(Rig rig, int slot, byte[] expected) {
            byte[] challenge = random(32);
            assertThat(rig.ok(Opcode.MAC, 0, slot, challenge)).isEqualTo(mac(rig, expected, challenge, 0, slot));
        }

        @Test
        void aKeyThatAsksForAuthorizationWaitsForIt() {
            byte[] authorization = random(32);
            Rig rig = Rig.open()
                    .slot(3, 0x0F8F, 0x001C)
                    .slot(5, 0x0F8F, 0x039C)
                    .lockConfig()
                    .fill(3, authorization)
                    .fill(5, key)
                    .lockData();
            assertThat(rig.status(Opcode.MAC, 0, 5, random(32))).isEqualTo(Status.EXECUTION_ERROR);
            byte[] nonce = rig.randomNonce();
            byte[] sn = rig.serial();
            byte[] response = Crypto.sha256(
                    authorization,
                    nonce,
                    new byte[4],
                    new byte[8],
                    new byte[3],
                    bytes(sn[8]),
                    new byte[4],
                    bytes(sn[0], sn[1]),
                    new byte[2]);
            rig.ok(Opcode.CHECK_MAC, 1, 3, join(new byte[32], response, new byte[13]));
            assertThat(rig.ok(Opcode.INFO, 2, 0)[1]).isEqualTo((byte) (0x04 | 3 << 3));
            rig.ok(Opcode.MAC, 0, 5, random(32));
            rig.chip.sleep();
            rig.chip.wake();
            assertThat(rig.status(Opcode.MAC, 0, 5, random(32))).isEqualTo(Status.EXECUTION_ERROR);
        }

        @Test
        void useIsCountedAndEnds() {
            byte[] limit = Rig.join(bytes(3, 0, 0, 0, 3, 0, 0, 0), new byte[24]);
            Rig rig = Rig.open()
                    .slot(5, 0x0FAF, 0x001C)
                    .slot(7, 0x8F0F, 0x001C)
                    .setConfigWord(18, 0x0071)
                    .lockConfig()
                    .fill(7, limit)
                    .lockData();
            rig.ok(Opcode.MAC, 0, 5, random(32));
            rig.ok(Opcode.SHA, 4, 5);
            assertThat(rig.ok(Opcode.COUNTER, 0, 0)).containsExactly(2, 0, 0, 0);
            rig.ok(Opcode.UPDATE_EXTRA, 2, 5);
            assertThat(rig.status(Opcode.MAC, 0, 5, random(32))).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.UPDATE_EXTRA, 2, 6)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.ok(Opcode.COUNTER, 0, 0)).containsExactly(3, 0, 0, 0);
        }
    }

    @Nested
    class Registers {
        @Test
        void countersOnlyGrow() {
            Rig rig = Rig.open();
            assertThat(rig.status(Opcode.COUNTER, 0, 0)).isEqualTo(Status.EXECUTION_ERROR);
            rig.lockConfig();
            assertThat(rig.ok(Opcode.COUNTER, 0, 1)).containsExactly(0, 0, 0, 0);
            for (int i = 1; i <= 300; i++) {
                assertThat(rig.ok(Opcode.COUNTER, 1, 1)).isEqualTo(bytes(i, i >> 8, 0, 0));
            }
            assertThat(rig.ok(Opcode.COUNTER, 0, 0)).containsExactly(0, 0, 0, 0);
            assertThat(rig.status(Opcode.COUNTER, 0, 2)).isEqualTo(Status.PARSE_ERROR);
            assertThat(rig.status(Opcode.COUNTER, 2, 0)).isEqualTo(Status.PARSE_ERROR);
        }

        @Test
        void aCounterAtItsEndStays() {
            Rig rig = Rig.open();
            rig.ok(Opcode.WRITE, 0x00, 56 / 4, bytes(0xFE, 0xFF, 0x1F, 0));
            rig.lockConfig();
            assertThat(rig.ok(Opcode.COUNTER, 1, 0)).containsExactly(0xFF, 0xFF, 0x1F, 0);
            assertThat(rig.status(Opcode.COUNTER, 1, 0)).isEqualTo(Status.EXECUTION_ERROR);
        }

        @Test
        void theExtraBytesAreWrittenOnceAfterTheLock() {
            Rig rig = Rig.of(Preset.TRUST_GO);
            rig.ok(Opcode.UPDATE_EXTRA, 0, 0x5A);
            assertThat(rig.status(Opcode.UPDATE_EXTRA, 0, 0x5B)).isEqualTo(Status.EXECUTION_ERROR);
            rig.ok(Opcode.UPDATE_EXTRA, 1, 0x6C);
            assertThat(rig.ok(Opcode.READ, 0, 21)).containsExactly(0x5A, 0x6C, 0, 0);
            assertThat(rig.status(Opcode.UPDATE_EXTRA, 3, 0)).isEqualTo(Status.PARSE_ERROR);
            assertThat(rig.status(Opcode.UPDATE_EXTRA, 0, 0x100)).isEqualTo(Status.PARSE_ERROR);
        }

        @Test
        void stateTellsOfTempKey() {
            Rig rig = Rig.of(Preset.TRUST_GO);
            assertThat(rig.ok(Opcode.INFO, 0, 0)).containsExactly(0, 0, 0x60, 3);
            assertThat(rig.ok(Opcode.INFO, 2, 0)).containsExactly(0, 0, 0, 0);
            rig.load(random(32));
            assertThat(rig.ok(Opcode.INFO, 2, 0)).containsExactly(0x10, 0x80, 0, 0);
            rig.randomNonce();
            assertThat(rig.ok(Opcode.INFO, 2, 0)).containsExactly(0, 0x80, 0, 0);
            rig.ok(Opcode.GEN_KEY, 0x08, 2);
            assertThat(rig.ok(Opcode.INFO, 2, 0)).containsExactly(0x42, 0x80, 0, 0);
            rig.randomNonce();
            rig.ok(Opcode.GEN_DIG, 2, 6);
            assertThat(rig.ok(Opcode.INFO, 2, 0)).containsExactly(0x26, 0x80, 0, 0);
            assertThat(rig.status(Opcode.INFO, 3, 0)).isEqualTo(Status.PARSE_ERROR);
            assertThat(rig.status(Opcode.INFO, 1, 16)).isEqualTo(Status.PARSE_ERROR);
        }

        @Test
        void aNonceMayBeGivenBackWhole() {
            Rig rig = Rig.of(Preset.TRUST_GO);
            byte[] nonce = rig.ok(Opcode.NONCE, 0, 0x8000, random(20));
            byte[] signature = rig.ok(Opcode.SIGN, 0x80, 0);
            assertThat(P256.verify(rig.chip.publicKey(0), nonce, signature)).isTrue();
            assertThat(rig.status(Opcode.NONCE, 0, 1, random(20))).isEqualTo(Status.PARSE_ERROR);
            assertThat(rig.status(Opcode.NONCE, 2, 0, random(20))).isEqualTo(Status.PARSE_ERROR);
            assertThat(rig.status(Opcode.NONCE, 0x83, 0, random(64))).isEqualTo(Status.PARSE_ERROR);
            assertThat(rig.status(Opcode.NONCE, 3, 0, random(31))).isEqualTo(Status.PARSE_ERROR);
        }
    }

    @Nested
    class Power {
        @Test
        void onlyAnAwakeChipAnswers() {
            VirtualChip chip = VirtualChip.create(Preset.BLANK, Rig.RANDOM);
            byte[] info = Packet.of(Opcode.INFO, 0, 0).encode();
            assertThat(chip.execute(info)).isEmpty();
            assertThat(chip.wake()).isEqualTo(Rig.HEX.parseHex("04113343"));
            assertThat(chip.execute(info)).isNotEmpty();
            chip.idle();
            assertThat(chip.execute(info)).isEmpty();
        }

        @Test
        void idleKeepsTempKeyAndSleepDoesNot() {
            Rig rig = Rig.of(Preset.TRUST_GO);
            rig.load(random(32));
            rig.chip.idle();
            rig.chip.wake();
            rig.ok(Opcode.SIGN, 0x80, 0);
            rig.load(random(32));
            rig.ok(Opcode.NONCE, 0x43, 0, random(32));
            rig.chip.sleep();
            rig.chip.wake();
            assertThat(rig.status(Opcode.SIGN, 0x80, 0)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.SIGN, 0xA0, 0)).isEqualTo(Status.EXECUTION_ERROR);
        }

        @Test
        void aDigestInProgressEndsWithTheNextWake() {
            Rig rig = Rig.of(Preset.TRUST_GO);
            rig.ok(Opcode.SHA, 0, 0);
            rig.chip.wake();
            rig.ok(Opcode.SHA, 0xC2, 0);
            assertThat(rig.status(Opcode.SHA, 0xC2, 0)).isEqualTo(Status.EXECUTION_ERROR);
            rig.ok(Opcode.SHA, 0, 0);
            rig.chip.idle();
            rig.chip.wake();
            assertThat(rig.status(Opcode.SHA, 0xC2, 0)).isEqualTo(Status.EXECUTION_ERROR);
        }

        @Test
        void aKeyedDigestGivesNoContextAway() {
            Rig rig = Rig.of(Preset.TRUST_GO);
            rig.ok(Opcode.SHA, 4, 6);
            assertThat(rig.status(Opcode.SHA, 6, 0)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.ok(Opcode.SHA, 5, 0)).hasSize(32);
        }

        @Test
        void aDamagedPacketIsACrcError() {
            Rig rig = Rig.of(Preset.BLANK);
            byte[] packet = Packet.of(Opcode.INFO, 0, 0).encode();
            packet[5] ^= 1;
            assertThat(Packet.content(rig.chip.execute(packet))).hasValue(bytes(0xFF));
            assertThat(Packet.content(rig.chip.execute(new byte[0]))).hasValue(bytes(0xFF));
            byte[] unknown = new Packet(0x99, 0, 0, new byte[0]).encode();
            assertThat(Packet.content(rig.chip.execute(unknown))).hasValue(bytes(0x03));
        }
    }

    @Nested
    class SecureBoots {
        private final byte[] maker = P256.newPrivateKey(Rig.RANDOM);
        private final byte[] firmware = random(32);
        private final byte[] signature = P256.sign(maker, firmware, Rig.RANDOM);

        private Rig rig(int mode) {
            Rig rig = Rig.open()
                    .slot(0, 0x2083, 0x1033) // usable after a secure boot only
                    .slot(6, 0x0F8F, 0x001C)
                    .slot(9, 0x8F8F, 0x001C)
                    .slot(15, 0x0F0F, 0x0010)
                    .setConfigWord(70, 0xF908 | mode)
                    .setConfigWord(90, 0x6002)
                    .lockConfig();
            writePublicKey(rig, 15, P256.publicKey(maker));
            return rig.lockData();
        }

        @Test
        void aStoredDigestBootsAndSetsTheLatch() {
            Rig rig = rig(3);
            assertThat(rig.status(Opcode.GEN_KEY, 0x04, 0)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.ok(Opcode.INFO, 4, 0)).containsExactly(0, 0, 0, 0);
            assertThat(rig.status(Opcode.SECURE_BOOT, 6, 0, firmware)).isEqualTo(Status.MISMATCH);
            assertThat(rig.status(Opcode.SECURE_BOOT, 7, 0, join(firmware, random(64))))
                    .isEqualTo(Status.MISMATCH);
            rig.ok(Opcode.SECURE_BOOT, 7, 0, join(firmware, signature));
            rig.chip.powerCycle();
            rig.chip.wake();
            rig.ok(Opcode.SECURE_BOOT, 6, 0, firmware);
            assertThat(rig.ok(Opcode.INFO, 4, 0)).containsExactly(1, 0, 0, 0);
            rig.ok(Opcode.GEN_KEY, 0x04, 0);
            rig.chip.sleep();
            rig.chip.wake();
            rig.load(random(32));
            rig.ok(Opcode.SIGN, 0x80, 0);
            rig.chip.powerCycle();
            rig.chip.wake();
            rig.load(random(32));
            assertThat(rig.status(Opcode.SIGN, 0x80, 0)).isEqualTo(Status.EXECUTION_ERROR);
        }

        @Test
        void aStoredSignatureBoots() {
            Rig rig = rig(2);
            rig.ok(Opcode.SECURE_BOOT, 5, 0, join(firmware, signature));
            assertThat(rig.status(Opcode.SECURE_BOOT, 6, 0, firmware)).isEqualTo(Status.MISMATCH);
            rig.ok(Opcode.SECURE_BOOT, 7, 0, join(firmware, signature));
            rig.ok(Opcode.SECURE_BOOT, 6, 0, firmware);
            assertThat(rig.status(Opcode.SECURE_BOOT, 6, 0, random(32))).isEqualTo(Status.MISMATCH);
        }

        @Test
        void aProtectedWireAnswersWithAMac() {
            Rig rig = rig(3);
            byte[] ioKey = random(32);
            rig.fill(6, ioKey);
            byte[] nonce = rig.randomNonce();
            byte[] mask = Crypto.sha256(ioKey, nonce);
            byte[] answer = rig.ok(Opcode.SECURE_BOOT, 0x87, 0, join(Crypto.xor(firmware, mask), signature));
            assertThat(answer).isEqualTo(Crypto.sha256(mask, firmware, signature, bytes(0x80, 0x87, 0, 0)));
        }

        @Test
        void offIsOff() {
            Rig rig = rig(0);
            assertThat(rig.status(Opcode.SECURE_BOOT, 5, 0, join(firmware, signature)))
                    .isEqualTo(Status.EXECUTION_ERROR);
            rig = rig(1);
            rig.ok(Opcode.SECURE_BOOT, 5, 0, join(firmware, signature));
            assertThat(rig.status(Opcode.SECURE_BOOT, 7, 0, join(firmware, signature)))
                    .isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.SECURE_BOOT, 4, 0, join(firmware, signature)))
                    .isEqualTo(Status.PARSE_ERROR);
        }

        @Test
        void verifyAnswersWithAMacWhereItIsAsked() {
            Rig rig = rig(1);
            byte[] ioKey = random(32);
            rig.fill(6, ioKey);
            byte[] nonce = random(32);
            rig.ok(Opcode.NONCE, 0x43, 0, nonce);
            rig.load(firmware);
            assertThat(rig.ok(Opcode.VERIFY, 0x80, 15, signature))
                    .isEqualTo(Crypto.sha256(ioKey, firmware, nonce, signature, bytes(0x45, 0x80, 15, 0)));
        }
    }

    @Nested
    class KeyDerivation {
        @Test
        void resultsGoWhereTheyMay() {
            Rig rig = Rig.of(Preset.TRUST_GO);
            byte[] message = join(bytes(2, 0, 0, 4), bytes(1, 2, 3, 4));
            rig.load(random(32));
            rig.ok(Opcode.KDF, 0x48, 9 << 8, message);
            assertThat(rig.status(Opcode.KDF, 0x48, 5 << 8, message)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.KDF, 0x48, 0, message)).isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.KDF, 0x48, 0x1000, message)).isEqualTo(Status.PARSE_ERROR);
            assertThat(rig.status(Opcode.KDF, 0x58, 0, message)).isEqualTo(Status.PARSE_ERROR);
            assertThat(rig.status(Opcode.KDF, 0x70, 0, message)).isEqualTo(Status.PARSE_ERROR);
            assertThat(rig.status(Opcode.KDF, 0x53, 0, message)).isEqualTo(Status.EXECUTION_ERROR);
            rig.ok(Opcode.KDF, 0x4C, 0, message);
            rig.ok(Opcode.KDF, 0x53, 0, message);
            rig.ok(Opcode.KDF, 0x44, 0, message);
            rig.ok(Opcode.KDF, 0x51, 0, message);
            assertThat(rig.status(Opcode.KDF, 0x50, 0, join(bytes(2, 0, 0, 5), bytes(1, 2, 3, 4))))
                    .isEqualTo(Status.PARSE_ERROR);
        }

        @Test
        void theWireIsProtected() {
            Rig rig = Rig.of(Preset.TRUST_GO);
            byte[] ioKey = random(32);
            rig.fill(6, ioKey);
            byte[] secret = random(32);
            rig.load(secret);
            byte[] answer = rig.ok(Opcode.KDF, 0x14, 0, join(bytes(1, 1, 0, 2), bytes(7, 8)));
            assertThat(answer).hasSize(96);
            byte[] mask = join(
                    Crypto.sha256(ioKey, Arrays.copyOfRange(answer, 64, 80)),
                    Crypto.sha256(ioKey, Arrays.copyOfRange(answer, 80, 96)));
            assertThat(Crypto.xor(Rig.head(answer, 64), mask)).isEqualTo(Crypto.tlsPrf(secret, bytes(7, 8), 64));
        }

        @Test
        void aMessageMustCarryItsMark() {
            Rig rig = Rig.open();
            rig.ok(Opcode.WRITE, 0x00, 18, bytes(3, 0xAB, 0xCD, 0));
            rig.lockConfig().lockData();
            rig.load(random(32));
            rig.ok(Opcode.KDF, 0x50, 0, join(bytes(3, 0, 0, 6), bytes(0, 0, 0, 0xAB, 0xCD, 9)));
            assertThat(rig.status(Opcode.KDF, 0x50, 0, join(bytes(3, 0, 0, 6), bytes(0, 0, 0, 0xAB, 0xCE, 9))))
                    .isEqualTo(Status.EXECUTION_ERROR);
            assertThat(rig.status(Opcode.KDF, 0x50, 0, join(bytes(3, 0, 0, 4), bytes(0, 0, 0, 0xAB))))
                    .isEqualTo(Status.EXECUTION_ERROR);
        }
    }
}
