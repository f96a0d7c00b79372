// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import java.util.Arrays;

/// All that a chip keeps without power, in one array: configuration, OTP and the sixteen data slots.
///
/// It also knows where things lie in the configuration zone; the two words of each slot are read here and nowhere else.
final class ChipMemory {
    static final int CONFIG_SIZE = 128;
    static final int OTP_SIZE = 64;
    static final int SLOTS = 16;

    static final int AES_ENABLE = 13;
    static final int I2C_ADDRESS = 16;
    static final int COUNT_MATCH = 18;
    static final int SLOT_CONFIG = 20;
    static final int COUNTER = 52;
    static final int VOLATILE_KEY = 69;
    static final int SECURE_BOOT = 70;
    static final int KDF_IV_LOCATION = 72;
    static final int KDF_IV_STRING = 73;
    static final int USER_EXTRA = 84;
    static final int USER_EXTRA_ADDRESS = 85;
    static final int LOCK_VALUE = 86;
    static final int LOCK_CONFIG = 87;
    static final int SLOT_LOCKED = 88;
    static final int CHIP_OPTIONS = 90;
    static final int KEY_CONFIG = 96;

    static final int UNLOCKED = 0x55;

    private static final int OTP = CONFIG_SIZE;
    private static final int DATA = OTP + OTP_SIZE;
    private static final int BIG_SLOT = 8;
    private static final int[] SLOT_OFFSET = slotOffsets();
    static final int SIZE = SLOT_OFFSET[SLOTS];

    /// Private keys lie in their slot behind four bytes of padding.
    static final int PRIVATE_KEY_OFFSET = 4;

    private final byte[] bytes;

    ChipMemory() {
        this(new byte[SIZE]);
    }

    private ChipMemory(byte[] bytes) {
        this.bytes = bytes;
    }

    static ChipMemory of(byte[] image) {
        if (image.length != SIZE) {
            throw new IllegalArgumentException("a memory image has " + SIZE + " bytes");
        }
        return new ChipMemory(image.clone());
    }

    byte[] image() {
        return bytes.clone();
    }

    void restore(byte[] image) {
        System.arraycopy(image, 0, bytes, 0, SIZE);
    }

    private static int[] slotOffsets() {
        int[] offsets = new int[SLOTS + 1];
        offsets[0] = DATA;
        for (int slot = 0; slot < SLOTS; slot++) {
            offsets[slot + 1] = offsets[slot] + slotSize(slot);
        }
        return offsets;
    }

    static int slotSize(int slot) {
        return slot < BIG_SLOT ? 36 : slot == BIG_SLOT ? 416 : 72;
    }

    int config(int at) {
        return bytes[at] & 0xFF;
    }

    int configWord(int at) {
        return config(at) | config(at + 1) << 8;
    }

    void setConfig(int at, int... values) {
        for (int i = 0; i < values.length; i++) {
            bytes[at + i] = (byte) values[i];
        }
    }

    byte[] readConfig(int at, int length) {
        return Arrays.copyOfRange(bytes, at, at + length);
    }

    void writeConfig(int at, byte[] value) {
        System.arraycopy(value, 0, bytes, at, value.length);
    }

    byte[] readOtp(int at, int length) {
        return Arrays.copyOfRange(bytes, OTP + at, OTP + at + length);
    }

    void writeOtp(int at, byte[] value) {
        System.arraycopy(value, 0, bytes, OTP + at, value.length);
    }

    byte[] readSlot(int slot, int at, int length) {
        int from = SLOT_OFFSET[slot] + at;
        return Arrays.copyOfRange(bytes, from, from + length);
    }

    void writeSlot(int slot, int at, byte[] value) {
        System.arraycopy(value, 0, bytes, SLOT_OFFSET[slot] + at, value.length);
    }

    /// The nine bytes of the serial number, which lie apart.
    byte[] serial() {
        byte[] serial = Arrays.copyOf(readConfig(0, 4), 9);
        System.arraycopy(bytes, 8, serial, 4, 5);
        return serial;
    }

    void setSerial(byte[] serial) {
        writeConfig(0, Arrays.copyOf(serial, 4));
        writeConfig(8, Arrays.copyOfRange(serial, 4, 9));
    }

    boolean isConfigLocked() {
        return config(LOCK_CONFIG) != UNLOCKED;
    }

    boolean isDataLocked() {
        return config(LOCK_VALUE) != UNLOCKED;
    }

    /// What Lock must be told of the configuration zone.
    int configCrc() {
        return Packet.crc(bytes, CONFIG_SIZE, 0);
    }

    /// What Lock must be told of the data zone: all slots, then OTP.
    int dataCrc() {
        byte[] zone = Crypto.join(Arrays.copyOfRange(bytes, DATA, SIZE), readOtp(0, OTP_SIZE));
        return Packet.crc(zone, zone.length, 0);
    }

    boolean isSlotLocked(int slot) {
        return (configWord(SLOT_LOCKED) >> slot & 1) == 0;
    }

    void lockSlot(int slot) {
        int word = configWord(SLOT_LOCKED) & ~(1 << slot);
        setConfig(SLOT_LOCKED, word, word >> 8);
    }

    SlotPolicy policy(int slot) {
        return new SlotPolicy(configWord(SLOT_CONFIG + 2 * slot), configWord(KEY_CONFIG + 2 * slot));
    }

    byte[] privateKey(int slot) {
        return readSlot(slot, PRIVATE_KEY_OFFSET, P256.PRIVATE_KEY_LENGTH);
    }

    void setPrivateKey(int slot, byte[] key) {
        writeSlot(slot, 0, new byte[PRIVATE_KEY_OFFSET]);
        writeSlot(slot, PRIVATE_KEY_OFFSET, key);
    }

    /// A public key as it lies in a slot of 72 bytes or more: four bytes of padding (the first marks its validity)
    /// before each coordinate.
    byte[] publicKey(int slot) {
        byte[] key = Arrays.copyOf(readSlot(slot, 4, 32), P256.PUBLIC_KEY_LENGTH);
        System.arraycopy(readSlot(slot, 40, 32), 0, key, 32, 32);
        return key;
    }

    void setPublicKey(int slot, byte[] key) {
        writeSlot(slot, 0, new byte[72]);
        writeSlot(slot, 4, Arrays.copyOf(key, 32));
        writeSlot(slot, 40, Arrays.copyOfRange(key, 32, 64));
    }
}
