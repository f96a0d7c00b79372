// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.ecc608;

import java.util.List;
import java.util.Optional;

/// What a chip's locked configuration says of its slots: the reference that a key attestation is checked against.
///
/// `slotConfig` and `keyConfig` are the words of the 16 slots. `signingSlot` is the slot whose key signs internal
/// messages only.
public record ChipPreset(String name, int signingSlot, List<Integer> slotConfig, List<Integer> keyConfig) {
    public static final ChipPreset TRUST_GO = of(
            "ecc608-trust-go",
            "0085 0082 2085 2085 2085 468F 0F8F 8F9F 0F0F 0F8F 0F0F 0F0F 0F0F 0F0F 1F0D 0F0F",
            "0053 0053 0073 0073 0073 0038 007C 001C 003C 001A 001C 0010 001C 0030 0012 0030");
    public static final ChipPreset TRUST_MANAGER = of(
            "ecc608-trust-manager",
            "2085 0082 0F0F 2085 0F8F 468F 8F8F 0F8F 0F0F 0F8F 0F0F 0F0F 0F0F 8F9F 460F 0F0F",
            "0073 0053 003C 0033 003C 0038 001C 003C 001C 001A 001C 0010 001C 001C 001C 0030");

    private static final int SLOTS = 16;

    public ChipPreset {
        if (slotConfig.size() != SLOTS || keyConfig.size() != SLOTS || signingSlot < 0 || signingSlot >= SLOTS) {
            throw new IllegalArgumentException("a preset describes 16 slots");
        }
        slotConfig = List.copyOf(slotConfig);
        keyConfig = List.copyOf(keyConfig);
    }

    private static ChipPreset of(String name, String slotConfig, String keyConfig) {
        return new ChipPreset(name, 1, words(slotConfig), words(keyConfig));
    }

    private static List<Integer> words(String hex) {
        return List.of(hex.split(" ")).stream()
                .map(word -> Integer.parseInt(word, 16))
                .toList();
    }

    /// One of the presets that we know.
    public static Optional<ChipPreset> named(String name) {
        return List.of(TRUST_GO, TRUST_MANAGER).stream()
                .filter(preset -> preset.name.equals(name))
                .findFirst();
    }

    /// Whether a slot holds a P-256 private key that is secret: it cannot be read, and signs what it is given.
    public boolean isAttestable(int slot) {
        int key = keyConfig.get(slot);
        boolean privateP256 = (key & 1) == 1 && (key >> 2 & 7) == 4;
        boolean secret = (slotConfig.get(slot) >> 7 & 1) == 1;
        return privateP256 && secret && slot != signingSlot;
    }
}
