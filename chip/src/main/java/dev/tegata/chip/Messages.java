// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import java.util.Arrays;

/// What a chip digests, byte by byte: the one place that knows these layouts.
///
/// Chip and host compute the same digests; whoever verifies what a chip says needs them too. All results are SHA-256
/// digests. `serial` is the nine bytes of the serial number; two-byte numbers go low byte first.
public final class Messages {
    private Messages() {}

    /// The nonce of a random Nonce: what the chip chose, what the host gave, and the command.
    public static byte[] nonce(byte[] randomOut, byte[] numIn, int mode, int param2) {
        return Crypto.sha256(randomOut, numIn, bytes(Opcode.NONCE.code(), mode, param2));
    }

    /// GenDig over a data slot, a block of the configuration or OTP zone, or a shared nonce.
    ///
    /// @param head opcode, mode and key id; another four bytes where the slot forbids MACs
    public static byte[] genDig(byte[] content, byte[] head, byte[] serial, byte[] tempKey) {
        return Crypto.sha256(content, head, serialParts(serial), new byte[25], tempKey);
    }

    /// GenDig over a monotonic counter.
    public static byte[] genDigCounter(int mode, int param2, byte[] serial, byte[] counter, byte[] tempKey) {
        return Crypto.sha256(
                new byte[32],
                head(Opcode.GEN_DIG, mode, param2),
                serialParts(serial),
                new byte[1],
                counter,
                new byte[20],
                tempKey);
    }

    /// GenDig over the configuration of a slot.
    public static byte[] genDigKeyConfig(
            int mode, int param2, byte[] serial, int slotConfig, int keyConfig, boolean slotLocked, byte[] tempKey) {
        return Crypto.sha256(
                tempKey,
                head(Opcode.GEN_DIG, mode, param2),
                serialParts(serial),
                new byte[1],
                word(slotConfig),
                word(keyConfig),
                bytes(slotLocked ? 0 : 1),
                new byte[19]);
    }

    /// GenKey's digest of a public key.
    ///
    /// @param head opcode, mode and key id; another three bytes behind the opcode for a stored public key
    public static byte[] genKey(byte[] tempKey, byte[] head, byte[] serial, byte[] publicKey) {
        return Crypto.sha256(tempKey, head, serialParts(serial), new byte[25], publicKey);
    }

    /// What Sign signs in its internal mode.
    ///
    /// @param mode of Sign; bit 6: the whole serial number is in the message
    /// @param keyId of Sign: the slot that signs
    /// @param described the slot in TempKey's flags, by its configuration
    public static byte[] signInternal(byte[] tempKey, int mode, int keyId, DescribedSlot described, byte[] serial) {
        boolean wholeSerial = (mode & 0x40) != 0;
        return Crypto.sha256(
                tempKey,
                head(Opcode.SIGN, mode, keyId),
                word(described.slotConfig),
                word(described.keyConfig),
                bytes(described.tempKeyFlags, 0, 0),
                Crypto.slice(serial, 8, 1),
                wholeSerial ? Crypto.slice(serial, 4, 4) : new byte[4],
                Crypto.slice(serial, 0, 2),
                wholeSerial ? Crypto.slice(serial, 2, 2) : new byte[2],
                bytes(described.slotLocked ? 0 : 1, described.publicKeyValid ? 1 : 0, 0));
    }

    /// How Sign's internal message describes the slot whose digest is in TempKey.
    ///
    /// @param tempKeyFlags bits 0–3 slot, 4 nonce from input, 5 by GenDig, 6 by GenKey, 7 not for MAC
    /// @param publicKeyValid the slot holds a public key that has been validated
    public record DescribedSlot(
            int slotConfig, int keyConfig, int tempKeyFlags, boolean slotLocked, boolean publicKeyValid) {}

    /// What Verify checks in its validate and invalidate modes: the message of an internal signature made elsewhere.
    ///
    /// @param otherData the nineteen bytes of that message which the chip does not know
    public static byte[] validate(byte[] tempKey, byte[] otherData, byte[] serial) {
        return Crypto.sha256(
                tempKey,
                bytes(Opcode.SIGN.code()),
                Crypto.slice(otherData, 0, 10),
                Crypto.slice(serial, 8, 1),
                Crypto.slice(otherData, 10, 4),
                Crypto.slice(serial, 0, 2),
                Crypto.slice(otherData, 14, 5));
    }

    /// The answer of MAC.
    ///
    /// @param mode bit 4: 88 bits of OTP; bit 5: 64 bits of OTP; bit 6: the whole serial number
    public static byte[] mac(byte[] first, byte[] second, int mode, int param2, byte[] otp, byte[] serial) {
        boolean wholeSerial = (mode & 0x40) != 0;
        return Crypto.sha256(
                first,
                second,
                head(Opcode.MAC, mode, param2),
                (mode & 0x30) != 0 ? Crypto.slice(otp, 0, 8) : new byte[8],
                (mode & 0x10) != 0 ? Crypto.slice(otp, 8, 3) : new byte[3],
                Crypto.slice(serial, 8, 1),
                wholeSerial ? Crypto.slice(serial, 4, 4) : new byte[4],
                Crypto.slice(serial, 0, 2),
                wholeSerial ? Crypto.slice(serial, 2, 2) : new byte[2]);
    }

