// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.CertificateProfile.Form;
import dev.tegata.pki.certificate.CertificateProfile.Locations;
import dev.tegata.pki.key.KeyAlgorithm;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import org.junit.jupiter.api.Test;

class CompressedLeafTest {
    private static final SecureRandom RANDOM = new SecureRandom();
    private static final TestAuthority ISSUING = TestAuthority.root().issuing();
    private static final CertificateProfile PROFILE = CertificateProfile.device()
            .withKeyAlgorithms(List.of(KeyAlgorithm.EC_P256))
            .withForm(Form.COMPRESSIBLE)
            .withLocations(new Locations(
                    List.of("http://pki.example/crl/1/" + Locations.PARTITION),
                    List.of("http://pki.example/ocsp/1"),
                    List.of()));

    private static Certificate issue(CertificateProfile profile, TestKeys keys, String id, Instant now)
            throws Exception {
        return Issuance.of(ISSUING.certificate(), profile)
                .grant(keys.proven("CN=x"), Map.of("device.id", id), SerialNumber.random(RANDOM), now)
                .lint()
                .redeem(ISSUING.keys()::sign);
    }

    @Test
    void everyIssuedLeafComesBackByteForByteFromItsSeventyTwoBytes() throws Exception {
        Random seeded = new Random(608);
        for (String lifetime : List.of("P1Y", "P5Y", CertificateProfile.UNLIMITED)) {
            CertificateProfile profile = PROFILE.withLifetime(lifetime);
            Certificate example =
                    issue(profile, TestKeys.p256(), UUID.randomUUID().toString(), TestAuthority.NOW);
            for (int i = 0; i < 40; i++) {
                TestKeys keys = TestKeys.p256();
                String id = UUID.randomUUID().toString();
                Instant now = TestAuthority.NOW.plus(Duration.ofMinutes(seeded.nextInt(4 * 365 * 24 * 60)));
                Certificate leaf = issue(profile, keys, id, now);

                Bytes compressed = CompressedLeaf.of(leaf, 7, 2, 1).encoded();
                assertThat(compressed.size()).isEqualTo(CompressedLeaf.SIZE);
                CompressedLeaf read = CompressedLeaf.parse(compressed);
                assertThat(read.signer()).isEqualTo(7);
                assertThat(read.template()).isEqualTo(2);
                Certificate expanded = read.expand(example, keys.publicKey(), id);

                assertThat(expanded.encoded()).isEqualTo(leaf.encoded());
                assertThat(expanded.isSignedBy(ISSUING.keys().publicKey())).isTrue();
                assertThat(leaf.validity().contains(now)).isTrue();
            }
        }
    }

    @Test
    void theDatesAndTheSerialNumberAreThoseOfTheForm() throws Exception {
        TestKeys keys = TestKeys.p256();
        Certificate leaf = issue(PROFILE, keys, UUID.randomUUID().toString(), Instant.parse("2026-03-04T05:06:07Z"));
        assertThat(leaf.validity().notBefore()).isEqualTo("2026-03-04T04:00:00Z");

        Bytes compressed = CompressedLeaf.of(leaf, 0, 0, 0).encoded();
        // 26, 3, 4, 4, 1 in 5, 4, 5, 5 and 5 bits.
        assertThat(compressed.slice(64, 67).hex()).isEqualTo("d19081");
        Bytes info = keys.publicKey().encoded();
        byte[] serial = Bytes.sha256(
                        info.slice(info.size() - 64, info.size()).toArray(),
                        new byte[] {(byte) 0xd1, (byte) 0x90, (byte) 0x81})
                .slice(0, 16)
                .toArray();
        serial[0] = (byte) (serial[0] & 0x3f | 0x40);
        assertThat(leaf.serial().hex()).isEqualTo(Bytes.of(serial).hex());
        assertThat(leaf.locations().crls()).as("a partition has no room").isEmpty();
    }

    @Test
    void aLeapDayBeginsTheDayBefore() throws Exception {
        Certificate leaf =
                issue(PROFILE, TestKeys.p256(), UUID.randomUUID().toString(), Instant.parse("2028-02-29T13:30:00Z"));

        assertThat(leaf.validity())
                .isEqualTo(new Validity(Instant.parse("2028-02-28T23:00:00Z"), Instant.parse("2029-02-28T23:00:00Z")));
    }

    @Test
    void theIssuersEndCutsToWholeYears() throws Exception {
        Certificate leaf = issue(
                PROFILE.withLifetime("P31Y"),
                TestKeys.p256(),
                UUID.randomUUID().toString(),
                TestAuthority.NOW.plus(Duration.ofDays(30)));

        assertThat(leaf.validity().notAfter()).isEqualTo("2035-04-03T04:00:00Z");
        Instant late = ISSUING.certificate().validity().notAfter().minus(Duration.ofDays(100));
        assertThatThrownBy(
                        () -> issue(PROFILE, TestKeys.p256(), UUID.randomUUID().toString(), late))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("whole years");
    }

    @Test
    void whatCannotFitIsRefused() throws Exception {
        assertThatThrownBy(() -> CertificateProfile.device().withForm(Form.COMPRESSIBLE))
                .hasMessageContaining("keyAlgorithms");
        assertThatThrownBy(() -> PROFILE.withLifetime("P90D")).hasMessageContaining("lifetime");
        assertThatThrownBy(() -> PROFILE.withSubject("CN={device.serial}")).hasMessageContaining("subject");
        TestAuthority p384 = TestAuthority.root(KeyAlgorithm.EC_P384);
        assertThatThrownBy(() -> Issuance.of(p384.certificate(), PROFILE))
                .isInstanceOf(InvalidCertificateException.class)
                .hasMessageContaining("P-256");
        assertThatThrownBy(() -> CompressedLeaf.of(ISSUING.device(), 0, 0, 0))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void anythingElseIsReadAsNothing() {
        Random seeded = new Random(72);
        for (int i = 0; i < 20_000; i++) {
            byte[] bytes = new byte[i % 3 == 0 ? seeded.nextInt(100) : CompressedLeaf.SIZE];
            seeded.nextBytes(bytes);
            if (bytes.length == CompressedLeaf.SIZE && i % 2 == 0) {
                bytes[70] = (byte) 0xA0;
                bytes[71] = 0;
            }
            try {
                assertThat(CompressedLeaf.parse(Bytes.of(bytes)).encoded()).isEqualTo(Bytes.of(bytes));
            } catch (IllegalArgumentException expected) {
                // A clear no.
            }
        }
    }
}
