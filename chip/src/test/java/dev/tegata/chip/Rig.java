// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import static org.assertj.core.api.Assertions.assertThat;

import java.security.SecureRandom;
import java.time.Instant;
import java.util.Arrays;
import java.util.HexFormat;

/// A chip on a test bench: commands by their bytes, and the host's side of the protocols around them.
final class Rig {
    static final HexFormat HEX = HexFormat.of();
    static final SecureRandom RANDOM = new SecureRandom();

    final VirtualChip chip;

    Rig(VirtualChip chip) {
        this.chip = chip;
        chip.wake();
    }

    static Rig of(Preset preset) {
        return of(preset, RANDOM);
    }

    static Rig of(Preset preset, SecureRandom random) {
        return new Rig(new ChipFactory(random).make(preset, Instant.parse("2026-01-01T00:00:00Z")));
    }

    /// A blank chip whose slots all hold data that anybody reads and writes; configure some, then [#lock].
    static Rig open() {
        Rig rig = of(Preset.BLANK);
        for (int slot = 0; slot < 16; slot++) {
            rig.slot(slot, 0x0F0F, 0x001C);
        }
        return rig;
    }

    /// Sets the two words of a slot, by Write.
    Rig slot(int slot, int slotConfig, int keyConfig) {
        setConfigWord(20 + 2 * slot, slotConfig);
        setConfigWord(96 + 2 * slot, keyConfig);
        return this;
    }

    Rig setConfigWord(int at, int value) {
        byte[] word = ok(Opcode.READ, 0, at / 4);
        word[at % 4] = (byte) value;
        word[at % 4 + 1] = (byte) (value >> 8);
        ok(Opcode.WRITE, 0, at / 4, word);
        return this;
    }

    Rig lockConfig() {
        ok(Opcode.LOCK, 0x80, 0);
        return this;
    }

    Rig lockData() {
        ok(Opcode.LOCK, 0x81, 0);
        return this;
    }

    /// Writes the first 32 bytes of a slot in the clear.
    Rig fill(int slot, byte[] content) {
        ok(Opcode.WRITE, 0x82, slot << 3, content);
        return this;
    }

    byte[] exchange(Opcode opcode, int param1, int param2, byte... data) {
        byte[] answer = chip.execute(Packet.of(opcode, param1, param2, data).encode());
        return Packet.content(answer).orElseThrow();
    }

    /// The answer of a command that must succeed.
    byte[] ok(Opcode opcode, int param1, int param2, byte... data) {
        byte[] answer = exchange(opcode, param1, param2, data);
        if (answer.length == 1 && opcode != Opcode.SELF_TEST) {
            assertThat(Status.of(answer[0]))
                    .as("%s %02x %04x", opcode, param1, param2)
                    .isEqualTo(Status.SUCCESS);
        }
        return answer;
    }

    Status status(Opcode opcode, int param1, int param2, byte... data) {
        byte[] answer = exchange(opcode, param1, param2, data);
        assertThat(answer).as("%s %02x %04x gave data", opcode, param1, param2).hasSize(1);
        return Status.of(answer[0]);
    }

    byte[] serial() {
        return chip.serial();
    }

    static byte[] random(int length) {
        byte[] bytes = new byte[length];
        RANDOM.nextBytes(bytes);
        return bytes;
    }

    static byte[] join(byte[]... parts) {
        return Crypto.join(parts);
    }

    static byte[] bytes(int... values) {
        byte[] bytes = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return bytes;
    }

    /// Puts a value into TempKey.
    void load(byte[] value) {
        ok(Opcode.NONCE, value.length == 64 ? 0x23 : 0x03, 0, value);
    }

    /// Puts a random nonce into TempKey and gives back its value.
    byte[] randomNonce() {
        byte[] numIn = random(20);
        byte[] randomOut = ok(Opcode.NONCE, 0, 0, numIn);
        return Crypto.sha256(randomOut, numIn, bytes(0x16, 0, 0));
    }

    /// Makes a session key of a slot's content in TempKey and gives back its value.
    byte[] sessionKey(int slot, byte[] key) {
        byte[] nonce = randomNonce();
        ok(Opcode.GEN_DIG, 2, slot);
        byte[] serial = serial();
        return Crypto.sha256(key, bytes(0x15, 2, slot, 0), bytes(serial[8], serial[0], serial[1]), new byte[25], nonce);
    }

    /// The data of an encrypted write of 32 bytes.
    byte[] encryptedWrite(byte[] sessionKey, int param1, int address, byte[] plain) {
        byte[] serial = serial();
        byte[] mac = Crypto.sha256(
                sessionKey,
                bytes(0x12, param1, address, address >> 8, serial[8], serial[0], serial[1]),
                new byte[25],
                plain);
        return join(Crypto.xor(plain, sessionKey), mac);
    }

    static byte[] head(byte[] bytes, int length) {
        return Arrays.copyOf(bytes, length);
    }
}
