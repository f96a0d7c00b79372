// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.acme;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.json.Json;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.key.EcdsaSignature;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.SignatureAlgorithm;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import tools.jackson.databind.node.ObjectNode;

/// A public key as a JWK (RFC 7517), checked.
///
/// @param canonical the members that make the key, in the order of RFC 7638
record AccountKey(PublicKeyInfo key, String canonical) {
    private static final Bytes P256 = Bytes.ofHex("3059301306072a8648ce3d020106082a8648ce3d03010703420004");
    private static final Bytes P384 = Bytes.ofHex("3076301006072a8648ce3d020106052b8104002203620004");
    private static final Bytes ED25519 = Bytes.ofHex("302a300506032b6570032100");
    private static final Oid RSA = Oid.of("1.2.840.113549.1.1.1");

    /// @throws AcmeProblem where it is no key that is taken here
    static AccountKey of(ObjectNode jwk) throws AcmeProblem {
        try {
            return switch (Json.text(jwk.get("kty"), "kty")) {
                case "EC" -> ec(jwk);
                case "RSA" -> rsa(jwk);
                case "OKP" -> ed25519(jwk);
                default -> throw bad("keys are of the type EC, RSA or OKP");
            };
        } catch (MalformedException | InvalidKeyInfoException e) {
            throw bad("the key cannot be used: " + e.getMessage());
        }
    }

    static AccountKey parse(String canonical) {
        try {
            return of(Json.parseObject(Bytes.of(canonical.getBytes(StandardCharsets.UTF_8))));
        } catch (MalformedException | AcmeProblem e) {
            throw new dev.tegata.platform.IntegrityException("a stored account key cannot be read", e);
        }
    }

    private static AcmeProblem bad(String detail) {
        return new AcmeProblem("badPublicKey", 400, detail);
    }

    private static AccountKey ec(ObjectNode jwk) throws MalformedException, InvalidKeyInfoException, AcmeProblem {
        String curve = Json.text(jwk.get("crv"), "crv");
        if (!curve.equals("P-256") && !curve.equals("P-384")) {
            throw bad("curves are P-256 and P-384");
        }
        Bytes x = Json.base64Url(jwk.get("x"), "x");
        Bytes y = Json.base64Url(jwk.get("y"), "y");
        int size = curve.equals("P-256") ? 32 : 48;
        if (x.size() != size || y.size() != size) {
            throw bad("a coordinate of " + curve + " has " + size + " bytes");
        }
        PublicKeyInfo key =
                PublicKeyInfo.parse((size == 32 ? P256 : P384).concat(x).concat(y));
        return new AccountKey(
                key,
                "{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}"
                        .formatted(curve, x.base64Url(), y.base64Url()));
    }

    private static AccountKey rsa(ObjectNode jwk) throws MalformedException, InvalidKeyInfoException {
        Bytes n = Json.base64Url(jwk.get("n"), "n");
        Bytes e = Json.base64Url(jwk.get("e"), "e");
        if (n.size() > 513 || e.size() > 4) {
            throw new MalformedException("RSA keys have at most 4096 bits, and an exponent of 32");
        }
        DerWriter numbers = new DerWriter();
        numbers.sequence(() -> {
            numbers.integer(new BigInteger(1, n.toArray()));
            numbers.integer(new BigInteger(1, e.toArray()));
        });
        DerWriter info = new DerWriter();
        info.sequence(() -> {
            info.sequence(() -> {
                info.oid(RSA);
                info.nullValue();
            });
            info.bitString(numbers.toArray());
        });
        return new AccountKey(
                PublicKeyInfo.parse(info.toBytes()),
                "{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}".formatted(e.base64Url(), n.base64Url()));
    }

    private static AccountKey ed25519(ObjectNode jwk) throws MalformedException, InvalidKeyInfoException {
        Bytes x = Json.base64Url(jwk.get("x"), "x");
        if (!Json.text(jwk.get("crv"), "crv").equals("Ed25519") || x.size() != 32) {
            throw new MalformedException("the curve of OKP keys is Ed25519");
        }
        return new AccountKey(
                PublicKeyInfo.parse(ED25519.concat(x)),
                "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"%s\"}".formatted(x.base64Url()));
    }

    /// RFC 7638, SHA-256.
    Bytes thumbprint() {
        return Bytes.sha256(canonical.getBytes(StandardCharsets.UTF_8));
    }

    /// Whether `signature`, in the form of JWS, is this key's over `data`.
    ///
    /// @throws AcmeProblem where `algorithm` is not one of this kind of key
    boolean verifies(String algorithm, byte[] data, Bytes signature) throws AcmeProblem {
        SignatureAlgorithm known = algorithm();
        if (!name(known).equals(algorithm)) {
            throw new AcmeProblem("badSignatureAlgorithm", 400, "keys of this kind sign with " + name(known));
        }
        byte[] form = signature.toArray();
        if (key.algorithm() == KeyAlgorithm.EC_P256 || key.algorithm() == KeyAlgorithm.EC_P384) {
            if (form.length != (key.algorithm() == KeyAlgorithm.EC_P256 ? 64 : 96)) {
                return false;
            }
            form = EcdsaSignature.derOf(form);
        }
        return key.verifies(known, data, form);
    }

    private SignatureAlgorithm algorithm() {
        return key.algorithm().signatureAlgorithm();
    }

    private static String name(SignatureAlgorithm algorithm) {
        return switch (algorithm.name()) {
            case "ECDSA_SHA256" -> "ES256";
            case "ECDSA_SHA384" -> "ES384";
            case "RSA_SHA256" -> "RS256";
            default -> "EdDSA";
        };
    }
}
