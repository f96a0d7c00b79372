// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import org.bouncycastle.asn1.DERNull;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.RSAPublicKey;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class PublicKeyInfoTest {
    // RFC 6979 §A.2.5: the public key of the P-256 examples.
    private static final String X = "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6";
    private static final String Y = "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
    private static final String P256 = "3059301306072a8648ce3d020106082a8648ce3d03010703420004" + X + Y;
    private static final Random RANDOM = new Random(20_261_121);

    @ParameterizedTest
    @EnumSource(names = "RSA_4096", mode = EnumSource.Mode.EXCLUDE)
    void readsWhatItAccepts(KeyAlgorithm algorithm) throws InvalidKeyInfoException {
        PublicKeyInfo key = SoftwareKey.generate(algorithm).publicKey();

        assertThat(key.algorithm()).isEqualTo(algorithm);
        assertThat(PublicKeyInfo.parse(key.encoded())).isEqualTo(key);
        assertThat(PublicKeyInfo.of(key.key())).isEqualTo(key);
    }

    @Test
    void readsPoints() throws InvalidKeyInfoException {
        assertThat(PublicKeyInfo.ofP256Point(Bytes.ofHex(X), Bytes.ofHex(Y)).encoded())
                .isEqualTo(Bytes.ofHex(P256));
        assertThatThrownBy(() -> PublicKeyInfo.ofP256Point(Bytes.ofHex(X), Bytes.ofHex(X)))
                .isInstanceOf(InvalidKeyInfoException.class);
    }

    @Test
    @DisplayName("RFC 7093 §2 method 1: the key identifier is the leftmost 160 bits of SHA-256 of the BIT STRING")
    void keyIdentifier() throws InvalidKeyInfoException {
        for (KeyAlgorithm algorithm :
                new KeyAlgorithm[] {KeyAlgorithm.EC_P256, KeyAlgorithm.ED25519, KeyAlgorithm.RSA_2048}) {
            PublicKeyInfo key = SoftwareKey.generate(algorithm).publicKey();
            byte[] bits = SubjectPublicKeyInfo.getInstance(key.encoded().toArray())
                    .getPublicKeyData()
                    .getBytes();
            assertThat(key.keyIdentifier()).isEqualTo(Bytes.of(bits).sha256().slice(0, 20));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                // off the curve
                "3059301306072a8648ce3d020106082a8648ce3d03010703420004" + X + X,
                // the coordinates of nothing: x = y = 0
                "3059301306072a8648ce3d020106082a8648ce3d03010703420004"
                        + "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
                        + "000000000000000000000000000000000000000000000000",
                // x = p + 5, where 5 is the x of a point
                "3059301306072a8648ce3d020106082a8648ce3d03010703420004"
                        + "ffffffff00000001000000000000000000000001000000000000000000000004"
                        + "459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc",
            })
    void refusesPointsOffTheCurve(String hex) {
        assertThatThrownBy(() -> PublicKeyInfo.parse(Bytes.ofHex(hex)))
                .isInstanceOf(InvalidKeyInfoException.class)
                .hasMessage("the public key's point is not on its curve");
    }

    @Test
    void checksPointsWithoutTheNativeEngineToo() {
        for (KeyAlgorithm algorithm : new KeyAlgorithm[] {KeyAlgorithm.EC_P256, KeyAlgorithm.EC_P384}) {
            int size = algorithm == KeyAlgorithm.EC_P256 ? 32 : 48;
            byte[] der = SoftwareKey.generate(algorithm).publicKey().encoded().toArray();
            int offset = der.length - 2 * size;
            assertThat(CurvePoints.onCurve(der, offset, size)).isTrue();
            der[der.length - 1] ^= 1;
            assertThat(CurvePoints.onCurve(der, offset, size)).isFalse();
            Arrays.fill(der, offset, der.length, (byte) 0);
            assertThat(CurvePoints.onCurve(der, offset, size)).isFalse();
            Arrays.fill(der, offset, der.length, (byte) 0xff);
            assertThat(CurvePoints.onCurve(der, offset, size)).isFalse();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                // infinity
                "3019301306072a8648ce3d020106082a8648ce3d03010703020000",
                // compressed
                "3039301306072a8648ce3d020106082a8648ce3d03010703220003" + X,
                // hybrid
                "3059301306072a8648ce3d020106082a8648ce3d03010703420007" + X + Y,
                // P-521
                "30819b301006072a8648ce3d020106052b8104002303818600" + "04",
                // secp256k1
                "3056301006072a8648ce3d020106052b8104000a034200" + "04" + X + Y,
                // a trailing byte
                P256 + "00",
                // an unused bit
                "3059301306072a8648ce3d020106082a8648ce3d03010703420104" + X + Y,
                // a length in BER's long form
                "308159301306072a8648ce3d020106082a8648ce3d03010703420004" + X + Y,
                "3059301306072a8648ce3d020106082a8648ce3d030107034200",
                "3059301306072a8648ce3d020106082a8648ce3d030107034200" + "04" + X,
                "30",
                "",
            })
    void refusesOtherForms(String hex) {
        assertThatThrownBy(() -> PublicKeyInfo.parse(Bytes.ofHex(hex))).isInstanceOf(InvalidKeyInfoException.class);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "0100000000000000000000000000000000000000000000000000000000000000", // order 1
                "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 2
                "0000000000000000000000000000000000000000000000000000000000000000", // order 4
                "0000000000000000000000000000000000000000000000000000000000000080", // order 4
                "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // order 8
                "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", // order 8
                "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = p + 1
                "0200000000000000000000000000000000000000000000000000000000000000", // not on the curve
            })
    @DisplayName("RFC 8032 §5.1.3: an Ed25519 key must decode to a point, and one of large order")
    void refusesBadEd25519(String point) {
        assertThatThrownBy(() -> PublicKeyInfo.parse(Bytes.ofHex("302a300506032b6570032100" + point)))
                .isInstanceOf(InvalidKeyInfoException.class)
                .hasMessageContaining("not on its curve");
    }

    @Test
    void acceptsPublishedEd25519Keys() throws InvalidKeyInfoException {
        // RFC 8032 §7.1, tests 1 and 2
        for (String point : new String[] {
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        }) {
            assertThat(PublicKeyInfo.parse(Bytes.ofHex("302a300506032b6570032100" + point))
                            .algorithm())
                    .isEqualTo(KeyAlgorithm.ED25519);
        }
    }

    @Test
    void refusesWeakRsa() throws Exception {
        BigInteger good = new BigInteger(2048, RANDOM).setBit(2047).setBit(0);
        assertThat(PublicKeyInfo.parse(rsa(good, 65_537)).algorithm()).isEqualTo(KeyAlgorithm.RSA_2048);
        assertThat(PublicKeyInfo.parse(rsa(good, 0xffff_ffffL)).algorithm()).isEqualTo(KeyAlgorithm.RSA_2048);
        for (long exponent : new long[] {-65_537, 0, 1, 3, 65_535, 65_538, 0x1_0000_0001L, Long.MAX_VALUE}) {
            assertThatThrownBy(() -> PublicKeyInfo.parse(rsa(good, exponent))).hasMessageContaining("exponent");
        }
        assertThatThrownBy(() -> PublicKeyInfo.parse(rsa(good.clearBit(0), 65_537)))
                .hasMessageContaining("even");
        for (int bits : new int[] {512, 1024, 2047, 2049, 2056, 4095, 4104, 8192, 16_384}) {
            BigInteger modulus = new BigInteger(bits, RANDOM).setBit(bits - 1).setBit(0);
            assertThatThrownBy(() -> PublicKeyInfo.parse(rsa(modulus, 65_537)))
                    .as("%d bits", bits)
                    .isInstanceOf(InvalidKeyInfoException.class);
        }
    }

    private static Bytes rsa(BigInteger modulus, long exponent) throws Exception {
        return Bytes.of(new SubjectPublicKeyInfo(
                        new AlgorithmIdentifier(PKCSObjectIdentifiers.rsaEncryption, DERNull.INSTANCE),
                        new RSAPublicKey(modulus, BigInteger.valueOf(exponent)))
                .getEncoded("DER"));
    }

    @Test
    @DisplayName("Fuzz: a mutated key is refused, or is read back exactly as given")
    void mutations() {
        byte[][] seeds = {
            HexFormat.of().parseHex(P256),
            SoftwareKey.generate(KeyAlgorithm.EC_P384).publicKey().encoded().toArray(),
            SoftwareKey.generate(KeyAlgorithm.ED25519).publicKey().encoded().toArray(),
            SoftwareKey.generate(KeyAlgorithm.RSA_2048).publicKey().encoded().toArray(),
        };
        int accepted = 0;
        for (int i = 0; i < 20_000; i++) {
            Bytes mutated = Mutations.of(seeds[i % seeds.length], RANDOM);
            try {
                PublicKeyInfo key = PublicKeyInfo.parse(mutated);
                accepted++;
                assertThat(key.encoded()).isEqualTo(mutated);
                assertThat(Bytes.of(key.key().getEncoded())).isEqualTo(mutated);
            } catch (InvalidKeyInfoException e) {
                assertThat(e.getMessage()).isNotBlank();
            }
        }
        assertThat(accepted).isPositive(); // RSA moduli and half of all Ed25519 points stay valid
    }
}
