// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.status;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.TestAuthority;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import dev.tegata.pki.key.KeyAlgorithm;
import java.io.ByteArrayInputStream;
import java.security.cert.CertificateFactory;
import java.security.cert.X509CRL;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@DisplayName("Revocation lists and OCSP requests")
class StatusFuzzTest {
    private static final int ROUNDS = 20_000;

    private static byte[] request(int certificates, int nonce) {
        DerWriter writer = new DerWriter();
        writer.sequence(() -> writer.sequence(() -> {
            writer.sequence(() -> {
                for (int i = 0; i < certificates; i++) {
                    int number = i + 1;
                    writer.sequence(() -> writer.sequence(() -> {
                        writer.sequence(() -> writer.oid(Oid.of("1.3.14.3.2.26")));
                        writer.octetString(new byte[20]);
                        writer.octetString(new byte[20]);
                        writer.integer(number);
                    }));
                }
            });
            if (nonce >= 0) {
                writer.nested(
                        Tag.context(2),
                        () -> writer.sequence(() -> writer.sequence(() -> {
                            writer.oid(OcspRequest.NONCE);
                            writer.octetString(() -> writer.octetString(new byte[nonce]));
                        })));
            }
        }));
        return writer.toArray();
    }

    @Test
    @DisplayName("RFC 9654 §2.1: nonces of 1 to 128 octets, and no others")
    void nonces() throws Exception {
        assertThat(OcspRequest.parse(request(1, -1)).nonce()).isNull();
        assertThat(OcspRequest.parse(request(1, 1)).nonce()).isEqualTo(Bytes.of((byte) 0));
        assertThat(OcspRequest.parse(request(1, 128)).nonce()).isNotNull();
        assertThatThrownBy(() -> OcspRequest.parse(request(1, 0))).isInstanceOf(MalformedRequestException.class);
        assertThatThrownBy(() -> OcspRequest.parse(request(1, 129))).isInstanceOf(MalformedRequestException.class);
    }

    @Test
    @DisplayName("a request asks for 1 to 32 certificates")
    void bounded() throws Exception {
        assertThat(OcspRequest.parse(request(32, -1)).certificates()).hasSize(32);
        assertThatThrownBy(() -> OcspRequest.parse(request(33, -1))).isInstanceOf(MalformedRequestException.class);
        assertThatThrownBy(() -> OcspRequest.parse(request(0, -1))).isInstanceOf(MalformedRequestException.class);
        assertThatThrownBy(() -> OcspRequest.parse(new byte[OcspRequest.MAX_SIZE + 1]))
                .isInstanceOf(MalformedRequestException.class);
    }

    @Test
    @DisplayName("mutated requests are read, or refused by name, and nothing else happens")
    void mutated() {
        Random random = new Random(6960);
        for (int round = 0; round < ROUNDS; round++) {
            byte[] mutated = request(1 + random.nextInt(3), random.nextInt(40) - 1);
            for (int i = random.nextInt(4); i >= 0; i--) {
                mutated[random.nextInt(mutated.length)] = (byte) random.nextInt();
            }
            byte[] cut = java.util.Arrays.copyOf(mutated, random.nextInt(mutated.length + 8));
            for (byte[] each : new byte[][] {mutated, cut}) {
                try {
                    assertThat(OcspRequest.parse(each).certificates()).isNotEmpty();
                } catch (MalformedRequestException e) {
                    assertThat(e.getMessage()).isNotBlank();
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"EC_P256", "EC_P384", "RSA_3072"})
    @DisplayName("the JDK reads and verifies lists of every kind of authority")
    void jdkVerifies(KeyAlgorithm algorithm) throws Exception {
        TestAuthority root = TestAuthority.root(algorithm);
        try (CrlWriter writer = new CrlWriter()) {
            writer.add(new byte[] {1}, TestAuthority.NOW, 0);
            writer.add(new byte[] {2, 3}, TestAuthority.NOW, 6);
            CrlHead head = new CrlHead(
                    root.certificate(),
                    new CrlScope.DistributionPoint("http://x/1.crl"),
                    7,
                    TestAuthority.NOW,
                    TestAuthority.NOW.plus(Duration.ofDays(1)));
            byte[] der =
                    writer.sign(head, data -> root.keys().sign(data.toArray())).toArray();
            CertificateFactory factory = CertificateFactory.getInstance("X.509");
            X509CRL crl = (X509CRL) factory.generateCRL(new ByteArrayInputStream(der));
            crl.verify(factory.generateCertificate(new ByteArrayInputStream(
                            root.certificate().encoded().toArray()))
                    .getPublicKey());
            assertThat(crl.getRevokedCertificates()).hasSize(2);
            assertThat(crl.getCriticalExtensionOIDs()).containsExactly("2.5.29.28");
            assertThat(crl.getNonCriticalExtensionOIDs()).containsExactlyInAnyOrder("2.5.29.35", "2.5.29.20");
        }
    }
}
