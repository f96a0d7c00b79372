// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.ecc608;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.EcdsaSignature;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.SignatureAlgorithm;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A chip's proof that a key is in one of its slots: GenKey put a digest of the public key behind the verifier's
/// challenge, and Sign(internal) signed it together with the slot's configuration.
///
/// `publicKey` are the 64 bytes of the point; `randomOut` is what the chip chose for its nonce, null where the
/// nonce was passed through. `slotLocked` is the state of the slot's own lock. This bundle is ours; the digests
/// are the chip's.
public record KeyAttestation(
        Bytes serial,
        int slot,
        Bytes publicKey,
        @Nullable Bytes randomOut,
        int genKeyMode,
        int signMode,
        boolean slotLocked,
        Bytes signature) {
    public static final String MEDIA_TYPE = "application/vnd.tegata.ecc608-evidence+cbor";

    private static final int OPCODE_NONCE = 0x16;
    private static final int OPCODE_GEN_KEY = 0x40;
    private static final int OPCODE_SIGN = 0x41;
    private static final int WHOLE_SERIAL = 0x40;
    private static final int EXTERNAL = 0x80;
    private static final int FLAG_NONCE_FROM_INPUT = 0x10;
    private static final int FLAG_BY_GEN_KEY = 0x40;

    public static KeyAttestation parse(Bytes encoded) throws MalformedException {
        Cbor.MapItem map = Cbor.read(encoded, CborLimits.TOKEN).mapping("a chip's key attestation");
        Cbor randomOut = map.get(4);
        return new KeyAttestation(
                map.require(1, "the serial number").bytes("the serial number", 9),
                map.require(2, "the slot").integer("the slot", 0, 15),
                map.require(3, "the public key").bytes("the public key", 64),
                randomOut == null ? null : randomOut.bytes("the chip's random number", 32),
                map.require(5, "GenKey's mode").integer("GenKey's mode", 0, 255),
                map.require(6, "Sign's mode").integer("Sign's mode", 0, 255),
                map.require(7, "the slot's lock").bool("the slot's lock"),
                map.require(8, "the signature").bytes("the signature", 64));
    }

    public Bytes encode() {
        return Cbor.map()
                .put(1, Cbor.of(serial))
                .put(2, Cbor.of(slot))
                .put(3, Cbor.of(publicKey))
                .put(4, randomOut == null ? null : Cbor.of(randomOut))
                .put(5, Cbor.of(genKeyMode))
                .put(6, Cbor.of(signMode))
                .put(7, Cbor.of(slotLocked))
                .put(8, Cbor.of(signature))
                .build()
                .encode();
    }

    /// What goes into the Nonce command for a verifier's nonce: 20 bytes where the chip adds its own random
    /// number, 32 where it does not.
    public static Bytes challenge(Bytes nonce, boolean random) {
        Bytes digest = nonce.sha256();
        return random ? digest.slice(0, 20) : digest;
    }

    /// The key that is attested.
    public PublicKeyInfo key() throws MalformedException {
        try {
            return PublicKeyInfo.ofP256Point(publicKey.slice(0, 32), publicKey.slice(32, 64));
        } catch (InvalidKeyInfoException e) {
            throw new MalformedException(Objects.requireNonNull(e.getMessage()));
        }
    }

    /// Whether the chip's signing key signed this attestation for `nonce`, in a chip configured as `preset`.
    public boolean verifies(PublicKeyInfo signingKey, ChipPreset preset, Bytes nonce) {
        // Without the whole serial number in the message, six of its bytes would be anybody's claim; a signature over
        // data from outside is no internal one.
        boolean internal = (signMode & WHOLE_SERIAL) != 0 && (signMode & EXTERNAL) == 0;
        return internal
                && preset.isAttestable(slot)
                && signingKey.verifies(
                        SignatureAlgorithm.ECDSA_SHA256,
                        message(preset, nonce).toArray(),
                        EcdsaSignature.derOf(signature.toArray()));
    }

    /// What the chip signs: TempKey and the description of its content, before hashing.
    Bytes message(ChipPreset preset, Bytes nonce) {
        byte[] tempKey = genKeyDigest(tempKey(nonce)).toArray();
        int slotConfig = preset.slotConfig().get(slot);
        int keyConfig = preset.keyConfig().get(slot);
        int flags = slot | (randomOut == null ? FLAG_NONCE_FROM_INPUT : 0) | FLAG_BY_GEN_KEY;
        // The 23 bytes behind TempKey, in the order of the data sheet.
        byte[] description = {
            OPCODE_SIGN,
            (byte) signMode,
            (byte) preset.signingSlot(),
            0,
            (byte) slotConfig,
            (byte) (slotConfig >> 8),
            (byte) keyConfig,
            (byte) (keyConfig >> 8),
            (byte) flags,
            0,
            0,
            serial.at(8),
            serial.at(4),
            serial.at(5),
            serial.at(6),
            serial.at(7),
            serial.at(0),
            serial.at(1),
            serial.at(2),
            serial.at(3),
            // The lock bit is 1 while the slot is open.
            (byte) (slotLocked ? 0 : 1),
            0,
            0
        };
        return Bytes.of(tempKey).concat(Bytes.of(description));
    }

    private byte[] tempKey(Bytes nonce) {
        if (randomOut == null) {
            return challenge(nonce, false).toArray();
        }
        byte[] command = {OPCODE_NONCE, 0, 0};
        return Bytes.sha256(randomOut.toArray(), challenge(nonce, true).toArray(), command)
                .toArray();
    }

    private Bytes genKeyDigest(byte[] tempKey) {
        byte[] command = {OPCODE_GEN_KEY, (byte) genKeyMode, (byte) slot, 0, serial.at(8), serial.at(0), serial.at(1)};
        return Bytes.sha256(tempKey, command, new byte[25], publicKey.toArray());
    }
}
