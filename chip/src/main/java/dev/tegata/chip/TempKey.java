// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import java.util.Arrays;

/// The register that carries a value from one command to the next, and the flags that say where it came from.
final class TempKey {
    private byte[] value = new byte[0];
    private int keyId;
    private boolean fromInput;
    private boolean genDig;
    private boolean genKey;
    private boolean noMac;

    /// The digest took in the content of data slot `keyId`: what an encrypted read or write asks for. A digest of
    /// another zone has the same flags and must not pass for it.
    private boolean dataSlot;

    /// The value is a private key that never leaves the chip: ECDH alone may use it.
    private boolean privateKey;

    boolean isValid() {
        return value.length != 0;
    }

    void invalidate() {
        Arrays.fill(value, (byte) 0);
        value = new byte[0];
        keyId = 0;
        fromInput = false;
        genDig = false;
        genKey = false;
        noMac = false;
        dataSlot = false;
        privateKey = false;
    }

    /// A nonce that the chip's own generator has a part in.
    void setRandom(byte[] nonce) {
        invalidate();
        value = nonce;
    }

    /// A value that the outside has chosen, or that must not count as random.
    void setInput(byte[] input) {
        invalidate();
        value = input;
        fromInput = true;
    }

    void setPrivateKey(byte[] key) {
        setInput(key);
        privateKey = true;
    }

    /// A digest by GenDig; where the first value came from stays as it is.
    void setGenDig(byte[] digest, int slot, boolean ofDataSlot, boolean slotForbidsMac) {
        value = digest;
        genDig = true;
        genKey = false;
        dataSlot = ofDataSlot;
        noMac = slotForbidsMac;
        keyId = slot;
    }

    /// A digest by GenKey over a public key; where the first value came from stays as it is.
    void setGenKey(byte[] digest, int slot) {
        value = digest;
        genDig = false;
        genKey = true;
        dataSlot = false;
        noMac = false;
        keyId = slot;
    }

    /// The first 32 bytes, where there is a value that may be used as data.
    byte[] digest() {
        Refusal.refuseUnless(isValid() && !privateKey);
        return Arrays.copyOf(value, 32);
    }

    /// Up to 64 bytes, where there is a value that may be used as data.
    byte[] bytes(int from, int length) {
        Refusal.refuseUnless(!privateKey && from + length <= value.length);
        return Arrays.copyOfRange(value, from, from + length);
    }

    byte[] privateKey() {
        Refusal.refuseUnless(isValid() && privateKey);
        return value.clone();
    }

    boolean isFromInput() {
        return fromInput;
    }

    boolean isRandom() {
        return isValid() && !fromInput;
    }

    boolean isInternalDigest() {
        return isValid() && (genDig || genKey);
    }

    boolean isGenKeyOf(int slot) {
        return isValid() && genKey && keyId == slot;
    }

    /// Whether this is a session key: a random nonce that GenDig has joined with the content of this slot.
    boolean isSessionKeyOf(int slot) {
        return isRandom() && genDig && dataSlot && keyId == slot;
    }

    boolean forbidsMac() {
        return noMac;
    }

    int keyId() {
        return keyId;
    }

    /// Bits 0–3 key id, 4 value from input, 5 by GenDig, 6 by GenKey, 7 not for MAC.
    int flags() {
        return keyId | (fromInput ? 0x10 : 0) | (genDig ? 0x20 : 0) | (genKey ? 0x40 : 0) | (noMac ? 0x80 : 0);
    }
}
