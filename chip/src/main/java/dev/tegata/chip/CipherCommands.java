// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import static dev.tegata.chip.Refusal.parseUnless;
import static dev.tegata.chip.Refusal.refuseUnless;

import java.util.Arrays;
import java.util.HexFormat;

/// AES, key derivation, and the chip's test of its own arithmetic: AES, KDF, SelfTest.
final class CipherCommands {
    private static final int TEMP_KEY = 0xFFFF;
    private static final int BLOCK = 16;
    private static final int MAX_MESSAGE = 128;

    private CipherCommands() {}

    static byte[] aes(ChipState chip, Packet command) {
        int mode = command.param1();
        int operation = mode & 0x3F;
        byte[] data = command.data();
        parseUnless(operation == 0 || operation == 1 || operation == 3);
        requireAes(chip);
        if (operation == 3) {
            parseUnless(mode == 3 && data.length == 2 * BLOCK);
            return Crypto.galoisMultiply(Crypto.slice(data, 0, BLOCK), Crypto.slice(data, BLOCK, BLOCK));
        }
        parseUnless(data.length == BLOCK);
        byte[] key = aesKey(chip, command.param2(), BLOCK * (mode >> 6));
        return operation == 0 ? Crypto.aesEncrypt(key, data) : Crypto.aesDecrypt(key, data);
    }

    private static void requireAes(ChipState chip) {
        refuseUnless((chip.memory.config(ChipMemory.AES_ENABLE) & 1) != 0);
    }

    private static byte[] aesKey(ChipState chip, int keyId, int from) {
        if (keyId == TEMP_KEY) {
            return chip.tempKey.bytes(from, BLOCK);
        }
        parseUnless(keyId < ChipMemory.SLOTS);
        chip.requireDataLocked();
        refuseUnless(chip.memory.policy(keyId).keyType() == SlotPolicy.KEY_TYPE_AES);
        byte[] key = chip.symmetricKey(keyId, from, BLOCK);
        chip.useKey(keyId);
        return key;
    }

    /// What a KDF command asks for.
    ///
    /// @param details four bytes, low first: what they mean depends on the algorithm
    private record Derivation(int mode, int sourceSlot, int targetSlot, int details, byte[] message) {
        int source() {
            return mode & 3;
        }

        int target() {
            return mode >> 2 & 7;
        }

        int algorithm() {
            return mode & 0x60;
        }
    }

    static byte[] kdf(ChipState chip, Packet command) {
        byte[] data = command.data();
        parseUnless((command.param1() & 0x80) == 0 && data.length >= 4 && data.length <= 4 + MAX_MESSAGE);
        int details = (data[0] & 0xFF) | (data[1] & 0xFF) << 8 | (data[2] & 0xFF) << 16 | (data[3] & 0xFF) << 24;
        Derivation derivation = new Derivation(
                command.param1(),
                command.param2() & 0xFF,
                command.param2() >> 8,
                details,
                Arrays.copyOfRange(data, 4, data.length));
        parseUnless(derivation.target() <= 5);
        chip.requireDataLocked();
        byte[] derived = switch (derivation.algorithm()) {
            case 0x00 -> prf(chip, derivation);
            case 0x20 -> aesKdf(chip, derivation);
            case 0x40 -> hkdf(chip, derivation);
            default -> throw new Refusal(Status.PARSE_ERROR);
        };
        return deliver(chip, derivation, derived);
    }

    /// The pseudo-random function of TLS 1.2; the message is label and seed.
    private static byte[] prf(ChipState chip, Derivation derivation) {
        int details = derivation.details;
        parseUnless((details & 0x00FFFEFC) == 0 && details >>> 24 == derivation.message.length);
        byte[] key = sourceKey(chip, derivation, 16 * ((details & 3) + 1));
        return Crypto.tlsPrf(key, derivation.message, (details & 0x100) != 0 ? 64 : 32);
    }

    /// One block of AES under a block of the source; the other half of the result is zero.
    private static byte[] aesKdf(ChipState chip, Derivation derivation) {
        int details = derivation.details;
        parseUnless((details & 0x00FFFFFC) == 0 && derivation.message.length == BLOCK);
        requireAes(chip);
        refuseUnless((chip.memory.configWord(ChipMemory.CHIP_OPTIONS) & 4) != 0);
        int from = BLOCK * (details & 3);
        byte[] key = Crypto.slice(sourceKey(chip, derivation, from + BLOCK), from, BLOCK);
        return Arrays.copyOf(Crypto.aesEncrypt(key, derivation.message), 32);
    }

    /// One HMAC, from which the host builds both steps of HKDF.
    private static byte[] hkdf(ChipState chip, Derivation derivation) {
        int details = derivation.details;
        parseUnless((details & 0x00FFF0F8) == 0 && details >>> 24 == derivation.message.length);
        byte[] key = (details & 4) != 0 ? new byte[32] : sourceKey(chip, derivation, 32);
        byte[] message = switch (details & 3) {
            case 0 -> slotMessage(chip, details >> 8 & 0xF);
            case 1 -> chip.tempKey.digest();
            case 2 -> derivation.message;
            default -> markedMessage(chip, derivation.message);
        };
        return Crypto.hmacSha256(key, message);
    }

