// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import static dev.tegata.chip.Refusal.parseUnless;
import static dev.tegata.chip.Refusal.refuseUnless;

import java.util.Arrays;

/// Commands on the elliptic curve: GenKey, PrivWrite, Sign, Verify, ECDH, SecureBoot.
final class KeyCommands {
    private static final int TEMP_KEY = 0xFFFF;

    private static final int ENCRYPTED = 0x40;

    private KeyCommands() {}

    static byte[] genKey(ChipState chip, Packet command) {
        int mode = command.param1();
        int slot = command.param2();
        byte[] data = command.data();
        chip.requireConfigLocked();
        if (slot == TEMP_KEY) {
            parseUnless(mode == 0x04 && data.length == 0);
            byte[] key = chip.newPrivateKey();
            chip.tempKey.setPrivateKey(key);
            return P256.publicKey(key);
        }
        parseUnless(slot < ChipMemory.SLOTS && data.length == (mode == 0x10 ? 3 : 0));
        return switch (mode) {
            case 0x00 -> publicKey(chip, slot);
            case 0x08 -> {
                requireNonceForDigest(chip, slot);
                yield digested(chip, slot, Messages.genKeyHead(mode, slot), publicKey(chip, slot));
            }
            case 0x04 -> newKey(chip, slot);
            case 0x0C -> {
                requireNonceForDigest(chip, slot);
                yield digested(chip, slot, Messages.genKeyHead(mode, slot), newKey(chip, slot));
            }
            case 0x10 -> {
                refuseUnless(chip.isPublicKeySlot(slot));
                requireNonceForDigest(chip, slot);
                byte[] head = Crypto.join(new byte[] {(byte) Opcode.GEN_KEY.code()}, data);
                digested(chip, slot, head, chip.memory.publicKey(slot));
                yield Status.SUCCESS.answer();
            }
            default -> throw new Refusal(Status.PARSE_ERROR);
        };
    }

    private static byte[] publicKey(ChipState chip, int slot) {
        refuseUnless(chip.memory.policy(slot).pubInfo());
        chip.requireAuthorization(slot);
        return P256.publicKey(chip.privateKey(slot));
    }

    private static byte[] newKey(ChipState chip, int slot) {
        SlotPolicy policy = chip.memory.policy(slot);
        refuseUnless(policy.isPrivateKey() && !chip.memory.isSlotLocked(slot));
        // spec| SlotConfig.WriteConfig for GenKey: bit 1 permits a new key once the data zone is locked
        refuseUnless(!chip.memory.isDataLocked() || (policy.writeConfig() & 2) != 0);
        chip.requireAuthorization(slot);
        byte[] key = chip.newPrivateKey();
        chip.memory.setPrivateKey(slot, key);
        return P256.publicKey(key);
    }

    /// Checked before a new key replaces the old one.
    private static void requireNonceForDigest(ChipState chip, int slot) {
        chip.tempKey.digest();
        chip.requireRandomNonce(slot);
    }

    private static byte[] digested(ChipState chip, int slot, byte[] head, byte[] publicKey) {
        byte[] digest = Messages.genKey(chip.tempKey.digest(), head, chip.serial(), publicKey);
        chip.tempKey.setGenKey(digest, slot);
        return publicKey;
    }

