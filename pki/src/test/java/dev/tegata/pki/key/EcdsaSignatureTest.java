// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigInteger;
import java.util.HexFormat;
import java.util.Random;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.DERSequence;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class EcdsaSignatureTest {
    private static final Random RANDOM = new Random(3279);

    @Test
    @DisplayName("RFC 3279 §2.2.3: DER and raw forms convert into each other, whatever the size of r and s")
    void roundTrip() throws Exception {
        for (KeyAlgorithm curve : new KeyAlgorithm[] {KeyAlgorithm.EC_P256, KeyAlgorithm.EC_P384}) {
            int half = curve == KeyAlgorithm.EC_P256 ? 32 : 48;
            for (int i = 0; i < 2_000; i++) {
                BigInteger r = new BigInteger(1 + RANDOM.nextInt(8 * half), RANDOM);
                BigInteger s = new BigInteger(1 + RANDOM.nextInt(8 * half), RANDOM);
                ASN1EncodableVector integers = new ASN1EncodableVector();
                integers.add(new ASN1Integer(r));
                integers.add(new ASN1Integer(s));
                byte[] der = new DERSequence(integers).getEncoded();

                byte[] raw = EcdsaSignature.rawOf(der, curve);
                assertThat(raw).hasSize(2 * half);
                assertThat(new BigInteger(1, raw, 0, half)).isEqualTo(r);
                assertThat(new BigInteger(1, raw, half, half)).isEqualTo(s);
                assertThat(EcdsaSignature.derOf(raw)).isEqualTo(der);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "3006020101020101" + "00", // trailing byte
                "3007020101020101", // wrong length
                "30810602010102010100", // long form of a length
                "30070202000102010100", // not the shortest form
                "3006020181020101", // negative
                "3005020002010101", // empty integer
                "3006020101030101", // another tag
                "3103020101", // a set
                "300602017f02017f020101",
                // r of 33 significant bytes
                "302602210100000000000000000000000000000000000000000000000000000000000000000201" + "01",
            })
    void refusesOtherForms(String hex) {
        assertThatThrownBy(() -> EcdsaSignature.rawOf(HexFormat.of().parseHex(hex), KeyAlgorithm.EC_P256))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void refusesOtherSizes() {
        for (int size : new int[] {0, 1, 63, 65, 95, 97, 132}) {
            assertThatThrownBy(() -> EcdsaSignature.derOf(new byte[size])).isInstanceOf(IllegalArgumentException.class);
        }
        assertThatThrownBy(() -> EcdsaSignature.rawOf(new byte[8], KeyAlgorithm.RSA_2048))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    @DisplayName("Fuzz: a mutated signature is refused, or there is no second encoding of the same")
    void mutations() {
        byte[] good = SoftwareKey.generate(KeyAlgorithm.EC_P256).sign(SignatureAlgorithm.ECDSA_SHA256, new byte[1]);
        for (int i = 0; i < 20_000; i++) {
            byte[] mutated = Mutations.of(good, RANDOM).toArray();
            try {
                assertThat(EcdsaSignature.derOf(EcdsaSignature.rawOf(mutated, KeyAlgorithm.EC_P256)))
                        .isEqualTo(mutated);
            } catch (IllegalArgumentException e) {
                assertThat(e.getMessage()).isNotBlank();
            }
        }
    }
}
