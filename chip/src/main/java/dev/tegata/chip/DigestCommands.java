// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import static dev.tegata.chip.Refusal.parseUnless;
import static dev.tegata.chip.Refusal.refuseUnless;

import javax.crypto.Mac;
import org.jspecify.annotations.Nullable;

/// Commands around random numbers, digests and keyed digests: Random, Nonce, GenDig, MAC, CheckMac,
/// DeriveKey, SHA.
final class DigestCommands {
    private static final int TEMP_KEY = 0xFFFF;
    private static final int SHA_BLOCK = 64;

    private DigestCommands() {}

    static byte[] random(ChipState chip, Packet command) {
        parseUnless(command.param1() <= 1 && command.param2() == 0 && command.data().length == 0);
        return chip.random(32);
    }

    static byte[] nonce(ChipState chip, Packet command) {
        int mode = command.param1();
        byte[] data = command.data();
        parseUnless((mode & 0x1C) == 0);
        if ((mode & 3) == 3) {
            int length = (mode & 0x20) != 0 ? 64 : 32;
            parseUnless(data.length == length && command.param2() == 0);
            switch (mode >> 6) {
                case 0 -> chip.tempKey.setInput(data);
                case 1 -> chip.messageDigest = data;
                case 2 -> {
                    parseUnless(length == 32);
                    chip.alternateKey = data;
                }
                default -> throw new Refusal(Status.PARSE_ERROR);
            }
            return Status.SUCCESS.answer();
        }
        parseUnless(mode <= 1 && data.length == 20 && (command.param2() & 0x7FFF) == 0);
        byte[] random = chip.random(32);
        byte[] nonce = Messages.nonce(random, data, mode, command.param2());
        chip.tempKey.setRandom(nonce);
        return command.param2() == 0 ? random : nonce.clone();
    }

    static byte[] genDig(ChipState chip, Packet command) {
        int zone = command.param1();
        int param2 = command.param2();
        byte[] data = command.data();
        parseUnless(isGenDig(zone, param2, data.length));
        byte[] head = Messages.genDigHead(zone, param2);
        byte[] tempKey = chip.tempKey.digest();
        switch (zone) {
            case 0 -> {
                byte[] block = chip.memory.readConfig(32 * param2, 32);
                chip.tempKey.setGenDig(Messages.genDig(block, head, chip.serial(), tempKey), param2, false, false);
            }
            case 1 -> {
                chip.requireDataLocked();
                byte[] block = chip.memory.readOtp(32 * param2, 32);
                chip.tempKey.setGenDig(Messages.genDig(block, head, chip.serial(), tempKey), param2, false, false);
            }
            case 2 -> genDigSlot(chip, param2, head, tempKey, data);
            case 3 -> {
                boolean swapped = (param2 & 0x8000) != 0;
                byte[] digest =
                        Messages.genDig(swapped ? tempKey : data, head, chip.serial(), swapped ? data : tempKey);
                chip.tempKey.setGenDig(digest, param2 & 0xF, false, false);
            }
            case 4 -> {
                byte[] digest = Messages.genDigCounter(zone, param2, chip.serial(), chip.counterBytes(param2), tempKey);
                chip.tempKey.setGenDig(digest, param2, false, false);
            }
            case 5 -> {
                SlotPolicy policy = chip.memory.policy(param2);
                byte[] digest = Messages.genDigKeyConfig(
                        zone,
                        param2,
                        chip.serial(),
                        policy.slotConfig(),
                        policy.keyConfig(),
                        chip.memory.isSlotLocked(param2),
                        tempKey);
                chip.tempKey.setGenDig(digest, param2, false, false);
            }
            default -> throw new Refusal(Status.PARSE_ERROR);
        }
        return Status.SUCCESS.answer();
    }

    /// Whether there is such a command, whatever is in TempKey.
    private static boolean isGenDig(int zone, int param2, int length) {
        return switch (zone) {
            case 0 -> param2 <= 3 && length == 0;
            case 1, 4 -> param2 <= 1 && length == 0;
            case 2 -> param2 < ChipMemory.SLOTS && (length == 0 || length == 4);
            case 3 -> (param2 & 0x7FFF) < ChipMemory.SLOTS && length == 32;
            case 5 -> param2 < ChipMemory.SLOTS && length == 0;
            default -> false;
        };
    }

