// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip.driver;

import dev.tegata.chip.Messages;
import dev.tegata.chip.P256;

/// A chip's word, signed with its attestation key, for a key in one of its slots.
///
/// @param serial of the chip
/// @param attester the slot whose key has signed
/// @param slot where the attested key lies
/// @param fresh the key was made by the same command
/// @param publicKey X ‖ Y of the attested key
/// @param challenge the verifier's twenty bytes
/// @param randomOut the chip's share of the nonce
/// @param slotConfig of the attested slot, as read from the chip
/// @param keyConfig of the attested slot, as read from the chip
/// @param slotLocked whether the attested slot is locked, as read from the chip
/// @param signature r ‖ s
public record KeyAttestation(
        byte[] serial,
        int attester,
        int slot,
        boolean fresh,
        byte[] publicKey,
        byte[] challenge,
        byte[] randomOut,
        int slotConfig,
        int keyConfig,
        boolean slotLocked,
        byte[] signature) {
    static final int NONCE_MODE = 0x00;
    static final int SIGN_MODE = 0x40;

    private static final int GEN_KEY_PUBLIC = 0x08;
    private static final int GEN_KEY_FRESH = 0x0C;

    /// TempKey holds a digest by GenKey that began with a random nonce.
    private static final int FLAGS_GEN_KEY = 0x40;

    private static final int PRIVATE = 0x0001;
    private static final int PRIV_WRITE_PERMITTED = 0x4000;

    int genKeyMode() {
        return fresh ? GEN_KEY_FRESH : GEN_KEY_PUBLIC;
    }

    /// The digest that the chip has signed if everything here is true.
    public byte[] digest() {
        byte[] nonce = Messages.nonce(randomOut, challenge, NONCE_MODE, 0);
        byte[] key = Messages.genKey(nonce, Messages.genKeyHead(genKeyMode(), slot), serial, publicKey);
        Messages.DescribedSlot described =
                new Messages.DescribedSlot(slotConfig, keyConfig, FLAGS_GEN_KEY | slot, slotLocked, false);
        return Messages.signInternal(key, SIGN_MODE, attester, described, serial);
    }

    /// Whether the chip that holds this attestation key vouches for all of it.
    public boolean isSignedBy(byte[] attestationPublicKey) {
        return P256.verify(attestationPublicKey, digest(), signature);
    }

    /// Whether the attested key cannot have come from outside: it was made just now, in a slot for private keys, and
    /// the
    /// slot's policy lets nobody write another. No policy lets a private key out.
    public boolean wasMadeInside() {
        return fresh && (keyConfig & PRIVATE) != 0 && (slotConfig & PRIV_WRITE_PERMITTED) == 0;
    }
}
