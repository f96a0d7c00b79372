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
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
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
                    "ip:fe80::1%1",
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
                    .hasMessageStartingWith("keyUsages: may have keyCertSign for authorities only");
            assertThatThrownBy(() -> with(Kind.ISSUING, 0, List.of(KeyUsage.KEY_CERT_SIGN), List.of()))
                    .hasMessageStartingWith("keyUsages: must have crlSign");
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

        @ParameterizedTest
        @ValueSource(strings = {"", "x", "P1YT1H", "P99999999999Y", "P999999999Y", "PT9223372036854775807S"})
        @DisplayName("a lifetime that cannot be read is named in our own words")
        void lifetimes(String lifetime) {
            assertThatThrownBy(() -> CertificateProfile.device().withLifetime(lifetime))
                    .hasMessageMatching("lifetime: is (no ISO 8601 period or duration, such as .*|too long)");
        }

        @Test
        @DisplayName("a profile that is to be stored is one by which certificates can be made")
        void usable() {
            Map<String, String> variables = TestAuthority.VARIABLES;
            CertificateProfile device = CertificateProfile.device();
            device.requireUsable(variables);
            with(Kind.DEVICE, null, List.of(KeyUsage.KEY_AGREEMENT), List.of()).requireUsable(variables);
            for (KeyUsage usage : List.of(KeyUsage.KEY_ENCIPHERMENT, KeyUsage.DATA_ENCIPHERMENT)) {
                assertThatThrownBy(() -> with(Kind.DEVICE, null, List.of(usage), List.of())
                                .requireUsable(variables))
                        .hasMessage("keyUsages: " + usage.text()
                                + " is not for keys of the kind ec-p256, which keyAlgorithms allows");
            }
            String url = "http://a.example/{part}";
            device.withLocations(new Locations(List.of(url), List.of(), List.of()))
                    .requireUsable(variables);
            for (Locations locations : List.of(
                    new Locations(List.of(), List.of(url), List.of()),
                    new Locations(List.of(), List.of(), List.of(url)))) {
                assertThatThrownBy(() -> device.withLocations(locations).requireUsable(variables))
                        .hasMessageStartingWith("locations: {part} ");
            }
            for (String subject : List.of("C={device.id}", "CN=" + "{device.id}".repeat(9))) {
                assertThatThrownBy(() -> device.withSubject(subject).requireUsable(variables))
                        .hasMessageStartingWith("subject: ");
            }
            assertThatThrownBy(() -> CertificateProfile.tlsServer(List.of("ip:{device.id}"))
                            .requireUsable(variables))
                    .hasMessageStartingWith("alternativeNames: ");
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
