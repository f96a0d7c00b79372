// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigInteger;
import java.security.AlgorithmParameters;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.interfaces.ECPrivateKey;
import java.security.interfaces.ECPublicKey;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.util.HexFormat;
import javax.crypto.KeyAgreement;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class P256Test {
    private static final HexFormat HEX = HexFormat.of();
    private static final int ROUNDS = 50;

    private final SecureRandom random = new SecureRandom();

    @Test
    @DisplayName("RFC 6979 A.2.5: the public key of the example's private key")
    void publicKeyOfAKnownPrivateKey() {
        byte[] key = HEX.parseHex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
        assertThat(HEX.formatHex(P256.publicKey(key)))
                .isEqualTo("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
                        + "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299");
    }

    @Test
    @DisplayName("RFC 5903 §8.1: the shared secret of two known keys")
    void knownSharedSecret() {
        byte[] key = HEX.parseHex("c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433");
        byte[] peer = HEX.parseHex("d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63"
                + "56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab");
        assertThat(HEX.formatHex(P256.ecdh(key, peer)))
                .isEqualTo("d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de");
    }

    @Test
    void keysSignaturesAndSecretsAgreeWithTheJdk() throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec("secp256r1"));
        for (int i = 0; i < ROUNDS; i++) {
            KeyPair theirs = generator.generateKeyPair();
            byte[] theirPrivate = fixed(((ECPrivateKey) theirs.getPrivate()).getS());
            byte[] theirPublic = raw((ECPublicKey) theirs.getPublic());
            assertThat(P256.publicKey(theirPrivate)).isEqualTo(theirPublic);

            byte[] digest = new byte[32];
            random.nextBytes(digest);
            byte[] mine = P256.newPrivateKey(random);
            byte[] minePublic = P256.publicKey(mine);
            byte[] signature = P256.sign(mine, digest, random);
            Signature verifier = Signature.getInstance("NONEwithECDSAinP1363Format");
            verifier.initVerify(jdkKey(minePublic));
            verifier.update(digest);
            assertThat(verifier.verify(signature)).isTrue();

            verifier.initSign(theirs.getPrivate());
            verifier.update(digest);
            byte[] theirSignature = verifier.sign();
            assertThat(P256.verify(theirPublic, digest, theirSignature)).isTrue();
            theirSignature[i] ^= 1;
            assertThat(P256.verify(theirPublic, digest, theirSignature)).isFalse();

            KeyAgreement agreement = KeyAgreement.getInstance("ECDH");
            agreement.init(theirs.getPrivate());
            agreement.doPhase(jdkKey(minePublic), true);
            assertThat(P256.ecdh(mine, theirPublic)).isEqualTo(agreement.generateSecret());
        }
    }

    @Test
    void edgeScalarsAgreeWithTheGroup() {
        BigInteger order = new BigInteger("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551", 16);
        byte[] one = P256.publicKey(fixed(BigInteger.ONE));
        byte[] last = P256.publicKey(fixed(order.subtract(BigInteger.ONE)));
        assertThat(HEX.formatHex(one)).startsWith("6b17d1f2e12c4247");
        assertThat(HEX.formatHex(last, 0, 32)).isEqualTo(HEX.formatHex(one, 0, 32));
        assertThat(P256.ecdh(fixed(order.subtract(BigInteger.ONE)), one))
                .isEqualTo(P256.ecdh(fixed(BigInteger.ONE), one));
        for (int bit = 0; bit < 256; bit++) {
            byte[] power = fixed(BigInteger.ONE.shiftLeft(bit).mod(order));
            assertThat(java.util.Arrays.copyOf(P256.publicKey(power), 32)).isEqualTo(P256.ecdh(power, one));
        }
    }

    @Test
    void refusesWhatIsNoKey() {
        byte[] order = HEX.parseHex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
        assertThat(P256.isPrivateKey(new byte[32])).isFalse();
        assertThat(P256.isPrivateKey(order)).isFalse();
        assertThat(P256.isPrivateKey(new byte[31])).isFalse();
        assertThatThrownBy(() -> P256.publicKey(order)).isInstanceOf(IllegalArgumentException.class);
        byte[] point = P256.publicKey(P256.newPrivateKey(random));
        assertThat(P256.isPublicKey(point)).isTrue();
        point[40] ^= 1;
        assertThat(P256.isPublicKey(point)).isFalse();
        assertThat(P256.isPublicKey(new byte[64])).isFalse();
        assertThatThrownBy(() -> P256.ecdh(P256.newPrivateKey(random), point))
                .isInstanceOf(IllegalArgumentException.class);
        assertThat(P256.verify(point, new byte[32], new byte[64])).isFalse();
    }

    private static byte[] fixed(BigInteger number) {
        return HEX.parseHex("%064x".formatted(number));
    }

    private static byte[] raw(ECPublicKey key) {
        return HEX.parseHex(
                "%064x%064x".formatted(key.getW().getAffineX(), key.getW().getAffineY()));
    }

    private static ECPublicKey jdkKey(byte[] raw) throws Exception {
        AlgorithmParameters curve = AlgorithmParameters.getInstance("EC");
        curve.init(new ECGenParameterSpec("secp256r1"));
        ECPoint point = new ECPoint(new BigInteger(1, raw, 0, 32), new BigInteger(1, raw, 32, 32));
        return (ECPublicKey) KeyFactory.getInstance("EC")
                .generatePublic(new ECPublicKeySpec(point, curve.getParameterSpec(ECParameterSpec.class)));
    }
}
