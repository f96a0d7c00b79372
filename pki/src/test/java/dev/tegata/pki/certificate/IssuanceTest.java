// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.CertificateProfile.Locations;
import dev.tegata.pki.certificate.InvalidRequestException.Reason;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.VaultException;
import java.math.BigInteger;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

class IssuanceTest {
    private static final SerialNumber SERIAL = new SerialNumber(BigInteger.valueOf(0xabcdef));
    private static final TestAuthority ROOT = TestAuthority.root(KeyAlgorithm.EC_P384);
    private static final TestAuthority ISSUING = ROOT.issuing();
    private static final TestKeys KEYS = TestKeys.p256();

    private static GrantedRequest grant(TestAuthority authority, CertificateProfile profile, Instant now)
            throws Exception {
        return Issuance.of(authority.certificate(), profile)
                .grant(KEYS.proven("CN=x"), TestAuthority.VARIABLES, SERIAL, now);
    }

    @Test
    void aRoot() throws Exception {
        Certificate root = ROOT.certificate();
        assertThat(root.subject()).hasToString("CN=Root CA,O=Müller & Söhne\\, Inc.");
        assertThat(root.isSelfIssued()).isTrue();
        assertThat(root.isSignedBy(ROOT.keys().publicKey())).isTrue();
        assertThat(root.basicConstraints()).contains(new BasicConstraints(true, OptionalInt.empty()));
        assertThat(root.validity().notAfter()).isEqualTo("2051-03-04T04:00:00Z");
    }

    @Test
    void anIssuingAuthority() throws Exception {
        Certificate issuing = ISSUING.certificate();
        assertThat(issuing.isSignedBy(ROOT.keys().publicKey())).isTrue();
        assertThat(issuing.isSignedBy(ISSUING.keys().publicKey())).isFalse();
        assertThat(issuing.basicConstraints()).contains(new BasicConstraints(true, OptionalInt.of(0)));
        assertThat(issuing.authorityKeyIdentifier())
                .isEqualTo(ROOT.certificate().subjectKeyIdentifier());
        assertThat(issuing.allows(KeyUsage.KEY_CERT_SIGN)).isTrue();
        assertThat(issuing.allows(KeyUsage.KEY_AGREEMENT)).isFalse();
    }

    @Test
    void aDevice() throws Exception {
        CertificateProfile profile = new CertificateProfile(
                "device",
                CertificateProfile.Kind.DEVICE,
                "CN={device.serial},O={tenant.organization}",
                "P1Y",
                "PT1H",
                List.of(KeyAlgorithm.EC_P256),
                null,
                List.of(KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_AGREEMENT),
                List.of("clientAuth", "1.2.3.4"),
                List.of("uri:urn:uuid:{device.id}"),
                new Locations(List.of("http://x/crl"), List.of("http://x/ocsp"), List.of("http://x/ca")),
                CertificateProfile.RequestedExtensions.IGNORE);
        LintedTbs linted = grant(ISSUING, profile, TestAuthority.NOW).lint();
        Certificate device = linted.redeem(ISSUING.keys()::sign);
        assertThat(device.tbs()).isEqualTo(linted.encoded());
        assertThat(device.serial()).isEqualTo(SERIAL);
        assertThat(device.serial().hex()).isEqualTo("abcdef");
        assertThat(device.version()).isEqualTo(3);
        assertThat(device.issuer()).isEqualTo(ISSUING.certificate().subject());
        assertThat(device.subject()).hasToString("CN=0123fe55667788ee01,O=Müller & Söhne\\, Inc.");
        assertThat(device.publicKey()).isEqualTo(KEYS.publicKey());
        assertThat(device.publicKeyEncoded()).isEqualTo(KEYS.publicKey().encoded());
        assertThat(device.alternativeNames()).containsExactly(new GeneralName.Uri("urn:uuid:dev-0001"));
        assertThat(device.extendedKeyUsages()).contains(List.of(KeyPurpose.CLIENT_AUTH, KeyPurpose.of("1.2.3.4")));
        assertThat(device.allows(KeyPurpose.SERVER_AUTH)).isFalse();
        assertThat(device.keyUsages().orElseThrow())
                .containsExactly(KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_AGREEMENT);
        assertThat(device.isAuthority()).isFalse();
        assertThat(device.fingerprint()).isEqualTo(device.encoded().sha256());
        assertThat(Certificate.parse(device.encoded())).isEqualTo(device);
        assertThat(Certificate.parsePem(Certificate.pem(List.of(device, ISSUING.certificate()))))
                .containsExactly(device, ISSUING.certificate());
    }