    /// The response that CheckMac expects.
    ///
    /// @param mode bit 5: 64 bits of OTP
    /// @param otherData the thirteen bytes that stand for the other chip's command and serial number
    public static byte[] checkMac(byte[] first, byte[] second, int mode, byte[] otherData, byte[] otp, byte[] serial) {
        return Crypto.sha256(
                first,
                second,
                Crypto.slice(otherData, 0, 4),
                (mode & 0x20) != 0 ? Crypto.slice(otp, 0, 8) : new byte[8],
                Crypto.slice(otherData, 4, 3),
                Crypto.slice(serial, 8, 1),
                Crypto.slice(otherData, 7, 4),
                Crypto.slice(serial, 0, 2),
                Crypto.slice(otherData, 11, 2));
    }

    /// The key that DeriveKey writes.
    public static byte[] derivedKey(byte[] source, int mode, int targetKey, byte[] serial, byte[] tempKey) {
        return Crypto.sha256(
                source, head(Opcode.DERIVE_KEY, mode, targetKey), serialParts(serial), new byte[25], tempKey);
    }

    /// The MAC by which the parent's holder authorizes DeriveKey.
    public static byte[] deriveKeyMac(byte[] parent, int mode, int targetKey, byte[] serial) {
        return Crypto.sha256(parent, head(Opcode.DERIVE_KEY, mode, targetKey), serialParts(serial));
    }

    /// The MAC that goes with an encrypted Write of 32 bytes.
    public static byte[] writeMac(byte[] sessionKey, int zone, int address, byte[] serial, byte[] plain) {
        return Crypto.sha256(sessionKey, head(Opcode.WRITE, zone, address), serialParts(serial), new byte[25], plain);
    }

    /// The MAC that goes with an encrypted PrivWrite of 36 bytes.
    public static byte[] privWriteMac(byte[] sessionKey, int zone, int slot, byte[] serial, byte[] plain) {
        return Crypto.sha256(sessionKey, head(Opcode.PRIV_WRITE, zone, slot), serialParts(serial), new byte[21], plain);
    }

    /// What hides the 36 bytes of an encrypted PrivWrite.
    public static byte[] privWriteMask(byte[] sessionKey) {
        return Crypto.join(sessionKey, Arrays.copyOf(Crypto.sha256(sessionKey), 4));
    }

    /// What hides an output of ECDH or KDF on the bus: one half of the nonce for each 32 bytes.
    public static byte[] outputMask(byte[] ioProtectionKey, byte[] outNonce, int length) {
        byte[] first = Crypto.sha256(ioProtectionKey, Crypto.slice(outNonce, 0, 16));
        return length <= 32
                ? first
                : Crypto.join(first, Crypto.sha256(ioProtectionKey, Crypto.slice(outNonce, 16, 16)));
    }

    /// The MAC with which Verify answers where it is asked to.
    public static byte[] verifyMac(
            byte[] ioProtectionKey, byte[] message, byte[] nonce, byte[] signature, int mode, int param2) {
        return Crypto.sha256(ioProtectionKey, message, nonce, signature, head(Opcode.VERIFY, mode, param2));
    }

    /// What hides the digest given to SecureBoot, and goes into its MAC.
    public static byte[] secureBootMask(byte[] ioProtectionKey, byte[] nonce) {
        return Crypto.sha256(ioProtectionKey, nonce);
    }

    /// The MAC with which SecureBoot answers where it is asked to.
    ///
    /// @param signature as passed to the command; empty where none was
    public static byte[] secureBootMac(byte[] mask, byte[] digest, byte[] signature, int mode, int param2) {
        return Crypto.sha256(mask, digest, signature, head(Opcode.SECURE_BOOT, mode, param2));
    }

    /// The four bytes that name a GenDig command in its digest.
    public static byte[] genDigHead(int zone, int keyId) {
        return head(Opcode.GEN_DIG, zone, keyId);
    }

    /// The four bytes that name a GenKey command in its digest.
    public static byte[] genKeyHead(int mode, int keyId) {
        return head(Opcode.GEN_KEY, mode, keyId);
    }

    static byte[] head(Opcode opcode, int mode, int param2) {
        return bytes(opcode.code(), mode, param2, param2 >> 8);
    }

    private static byte[] serialParts(byte[] serial) {
        return bytes(serial[8], serial[0], serial[1]);
    }

    private static byte[] word(int value) {
        return bytes(value, value >> 8);
    }

    private static byte[] bytes(int... values) {
        byte[] bytes = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return bytes;
    }
}
