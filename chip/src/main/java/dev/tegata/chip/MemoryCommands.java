// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import static dev.tegata.chip.Refusal.parseUnless;
import static dev.tegata.chip.Refusal.refuseUnless;

import java.util.Arrays;

/// Commands that read, write and lock what the chip keeps: Info, Read, Write, Lock, UpdateExtra, Counter.
final class MemoryCommands {
    private static final int CONFIG = 0;
    private static final int OTP = 1;
    private static final int DATA = 2;

    private static final int SIZE_32 = 0x80;
    private static final int ENCRYPTED = 0x40;

    private MemoryCommands() {}

    /// Where a Read or Write goes. The last block of a slot is shorter than 32 bytes; it is read and written as
    /// 32 all the same, of which those behind the end are zero and lost.
    private record Place(int zone, int slot, int at, int length) {
        static Place of(int param1, int address) {
            int zone = param1 & 3;
            parseUnless(zone <= DATA);
            int length = (param1 & SIZE_32) != 0 ? 32 : 4;
            int offset = length == 32 ? 0 : 4 * (address & 7);
            if (zone == DATA) {
                int slot = address >> 3 & 0xF;
                int at = 32 * (address >> 8 & 0xF) + offset;
                parseUnless((address & 0xF080) == 0 && at < ChipMemory.slotSize(slot));
                return new Place(zone, slot, at, length);
            }
            int at = 32 * (address >> 3 & 3) + offset;
            int size = zone == CONFIG ? ChipMemory.CONFIG_SIZE : ChipMemory.OTP_SIZE;
            parseUnless((address & 0xFFE0) == 0 && at < size);
            return new Place(zone, 0, at, length);
        }

        int lengthInSlot() {
            return Math.min(length, ChipMemory.slotSize(slot) - at);
        }
    }

    static byte[] info(ChipState chip, Packet command) {
        parseUnless(command.data().length == 0);
        return switch (command.param1()) {
            case 0 -> chip.memory.readConfig(4, 4);
            case 1 -> flag(isKeyValid(chip, command.param2()));
            case 2 -> state(chip);
            case 4 -> latch(chip, command.param2());
            default -> throw new Refusal(Status.PARSE_ERROR);
        };
    }

    private static boolean isKeyValid(ChipState chip, int slot) {
        parseUnless(slot < ChipMemory.SLOTS);
        SlotPolicy policy = chip.memory.policy(slot);
        if (policy.isPrivateKey()) {
            return P256.isPrivateKey(chip.memory.privateKey(slot));
        }
        return chip.isPublicKeySlot(slot)
                && (policy.pubInfo() ? chip.isPublicKeyValid(slot) : P256.isPublicKey(chip.memory.publicKey(slot)));
    }

    private static byte[] state(ChipState chip) {
        int authorization = chip.authorizedBy == ChipState.NO_SLOT ? 0 : 0x04 | chip.authorizedBy << 3;
        int valid = chip.tempKey.isValid() ? 0x80 : 0;
        return new byte[] {(byte) chip.tempKey.flags(), (byte) (authorization | valid), 0, 0};
    }

    /// Reads the persistent latch, or (bit 1) sets it to bit 0; setting needs the permission of the volatile key.
    private static byte[] latch(ChipState chip, int param2) {
        parseUnless(param2 <= 3);
        if ((param2 & 2) != 0) {
            int permission = chip.memory.config(ChipMemory.VOLATILE_KEY);
            boolean set = (param2 & 1) != 0;
            refuseUnless((permission & 0x80) != 0);
            refuseUnless(!set || chip.authorizedBy == (permission & 0xF));
            chip.persistentLatch = set;
            return flag(false);
        }
        return flag(chip.persistentLatch);
    }

    private static byte[] flag(boolean value) {
        return new byte[] {(byte) (value ? 1 : 0), 0, 0, 0};
    }

    static byte[] read(ChipState chip, Packet command) {
        parseUnless((command.param1() & ~(SIZE_32 | 3)) == 0 && command.data().length == 0);
        Place place = Place.of(command.param1(), command.param2());
        return switch (place.zone) {
            case CONFIG -> chip.memory.readConfig(place.at, place.length);
            case OTP -> {
                chip.requireDataLocked();
                yield chip.memory.readOtp(place.at, place.length);
            }
            default -> readSlot(chip, place);
        };
    }

    private static byte[] readSlot(ChipState chip, Place place) {
        SlotPolicy policy = chip.memory.policy(place.slot);
        chip.requireDataLocked();
        refuseUnless(!policy.isPrivateKey());
        chip.requireAuthorization(place.slot);
        byte[] content = Arrays.copyOf(chip.memory.readSlot(place.slot, place.at, place.lengthInSlot()), place.length);
        if (!policy.isSecret()) {
            return content;
        }
        refuseUnless(policy.encryptRead() && place.length == 32);
        refuseUnless(chip.tempKey.isSessionKeyOf(policy.readKey()));
        byte[] hidden = Crypto.xor(content, chip.tempKey.digest());
        chip.tempKey.invalidate();
        return hidden;
    }

    static byte[] write(ChipState chip, Packet command) {
        int param1 = command.param1();
        byte[] data = command.data();
        parseUnless((param1 & ~(SIZE_32 | ENCRYPTED | 3)) == 0);
        Place place = Place.of(param1, command.param2());
        // Data that a MAC follows is encrypted; some drivers say so in the parameter too, some do not.
        boolean encrypted = (param1 & ENCRYPTED) != 0 || place.zone == DATA && data.length == 64;
        parseUnless(data.length == place.length || encrypted && place.length == 32 && data.length == 64);
        parseUnless(!encrypted || place.zone == DATA);
        switch (place.zone) {
            case CONFIG -> writeConfig(chip, place, data);
            case OTP -> {
                refuseUnless(chip.memory.isConfigLocked() && !chip.memory.isDataLocked());
                chip.memory.writeOtp(place.at, data);
            }
            default -> writeSlot(chip, place, command, encrypted);
        }
        return Status.SUCCESS.answer();
    }