    @Test
    void aTlsServerWithoutSubject() {
        Certificate server = ISSUING.issue(
                KEYS, CertificateProfile.tlsServer(List.of("dns:ca.example.com", "ip:192.0.2.1", "ip:2001:db8::1")));
        assertThat(server.subject().isEmpty()).isTrue();
        assertThat(server.extension(Extension.SUBJECT_ALTERNATIVE_NAME)
                        .orElseThrow()
                        .critical())
                .isTrue();
        assertThat(server.alternativeNames())
                .extracting(GeneralName::toString)
                .containsExactly("Dns[name=ca.example.com]", "192.0.2.1", "2001:db8:0:0:0:0:0:1");
    }

    @Test
    void anOcspResponder() {
        Certificate responder = ISSUING.issue(KEYS, CertificateProfile.ocspResponder());
        assertThat(responder.extension(Extension.OCSP_NO_CHECK)).isPresent();
        assertThat(responder.allows(KeyPurpose.OCSP_SIGNING)).isTrue();
    }

    @Test
    void keysOfAllKinds() {
        for (KeyAlgorithm algorithm : List.of(KeyAlgorithm.EC_P384, KeyAlgorithm.RSA_2048)) {
            assertThat(ISSUING.issue(TestKeys.generate(algorithm), CertificateProfile.device()))
                    .isNotNull();
        }
    }

    @Test
    void noCertificateOutlivesItsIssuer() throws Exception {
        Instant late = Instant.parse("2035-12-01T00:00:00Z");
        assertThat(grant(ISSUING, CertificateProfile.device(), late).validity().notAfter())
                .isEqualTo(ISSUING.certificate().validity().notAfter());
        assertThat(grant(ISSUING, CertificateProfile.device().withLifetime("unlimited"), late)
                        .validity()
                        .notAfter())
                .isEqualTo(ISSUING.certificate().validity().notAfter());
        Instant early = ISSUING.certificate().validity().notBefore();
        assertThat(grant(ISSUING, CertificateProfile.device(), early).validity().notBefore())
                .isEqualTo(early);
    }

    @Test
    void anUnlimitedDeviceUnderAnUnlimitedIssuer() throws Exception {
        TestKeys keys = TestKeys.p256();
        Certificate root = Issuance.selfSigned(CertificateProfile.root().withLifetime("unlimited"))
                .grant(keys.proven("CN=x"), TestAuthority.VARIABLES, SERIAL, TestAuthority.NOW)
                .lint()
                .redeem(keys::sign);
        Certificate device = new TestAuthority(keys, root)
                .issue(KEYS, CertificateProfile.device().withLifetime("unlimited"));
        assertThat(device.validity().isUnlimited()).isTrue();
        assertThat(device.encoded().hex()).contains("180f39393939313233313233353935395a");
    }

    @Test
    void refusals() {
        Instant tooLate = Instant.parse("2040-01-01T00:00:00Z");
        assertThat(reason(KEYS, tooLate, TestAuthority.VARIABLES)).isEqualTo(Reason.ISSUER_NOT_VALID);
        assertThat(reason(KEYS, TestAuthority.NOW, Map.of())).isEqualTo(Reason.NAME_INVALID);
        assertThat(reason(KEYS, TestAuthority.NOW, Map.of("device.id", "x".repeat(65))))
                .isEqualTo(Reason.NAME_INVALID);
        assertThat(reason(TestKeys.generate(KeyAlgorithm.ED25519), TestAuthority.NOW, TestAuthority.VARIABLES))
                .isEqualTo(Reason.KEY_NOT_ALLOWED);
    }

