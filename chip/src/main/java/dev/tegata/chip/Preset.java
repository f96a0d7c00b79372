// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import java.security.SecureRandom;

/// How a chip leaves the factory: its configuration zone, as data.
public enum Preset {
    /// As from the silicon fab: nothing locked, all keys to be made by the customer.
    BLANK(
            "ATECC608B",
            "ATECC608B-SSHDA",
            0xC0,
            words("2083 2087 208F 8FC4 8F8F 8F8F 8F9F 0F0F 0F0F 0F0F 0F0F 0F0F 0F0F 0F0F 0F0F 0F0F"),
            words("0033 0033 0033 001C 001C 001C 001C 001C 003C 003C 003C 003C 003C 003C 003C 003C"),
            0x0000,
            0x0000,
            false),
    /// Like Trust&GO and TrustFLEX: an identity key with the vendor's certificate in slot 0, an internal-sign key in
    /// slot
    /// 1, renewable keys in slots 2 to 4.
    TRUST_GO(
            "ATECC608B",
            "ATECC608B-TNGTLSU",
            0x6A,
            words("0085 0082 2085 2085 2085 468F 0F8F 8F9F 0F0F 0F8F 0F0F 0F0F 0F0F 0F0F 1F0D 0F0F"),
            words("0053 0053 0073 0073 0073 0038 007C 001C 003C 001A 001C 0010 001C 0030 0012 0030"),
            0xF703,
            0x6006,
            true),
    /// Like TrustMANAGER: an attestation key from the factory in slot 1, everything else written in the field.
    TRUST_MANAGER(
            "ATECC608C",
            "ATECC608C-TMNGTLSS",
            0x70,
            words("2085 0082 0F0F 2085 0F8F 468F 8F8F 0F8F 0F0F 0F8F 0F0F 0F0F 0F0F 8F9F 460F 0F0F"),
            words("0073 0053 003C 0033 003C 0038 001C 003C 001C 001A 001C 0010 001C 001C 001C 0030"),
            0xFD03,
            0x7006,
            true);

    private final String model;
    private final String partNumber;
    private final int i2cAddress;
    private final int[] slotConfig;
    private final int[] keyConfig;
    private final int secureBoot;
    private final int chipOptions;
    private final boolean locked;

    Preset(
            String model,
            String partNumber,
            int i2cAddress,
            int[] slotConfig,
            int[] keyConfig,
            int secureBoot,
            int chipOptions,
            boolean locked) {
        this.model = model;
        this.partNumber = partNumber;
        this.i2cAddress = i2cAddress;
        this.slotConfig = slotConfig;
        this.keyConfig = keyConfig;
        this.secureBoot = secureBoot;
        this.chipOptions = chipOptions;
        this.locked = locked;
    }

    /// The name of the silicon, as manifests write it.
    public String model() {
        return model;
    }

    /// The ordering code, as manifests write it.
    public String partNumber() {
        return partNumber;
    }

    private static int[] words(String hex) {
        String[] parts = hex.split(" ");
        int[] words = new int[parts.length];
        for (int i = 0; i < words.length; i++) {
            words[i] = Integer.parseInt(parts[i], 16);
        }
        return words;
    }

    /// The memory of a chip of this kind, with a serial number, keys where the factory makes them, and its locks.
    ChipMemory provision(SecureRandom random) {
        ChipMemory memory = new ChipMemory();
        byte[] serial = new byte[9];
        random.nextBytes(serial);
        serial[0] = 0x01;
        serial[1] = 0x23;
        serial[8] = 0x01;
        memory.setSerial(serial);
        memory.setConfig(4, 0x00, 0x00, 0x60, model.endsWith("C") ? 0x04 : 0x03);
        memory.setConfig(ChipMemory.AES_ENABLE, 0x01, 0x01);
        memory.setConfig(ChipMemory.I2C_ADDRESS, i2cAddress);
        for (int slot = 0; slot < ChipMemory.SLOTS; slot++) {
            memory.setConfig(ChipMemory.SLOT_CONFIG + 2 * slot, slotConfig[slot], slotConfig[slot] >> 8);
            memory.setConfig(ChipMemory.KEY_CONFIG + 2 * slot, keyConfig[slot], keyConfig[slot] >> 8);
        }
        memory.setConfig(ChipMemory.COUNTER, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0);
        memory.setConfig(ChipMemory.SECURE_BOOT, secureBoot, secureBoot >> 8);
        memory.setConfig(ChipMemory.SLOT_LOCKED, 0xFF, 0xFF, chipOptions, chipOptions >> 8);
        memory.setConfig(ChipMemory.LOCK_VALUE, ChipMemory.UNLOCKED, ChipMemory.UNLOCKED);
        if (locked) {
            makeFactoryKeys(memory, random);
            memory.setConfig(ChipMemory.LOCK_VALUE, 0, 0);
        }
        return memory;
    }

    /// Private keys that the field cannot make, renewable ones of Trust&GO, and the secrets.
    private void makeFactoryKeys(ChipMemory memory, SecureRandom random) {
        for (int slot = 0; slot < ChipMemory.SLOTS; slot++) {
            SlotPolicy policy = memory.policy(slot);
            boolean factoryMade = this == TRUST_GO || slot == 1;
            if (policy.isPrivateKey() && factoryMade) {
                memory.setPrivateKey(slot, P256.newPrivateKey(random));
            } else if (policy.isSecret() && !policy.isPrivateKey()) {
                byte[] secret = new byte[32];
                random.nextBytes(secret);
                memory.writeSlot(slot, 0, secret);
            }
        }
    }
}