    private static void writeConfig(ChipState chip, Place place, byte[] data) {
        boolean serialAndRevision = place.at < 16;
        boolean extraAndLocks = place.at <= ChipMemory.USER_EXTRA && ChipMemory.USER_EXTRA < place.at + place.length;
        refuseUnless(!chip.memory.isConfigLocked() && !serialAndRevision && !extraAndLocks);
        chip.memory.writeConfig(place.at, data);
    }

    private static void writeSlot(ChipState chip, Place place, Packet command, boolean encrypted) {
        SlotPolicy policy = chip.memory.policy(place.slot);
        chip.requireConfigLocked();
        refuseUnless(!policy.isPrivateKey() && !chip.memory.isSlotLocked(place.slot));
        // a secret that could be replaced in part could be found out part by part
        refuseUnless(!policy.isSecret() || place.length == 32);
        byte[] content = command.data();
        if (chip.memory.isDataLocked()) {
            chip.requireAuthorization(place.slot);
            boolean mustEncrypt = (policy.writeConfig() & 4) != 0;
            refuseUnless(encrypted == mustEncrypt);
            if (mustEncrypt) {
                content = decrypt(chip, policy, command);
            } else {
                boolean invalidKey = policy.writeConfig() == 1
                        && chip.isPublicKeySlot(place.slot)
                        && !chip.isPublicKeyValid(place.slot);
                refuseUnless(policy.writeConfig() == 0 || invalidKey);
            }
        } else {
            refuseUnless(!encrypted);
        }
        chip.memory.writeSlot(place.slot, place.at, Arrays.copyOf(content, place.lengthInSlot()));
        if (chip.isPublicKeySlot(place.slot) && policy.pubInfo()) {
            chip.markPublicKey(place.slot, false);
        }
    }

    private static byte[] decrypt(ChipState chip, SlotPolicy policy, Packet command) {
        refuseUnless(command.data().length == 64 && chip.tempKey.isSessionKeyOf(policy.writeKey()));
        byte[] sessionKey = chip.tempKey.digest();
        chip.tempKey.invalidate();
        byte[] plain = Crypto.xor(Crypto.slice(command.data(), 0, 32), sessionKey);
        byte[] mac = Messages.writeMac(sessionKey, command.param1(), command.param2(), chip.serial(), plain);
        refuseUnless(Crypto.areEqual(mac, Crypto.slice(command.data(), 32, 32)));
        return plain;
    }

    static byte[] lock(ChipState chip, Packet command) {
        int mode = command.param1();
        parseUnless(command.data().length == 0);
        boolean checked = (mode & 0x80) == 0;
        switch (mode & 3) {
            case CONFIG -> {
                parseUnless((mode & 0x7C) == 0);
                refuseUnless(!chip.memory.isConfigLocked());
                refuseUnless(!checked || command.param2() == chip.memory.configCrc());
                chip.memory.setConfig(ChipMemory.LOCK_CONFIG, 0);
            }
            case OTP -> {
                parseUnless((mode & 0x7C) == 0);
                refuseUnless(chip.memory.isConfigLocked() && !chip.memory.isDataLocked());
                refuseUnless(!checked || command.param2() == chip.memory.dataCrc());
                chip.memory.setConfig(ChipMemory.LOCK_VALUE, 0);
            }
            case DATA -> {
                int slot = mode >> 2 & 0xF;
                parseUnless((mode & 0x40) == 0);
                chip.requireConfigLocked();
                refuseUnless(chip.memory.policy(slot).lockable() && !chip.memory.isSlotLocked(slot));
                chip.memory.lockSlot(slot);
            }
            default -> throw new Refusal(Status.PARSE_ERROR);
        }
        return Status.SUCCESS.answer();
    }

    static byte[] updateExtra(ChipState chip, Packet command) {
        parseUnless(command.data().length == 0);
        switch (command.param1()) {
            case 0 -> updateExtra(chip, ChipMemory.USER_EXTRA, command.param2());
            case 1 -> updateExtra(chip, ChipMemory.USER_EXTRA_ADDRESS, command.param2());
            case 2 -> {
                parseUnless(command.param2() < ChipMemory.SLOTS);
                refuseUnless(chip.memory.policy(command.param2()).limitedUse());
                chip.countUse();
            }
            default -> throw new Refusal(Status.PARSE_ERROR);
        }
        return Status.SUCCESS.answer();
    }

    private static void updateExtra(ChipState chip, int at, int value) {
        parseUnless(value <= 0xFF);
        refuseUnless(!chip.memory.isConfigLocked() || chip.memory.config(at) == 0);
        chip.memory.setConfig(at, value);
    }

    static byte[] counter(ChipState chip, Packet command) {
        int mode = command.param1();
        int which = command.param2();
        parseUnless(mode <= 1 && which <= 1 && command.data().length == 0);
        chip.requireConfigLocked();
        if (mode == 1) {
            int value = chip.counter(which);
            refuseUnless(value < ChipState.COUNTER_MAX);
            chip.setCounter(which, value + 1);
        }
        return chip.counterBytes(which);
    }
}
