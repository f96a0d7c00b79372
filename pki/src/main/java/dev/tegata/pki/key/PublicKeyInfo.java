// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import dev.tegata.pki.Bytes;
import java.security.GeneralSecurityException;
import java.security.PublicKey;
import java.security.spec.X509EncodedKeySpec;
import java.util.Arrays;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/// A public key that has been checked: known algorithm, minimum strength, a point on its curve.
///
/// `encoded` is the DER SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) in the one form that we accept: named
/// curve, uncompressed point, RSA exponent of at least 65 537.
public final class PublicKeyInfo {
    // Each supported key has one length and one beginning, so that a comparison does the work of a DER reader. The
    // beginnings end with the BIT STRING's count of unused bits; the point or key follows.
    private static final byte[] P256_PREFIX =
            HexFormat.of().parseHex("3059301306072a8648ce3d020106082a8648ce3d030107034200");
    private static final byte[] P384_PREFIX = HexFormat.of().parseHex("3076301006072a8648ce3d020106052b81040022036200");
    private static final byte[] ED25519_PREFIX = HexFormat.of().parseHex("302a300506032b6570032100");
    private static final byte[] ML_DSA_44_PREFIX =
            HexFormat.of().parseHex("30820532300b06096086480165030403110382052100");
    private static final byte[] ML_DSA_65_PREFIX =
            HexFormat.of().parseHex("308207b2300b0609608648016503040312038207a100");
    private static final byte[] ML_DSA_87_PREFIX =
            HexFormat.of().parseHex("30820a32300b060960864801650304031303820a2100");
    private static final byte[] EC_OID = HexFormat.of().parseHex("06072a8648ce3d0201");
    private static final byte[] RSA_ALGORITHM = HexFormat.of().parseHex("300d06092a864886f70d0101010500");
    private static final byte UNCOMPRESSED = 0x04;

    // Where the parts of an RSA key begin: all its outer lengths are in the form 82 xx xx.
    private static final int RSA_BIT_STRING = 4 + 15;
    private static final int RSA_KEY = RSA_BIT_STRING + 5;
    private static final int RSA_MODULUS = RSA_KEY + 4;
    private static final int RSA_MODULUS_VALUE = RSA_MODULUS + 5;

    private final Bytes encoded;
    private final KeyAlgorithm algorithm;

    /// Null until somebody asks for it. Most keys are only compared and stored, and to decode one makes
    /// several objects of the native engine, each of which burdens the garbage collector.
    private volatile @Nullable PublicKey key;

    private volatile @Nullable Bytes keyIdentifier;

    private PublicKeyInfo(Bytes encoded, KeyAlgorithm algorithm, @Nullable PublicKey key) {
        this.encoded = encoded;
        this.algorithm = algorithm;
        this.key = key;
    }

    /// Reads and checks a DER SubjectPublicKeyInfo.
    ///
    /// @throws InvalidKeyInfoException where the key is malformed, weak or of a kind that is not supported
    public static PublicKeyInfo parse(Bytes encoded) throws InvalidKeyInfoException {
        byte[] der = encoded.toArray();
        if (contains(der, 0, P256_PREFIX)) {
            requirePoint(der, P256_PREFIX.length, 32);
            return new PublicKeyInfo(encoded, KeyAlgorithm.EC_P256, null);
        }
        if (contains(der, 0, P384_PREFIX)) {
            requirePoint(der, P384_PREFIX.length, 48);
            return new PublicKeyInfo(encoded, KeyAlgorithm.EC_P384, null);
        }
        if (contains(der, 0, ED25519_PREFIX)) {
            return new PublicKeyInfo(encoded, KeyAlgorithm.ED25519, decodeEd25519(der));
        }
        if (containsAfterHeader(der, 0, RSA_ALGORITHM)) {
            return new PublicKeyInfo(encoded, rsaAlgorithm(der), decode("RSA", der));
        }
        if (contains(der, 0, ML_DSA_44_PREFIX)) {
            return ofMlDsa(encoded, der, KeyAlgorithm.ML_DSA_44, 1312);
        }
        if (contains(der, 0, ML_DSA_65_PREFIX)) {
            return ofMlDsa(encoded, der, KeyAlgorithm.ML_DSA_65, 1952);
        }
        if (contains(der, 0, ML_DSA_87_PREFIX)) {
            return ofMlDsa(encoded, der, KeyAlgorithm.ML_DSA_87, 2592);
        }
        if (containsAfterHeader(der, 2, EC_OID)) {
            throw new InvalidKeyInfoException(
                    "elliptic-curve keys must name the curve P-256 or P-384 and give their point uncompressed");
        }
        throw new InvalidKeyInfoException("the public key is of a kind that is not supported: "
                + "use P-256, P-384, Ed25519, RSA of 2048, 3072 or 4096 bits, or ML-DSA");
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
        return parse(
                Bytes.of(P256_PREFIX).concat(Bytes.of(UNCOMPRESSED)).concat(x).concat(y));
    }