    static byte[] privWrite(ChipState chip, Packet command) {
        int slot = command.param2();
        byte[] data = command.data();
        boolean encrypted = (command.param1() & ENCRYPTED) != 0;
        parseUnless((command.param1() & ~ENCRYPTED) == 0 && slot < ChipMemory.SLOTS);
        parseUnless(data.length == (encrypted ? 68 : 36));
        SlotPolicy policy = chip.memory.policy(slot);
        chip.requireConfigLocked();
        refuseUnless(policy.isPrivateKey() && !chip.memory.isSlotLocked(slot));
        refuseUnless(encrypted == chip.memory.isDataLocked());
        byte[] plain = data;
        if (encrypted) {
            // spec| SlotConfig.WriteConfig for PrivWrite: bit 2 permits it, encrypted
            refuseUnless((policy.writeConfig() & 4) != 0);
            chip.requireAuthorization(slot);
            refuseUnless(chip.tempKey.isSessionKeyOf(policy.writeKey()));
            byte[] sessionKey = chip.tempKey.digest();
            chip.tempKey.invalidate();
            plain = Crypto.xor(Arrays.copyOf(data, 36), Messages.privWriteMask(sessionKey));
            byte[] mac = Messages.privWriteMac(sessionKey, command.param1(), slot, chip.serial(), plain);
            refuseUnless(Crypto.areEqual(mac, Crypto.slice(data, 36, 32)));
        }
        byte[] key = Crypto.slice(plain, 4, 32);
        refuseUnless(Arrays.equals(Arrays.copyOf(plain, 4), new byte[4]));
        if (!P256.isPrivateKey(key)) {
            throw new Refusal(Status.ECC_FAULT);
        }
        chip.memory.setPrivateKey(slot, key);
        return Status.SUCCESS.answer();
    }

    static byte[] sign(ChipState chip, Packet command) {
        int mode = command.param1();
        int slot = command.param2();
        parseUnless((mode & 0x1E) == 0 && slot < ChipMemory.SLOTS && command.data().length == 0);
        chip.requireDataLocked();
        if ((mode & 0x80) != 0) {
            boolean fromBuffer = (mode & 0x20) != 0;
            byte[] digest = externalMessage(chip, fromBuffer);
            // a digest that the chip has made of its own state must not pass for somebody's message
            refuseUnless(fromBuffer || !chip.tempKey.isInternalDigest());
            byte[] signature = signExternal(chip, slot, digest);
            forget(chip, fromBuffer);
            return signature;
        }
        refuseUnless(chip.memory.policy(slot).mayInternalSign() && chip.tempKey.isInternalDigest());
        chip.privateKey(slot);
        chip.useKey(slot);
        byte[] message =
                Messages.signInternal(chip.tempKey.digest(), mode, slot, describe(chip, chip.tempKey), chip.serial());
        chip.tempKey.invalidate();
        return chip.sign(slot, message);
    }

    static byte[] signExternal(ChipState chip, int slot, byte[] digest) {
        refuseUnless(chip.memory.policy(slot).mayExternalSign());
        chip.privateKey(slot);
        chip.useKey(slot);
        return chip.sign(slot, digest);
    }

    private static Messages.DescribedSlot describe(ChipState chip, TempKey tempKey) {
        int slot = tempKey.keyId();
        SlotPolicy policy = chip.memory.policy(slot);
        return new Messages.DescribedSlot(
                policy.slotConfig(),
                policy.keyConfig(),
                tempKey.flags(),
                chip.memory.isSlotLocked(slot),
                chip.isPublicKeyValid(slot));
    }

    private static byte[] externalMessage(ChipState chip, boolean fromBuffer) {
        if (!fromBuffer) {
            return chip.tempKey.digest();
        }
        refuseUnless(chip.messageDigest.length != 0);
        return Arrays.copyOf(chip.messageDigest, 32);
    }

    private static void forget(ChipState chip, boolean fromBuffer) {
        if (fromBuffer) {
            chip.messageDigest = new byte[0];
        } else {
            chip.tempKey.invalidate();
        }
    }

    static byte[] verify(ChipState chip, Packet command) {
        int mode = command.param1();
        return switch (mode & ~0xA0) {
            case 0 -> verifyStored(chip, command);
            case 2 -> verifyExternal(chip, command);
            case 3, 7 -> {
                parseUnless((mode & 0xA0) == 0);
                yield validate(chip, command);
            }
            default -> throw new Refusal(Status.PARSE_ERROR);
        };
    }

