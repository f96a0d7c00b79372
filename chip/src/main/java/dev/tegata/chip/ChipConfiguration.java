// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import java.util.Arrays;

/// The configuration zone as read from a chip.
public final class ChipConfiguration {
    private final byte[] bytes;

    /// @param bytes all 128 of the zone
    public ChipConfiguration(byte[] bytes) {
        if (bytes.length != ChipMemory.CONFIG_SIZE) {
            throw new IllegalArgumentException("a configuration zone has " + ChipMemory.CONFIG_SIZE + " bytes");
        }
        this.bytes = bytes.clone();
    }

    /// All 128 bytes.
    public byte[] bytes() {
        return bytes.clone();
    }

    /// The nine bytes of the serial number.
    public byte[] serial() {
        byte[] serial = Arrays.copyOf(bytes, 9);
        System.arraycopy(bytes, 8, serial, 4, 5);
        return serial;
    }

    public int slotConfig(int slot) {
        return word(ChipMemory.SLOT_CONFIG + 2 * slot);
    }

    public int keyConfig(int slot) {
        return word(ChipMemory.KEY_CONFIG + 2 * slot);
    }

    /// Whether the field may make private P-256 keys in a slot, which sign what they are given.
    public boolean makesSigningKeys(int slot) {
        SlotPolicy policy = new SlotPolicy(slotConfig(slot), keyConfig(slot));
        return policy.isPrivateKey()
                && policy.mayExternalSign()
                && (policy.writeConfig() & 2) != 0
                && !isSlotLocked(slot);
    }

    public boolean isConfigLocked() {
        return bytes[ChipMemory.LOCK_CONFIG] != ChipMemory.UNLOCKED;
    }

    public boolean isDataLocked() {
        return bytes[ChipMemory.LOCK_VALUE] != ChipMemory.UNLOCKED;
    }

    public boolean isSlotLocked(int slot) {
        return (word(ChipMemory.SLOT_LOCKED) >> slot & 1) == 0;
    }

    /// The checksum by which Lock knows that this is what the chip holds.
    public int lockChecksum() {
        return Packet.crc(bytes, bytes.length, 0);
    }

    private int word(int at) {
        return bytes[at] & 0xFF | (bytes[at + 1] & 0xFF) << 8;
    }
}