    /// The SubjectPublicKeyInfo of a P-256 key, checked as [#ofP256Point] does but without making a key of
    /// it, which takes many times as long: for keys that are only stored.
    ///
    /// @throws InvalidKeyInfoException where the point is not on the curve
    public static Bytes encodeP256Point(Bytes x, Bytes y) throws InvalidKeyInfoException {
        byte[] point = x.concat(y).toArray();
        if (x.size() != 32 || y.size() != 32) {
            throw new InvalidKeyInfoException("a P-256 coordinate has 32 bytes");
        }
        if (!CurvePoints.onCurve(point, 0, 32)) {
            throw new InvalidKeyInfoException("the public key's point is not on its curve");
        }
        return Bytes.of(P256_PREFIX).concat(Bytes.of(UNCOMPRESSED)).concat(Bytes.of(point));
    }

    /// An elliptic-curve key from its uncompressed point (SEC 1 §2.3.3), or an Ed25519 key from its 32
    /// bytes.
    ///
    /// @throws InvalidKeyInfoException where the point is not on the curve
    /// @throws IllegalArgumentException where `algorithm` has no points
    static PublicKeyInfo ofPoint(KeyAlgorithm algorithm, byte[] point) throws InvalidKeyInfoException {
        byte[] prefix = switch (algorithm) {
            case EC_P256 -> P256_PREFIX;
            case EC_P384 -> P384_PREFIX;
            case ED25519 -> ED25519_PREFIX;
            case RSA_2048, RSA_3072, RSA_4096, ML_DSA_44, ML_DSA_65, ML_DSA_87 ->
                throw new IllegalArgumentException(algorithm.id() + " keys have no point");
        };
        return parse(Bytes.of(prefix).concat(Bytes.of(point)));
    }

    private static boolean contains(byte[] der, int offset, byte[] part) {
        return der.length >= offset + part.length
                && Arrays.equals(der, offset, offset + part.length, part, 0, part.length);
    }

    /// Whether `part` follows a header of two to four bytes at `offset`.
    private static boolean containsAfterHeader(byte[] der, int offset, byte[] part) {
        return contains(der, offset + 2, part) || contains(der, offset + 3, part) || contains(der, offset + 4, part);
    }

    private static void requireSize(byte[] der, int size) throws InvalidKeyInfoException {
        if (der.length != size) {
            throw new InvalidKeyInfoException(
                    der.length < size
                            ? "the public key is cut off"
                            : "the public key is followed by bytes that do not belong to it");
        }
    }

    private static void requirePoint(byte[] der, int point, int coordinate) throws InvalidKeyInfoException {
        requireSize(der, point + 1 + 2 * coordinate);
        if (der[point] != UNCOMPRESSED) {
            throw new InvalidKeyInfoException("the public key's point must be uncompressed");
        }
        if (!CurvePoints.onCurve(der, point + 1, coordinate)) {
            throw new InvalidKeyInfoException("the public key's point is not on its curve");
        }
    }

    private static PublicKey decodeEd25519(byte[] der) throws InvalidKeyInfoException {
        requireSize(der, ED25519_PREFIX.length + 32);
        if (!CurvePoints.onEd25519(Arrays.copyOfRange(der, ED25519_PREFIX.length, der.length))) {
            throw new InvalidKeyInfoException("the public key's point is not on its curve, or of small order");
        }
        return decode("Ed25519", der);
    }

    /// FIPS 204 has no invalid public keys of the right length: each is a seed and packed coefficients in
    /// range.
    private static PublicKeyInfo ofMlDsa(Bytes encoded, byte[] der, KeyAlgorithm algorithm, int size)
            throws InvalidKeyInfoException {
        requireSize(der, ML_DSA_44_PREFIX.length + size);
        return new PublicKeyInfo(
                encoded, algorithm, decode(algorithm.signatureAlgorithm().jca(), der));
    }

    private static PublicKey decode(String algorithm, byte[] der) throws InvalidKeyInfoException {
        try {
            return KeyFactories.of(algorithm).generatePublic(new X509EncodedKeySpec(der));
        } catch (GeneralSecurityException e) {
            throw new InvalidKeyInfoException("the public key is malformed");
        }
    }

