// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.CertificateProfile.Locations;
import dev.tegata.pki.key.KeyAlgorithm;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// OpenSSL's opinion of what we make, and ours of what it makes.
class OpensslTest {
    private static final TestAuthority ROOT = TestAuthority.root(KeyAlgorithm.EC_P384);
    private static final TestAuthority ISSUING = ROOT.issuing();
    private static final String AT = String.valueOf(TestAuthority.NOW.getEpochSecond());

    @TempDir
    Path folder;

    private record Output(int code, String text) {}

    @BeforeAll
    static void opensslIsThere() throws Exception {
        try {
            assumeTrue(run("openssl", "version").code() == 0, "openssl is not installed");
        } catch (IOException e) {
            assumeTrue(false, "openssl is not installed");
        }
    }

    private static Output run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getOutputStream().close();
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        return new Output(process.exitValue(), text);
    }

    private Output openssl(String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("openssl"));
        command.addAll(List.of(arguments));
        return run(command.toArray(String[]::new));
    }

    private String file(String name, String content) throws IOException {
        return Files.writeString(folder.resolve(name), content).toString();
    }

    private String file(String name, Bytes content) throws IOException {
        return Files.write(folder.resolve(name), content.toArray()).toString();
    }

    private void verifies(Certificate leaf, String purpose) throws Exception {
        Output output = openssl(
                "verify",
                "-x509_strict",
                "-attime",
                AT,
                "-purpose",
                purpose,
                "-CAfile",
                file("root.pem", ROOT.certificate().pem()),
                "-untrusted",
                file("issuing.pem", ISSUING.certificate().pem()),
                file("leaf.pem", leaf.pem()));
        assertThat(output.text()).endsWith("OK\n");
        assertThat(output.code()).isZero();
    }

    @Test
    void chainsVerify() throws Exception {
        Locations locations = new Locations(
                List.of("http://pki.example/a.crl", "http://pki.example/b.crl"),
                List.of("http://pki.example/ocsp"),
                List.of("http://pki.example/ca.cer"));
        verifies(ISSUING.issue(TestKeys.p256(), CertificateProfile.device().withLocations(locations)), "sslclient");
        verifies(ISSUING.issue(TestKeys.generate(KeyAlgorithm.RSA_2048), CertificateProfile.device()), "sslclient");
        verifies(ISSUING.issue(TestKeys.p256(), CertificateProfile.tlsServer(List.of("dns:a.example"))), "sslserver");
        verifies(ISSUING.issue(TestKeys.p256(), CertificateProfile.ocspResponder()), "ocsphelper");
    }

    @Test
    void certificatesAreReadAlike() throws Exception {
        Locations locations = new Locations(List.of("http://x/crl"), List.of("http://x/ocsp"), List.of("http://x/ca"));
        Certificate device = ISSUING.issue(
                TestKeys.p256(),
                CertificateProfile.device()
                        .withSubject("CN={device.serial},O={tenant.organization}")
                        .withLocations(locations));
        String path = file("device.der", device.encoded());
        Output text =
                openssl("x509", "-inform", "DER", "-in", path, "-noout", "-text", "-nameopt", "RFC2253,-esc_msb,utf8");
        assertThat(text.text())
                .contains("Subject: " + device.subject())
                .contains("Issuer: " + device.issuer())
                .contains("CA:FALSE", "Digital Signature", "TLS Web Client Authentication")
                .contains("URI:http://x/crl", "OCSP - URI:http://x/ocsp", "CA Issuers - URI:http://x/ca");
        Output summary = openssl("x509", "-inform", "DER", "-in", path, "-noout", "-serial", "-fingerprint", "-sha256");
        assertThat(summary.text().toLowerCase(Locale.ROOT).replace(":", ""))
                .contains("serial=" + device.serial().hex())
                .contains("fingerprint=" + device.fingerprint().hex());
    }

    @Test
    void itsRequestsAreProvenAndOursVerify() throws Exception {
        for (List<String> key : List.of(
                List.of("ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
                List.of("ec", "-pkeyopt", "ec_paramgen_curve:P-384"),
                List.of("rsa:2048"),
                List.of("ed25519"))) {
            List<String> command = new ArrayList<>(List.of("req", "-new", "-newkey"));
            command.addAll(key);
            command.addAll(List.of(
                    "-nodes",
                    "-keyout",
                    folder.resolve("key.pem").toString(),
                    "-subj",
                    "/C=IT/O=Example \\+ Söhne/CN=device 1/emailAddress=a@b.it",
                    "-utf8",
                    "-addext",
                    "subjectAltName=DNS:a.example"));
            Output output = openssl(command.toArray(String[]::new));
            String pem = output.text().substring(output.text().indexOf("-----BEGIN CERTIFICATE"));
            CertificateRequest request = CertificateRequest.parsePem(pem);
            assertThat(request.prove().request()).isEqualTo(request);
            assertThat(request.subject().commonName()).contains("device 1");
            assertThat(request.requestedExtensions()).hasSize(1);
        }
        CertificateRequest ours = TestKeys.p256()
                .request(
                        "CN=x,O=Müller",
                        RequestAttribute.challengePassword("pass"),
                        RequestAttribute.extensionRequest(
                                List.of(new Extension(Extension.KEY_USAGE, true, Bytes.ofHex("03020780")))));
        Output verified = openssl("req", "-in", file("ours.pem", ours.pem()), "-noout", "-verify", "-text");
        assertThat(verified.text()).contains("verify OK", "challengePassword", "Digital Signature");
    }

    @Test
    void certsOnlyMessagesAreReadBothWays() throws Exception {
        Bytes message = CertsOnlyCms.encode(List.of(ROOT.certificate(), ISSUING.certificate()));
        Output output = openssl("pkcs7", "-inform", "DER", "-in", file("certs.p7", message), "-print_certs");
        assertThat(Certificate.parsePem(output.text()))
                .containsExactlyInAnyOrder(ROOT.certificate(), ISSUING.certificate());
        Path made = folder.resolve("made.p7");
        Output crl2pkcs7 = openssl(
                "crl2pkcs7",
                "-nocrl",
                "-certfile",
                file("all.pem", Certificate.pem(List.of(ROOT.certificate(), ISSUING.certificate()))),
                "-outform",
                "DER",
                "-out",
                made.toString());
        assertThat(crl2pkcs7.code()).isZero();
        assertThat(CertsOnlyCms.decode(Bytes.of(Files.readAllBytes(made))))
                .containsExactly(ROOT.certificate(), ISSUING.certificate());
    }

    @Test
    void csrAttributesAreDer() throws Exception {
        Bytes attributes = CsrAttributes.of(CertificateProfile.device()).encode();
        Output output = openssl("asn1parse", "-inform", "DER", "-in", file("attributes", attributes));
        assertThat(output.text()).contains(":id-ecPublicKey", ":prime256v1", ":ecdsa-with-SHA256");
    }
}
