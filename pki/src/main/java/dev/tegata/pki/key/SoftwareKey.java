// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import dev.tegata.pki.Bytes;
import java.io.IOException;
import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.interfaces.ECPrivateKey;
import java.security.interfaces.RSAPrivateCrtKey;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.RSAPublicKeySpec;
import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.ASN1OctetString;
import org.bouncycastle.asn1.ASN1Primitive;
import org.bouncycastle.asn1.DEROctetString;
import org.bouncycastle.asn1.DERTaggedObject;
import org.bouncycastle.asn1.edec.EdECObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.sec.SECObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x9.X9ECParameters;
import org.bouncycastle.asn1.x9.X9ObjectIdentifiers;
import org.bouncycastle.crypto.ec.CustomNamedCurves;
import org.bouncycastle.crypto.params.Ed25519PrivateKeyParameters;
import org.bouncycastle.crypto.params.MLDSAPrivateKeyParameters;
import org.bouncycastle.crypto.util.PrivateKeyFactory;
import org.bouncycastle.crypto.util.SubjectPublicKeyInfoFactory;
import org.bouncycastle.math.ec.FixedPointCombMultiplier;

/// A key pair held in memory: what the software vault works with, and what virtual chips and agents own.
public final class SoftwareKey {
    private static final int MAX_PKCS8 = 8192;

    private final PublicKeyInfo publicKey;
    private final PrivateKey privateKey;

    SoftwareKey(PublicKeyInfo publicKey, PrivateKey privateKey) {
        this.publicKey = publicKey;
        this.privateKey = privateKey;
    }

    /// A new key pair from the operating system's randomness.
    public static SoftwareKey generate(KeyAlgorithm algorithm) {
        try {
            KeyPairGenerator generator = NativeProvider.keyPairGenerator(family(algorithm));
            switch (algorithm) {
                case EC_P256 -> generator.initialize(new ECGenParameterSpec("secp256r1"));
                case EC_P384 -> generator.initialize(new ECGenParameterSpec("secp384r1"));
                case ED25519 -> {} // has one size
                case RSA_2048 -> generator.initialize(2048);
                case RSA_3072 -> generator.initialize(3072);
                case RSA_4096 -> generator.initialize(4096);
                case ML_DSA_44, ML_DSA_65, ML_DSA_87 -> {} // have one size each
            }
            KeyPair pair = generator.generateKeyPair();
            return new SoftwareKey(PublicKeyInfo.of(pair.getPublic()), pair.getPrivate());
        } catch (GeneralSecurityException | InvalidKeyInfoException e) {
            throw new IllegalStateException("no provider makes good keys of " + algorithm.id(), e);
        }
    }

    /// Reads a DER PrivateKeyInfo (RFC 5958), works out its public half and proves that the two fit.
    ///
    /// @throws InvalidKeyInfoException where the key is malformed, inconsistent, weak or of a kind that
    ///     we do
    ///     not support
    public static SoftwareKey ofPkcs8(byte[] pkcs8) throws InvalidKeyInfoException {
        if (pkcs8.length > MAX_PKCS8) {
            throw new InvalidKeyInfoException("the private key is longer than any that is supported");
        }
        try {
            PrivateKeyInfo info = PrivateKeyInfo.getInstance(ASN1Primitive.fromByteArray(pkcs8));
            SoftwareKey key = read(info, pkcs8);
            byte[] probe = pkcs8.clone();
            SignatureAlgorithm signature = key.publicKey.algorithm().signatureAlgorithm();
            if (!key.publicKey.verifies(signature, probe, key.sign(signature, probe))) {
                throw new InvalidKeyInfoException("the private key contradicts itself");
            }
            return key;
        } catch (IOException | GeneralSecurityException | RuntimeException e) {
            // Bouncy Castle reports malformed structures by many kinds of RuntimeException. None is passed on as the
            // cause: a parser's message may quote what it read.
            throw new InvalidKeyInfoException("the private key is not a well-formed PKCS#8 key");
        }
    }

    /// As [#ofPkcs8], for a vault that takes a key in.
    static SoftwareKey toImport(byte[] pkcs8) {
        try {
            return ofPkcs8(pkcs8);
        } catch (InvalidKeyInfoException e) {
            throw new VaultException("the key cannot be imported: " + e.getMessage(), false);
        }
    }

    /// The key of a PKCS#8 encoding that we made ourselves.
    static SoftwareKey ofTrusted(PublicKeyInfo publicKey, byte[] pkcs8) throws GeneralSecurityException {
        return new SoftwareKey(publicKey, decode(publicKey.algorithm(), pkcs8));
    }

