// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import static org.assertj.core.api.Assertions.assertThat;

import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/// Whatever is sent to a chip, in whatever order: no answer holds a private key or the content of a secret slot, and no
/// packet makes it fail in another way than by a status.
class SecretsTest {
    private static final int STEPS = 2_000;

    /// Long enough that chance will not make it, short enough to see half a key.
    private static final int WINDOW = 12;

    private final Random random = new Random(20260101);
    private final SecureRandom keys = seeded();

    private static SecureRandom seeded() {
        try {
            // the one generator of the JDK that gives the same numbers for the same seed
            SecureRandom random = SecureRandom.getInstance("SHA1PRNG");
            random.setSeed(20260101);
            return random;
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void presetsKeepTheirSecrets() {
        for (Preset preset : Preset.values()) {
            attack(() -> Rig.of(preset, keys), STEPS);
        }
    }

    @Test
    void chipsOfAnyConfigurationKeepTheirSecrets() {
        for (int i = 0; i < 60; i++) {
            attack(this::anyChip, STEPS / 20);
        }
    }

    @Test
    void thePowerOfAnAttackIsSeenWhereASlotIsNoSecret() {
        Rig rig = Rig.open().slot(5, 0x0F8F, 0x001C).slot(6, 0x0F0F, 0x001C).lockConfig();
        byte[] content = bytes(32);
        rig.fill(5, content).fill(6, content).lockData();
        assertThat(leaks(secrets(rig), rig.exchange(Opcode.READ, 0x82, 6 << 3))).isTrue();
    }

    /// A chip with slots configured at random, some of them filled.
    private Rig anyChip() {
        Rig rig = Rig.of(Preset.BLANK, keys);
        for (int slot = 0; slot < 16; slot++) {
            int keyType = List.of(4, 4, 6, 7, 7).get(random.nextInt(5));
            int privateKey = keyType == 4 && random.nextBoolean() ? 1 : 0;
            int keyConfig = random.nextInt(0x10000) & 0x0F62 | keyType << 2 | privateKey;
            rig.slot(slot, random.nextInt(0x10000), keyConfig);
        }
        rig.setConfigWord(70, random.nextInt(0x10000));
        rig.setConfigWord(90, random.nextInt(0x10000));
        rig.lockConfig();
        for (int slot = 0; slot < 16; slot++) {
            rig.exchange(Opcode.GEN_KEY, 4, slot);
            rig.exchange(Opcode.WRITE, 0x82, slot << 3, bytes(32));
        }
        if (random.nextInt(4) != 0) {
            rig.lockData();
        }
        return rig;
    }

    private void attack(Supplier<Rig> maker, int steps) {
        Rig rig = maker.get();
        for (int step = 0; step < steps; step++) {
            List<byte[]> before = secrets(rig);
            byte[] packet = nextPacket(rig);
            byte[] answer = rig.chip.execute(packet);
            byte[] content = Packet.content(answer).orElseThrow();
            assertThat(leaks(before, content) || leaks(secrets(rig), content))
                    .as(() -> HexFormat.of().formatHex(packet))
                    .isFalse();
            if (random.nextInt(100) == 0) {
                rig.chip.idle();
                rig.chip.wake();
            }
            if (random.nextInt(200) == 0) {
                rig.chip.powerCycle();
                rig.chip.wake();
            }
        }
    }

    private static List<byte[]> secrets(Rig rig) {
        List<byte[]> secrets = new ArrayList<>();
        for (int slot = 0; slot < 16; slot++) {
            SlotPolicy policy = rig.chip.memory().policy(slot);
            if (policy.isPrivateKey() || policy.isSecret()) {
                secrets.add(rig.chip.memory().readSlot(slot, 0, ChipMemory.slotSize(slot)));
            }
        }
        return secrets;
    }

    private static boolean leaks(List<byte[]> secrets, byte[] answer) {
        for (byte[] secret : secrets) {
            for (int at = 0; at + WINDOW <= secret.length; at += 4) {
                if (isVaried(secret, at) && contains(answer, secret, at)) {
                    return true;
                }
            }
        }
        return false;
    }

    /// Padding and erased memory are no secret.
    private static boolean isVaried(byte[] secret, int at) {
        return IntStream.range(at, at + WINDOW).map(i -> secret[i]).distinct().count() > WINDOW / 2;
    }

    private static boolean contains(byte[] answer, byte[] secret, int from) {
        for (int at = 0; at + WINDOW <= answer.length; at++) {
            int i = 0;
            while (i < WINDOW && answer[at + i] == secret[from + i]) {
                i++;
            }
            if (i == WINDOW) {
                return true;
            }
        }
        return false;
    }

    private byte[] nextPacket(Rig rig) {
        int slot = random.nextInt(16);
        return switch (random.nextInt(26)) {
            case 0, 1 -> packet(Opcode.NONCE, random.nextInt(2), 0, 20);
            case 2 -> packet(Opcode.NONCE, pick(0x03, 0x43, 0x83, 0x23, 0x63), 0, pick(32, 32, 64));
            case 3, 4 -> packet(Opcode.GEN_DIG, 2, slot, 0);
            case 5 -> packet(Opcode.GEN_DIG, random.nextInt(6), slot, pick(0, 4, 32));
            case 6, 7 -> packet(Opcode.READ, pick(0x82, 0x82, 0x02, 0x80, 0x81), slot << 3 | pick(0, 1, 0x100), 0);
            case 8 -> packet(Opcode.WRITE, pick(0x82, 0xC2, 0x02), slot << 3, pick(32, 64, 4));
            case 9 -> encryptedWrite(rig, slot);
            case 10, 11 ->
                packet(Opcode.GEN_KEY, pick(0, 4, 8, 0x0C, 0x10), pick(slot, slot, 0xFFFF), pick(0, 0, 0, 3));
            case 12 -> packet(Opcode.SIGN, pick(0x80, 0xA0, 0x00, 0x40, 0x01), pick(slot, 0, 1), 0);
            case 13 ->
                Packet.of(
                                Opcode.ECDH,
                                pick(0x00, 0x0C, 0x0E, 0x08, 0x04, 0x0D, 0x0F, 0x09, 0x05),
                                slot,
                                P256.publicKey(P256.newPrivateKey(keys)))
                        .encode();
            case 14, 15 -> kdf(slot);
            case 16 -> packet(Opcode.AES, pick(0, 1, 0x40, 0x41, 0x80, 0xC0), pick(slot, 0xFFFF), 16);
            case 17 -> packet(Opcode.AES, 3, 0, 32);
            case 18 -> packet(Opcode.SHA, pick(0, 3, 4, 6), pick(slot, slot, 0xFFFF), 0);
            case 19 -> packet(Opcode.SHA, 1, 64, 64);
            case 20 -> packet(Opcode.SHA, pick(2, 0x42, 0xC2, 5), 20, 20);
            case 21 -> {
                int mode = pick(0, 1, 2, 3, 4, 5, 6, 7, 0x41, 0x31);
                yield packet(Opcode.MAC, mode, slot, (mode & 1) != 0 ? 0 : 32);
            }
            case 22 -> packet(Opcode.DERIVE_KEY, pick(0, 4), slot, pick(0, 32));
            case 23 -> packet(Opcode.PRIV_WRITE, pick(0, 0x40), slot, pick(36, 68));
            case 24 ->
                random.nextBoolean()
                        ? anything()
                        : packet(Opcode.SECURE_BOOT, pick(5, 6, 7, 0x86, 0x87), 0, pick(32, 96));
            default -> anything();
        };
    }

    /// A write under the right session key, as by a host that has been taken over.
    private byte[] encryptedWrite(Rig rig, int slot) {
        ChipMemory memory = rig.chip.memory();
        int writeKey = memory.policy(slot).writeKey();
        byte[] key = memory.readSlot(writeKey, 0, 32);
        byte[] numIn = bytes(20);
        byte[] randomOut = rig.exchange(Opcode.NONCE, 0, 0, numIn);
        rig.exchange(Opcode.GEN_DIG, 2, writeKey);
        byte[] nonce = Messages.nonce(randomOut, numIn, 0, 0);
        byte[] head = Messages.genDigHead(2, writeKey);
        byte[] session = Messages.genDig(key, head, rig.serial(), nonce);
        return Packet.of(Opcode.WRITE, 0xC2, slot << 3, rig.encryptedWrite(session, 0xC2, slot << 3, bytes(32)))
                .encode();
    }

    private byte[] kdf(int slot) {
        int length = random.nextInt(16, 33);
        int algorithm = pick(0x00, 0x20, 0x40);
        int details = random.nextInt(0x400) & (algorithm == 0 ? 0x103 : algorithm == 0x20 ? 0x003 : 0xF07);
        int target = random.nextInt(6);
        if (algorithm == 0x40 && target == 2) {
            // without a message of its own the same derivation could be had twice: once into a slot, once into the open
            details = details & ~3 | 2;
        }
        byte[] head = Rig.bytes(details, details >> 8, 0, 0);
        byte[] message = bytes(algorithm == 0x20 ? 16 : length);
        head[3] = (byte) (algorithm == 0x20 ? 0 : message.length);
        int mode = algorithm | random.nextInt(4) | target << 2;
        return Packet.of(Opcode.KDF, mode, slot | random.nextInt(16) << 8, Rig.join(head, message))
                .encode();
    }

    private byte[] anything() {
        Opcode opcode = Opcode.values()[random.nextInt(Opcode.values().length)];
        return packet(
                opcode, random.nextInt(256), pick(random.nextInt(16), random.nextInt(0x10000)), random.nextInt(149));
    }

    private byte[] packet(Opcode opcode, int param1, int param2, int length) {
        return Packet.of(opcode, param1, param2, bytes(length)).encode();
    }

    private int pick(int... choices) {
        return choices[random.nextInt(choices.length)];
    }

    private byte[] bytes(int length) {
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return bytes;
    }
}