    private static byte[] verifyStored(ChipState chip, Packet command) {
        int slot = command.param2();
        parseUnless(slot < ChipMemory.SLOTS && command.data().length == 64);
        chip.requireDataLocked();
        byte[] publicKey = chip.publicKey(slot);
        chip.requireRandomNonce(slot);
        chip.useKey(slot);
        boolean fresh = (command.param1() & 0x20) == 0 && chip.tempKey.isRandom();
        return verify(chip, command, publicKey, fresh ? slot : ChipState.NO_SLOT);
    }

    private static byte[] verifyExternal(ChipState chip, Packet command) {
        parseUnless(command.param2() == SlotPolicy.KEY_TYPE_P256 && command.data().length == 128);
        return verify(chip, command, Crypto.slice(command.data(), 64, 64), ChipState.NO_SLOT);
    }

    private static byte[] verify(ChipState chip, Packet command, byte[] publicKey, int authorizes) {
        boolean fromBuffer = (command.param1() & 0x20) != 0;
        boolean withMac = (command.param1() & 0x80) != 0;
        byte[] message = externalMessage(chip, fromBuffer);
        byte[] signature = Arrays.copyOf(command.data(), 64);
        byte[] nonce = withMac ? systemNonce(chip, fromBuffer) : new byte[0];
        byte[] key = withMac ? chip.ioProtectionKey() : new byte[0];
        forget(chip, fromBuffer);
        if (!P256.verify(publicKey, message, signature)) {
            return Status.MISMATCH.answer();
        }
        if (authorizes != ChipState.NO_SLOT) {
            chip.authorizedBy = authorizes;
        }
        return withMac
                ? Messages.verifyMac(key, message, nonce, signature, command.param1(), command.param2())
                : Status.SUCCESS.answer();
    }

    /// The host's nonce for a MAC lies beside the message: in the digest buffer, or in its second half.
    private static byte[] systemNonce(ChipState chip, boolean messageInBuffer) {
        int from = messageInBuffer ? 32 : 0;
        refuseUnless(chip.messageDigest.length >= from + 32);
        return Crypto.slice(chip.messageDigest, from, 32);
    }

    private static byte[] validate(ChipState chip, Packet command) {
        int slot = command.param2();
        boolean valid = command.param1() == 3;
        parseUnless(slot < ChipMemory.SLOTS && command.data().length == 83);
        byte[] otherData = Crypto.slice(command.data(), 64, 19);
        SlotPolicy policy = chip.memory.policy(slot);
        chip.requireDataLocked();
        refuseUnless(chip.isPublicKeySlot(slot) && policy.pubInfo() && !chip.memory.isSlotLocked(slot));
        refuseUnless(chip.tempKey.isGenKeyOf(slot));
        // spec| Sign's mode bit 0 says which of the two its message is for
        refuseUnless((otherData[0] & 1) == (valid ? 0 : 1));
        byte[] parent = chip.publicKey(policy.readKey());
        chip.useKey(policy.readKey());
        byte[] message = Messages.validate(chip.tempKey.digest(), otherData, chip.serial());
        chip.tempKey.invalidate();
        if (!P256.verify(parent, message, Arrays.copyOf(command.data(), 64))) {
            return Status.MISMATCH.answer();
        }
        chip.markPublicKey(slot, valid);
        return Status.SUCCESS.answer();
    }

    static byte[] ecdh(ChipState chip, Packet command) {
        int mode = command.param1();
        int slot = command.param2();
        boolean fromTempKey = (mode & 1) != 0;
        boolean encrypted = (mode & 2) != 0;
        int target = mode >> 2;
        parseUnless(target <= 3 && command.data().length == 64 && slot < ChipMemory.SLOTS);
        parseUnless((!encrypted || target == 3) && (!fromTempKey || target != 0));
        chip.requireDataLocked();
        if (!P256.isPublicKey(command.data())) {
            throw new Refusal(Status.ECC_FAULT);
        }
        if (fromTempKey) {
            byte[] privateKey = chip.tempKey.privateKey();
            chip.tempKey.invalidate();
            return deliver(chip, P256.ecdh(privateKey, command.data()), target, slot, encrypted);
        }
        // spec| SlotConfig.ReadKey for ECDH: bit 2 permits it, bit 3 lets the secret go to the next slot only
        SlotPolicy policy = chip.memory.policy(slot);
        refuseUnless(policy.mayEcdh() && (!policy.ecdhIntoNextSlot() || target <= 1));
        byte[] privateKey = chip.privateKey(slot);
        chip.useKey(slot);
        int asConfigured = policy.ecdhIntoNextSlot() ? 1 : 3;
        byte[] secret = P256.ecdh(privateKey, command.data());
        return deliver(chip, secret, target == 0 ? asConfigured : target, slot | 1, encrypted);
    }