    private static Reason reason(TestKeys keys, Instant now, Map<String, String> variables) {
        return catchThrowableOfType(
                        InvalidRequestException.class,
                        () -> Issuance.of(ISSUING.certificate(), CertificateProfile.device())
                                .grant(keys.proven("CN=x"), variables, SERIAL, now))
                .reason();
    }

    @Test
    void issuersThatMayNotIssue() {
        Certificate device = ISSUING.device();
        assertThatThrownBy(() -> Issuance.of(device, CertificateProfile.device()))
                .isInstanceOf(InvalidCertificateException.class)
                .hasMessageContaining("not that of an authority");
        CertificateProfile forServers = new CertificateProfile(
                "servers",
                CertificateProfile.Kind.ISSUING,
                "CN=Servers only",
                "P1Y",
                "PT1H",
                List.of(KeyAlgorithm.EC_P256),
                0,
                List.of(KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN),
                List.of("serverAuth"),
                List.of(),
                CertificateProfile.Locations.NONE,
                CertificateProfile.RequestedExtensions.IGNORE);
        Certificate servers = ROOT.issuing(forServers).certificate();
        assertThatThrownBy(() -> Issuance.of(servers, CertificateProfile.device()))
                .isInstanceOf(InvalidCertificateException.class)
                .hasMessageContaining("extended key usages");
        assertThatThrownBy(() -> Issuance.of(ISSUING.certificate(), CertificateProfile.issuing()))
                .isInstanceOf(InvalidCertificateException.class)
                .hasMessageContaining("pathLength 0");
        assertThatThrownBy(() -> Issuance.of(ROOT.certificate(), CertificateProfile.root()))
                .isInstanceOf(InvalidCertificateException.class);
        assertThatThrownBy(() -> Issuance.selfSigned(CertificateProfile.device()))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void whatWasLintedIsSignedOnce() throws Exception {
        LintedTbs linted =
                grant(ISSUING, CertificateProfile.device(), TestAuthority.NOW).lint();
        Certificate _ = linted.redeem(ISSUING.keys()::sign);
        assertThatThrownBy(() -> linted.redeem(ISSUING.keys()::sign)).isInstanceOf(IllegalStateException.class);

        LintedTbs failing =
                grant(ISSUING, CertificateProfile.device(), TestAuthority.NOW).lint();
        assertThatThrownBy(() -> failing.redeem(data -> {
                    throw new VaultException("busy", true);
                }))
                .isInstanceOf(VaultException.class);
        assertThatThrownBy(() -> failing.redeem(ISSUING.keys()::sign)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void aWrongKeyHandleIsFound() throws Exception {
        LintedTbs leaf =
                grant(ISSUING, CertificateProfile.device(), TestAuthority.NOW).lint();
        assertThatThrownBy(() -> leaf.redeem(ROOT.keys()::sign)).isInstanceOf(VaultException.class);
        LintedTbs authority =
                grant(ROOT, CertificateProfile.issuing(), TestAuthority.NOW).lint();
        assertThatThrownBy(() -> authority.redeem(data -> new byte[70])).isInstanceOf(VaultException.class);
    }

    @Test
    void serialNumbers() {
        SecureRandom random = new SecureRandom();
        for (int i = 0; i < 1000; i++) {
            SerialNumber serial = SerialNumber.random(random);
            assertThat(serial.content().size()).isBetween(1, 17);
            assertThat(SerialNumber.ofHex(serial.hex())).isEqualTo(serial);
        }
        assertThat(SerialNumber.ofHex("7f" + "ff".repeat(19)).content().size()).isEqualTo(20);
        for (String hex : List.of("0", "80" + "00".repeat(19), "", "-1", "0x1", "1".repeat(41))) {
            assertThatThrownBy(() -> SerialNumber.ofHex(hex)).isInstanceOf(IllegalArgumentException.class);
        }
        assertThat(new SerialNumber(BigInteger.valueOf(0x80)).content()).isEqualTo(Bytes.ofHex("0080"));
        assertThat(new SerialNumber(BigInteger.valueOf(0x80)).hex()).isEqualTo("80");
    }
}
