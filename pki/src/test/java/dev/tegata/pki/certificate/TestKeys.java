// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.Signatures;
import dev.tegata.pki.key.SoftwareKey;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.spec.ECGenParameterSpec;
import java.util.List;

/// A key pair in memory, for tests.
public record TestKeys(KeyPair pair, PublicKeyInfo publicKey) {
    public static TestKeys generate(KeyAlgorithm algorithm) {
        if (algorithm.isPostQuantum()) {
            SoftwareKey key = SoftwareKey.generate(algorithm);
            return new TestKeys(new KeyPair(key.publicKey().key(), key.privateKey()), key.publicKey());
        }
        try {
            KeyPairGenerator generator = switch (algorithm) {
                case EC_P256 -> ec("secp256r1");
                case EC_P384 -> ec("secp384r1");
                case ED25519 -> KeyPairGenerator.getInstance("Ed25519");
                case RSA_2048 -> rsa(2048);
                case RSA_3072 -> rsa(3072);
                case RSA_4096 -> rsa(4096);
                case ML_DSA_44, ML_DSA_65, ML_DSA_87 -> throw new IllegalArgumentException("made above");
            };
            KeyPair pair = generator.generateKeyPair();
            return new TestKeys(pair, PublicKeyInfo.of(pair.getPublic()));
        } catch (GeneralSecurityException | InvalidKeyInfoException e) {
            throw new IllegalStateException(e);
        }
    }

    public static TestKeys p256() {
        return generate(KeyAlgorithm.EC_P256);
    }

    private static KeyPairGenerator ec(String curve) throws GeneralSecurityException {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec(curve));
        return generator;
    }

    private static KeyPairGenerator rsa(int bits) throws GeneralSecurityException {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
        generator.initialize(bits);
        return generator;
    }

    public byte[] sign(byte[] data) {
        return Signatures.sign(pair.getPrivate(), publicKey.algorithm().signatureAlgorithm(), data);
    }

    public CertificateRequest request(String subject, RequestAttribute... attributes) {
        return CertificateRequest.create(Name.parse(subject), publicKey, List.of(attributes), this::sign);
    }

    public ProvenRequest proven(String subject) {
        try {
            return request(subject).prove();
        } catch (InvalidRequestException e) {
            throw new IllegalStateException(e);
        }
    }
}