    /// Checks a whole RSA SubjectPublicKeyInfo, in which all lengths follow from the modulus's size and the
    /// total.
    private static KeyAlgorithm rsaAlgorithm(byte[] der) throws InvalidKeyInfoException {
        if (der.length < RSA_MODULUS_VALUE + 256) {
            throw new InvalidKeyInfoException("RSA keys must have 2048, 3072 or 4096 bits");
        }
        int modulusSize = unsignedShort(der, RSA_MODULUS + 2) - 1;
        int exponent = RSA_MODULUS_VALUE + modulusSize;
        boolean wellFormed = header(der, 0, 0x30, der.length - 4)
                && contains(der, 4, RSA_ALGORITHM)
                && header(der, RSA_BIT_STRING, 0x03, der.length - RSA_BIT_STRING - 4)
                && der[RSA_BIT_STRING + 4] == 0
                && header(der, RSA_KEY, 0x30, der.length - RSA_KEY - 4)
                && header(der, RSA_MODULUS, 0x02, modulusSize + 1)
                && der.length >= exponent + 3
                && der[exponent] == 0x02
                && der[exponent + 1] == der.length - exponent - 2;
        if (!wellFormed) {
            throw new InvalidKeyInfoException("the public key is not the DER encoding of one RSA key");
        }
        KeyAlgorithm algorithm = switch (modulusSize) {
            case 256 -> KeyAlgorithm.RSA_2048;
            case 384 -> KeyAlgorithm.RSA_3072;
            case 512 -> KeyAlgorithm.RSA_4096;
            default -> throw new InvalidKeyInfoException("RSA keys must have 2048, 3072 or 4096 bits");
        };
        if (der[RSA_MODULUS_VALUE - 1] != 0 || der[RSA_MODULUS_VALUE] >= 0) {
            throw new InvalidKeyInfoException("the RSA modulus must have exactly " + 8 * modulusSize + " bits");
        }
        if ((der[exponent - 1] & 1) == 0) {
            throw new InvalidKeyInfoException("the RSA modulus is even");
        }
        requireExponent(der, exponent + 2);
        return algorithm;
    }

    private static boolean header(byte[] der, int offset, int tag, int length) {
        return der[offset] == tag && der[offset + 1] == (byte) 0x82 && unsignedShort(der, offset + 2) == length;
    }

    private static int unsignedShort(byte[] der, int offset) {
        return (der[offset] & 0xff) << 8 | der[offset + 1] & 0xff;
    }

    /// The last INTEGER of the key, `from` its first byte to the end: odd, at least 65 537, and at most 32
    /// bits long so that nobody makes us compute with a huge one.
    private static void requireExponent(byte[] der, int from) throws InvalidKeyInfoException {
        int size = der.length - from;
        boolean shortest = der[from] > 0 || der[from] == 0 && size > 1 && der[from + 1] < 0;
        long value = 0;
        for (int i = from; i < der.length && size <= 5; i++) {
            value = value << 8 | der[i] & 0xff;
        }
        if (!shortest || value < 65_537 || value > 0xffff_ffffL || (value & 1) == 0) {
            throw new InvalidKeyInfoException("the RSA exponent must be odd, at least 65537 and at most 32 bits long");
        }
    }

    public Bytes encoded() {
        return encoded;
    }

    public KeyAlgorithm algorithm() {
        return algorithm;
    }

    /// The key as the native engine decoded it. The JDK's own signatures do not know its Ed25519 keys: use
    /// [#verifies].
    public PublicKey key() {
        PublicKey decoded = key;
        if (decoded == null) {
            try {
                decoded = KeyFactories.of("EC").generatePublic(new X509EncodedKeySpec(encoded.toArray()));
            } catch (GeneralSecurityException e) {
                throw new IllegalStateException("a key was checked and cannot be decoded", e);
            }
            key = decoded;
        }
        return decoded;
    }

    /// SHA-256 of [#encoded]: how a key is found in storage.
    public Bytes fingerprint() {
        return encoded.sha256();
    }

    /// The key identifier that our certificates carry (RFC 5280 §4.2.1.2): the leftmost 160 bits of SHA-256
    /// over the BIT STRING's content (RFC 7093 §2, method 1).
    public Bytes keyIdentifier() {
        Bytes identifier = keyIdentifier;
        if (identifier == null) {
            identifier = bitString().sha256().slice(0, 20);
            keyIdentifier = identifier;
        }
        return identifier;
    }

    /// The content of the subjectPublicKey BIT STRING: a point, a DER RSAPublicKey, or the bytes of FIPS 204.
    Bytes bitString() {
        int start = switch (algorithm) {
            case EC_P256 -> P256_PREFIX.length;
            case EC_P384 -> P384_PREFIX.length;
            case ED25519 -> ED25519_PREFIX.length;
            case RSA_2048, RSA_3072, RSA_4096 -> RSA_KEY;
            case ML_DSA_44, ML_DSA_65, ML_DSA_87 -> ML_DSA_44_PREFIX.length;
        };
        return encoded.slice(start, encoded.size());
    }

    /// Whether `signature` over `data` was made with this key's private half. A malformed signature is a
    /// wrong one.
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
