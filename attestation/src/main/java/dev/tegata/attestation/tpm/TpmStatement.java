// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.tpm;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.EcdsaSignature;
import dev.tegata.pki.key.KeyAlgorithm;

/// An attestation object of WebAuthn with a statement of the format `tpm` (WebAuthn Level 2 §6.5.4, §8.3),
/// as draft-ietf-acme-device-attest sends it: without authenticator data, and what it attests is in
/// `extraData`.
public final class TpmStatement {
    private static final long ES256 = -7;
    private static final long RS256 = -257;
    private static final int ECDSA = 0x0018;
    private static final int RSASSA = 0x0014;
    private static final int SHA256 = 0x000b;
    private static final byte DER_SEQUENCE = 0x30;

    private TpmStatement() {}

    /// The TPM's certification of the key. Certificates of the attestation key (`x5c`) are passed over:
    /// whom it belongs to was told when the key was activated.
    public static KeyCertification parse(Bytes attestationObject) throws MalformedException {
        Cbor.MapItem object = Cbor.read(attestationObject, CborLimits.DOCUMENT).mapping("the attestation object");
        String format = text(object, "fmt");
        if (!format.equals("tpm")) {
            throw new MalformedException("the attestation format is not tpm");
        }
        if (!(object.get("attStmt") instanceof Cbor.MapItem statement)) {
            throw new MalformedException("attStmt is missing or no map");
        }
        // spec| WebAuthn §8.3: ver is the version of the TPM specification to which the signature conforms
        if (!text(statement, "ver").equals("2.0")) {
            throw new MalformedException("the statement is not of a TPM 2.0");
        }
        return new KeyCertification(bytes(statement, "certInfo"), signature(statement), bytes(statement, "pubArea"));
    }

    /// spec| WebAuthn §8.3: sig is the attestation signature, in the form of a TPMT_SIGNATURE
    ///
    /// Many clients send what their crypto library gives instead: it is wrapped here.
    private static Bytes signature(Cbor.MapItem statement) throws MalformedException {
        Bytes signature = bytes(statement, "sig");
        long algorithm = statement.get("alg") instanceof Cbor.Int(long number) ? number : 0;
        if (algorithm == ES256 && signature.size() > 8 && signature.at(0) == DER_SEQUENCE) {
            byte[] raw = raw(signature);
            return u16(ECDSA)
                    .concat(u16(SHA256))
                    .concat(sized(Bytes.of(raw, 0, 32)))
                    .concat(sized(Bytes.of(raw, 32, 32)));
        }
        if (algorithm == RS256 && signature.size() % 128 == 0) {
            return u16(RSASSA).concat(u16(SHA256)).concat(sized(signature));
        }
        return signature;
    }

    private static byte[] raw(Bytes der) throws MalformedException {
        try {
            return EcdsaSignature.rawOf(der.toArray(), KeyAlgorithm.EC_P256);
        } catch (IllegalArgumentException e) {
            throw new MalformedException("sig is no signature of P-256");
        }
    }

    private static Bytes u16(int value) {
        return Bytes.of(new byte[] {(byte) (value >> 8), (byte) value});
    }

    private static Bytes sized(Bytes value) {
        return u16(value.size()).concat(value);
    }

    private static String text(Cbor.MapItem map, String name) throws MalformedException {
        if (map.get(name) instanceof Cbor.TextString(String text)) {
            return text;
        }
        throw new MalformedException(name + " is missing or no text");
    }

    private static Bytes bytes(Cbor.MapItem map, String name) throws MalformedException {
        if (map.get(name) instanceof Cbor.ByteString(Bytes bytes)) {
            return bytes;
        }
        throw new MalformedException(name + " is missing or no byte string");
    }
}