    private static void genDigSlot(ChipState chip, int slot, byte[] head, byte[] tempKey, byte[] data) {
        SlotPolicy policy = chip.memory.policy(slot);
        chip.requireDataLocked();
        chip.requireRandomNonce(slot);
        refuseUnless(data.length == 0 || policy.noMac());
        byte[] key = chip.symmetricKey(slot, 32);
        chip.useKey(slot);
        byte[] digest = Messages.genDig(key, data.length == 0 ? head : data, chip.serial(), tempKey);
        chip.tempKey.setGenDig(digest, slot, true, policy.noMac());
    }

    static byte[] mac(ChipState chip, Packet command) {
        int mode = command.param1();
        boolean secondFromTempKey = (mode & 1) != 0;
        boolean firstFromTempKey = (mode & 2) != 0;
        parseUnless((mode & 0x88) == 0 && command.param2() < ChipMemory.SLOTS);
        parseUnless(command.data().length == (secondFromTempKey ? 0 : 32));
        chip.requireDataLocked();
        if (firstFromTempKey || secondFromTempKey) {
            refuseUnless(!chip.tempKey.forbidsMac());
            requireSource(chip, mode);
        }
        byte[] first = firstFromTempKey ? chip.tempKey.digest() : macKey(chip, command.param2(), secondFromTempKey);
        byte[] second = secondFromTempKey ? chip.tempKey.digest() : command.data();
        if (firstFromTempKey || secondFromTempKey) {
            chip.tempKey.invalidate();
        }
        return Messages.mac(first, second, mode, command.param2(), chip.memory.readOtp(0, 32), chip.serial());
    }

    private static byte[] macKey(ChipState chip, int slot, boolean challengeIsTempKey) {
        SlotPolicy policy = chip.memory.policy(slot);
        refuseUnless(!policy.noMac());
        refuseUnless(!policy.needsRandom() || challengeIsTempKey && chip.tempKey.isRandom());
        byte[] key = chip.symmetricKey(slot, 32);
        chip.useKey(slot);
        return key;
    }

    /// Mode bit 2 says where TempKey's value must have come from.
    private static void requireSource(ChipState chip, int mode) {
        refuseUnless(chip.tempKey.isValid() && chip.tempKey.isFromInput() == ((mode & 4) != 0));
    }

    static byte[] checkMac(ChipState chip, Packet command) {
        int mode = command.param1();
        int slot = command.param2();
        byte[] data = command.data();
        boolean secondFromTempKey = (mode & 1) != 0;
        boolean firstFromTempKey = (mode & 2) != 0;
        parseUnless((mode & 0xD8) == 0 && slot < ChipMemory.SLOTS && data.length == 77);
        chip.requireDataLocked();
        if (firstFromTempKey || secondFromTempKey) {
            requireSource(chip, mode);
        }
        byte[] first;
        if (firstFromTempKey) {
            first = chip.tempKey.digest();
        } else {
            refuseUnless(!chip.memory.policy(slot).needsRandom() || secondFromTempKey && chip.tempKey.isRandom());
            first = chip.symmetricKey(slot, 32);
            chip.useKey(slot);
        }
        byte[] second = secondFromTempKey ? chip.tempKey.digest() : Crypto.slice(data, 0, 32);
        boolean fresh = secondFromTempKey && chip.tempKey.isRandom();
        if (firstFromTempKey || secondFromTempKey) {
            chip.tempKey.invalidate();
        }
        byte[] expected = Messages.checkMac(
                first, second, mode, Crypto.slice(data, 64, 13), chip.memory.readOtp(0, 32), chip.serial());
        if (!Crypto.areEqual(expected, Crypto.slice(data, 32, 32))) {
            return Status.MISMATCH.answer();
        }
        if (!firstFromTempKey && fresh) {
            chip.authorizedBy = slot;
        }
        return Status.SUCCESS.answer();
    }

