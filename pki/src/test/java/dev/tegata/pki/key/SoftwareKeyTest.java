// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.sec.ECPrivateKey;
import org.bouncycastle.asn1.sec.SECObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x9.X9ObjectIdentifiers;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class SoftwareKeyTest {
    private static final byte[] DATA = "data".getBytes(StandardCharsets.UTF_8);
    private static final BigInteger P256_ORDER =
            new BigInteger("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16);

    @ParameterizedTest
    @EnumSource(SignatureAlgorithm.class)
    void everySignatureAlgorithmVerifiesWithTheJdk(SignatureAlgorithm algorithm) throws Exception {
        for (KeyAlgorithm kind : KeyAlgorithm.values()) {
            if (!kind.signsWith(algorithm) || kind == KeyAlgorithm.RSA_3072 || kind == KeyAlgorithm.RSA_4096) {
                continue;
            }
            SoftwareKey key = SoftwareKey.generate(kind);
            byte[] signature = key.sign(algorithm, DATA);
            assertThat(key.publicKey().verifies(algorithm, DATA, signature)).isTrue();

            Signature jdk = Signature.getInstance(algorithm.jca());
            jdk.initVerify(KeyFactory.getInstance(key.publicKey().key().getAlgorithm())
                    .generatePublic(
                            new X509EncodedKeySpec(key.publicKey().encoded().toArray())));
            jdk.update(DATA);
            assertThat(jdk.verify(signature)).isTrue();
        }
    }

    @Test
    void anAlgorithmThatDoesNotFitIsRefused() {
        SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        byte[] signature = key.sign(SignatureAlgorithm.ECDSA_SHA256, DATA);

        assertThatThrownBy(() -> key.sign(SignatureAlgorithm.RSA_SHA256, DATA))
                .isInstanceOf(IllegalArgumentException.class);
        assertThat(key.publicKey().verifies(SignatureAlgorithm.RSA_SHA256, DATA, signature))
                .isFalse();
        assertThat(key.publicKey().verifies(SignatureAlgorithm.ED25519, DATA, signature))
                .isFalse();
        assertThat(key.publicKey().verifies(SignatureAlgorithm.ECDSA_SHA384, DATA, signature))
                .isFalse();
    }

    @ParameterizedTest
    @EnumSource(names = {"EC_P256", "EC_P384", "ED25519", "RSA_2048"})
    void readsItsOwnPkcs8AndTheJdks(KeyAlgorithm algorithm) throws Exception {
        SoftwareKey key = SoftwareKey.generate(algorithm);
        assertThat(SoftwareKey.ofPkcs8(key.pkcs8()).publicKey()).isEqualTo(key.publicKey());

        String family = switch (algorithm) {
            case EC_P256, EC_P384 -> "EC";
            case ED25519 -> "Ed25519";
            case RSA_2048, RSA_3072, RSA_4096 -> "RSA";
            case ML_DSA_44, ML_DSA_65, ML_DSA_87 -> throw new IllegalArgumentException("not of this test");
        };
        KeyPairGenerator generator = KeyPairGenerator.getInstance(family);
        generator.initialize(
                switch (algorithm) {
                    case EC_P256 -> 256;
                    case EC_P384 -> 384;
                    case ED25519 -> 255;
                    case RSA_2048, RSA_3072, RSA_4096 -> 2048;
                    case ML_DSA_44, ML_DSA_65, ML_DSA_87 -> throw new IllegalArgumentException("not of this test");
                });
        KeyPair pair = generator.generateKeyPair();
        assertThat(SoftwareKey.ofPkcs8(pair.getPrivate().getEncoded()).publicKey())
                .isEqualTo(PublicKeyInfo.of(pair.getPublic()));
    }

    @Test
    void refusesScalarsOutOfRangeAndOtherCurves() throws Exception {
        for (BigInteger scalar : List.of(
                BigInteger.ZERO,
                P256_ORDER,
                P256_ORDER.add(BigInteger.ONE),
                BigInteger.TWO.pow(256).subtract(BigInteger.ONE))) {
            byte[] pkcs8 = ec(SECObjectIdentifiers.secp256r1, scalar);
            assertThatThrownBy(() -> SoftwareKey.ofPkcs8(pkcs8)).isInstanceOf(InvalidKeyInfoException.class);
        }
        byte[] koblitz = ec(SECObjectIdentifiers.secp256k1, BigInteger.TWO);
        assertThatThrownBy(() -> SoftwareKey.ofPkcs8(koblitz)).isInstanceOf(InvalidKeyInfoException.class);
        assertThat(SoftwareKey.ofPkcs8(ec(SECObjectIdentifiers.secp256r1, P256_ORDER.subtract(BigInteger.ONE)))
                        .publicKey()
                        .algorithm())
                .isEqualTo(KeyAlgorithm.EC_P256);
    }

    private static byte[] ec(ASN1ObjectIdentifier curve, BigInteger scalar) throws Exception {
        return new PrivateKeyInfo(
                        new AlgorithmIdentifier(X9ObjectIdentifiers.id_ecPublicKey, curve),
                        new ECPrivateKey(256, scalar))
                .getEncoded();
    }

    @Test
    @DisplayName("Fuzz: a mutated private key is refused, or works and is consistent")
    void mutations() {
        Random random = new Random(5958);
        byte[][] seeds = {
            SoftwareKey.generate(KeyAlgorithm.EC_P256).pkcs8(),
                    SoftwareKey.generate(KeyAlgorithm.EC_P384).pkcs8(),
            SoftwareKey.generate(KeyAlgorithm.ED25519).pkcs8(),
                    SoftwareKey.generate(KeyAlgorithm.RSA_2048).pkcs8(),
        };
        for (int i = 0; i < 2_000; i++) {
            byte[] mutated = Mutations.of(seeds[i % seeds.length], random).toArray();
            try {
                SoftwareKey key = SoftwareKey.ofPkcs8(mutated);
                SignatureAlgorithm algorithm = key.publicKey().algorithm().signatureAlgorithm();
                assertThat(key.publicKey().verifies(algorithm, DATA, key.sign(algorithm, DATA)))
                        .isTrue();
            } catch (InvalidKeyInfoException e) {
                assertThat(e).hasNoCause();
            }
        }
        assertThatThrownBy(() -> SoftwareKey.ofPkcs8(new byte[10_000])).hasMessageContaining("longer");
    }

    @Test
    void signsFromManyVirtualThreads() throws Exception {
        SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        List<Future<Boolean>> results = new ArrayList<>();
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < 2_000; i++) {
                byte[] data = {(byte) i, (byte) (i >> 8)};
                results.add(threads.submit(() -> key.publicKey()
                        .verifies(
                                SignatureAlgorithm.ECDSA_SHA256,
                                data,
                                key.sign(SignatureAlgorithm.ECDSA_SHA256, data))));
            }
        }
        for (Future<Boolean> result : results) {
            assertThat(result.get()).isTrue();
        }
    }

    @Test
    void toStringShowsThePublicHalfOnly() {
        SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.ED25519);
        String seed = HexFormat.of().formatHex(key.pkcs8()).substring(32);
        assertThat(key.toString()).startsWith("private half of ed25519").doesNotContain(seed.substring(0, 8));
    }

    @Test
    @DisplayName("Wycheproof's kinds of bad ECDSA signature verify false and throw nothing")
    void badEcdsaSignatures() {
        SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        byte[] good = key.sign(SignatureAlgorithm.ECDSA_SHA256, DATA);
        String n = P256_ORDER.toString(16);
        for (String bad : BadSignatures.ecdsa(good, n)) {
            assertThat(key.publicKey()
                            .verifies(
                                    SignatureAlgorithm.ECDSA_SHA256,
                                    DATA,
                                    HexFormat.of().parseHex(bad)))
                    .as(bad)
                    .isFalse();
        }
        assertThat(key.publicKey().verifies(SignatureAlgorithm.ECDSA_SHA256, DATA, good))
                .isTrue();
    }
}
