// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.cose;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.EcdsaSignature;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import java.math.BigInteger;
import java.security.AlgorithmParameters;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.interfaces.ECPublicKey;
import java.security.spec.ECFieldFp;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.security.spec.EllipticCurve;
import java.util.Map;
import java.util.Objects;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/// A key that a message is verified with. Its kind decides which algorithms it may be used with, so a
/// message cannot choose to have a public key taken for a MAC key.
public sealed interface CoseKey {
    /// Whether `signature` over `data` is right under this key. False too where the algorithm does not fit
    /// the key.
    boolean verifies(CoseAlgorithm algorithm, byte[] data, byte[] signature);

    record Public(PublicKeyInfo info) implements CoseKey {
        @Override
        public boolean verifies(CoseAlgorithm algorithm, byte[] data, byte[] signature) {
            if (algorithm.signature() == null) {
                return false;
            }
            int coordinate = switch (info.algorithm()) {
                case EC_P256 -> 32;
                case EC_P384 -> 48;
                case ED25519, RSA_2048, RSA_3072, RSA_4096, ML_DSA_44, ML_DSA_65, ML_DSA_87 -> 0;
            };
            if (coordinate == 0) {
                return info.verifies(algorithm.signature(), data, signature);
            }
            return signature.length == 2 * coordinate
                    && info.verifies(algorithm.signature(), data, EcdsaSignature.derOf(signature));
        }
    }

    /// A P-521 key: only verified with, and only here, because COSE devices use it.
    record P521(ECPublicKey key) implements CoseKey {
        private static final int COORDINATE = 66;

        @Override
        public boolean verifies(CoseAlgorithm algorithm, byte[] data, byte[] signature) {
            if (algorithm != CoseAlgorithm.ES512 || signature.length != 2 * COORDINATE) {
                return false;
            }
            try {
                Signature verifier = Signature.getInstance("SHA512withECDSAinP1363Format");
                verifier.initVerify(key);
                verifier.update(data);
                return verifier.verify(signature);
            } catch (GeneralSecurityException _) {
                return false;
            }
        }
    }

    /// A MAC key.
    final class Secret implements CoseKey {
        private final byte[] value;

        private Secret(byte[] value) {
            this.value = value.clone();
        }

        @Override
        public boolean verifies(CoseAlgorithm algorithm, byte[] data, byte[] tag) {
            return algorithm.macSize() != 0 && MessageDigest.isEqual(mac(algorithm, data), tag);
        }

        byte[] mac(CoseAlgorithm algorithm, byte[] data) {
            try {
                Mac mac = Mac.getInstance(algorithm.mac());
                mac.init(new SecretKeySpec(value, algorithm.mac()));
                return Bytes.of(mac.doFinal(data), 0, algorithm.macSize()).toArray();
            } catch (GeneralSecurityException e) {
                throw new IllegalStateException("every JDK has " + algorithm.mac(), e);
            }
        }

        @Override
        public String toString() {
            return "a MAC key";
        }
    }

    static CoseKey of(PublicKeyInfo info) {
        return new Public(info);
    }

    static Secret ofSecret(byte[] value) {
        return new Secret(value);
    }

    /// A key that the JDK holds: one that [PublicKeyInfo] takes, or P-521.
    static CoseKey of(PublicKey key) throws MalformedException {
        if (key instanceof ECPublicKey ec && ec.getParams().getOrder().bitLength() == 521) {
            requireOnCurve(ec.getW(), ec.getParams().getCurve());
            return new P521(ec);
        }
        try {
            return new Public(PublicKeyInfo.of(key));
        } catch (InvalidKeyInfoException e) {
            throw new MalformedException(Objects.requireNonNull(e.getMessage()));
        }
    }

    /// Reads a COSE_Key (RFC 9052 §7) that holds a public key.
    static CoseKey parse(Cbor encoded) throws MalformedException {
        Cbor.MapItem map = encoded.mapping("a COSE key");
        long type = map.require(1, "the key type").integer("the key type");
        if (type == 1) {
            long curve = map.require(-1, "the curve").integer("the curve");
            if (curve != 6) {
                throw new MalformedException("of the OKP curves only Ed25519 (6) is supported, not " + curve);
            }
            Bytes x = map.require(-2, "the public key").bytes("the public key", 32);
            return publicKey(Bytes.ofHex("302a300506032b6570032100").concat(x));
        }
        if (type != 2) {
            throw new MalformedException("a COSE key must be of type OKP (1) or EC2 (2), not " + type);
        }
        long curve = map.require(-1, "the curve").integer("the curve");
        Map<Long, Integer> sizes = Map.of(1L, 32, 2L, 48, 3L, 66);
        Integer size = sizes.get(curve);
        if (size == null) {
            throw new MalformedException("the curve must be P-256 (1), P-384 (2) or P-521 (3), not " + curve);
        }
        Bytes x = map.require(-2, "x").bytes("x", size);
        Bytes y = map.require(-3, "y").bytes("y", size);
        return switch (size) {
            case 32 ->
                publicKey(Bytes.ofHex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
                        .concat(x)
                        .concat(y));
            case 48 ->
                publicKey(Bytes.ofHex("3076301006072a8648ce3d020106052b8104002203620004")
                        .concat(x)
                        .concat(y));
            default -> p521(x, y);
        };
    }

    private static CoseKey publicKey(Bytes encoded) throws MalformedException {
        try {
            return new Public(PublicKeyInfo.parse(encoded));
        } catch (InvalidKeyInfoException e) {
            throw new MalformedException(Objects.requireNonNull(e.getMessage()));
        }
    }

    private static CoseKey p521(Bytes x, Bytes y) throws MalformedException {
        try {
            AlgorithmParameters parameters = AlgorithmParameters.getInstance("EC");
            parameters.init(new ECGenParameterSpec("secp521r1"));
            ECParameterSpec curve = parameters.getParameterSpec(ECParameterSpec.class);
            ECPoint point = new ECPoint(new BigInteger(1, x.toArray()), new BigInteger(1, y.toArray()));
            requireOnCurve(point, curve.getCurve());
            return new P521(
                    (ECPublicKey) KeyFactory.getInstance("EC").generatePublic(new ECPublicKeySpec(point, curve)));
        } catch (GeneralSecurityException _) {
            throw new MalformedException("the P-521 key is malformed");
        }
    }

    /// The JDK's key factory takes points that are not on the curve.
    private static void requireOnCurve(ECPoint point, EllipticCurve curve) throws MalformedException {
        BigInteger prime = ((ECFieldFp) curve.getField()).getP();
        BigInteger x = point.getAffineX();
        BigInteger y = point.getAffineY();
        BigInteger right = x.pow(2).add(curve.getA()).multiply(x).add(curve.getB());
        boolean inField = x.compareTo(prime) < 0 && y.compareTo(prime) < 0;
        if (!inField || y.pow(2).subtract(right).mod(prime).signum() != 0) {
            throw new MalformedException("the P-521 key's point is not on its curve");
        }
    }
}
