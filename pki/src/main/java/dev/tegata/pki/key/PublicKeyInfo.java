// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import dev.tegata.pki.Bytes;
import java.security.GeneralSecurityException;
import java.security.PublicKey;
import java.security.interfaces.RSAPublicKey;
import java.security.spec.X509EncodedKeySpec;

/// A public key that has been checked: known algorithm, minimum strength, a point on its curve.
///
/// `encoded` is the DER SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) in the one form that we accept: named curve,
/// uncompressed point, RSA exponent of at least 65 537.
public final class PublicKeyInfo {
    private static final String P256_PREFIX = "3059301306072a8648ce3d020106082a8648ce3d030107034200" + "04";
    private static final String P384_PREFIX = "3076301006072a8648ce3d020106052b81040022036200" + "04";
    private static final String ED25519_PREFIX = "302a300506032b6570032100";

    private final Bytes encoded;
    private final KeyAlgorithm algorithm;
    private final PublicKey key;

    private PublicKeyInfo(Bytes encoded, KeyAlgorithm algorithm, PublicKey key) {
        this.encoded = encoded;
        this.algorithm = algorithm;
        this.key = key;
    }

    /// Reads and checks a DER SubjectPublicKeyInfo.
    ///
    /// @throws InvalidKeyInfoException where the key is malformed, weak or of a kind that is not supported
    public static PublicKeyInfo parse(Bytes encoded) throws InvalidKeyInfoException {
        String hex = encoded.hex();
        if (hex.startsWith(P256_PREFIX)) {
            return new PublicKeyInfo(encoded, KeyAlgorithm.EC_P256, decode("EC", encoded));
        }
        if (hex.startsWith(P384_PREFIX)) {
            return new PublicKeyInfo(encoded, KeyAlgorithm.EC_P384, decode("EC", encoded));
        }
        if (hex.startsWith(ED25519_PREFIX)) {
            return new PublicKeyInfo(encoded, KeyAlgorithm.ED25519, decode("Ed25519", encoded));
        }
        if (hex.contains("06092a864886f70d010101")) {
            RSAPublicKey rsa = (RSAPublicKey) decode("RSA", encoded);
            return new PublicKeyInfo(encoded, rsaAlgorithm(rsa), rsa);
        }
        throw new InvalidKeyInfoException(
                "the public key is of a kind that is not supported: use P-256, P-384, Ed25519 or RSA of 2048, 3072 or 4096 bits");
    }

    /// The checked form of a key that the JDK or a provider made.
    ///
    /// @throws InvalidKeyInfoException as [#parse]
    public static PublicKeyInfo of(PublicKey key) throws InvalidKeyInfoException {
        return parse(Bytes.of(key.getEncoded()));
    }

    /// A P-256 key from its affine coordinates, 32 bytes each, big-endian.
    ///
    /// @throws InvalidKeyInfoException where the point is not on the curve
    public static PublicKeyInfo ofP256Point(Bytes x, Bytes y) throws InvalidKeyInfoException {
        if (x.size() != 32 || y.size() != 32) {
            throw new InvalidKeyInfoException("a P-256 coordinate has 32 bytes");
        }
        return parse(Bytes.ofHex(P256_PREFIX).concat(x).concat(y));
    }

    private static PublicKey decode(String algorithm, Bytes encoded) throws InvalidKeyInfoException {
        try {
            return KeyFactories.of(algorithm).generatePublic(new X509EncodedKeySpec(encoded.toArray()));
        } catch (GeneralSecurityException | RuntimeException e) {
            throw new InvalidKeyInfoException(
                    "the public key is malformed: its point is not on the curve, or its encoding is wrong");
        }
    }

    private static KeyAlgorithm rsaAlgorithm(RSAPublicKey key) throws InvalidKeyInfoException {
        return switch (key.getModulus().bitLength()) {
            case 2048 -> KeyAlgorithm.RSA_2048;
            case 3072 -> KeyAlgorithm.RSA_3072;
            case 4096 -> KeyAlgorithm.RSA_4096;
            default ->
                throw new InvalidKeyInfoException("RSA keys must have 2048, 3072 or 4096 bits, this one has "
                        + key.getModulus().bitLength());
        };
    }

    public Bytes encoded() {
        return encoded;
    }

    public KeyAlgorithm algorithm() {
        return algorithm;
    }

    public PublicKey key() {
        return key;
    }

    /// SHA-256 of [#encoded]: how a key is found in storage.
    public Bytes fingerprint() {
        return encoded.sha256();
    }

    /// Whether `signature` over `data` was made with this key's private half. A malformed signature is a wrong one.
    public boolean verifies(SignatureAlgorithm signatureAlgorithm, byte[] data, byte[] signature) {
        return Signatures.verify(this, signatureAlgorithm, data, signature);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof PublicKeyInfo info && encoded.equals(info.encoded);
    }

    @Override
    public int hashCode() {
        return encoded.hashCode();
    }

    @Override
    public String toString() {
        return algorithm.id() + " " + fingerprint().slice(0, 8).hex();
    }
}
