// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cmp;

import dev.tegata.pki.Bytes;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.asn1.cmp.CMPObjectIdentifiers;
import org.bouncycastle.asn1.cmp.PBMParameter;
import org.bouncycastle.asn1.cmp.PKIFailureInfo;
import org.bouncycastle.asn1.pkcs.PBKDF2Params;
import org.bouncycastle.asn1.pkcs.PBMAC1Params;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;

/// How a message's authentication code is made from a shared secret (RFC 9481 §6): PBMAC1, or the
/// older PBM that most clients still use.
///
/// @param keyDerivation JCA name: a digest for PBM, a PBKDF2 for PBMAC1
/// @param mac JCA name
record MacScheme(
        boolean pbmac1, Bytes salt, int iterations, String keyDerivation, String mac, AlgorithmIdentifier asSent) {
    private static final int MAX_SALT = 128;
    private static final int MIN_ITERATIONS = 100;
    private static final int MAX_ITERATIONS = 100_000;
    private static final int NEW_SALT = 16;

    private static final String SHA1_MAC = "HmacSHA1";
    private static final Map<String, String> DIGESTS = Map.of(
            "1.3.14.3.2.26", "SHA-1",
            "2.16.840.1.101.3.4.2.1", "SHA-256",
            "2.16.840.1.101.3.4.2.2", "SHA-384",
            "2.16.840.1.101.3.4.2.3", "SHA-512");
    private static final Map<String, String> MACS = Map.of(
            "1.3.6.1.5.5.8.1.2", SHA1_MAC,
            "1.2.840.113549.2.7", SHA1_MAC,
            "1.2.840.113549.2.9", "HmacSHA256",
            "1.2.840.113549.2.10", "HmacSHA384",
            "1.2.840.113549.2.11", "HmacSHA512");

    static boolean isMac(AlgorithmIdentifier algorithm) {
        return isPbmac1(algorithm) || algorithm.getAlgorithm().equals(CMPObjectIdentifiers.passwordBasedMac);
    }

    private static boolean isPbmac1(AlgorithmIdentifier algorithm) {
        return algorithm.getAlgorithm().equals(PKCSObjectIdentifiers.id_PBMAC1);
    }

    /// @throws CmpFailure where the parameters are not acceptable: strangers must not make us compute
    ///     for long
    static MacScheme of(AlgorithmIdentifier algorithm) throws CmpFailure {
        try {
            return isPbmac1(algorithm) ? pbmac1(algorithm) : pbm(algorithm);
        } catch (RuntimeException e) {
            throw new CmpFailure(PKIFailureInfo.badAlg, "The parameters of the MAC cannot be read.");
        }
    }

    private static MacScheme pbm(AlgorithmIdentifier algorithm) throws CmpFailure {
        PBMParameter parameters = PBMParameter.getInstance(algorithm.getParameters());
        return checked(
                false,
                parameters.getSalt().getOctets(),
                parameters.getIterationCount().intValueExact(),
                known(DIGESTS, parameters.getOwf()),
                known(MACS, parameters.getMac()),
                algorithm);
    }

    private static MacScheme pbmac1(AlgorithmIdentifier algorithm) throws CmpFailure {
        PBMAC1Params parameters = PBMAC1Params.getInstance(algorithm.getParameters());
        if (!parameters.getKeyDerivationFunc().getAlgorithm().equals(PKCSObjectIdentifiers.id_PBKDF2)) {
            throw new CmpFailure(PKIFailureInfo.badAlg, "PBMAC1 is known here with PBKDF2 only.");
        }
        PBKDF2Params derivation =
                PBKDF2Params.getInstance(parameters.getKeyDerivationFunc().getParameters());
        String prf = known(MACS, derivation.getPrf());
        String mac = known(MACS, parameters.getMessageAuthScheme());
        if (derivation.getKeyLength() != null && derivation.getKeyLength().intValueExact() != size(mac)) {
            throw new CmpFailure(PKIFailureInfo.badAlg, "The key of the MAC must be as long as its output.");
        }
        return checked(
                true,
                derivation.getSalt(),
                derivation.getIterationCount().intValueExact(),
                "PBKDF2With" + prf,
                mac,
                algorithm);
    }

    private static MacScheme checked(
            boolean pbmac1, byte[] salt, int iterations, String derivation, String mac, AlgorithmIdentifier asSent)
            throws CmpFailure {
        if (salt.length > MAX_SALT || iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS) {
            throw new CmpFailure(
                    PKIFailureInfo.badAlg,
                    "The MAC must have " + MIN_ITERATIONS + " to " + MAX_ITERATIONS
                            + " iterations and a salt of at most " + MAX_SALT + " bytes.");
        }
        return new MacScheme(pbmac1, Bytes.of(salt), iterations, derivation, mac, asSent);
    }

    private static String known(Map<String, String> names, AlgorithmIdentifier algorithm) throws CmpFailure {
        String name = names.get(algorithm.getAlgorithm().getId());
        if (name == null) {
            throw new CmpFailure(
                    PKIFailureInfo.badAlg, "The algorithm " + algorithm.getAlgorithm() + " is not known here.");
        }
        return name;
    }

    private static int size(String mac) {
        return switch (mac) {
            case SHA1_MAC -> 20;
            case "HmacSHA256" -> 32;
            case "HmacSHA384" -> 48;
            default -> 64;
        };
    }

    /// The same with a salt of ours: what an answer is protected with.
    MacScheme forAnswer(SecureRandom random) {
        byte[] fresh = new byte[NEW_SALT];
        random.nextBytes(fresh);
        return new MacScheme(pbmac1, Bytes.of(fresh), iterations, keyDerivation, mac, withSalt(fresh));
    }

    private AlgorithmIdentifier withSalt(byte[] fresh) {
        if (pbmac1) {
            PBMAC1Params sent = PBMAC1Params.getInstance(asSent.getParameters());
            AlgorithmIdentifier prf = PBKDF2Params.getInstance(
                            sent.getKeyDerivationFunc().getParameters())
                    .getPrf();
            PBKDF2Params derivation = new PBKDF2Params(fresh, iterations, size(mac), prf);
            return new AlgorithmIdentifier(
                    PKCSObjectIdentifiers.id_PBMAC1,
                    new PBMAC1Params(
                            new AlgorithmIdentifier(PKCSObjectIdentifiers.id_PBKDF2, derivation),
                            sent.getMessageAuthScheme()));
        }
        PBMParameter sent = PBMParameter.getInstance(asSent.getParameters());
        return new AlgorithmIdentifier(
                CMPObjectIdentifiers.passwordBasedMac,
                new PBMParameter(fresh, sent.getOwf(), iterations, sent.getMac()));
    }

    byte[] mac(String secret, Bytes data) {
        byte[] key = pbmac1 ? pbkdf2(secret) : pbmKey(secret);
        try {
            Mac function = Mac.getInstance(mac);
            function.init(new SecretKeySpec(key, mac));
            return function.doFinal(data.toArray());
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has " + mac, e);
        } finally {
            Arrays.fill(key, (byte) 0);
        }
    }

    private byte[] pbkdf2(String secret) {
        try {
            PBEKeySpec spec = new PBEKeySpec(secret.toCharArray(), salt.toArray(), iterations, 8 * size(mac));
            return SecretKeyFactory.getInstance(keyDerivation)
                    .generateSecret(spec)
                    .getEncoded();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has " + keyDerivation, e);
        }
    }

    /// spec| RFC 9810 §5.1.3.1: the salt is appended to the shared secret, the one-way function
    /// applied iterationCount times, and the result used as the key of the MAC
    private byte[] pbmKey(String secret) {
        try {
            MessageDigest digest = MessageDigest.getInstance(keyDerivation);
            digest.update(secret.getBytes(StandardCharsets.UTF_8));
            byte[] key = digest.digest(salt.toArray());
            for (int i = 1; i < iterations; i++) {
                key = digest.digest(key);
            }
            return key;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has " + keyDerivation, e);
        }
    }

    @Override
    public String toString() {
        return "MacScheme[" + keyDerivation + ", " + mac + "]";
    }
}
