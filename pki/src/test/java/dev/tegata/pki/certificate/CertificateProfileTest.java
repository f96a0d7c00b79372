// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.certificate.CertificateProfile.Kind;
import dev.tegata.pki.certificate.CertificateProfile.Locations;
import dev.tegata.pki.certificate.CertificateProfile.RequestedExtensions;
import dev.tegata.pki.key.KeyAlgorithm;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CertificateProfileTest {
    private static final Instant NOW = Instant.parse("2028-02-29T23:30:15.5Z");
    private static final CertificateProfile DEVICE = CertificateProfile.device();

    @ParameterizedTest
    @CsvSource({
        "P1Y, 2029-02-28T22:00:00Z",
        "P90D, 2028-05-29T22:00:00Z",
        "P1Y6M, 2029-08-29T22:00:00Z",
        "PT12H, 2028-03-01T11:30:15Z",
        "P1DT1H, 2028-03-02T00:30:15Z",
        "unlimited, 9999-12-31T23:59:59Z"
    })
    void aLifetimeCountsInDaysFromTheHourAndInHoursFromNow(String lifetime, Instant notAfter) {
        assertThat(DEVICE.withLifetime(lifetime).validity().apply(NOW))
                .isEqualTo(new Validity(Instant.parse("2028-02-29T22:00:00Z"), notAfter));
    }

    /// Each mistake is named by its field.
    @Nested
    class Mistakes {
        @ParameterizedTest
        @ValueSource(strings = {"P0D", "-P1D", "P1H", "1Y", "", "P101Y", "PT0S", "PT99999999999999999H", "P999999999Y"})
        void lifetime(String lifetime) {
            assertThatThrownBy(() -> DEVICE.withLifetime(lifetime))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("lifetime: ");
        }

        @ParameterizedTest
        @ValueSource(strings = {"", "CN={device.name}", "CN=", "C=Italia"})
        void subject(String subject) {
            assertThatThrownBy(() -> DEVICE.withSubject(subject))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("subject: ");
        }

        @ParameterizedTest
        @ValueSource(strings = {"ftp://x/y", "http://", "http://x y", "ldap:///cn=x", "http://é"})
        void locations(String url) {
            assertThatThrownBy(() -> new Locations(List.of(), List.of(url), List.of()))
                    .hasMessageStartingWith("locations.ocsp: ");
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "",
                    "x",
                    "mail:a@b",
                    "dns:",
                    "dns:a b",
                    "dns:-a",
                    "dns:a..b",
                    "ip:1.2.3",
                    "ip:host",
                    "uri:x",
                    "uri:urn:{device.x}",
                    "uri:http://a b"
                })
        void alternativeNames(String name) {
            assertThatThrownBy(() -> CertificateProfile.tlsServer(List.of(name)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("alternativeNames: ");
        }

        @Test
        void usages() {
            assertThatThrownBy(() -> with(Kind.DEVICE, null, List.of(KeyUsage.KEY_CERT_SIGN), List.of()))
                    .hasMessageStartingWith("keyUsages: may have KEY_CERT_SIGN for authorities only");
            assertThatThrownBy(() -> with(Kind.ISSUING, 0, List.of(KeyUsage.KEY_CERT_SIGN), List.of()))
                    .hasMessageStartingWith("keyUsages: must have CRL_SIGN");
            assertThatThrownBy(() -> with(Kind.DEVICE, null, List.of(), List.of()))
                    .hasMessageStartingWith("keyUsages: ");
            assertThatThrownBy(() -> with(
                            Kind.DEVICE,
                            null,
                            List.of(KeyUsage.DIGITAL_SIGNATURE, KeyUsage.DIGITAL_SIGNATURE),
                            List.of()))
                    .hasMessageStartingWith("keyUsages: names something twice");
            for (String purpose : List.of("OCSPSigning", "anyExtendedKeyUsage", "nonsense", "1.2.x")) {
                assertThatThrownBy(() -> with(Kind.DEVICE, null, List.of(KeyUsage.DIGITAL_SIGNATURE), List.of(purpose)))
                        .hasMessageStartingWith("extendedKeyUsages: ");
            }
        }

        @Test
        void pathLength() {
            List<KeyUsage> usages = List.of(KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN);
            assertThatThrownBy(() -> with(Kind.ISSUING, 7, usages, List.of())).hasMessageStartingWith("pathLength: ");
            assertThatThrownBy(() -> with(Kind.DEVICE, 0, List.of(KeyUsage.DIGITAL_SIGNATURE), List.of()))
                    .hasMessageStartingWith("pathLength: ");
        }

        private static CertificateProfile with(
                Kind kind, @Nullable Integer pathLength, List<KeyUsage> usages, List<String> purposes) {
            return new CertificateProfile(
                    "x",
                    kind,
                    "CN=x",
                    "P1Y",
                    "PT1H",
                    List.of(KeyAlgorithm.EC_P256),
                    pathLength,
                    usages,
                    purposes,
                    List.of(),
                    Locations.NONE,
                    RequestedExtensions.IGNORE);
        }
    }
}