    private static SoftwareKey read(PrivateKeyInfo info, byte[] pkcs8)
            throws IOException, GeneralSecurityException, InvalidKeyInfoException {
        ASN1ObjectIdentifier kind = info.getPrivateKeyAlgorithm().getAlgorithm();
        ASN1Encodable parameters = info.getPrivateKeyAlgorithm().getParameters();
        if (kind.equals(X9ObjectIdentifiers.id_ecPublicKey)) {
            if (SECObjectIdentifiers.secp256r1.equals(parameters)) {
                return readEc(KeyAlgorithm.EC_P256, "P-256", pkcs8);
            }
            if (SECObjectIdentifiers.secp384r1.equals(parameters)) {
                return readEc(KeyAlgorithm.EC_P384, "P-384", pkcs8);
            }
        } else if (kind.equals(EdECObjectIdentifiers.id_Ed25519)) {
            byte[] seed = ASN1OctetString.getInstance(info.parsePrivateKey()).getOctets();
            byte[] point =
                    new Ed25519PrivateKeyParameters(seed).generatePublicKey().getEncoded();
            return ofTrusted(PublicKeyInfo.ofPoint(KeyAlgorithm.ED25519, point), pkcs8);
        } else if (kind.equals(PKCSObjectIdentifiers.rsaEncryption)) {
            RSAPrivateCrtKey key = (RSAPrivateCrtKey) decode(KeyAlgorithm.RSA_2048, pkcs8);
            RSAPublicKeySpec spec = new RSAPublicKeySpec(key.getModulus(), key.getPublicExponent());
            return new SoftwareKey(PublicKeyInfo.of(KeyFactories.of("RSA").generatePublic(spec)), key);
        }
        for (KeyAlgorithm algorithm : KeyAlgorithm.values()) {
            if (algorithm.isPostQuantum()
                    && new AlgorithmIdentifier(kind)
                            .equals(AlgorithmIdentifier.getInstance(
                                    algorithm.signatureAlgorithm().identifier().toArray()))) {
                return readMlDsa(info);
            }
        }
        throw new InvalidKeyInfoException(
                "the private key is of a kind that is not supported: use P-256, P-384, Ed25519, RSA or ML-DSA");
    }

    // spec| RFC 9881 §6: the private key is the seed, the expanded key, or both. Ours is the seed
    private static SoftwareKey readMlDsa(PrivateKeyInfo info)
            throws IOException, GeneralSecurityException, InvalidKeyInfoException {
        MLDSAPrivateKeyParameters key = (MLDSAPrivateKeyParameters) PrivateKeyFactory.createKey(info);
        byte[] seed = key.getSeed();
        if (seed == null) {
            throw new InvalidKeyInfoException("an ML-DSA private key must hold its seed (RFC 9881 §6)");
        }
        byte[] pkcs8 = new PrivateKeyInfo(
                        new AlgorithmIdentifier(info.getPrivateKeyAlgorithm().getAlgorithm()),
                        new DERTaggedObject(false, 0, new DEROctetString(seed)))
                .getEncoded();
        byte[] publicKey = SubjectPublicKeyInfoFactory.createSubjectPublicKeyInfo(key.getPublicKeyParameters())
                .getEncoded();
        return ofTrusted(PublicKeyInfo.parse(Bytes.of(publicKey)), pkcs8);
    }

    private static SoftwareKey readEc(KeyAlgorithm algorithm, String curve, byte[] pkcs8)
            throws GeneralSecurityException, InvalidKeyInfoException {
        ECPrivateKey key = (ECPrivateKey) decode(algorithm, pkcs8);
        X9ECParameters parameters = CustomNamedCurves.getByName(curve);
        BigInteger scalar = key.getS();
        if (scalar.signum() <= 0 || scalar.compareTo(parameters.getN()) >= 0) {
            throw new InvalidKeyInfoException("the private key is out of its curve's range");
        }
        byte[] point = new FixedPointCombMultiplier()
                .multiply(parameters.getG(), scalar)
                .normalize()
                .getEncoded(false);
        return new SoftwareKey(PublicKeyInfo.ofPoint(algorithm, point), key);
    }

    private static PrivateKey decode(KeyAlgorithm algorithm, byte[] pkcs8) throws GeneralSecurityException {
        return KeyFactories.of(family(algorithm)).generatePrivate(new PKCS8EncodedKeySpec(pkcs8));
    }

    private static String family(KeyAlgorithm algorithm) {
        return switch (algorithm) {
            case EC_P256, EC_P384 -> "EC";
            case ED25519 -> "Ed25519";
            case RSA_2048, RSA_3072, RSA_4096 -> "RSA";
            case ML_DSA_44, ML_DSA_65, ML_DSA_87 ->
                algorithm.signatureAlgorithm().jca();
        };
    }

    public PublicKeyInfo publicKey() {
        return publicKey;
    }

    /// For engines that want the key itself, such as TLS.
    public PrivateKey privateKey() {
        return privateKey;
    }

    /// The DER PrivateKeyInfo. The secret in the clear: the caller wipes it.
    public byte[] pkcs8() {
        return privateKey.getEncoded();
    }

    /// Signs `data` (hashed here). ECDSA signatures are DER.
    ///
    /// @throws IllegalArgumentException where the algorithm does not fit the key
    public byte[] sign(SignatureAlgorithm algorithm, byte[] data) {
        return Signatures.sign(privateKey, algorithm, data);
    }

    /// As [#sign(SignatureAlgorithm, byte\[\])], for data that need not be in memory.
    public byte[] sign(SignatureAlgorithm algorithm, LongData data) {
        return Signatures.sign(privateKey, algorithm, data);
    }

    /// The public half only.
    @Override
    public String toString() {
        return "private half of " + publicKey;
    }
}