    private static byte[] slotMessage(ChipState chip, int slot) {
        byte[] message = chip.symmetricKey(slot, 32);
        chip.useKey(slot);
        return message;
    }

    /// A message that must carry the two bytes of the configuration at the place of the configuration.
    private static byte[] markedMessage(ChipState chip, byte[] message) {
        int at = chip.memory.config(ChipMemory.KDF_IV_LOCATION);
        refuseUnless(at + 2 <= message.length);
        byte[] mark = chip.memory.readConfig(ChipMemory.KDF_IV_STRING, 2);
        refuseUnless(Arrays.equals(mark, Crypto.slice(message, at, 2)));
        return message;
    }

    private static byte[] sourceKey(ChipState chip, Derivation derivation, int length) {
        return switch (derivation.source()) {
            case 0 -> chip.tempKey.bytes(0, length);
            case 1 -> chip.tempKey.bytes(32, length);
            case 2 -> {
                parseUnless(derivation.sourceSlot < ChipMemory.SLOTS);
                byte[] key = chip.symmetricKey(derivation.sourceSlot, length);
                chip.useKey(derivation.sourceSlot);
                yield key;
            }
            default -> {
                refuseUnless(length <= chip.alternateKey.length);
                yield Arrays.copyOf(chip.alternateKey, length);
            }
        };
    }

    private static byte[] deliver(ChipState chip, Derivation derivation, byte[] derived) {
        switch (derivation.target()) {
            case 0 -> chip.tempKey.setInput(derived);
            case 1 -> {
                parseUnless(derived.length == 32);
                chip.tempKey.setInput(Crypto.join(chip.tempKey.digest(), derived));
            }
            case 2 -> {
                parseUnless(derivation.targetSlot < ChipMemory.SLOTS);
                chip.storeSecret(derivation.targetSlot, derived);
            }
            case 3 -> {
                parseUnless(derived.length == 32);
                chip.alternateKey = derived;
            }
            default -> {
                return chip.output(derived, derivation.target() == 5, chip.outputProtection(10));
            }
        }
        return Status.SUCCESS.answer();
    }

    /// Runs the tests of `mode` (bits 0 random numbers, 1 signatures, 3 ECDH, 4 AES, 5 SHA) and answers with the bits
    /// of
    /// those that failed; mode 0 answers with the last result.
    static byte[] selfTest(ChipState chip, Packet command) {
        int mode = command.param1();
        parseUnless((mode & ~0x3B) == 0 && command.param2() == 0 && command.data().length == 0);
        if (mode != 0) {
            int failed = 0;
            failed |= (mode & 0x01) != 0 && Arrays.equals(chip.newPrivateKey(), chip.newPrivateKey()) ? 0x01 : 0;
            failed |= (mode & 0x02) != 0 && !signaturesVerify(chip) ? 0x02 : 0;
            failed |= (mode & 0x08) != 0 && !secretsAgree(chip) ? 0x08 : 0;
            failed |= (mode & 0x10) != 0 && !aesIsRight() ? 0x10 : 0;
            failed |= (mode & 0x20) != 0 && !shaIsRight() ? 0x20 : 0;
            chip.selfTestResult = failed;
        }
        return new byte[] {(byte) chip.selfTestResult};
    }

    private static boolean signaturesVerify(ChipState chip) {
        byte[] key = chip.newPrivateKey();
        byte[] digest = new byte[32];
        byte[] publicKey = P256.publicKey(key);
        byte[] signature = chip.signWith(key, digest);
        boolean verifies = P256.verify(publicKey, digest, signature);
        signature[40] ^= 1;
        return verifies && !P256.verify(publicKey, digest, signature);
    }

    private static boolean secretsAgree(ChipState chip) {
        byte[] mine = chip.newPrivateKey();
        byte[] theirs = chip.newPrivateKey();
        return Arrays.equals(P256.ecdh(mine, P256.publicKey(theirs)), P256.ecdh(theirs, P256.publicKey(mine)));
    }

    /// FIPS 197, appendix C.1.
    private static boolean aesIsRight() {
        byte[] key = HexFormat.of().parseHex("000102030405060708090a0b0c0d0e0f");
        byte[] block = HexFormat.of().parseHex("00112233445566778899aabbccddeeff");
        byte[] cipher = HexFormat.of().parseHex("69c4e0d86a7b0430d8cdb78070b4c55a");
        return Arrays.equals(Crypto.aesEncrypt(key, block), cipher)
                && Arrays.equals(Crypto.aesDecrypt(key, cipher), block);
    }

    /// FIPS 180, the digest of the empty message.
    private static boolean shaIsRight() {
        return Arrays.equals(
                new Sha256().digest(),
                HexFormat.of().parseHex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    }
}