    private static byte[] deliver(ChipState chip, byte[] secret, int target, int targetSlot, boolean encrypted) {
        switch (target) {
            case 1 -> chip.storeSecret(targetSlot, secret);
            case 2 -> chip.tempKey.setInput(secret);
            default -> {
                return chip.output(secret, encrypted, chip.outputProtection(8));
            }
        }
        return Status.SUCCESS.answer();
    }

    /// How a chip is configured to check its host's firmware.
    ///
    /// @param stores 0 nothing is checked, 1 nothing is stored, 2 the signature, 3 the digest
    /// @param store the slot it is stored in
    /// @param keySlot the slot of the firmware maker's public key
    private record BootPolicy(int stores, int store, int keySlot, boolean setsLatch) {
        static BootPolicy of(int word) {
            return new BootPolicy(word & 3, word >> 8 & 0xF, word >> 12 & 0xF, (word & 8) != 0);
        }
    }

    static byte[] secureBoot(ChipState chip, Packet command) {
        int mode = command.param1();
        byte[] data = command.data();
        int action = mode & 0x3F;
        boolean protectedWire = (mode & 0x80) != 0;
        parseUnless((mode & 0x40) == 0 && action >= 5 && action <= 7 && command.param2() == 0);
        parseUnless(data.length == (action == 6 ? 32 : 96));
        chip.requireDataLocked();
        BootPolicy policy = BootPolicy.of(chip.memory.configWord(ChipMemory.SECURE_BOOT));
        refuseUnless(policy.stores != 0 && (action == 5 || policy.stores != 1));
        byte[] mask = new byte[32];
        if (protectedWire) {
            mask = Messages.secureBootMask(chip.ioProtectionKey(), chip.tempKey.digest());
            chip.tempKey.invalidate();
        }
        byte[] digest = Crypto.xor(Arrays.copyOf(data, 32), mask);
        byte[] signature = Arrays.copyOfRange(data, 32, data.length);
        if (!isGenuine(chip, policy, digest, signature)) {
            return Status.MISMATCH.answer();
        }
        if (action == 7) {
            storeBoot(chip, policy.store, policy.stores == 3 ? digest : signature);
        }
        chip.persistentLatch |= policy.setsLatch;
        return protectedWire
                ? Messages.secureBootMac(mask, digest, signature, mode, command.param2())
                : Status.SUCCESS.answer();
    }

    /// Checks a digest by the signature that came with it or, where none did, by what the chip stores.
    private static boolean isGenuine(ChipState chip, BootPolicy policy, byte[] digest, byte[] signature) {
        if (signature.length == 0 && policy.stores == 3) {
            return Crypto.areEqual(digest, chip.symmetricKey(policy.store, 32));
        }
        byte[] proof = signature.length == 0 ? chip.symmetricKey(policy.store, P256.SIGNATURE_LENGTH) : signature;
        return P256.verify(chip.publicKey(policy.keySlot), digest, proof);
    }

    private static void storeBoot(ChipState chip, int slot, byte[] content) {
        refuseUnless(content.length <= ChipMemory.slotSize(slot) && !chip.memory.isSlotLocked(slot));
        refuseUnless(!chip.memory.policy(slot).isPrivateKey());
        chip.memory.writeSlot(slot, 0, content);
    }
}
