// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

/// The SlotConfig and KeyConfig words of one slot: what may be done with it.
///
/// @param slotConfig bits 0–3 ReadKey, 4 NoMac, 5 LimitedUse, 6 EncryptRead, 7 IsSecret, 8–11 WriteKey, 12–15
/// WriteConfig
/// @param keyConfig bits 0 Private, 1 PubInfo, 2–4 KeyType, 5 Lockable, 6 ReqRandom, 7 ReqAuth, 8–11 AuthKey,
///     12 PersistentDisable, 14–15 X509id
record SlotPolicy(int slotConfig, int keyConfig) {
    static final int KEY_TYPE_P256 = 4;
    static final int KEY_TYPE_AES = 6;

    int readKey() {
        return slotConfig & 0xF;
    }

    boolean mayExternalSign() {
        return bit(slotConfig, 0);
    }

    boolean mayInternalSign() {
        return bit(slotConfig, 1);
    }

    boolean mayEcdh() {
        return bit(slotConfig, 2);
    }

    boolean ecdhIntoNextSlot() {
        return bit(slotConfig, 3);
    }

    boolean noMac() {
        return bit(slotConfig, 4);
    }

    boolean limitedUse() {
        return bit(slotConfig, 5);
    }

    boolean encryptRead() {
        return bit(slotConfig, 6);
    }

    boolean isSecret() {
        return bit(slotConfig, 7);
    }

    int writeKey() {
        return slotConfig >> 8 & 0xF;
    }

    int writeConfig() {
        return slotConfig >> 12 & 0xF;
    }

    boolean isPrivateKey() {
        return bit(keyConfig, 0) && keyType() == KEY_TYPE_P256;
    }

    boolean isPublicKey() {
        return !bit(keyConfig, 0) && keyType() == KEY_TYPE_P256;
    }

    boolean pubInfo() {
        return bit(keyConfig, 1);
    }

    int keyType() {
        return keyConfig >> 2 & 7;
    }

    boolean lockable() {
        return bit(keyConfig, 5);
    }

    boolean needsRandom() {
        return bit(keyConfig, 6);
    }

    boolean needsAuthorization() {
        return bit(keyConfig, 7);
    }

    int authorizationKey() {
        return keyConfig >> 8 & 0xF;
    }

    boolean persistentDisable() {
        return bit(keyConfig, 12);
    }

    private static boolean bit(int word, int at) {
        return (word >> at & 1) != 0;
    }
}