    static byte[] deriveKey(ChipState chip, Packet command) {
        int mode = command.param1();
        int target = command.param2();
        byte[] mac = command.data();
        parseUnless((mode & 0xFB) == 0 && target < ChipMemory.SLOTS && (mac.length == 0 || mac.length == 32));
        SlotPolicy policy = chip.memory.policy(target);
        chip.requireDataLocked();
        requireSource(chip, mode);
        chip.requireRandomNonce(target);
        // spec| SlotConfig.WriteConfig for DeriveKey: bit 1 permits it, bit 0 takes the parent's key, bit 3 wants a MAC
        int writeConfig = policy.writeConfig();
        refuseUnless((writeConfig & 2) != 0 && !policy.isPrivateKey() && !chip.memory.isSlotLocked(target));
        chip.requireAuthorization(target);
        int source = (writeConfig & 1) != 0 ? policy.writeKey() : target;
        byte[] key = chip.symmetricKey(source, 32);
        boolean wantsMac = (writeConfig & 8) != 0;
        refuseUnless(!wantsMac || mac.length == 32);
        chip.useKey(source);
        if (wantsMac) {
            byte[] parent = chip.symmetricKey(policy.writeKey(), 32);
            refuseUnless(Crypto.areEqual(mac, Messages.deriveKeyMac(parent, mode, target, chip.serial())));
        }
        byte[] tempKey = chip.tempKey.digest();
        chip.tempKey.invalidate();
        chip.memory.writeSlot(target, 0, Messages.derivedKey(key, mode, target, chip.serial(), tempKey));
        return Status.SUCCESS.answer();
    }

    static byte[] sha(ChipState chip, Packet command) {
        int mode = command.param1();
        byte[] data = command.data();
        switch (mode) {
            case 0x00 -> {
                parseUnless(data.length == 0);
                chip.hmac = null;
                chip.sha = new Sha256();
            }
            case 0x01 -> {
                parseUnless(data.length == SHA_BLOCK && command.param2() == SHA_BLOCK);
                update(chip, data);
            }
            case 0x02, 0x42, 0xC2, 0x05, 0x45, 0xC5 -> {
                parseUnless(data.length < SHA_BLOCK && command.param2() == data.length);
                return end(chip, mode, data);
            }
            case 0x03 -> {
                parseUnless(data.length == 0 && command.param2() < ChipMemory.SLOTS);
                update(chip, chip.publicKey(command.param2()));
            }
            case 0x04 -> {
                parseUnless(data.length == 0);
                startHmac(chip, command.param2());
            }
            case 0x06 -> {
                parseUnless(data.length == 0);
                return inProgress(chip.sha).context();
            }
            case 0x07 -> {
                parseUnless(command.param2() == data.length);
                Sha256 sha = Sha256.ofContext(data);
                chip.hmac = null;
                chip.sha = sha;
            }
            default -> throw new Refusal(Status.PARSE_ERROR);
        }
        return Status.SUCCESS.answer();
    }

    private static void startHmac(ChipState chip, int keyId) {
        byte[] key;
        if (keyId == TEMP_KEY) {
            refuseUnless(!chip.tempKey.forbidsMac());
            key = chip.tempKey.digest();
        } else {
            parseUnless(keyId < ChipMemory.SLOTS);
            chip.requireDataLocked();
            refuseUnless(!chip.memory.policy(keyId).noMac());
            key = chip.symmetricKey(keyId, 32);
            chip.useKey(keyId);
        }
        chip.sha = null;
        chip.hmac = Crypto.hmacSha256(key);
    }

    private static void update(ChipState chip, byte[] data) {
        Mac hmac = chip.hmac;
        if (hmac != null) {
            hmac.update(data);
        } else {
            inProgress(chip.sha).update(data);
        }
    }

    private static byte[] end(ChipState chip, int mode, byte[] data) {
        Mac hmac = chip.hmac;
        parseUnless((mode & 7) != 5 || hmac != null);
        update(chip, data);
        byte[] digest = hmac != null ? hmac.doFinal() : inProgress(chip.sha).digest();
        chip.clearDigests();
        switch (mode & 0xC0) {
            case 0x00 -> chip.tempKey.setInput(digest.clone());
            case 0x40 -> chip.messageDigest = digest.clone();
            default -> {}
        }
        return digest;
    }

    private static Sha256 inProgress(@Nullable Sha256 sha) {
        if (sha == null) {
            throw new Refusal(Status.EXECUTION_ERROR);
        }
        return sha;
    }
}
