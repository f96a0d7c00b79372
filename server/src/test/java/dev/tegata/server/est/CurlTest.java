// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.est;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("curl and openssl")
final class CurlTest {
    private static final EstTenant TENANT = new EstTenant("curl");

    @TempDir
    Path folder;

    private Tool tool;
    private String fleet;

    @BeforeAll
    static void requireTools() {
        Tool.require("curl", "curl");
        Tool.require("openssl", "openssl");
    }

    @BeforeEach
    void makeFleet() {
        tool = new Tool(folder);
        fleet = TENANT.fleet("\"policy\":{\"serverKeyGeneration\":true}");
    }

    @Test
    @DisplayName("read the CA certificates: certs-only PKCS#7 in one line of base64, with the types of RFC 7030")
    void caCertificates() {
        String head = curl("cacerts", "--output ca.b64 --dump-header -");

        assertThat(head).contains("200 OK").contains("application/pkcs7-mime").contains("Transfer-Encoding: base64");
        assertThat(new String(tool.read("ca.b64"), StandardCharsets.US_ASCII)).matches("[A-Za-z0-9+/]+={0,2}");
        String authorities = tool.run(
                "sh", "-c", "openssl base64 -d -A -in ca.b64 | openssl pkcs7 -inform DER -print_certs | tee ca.pem");
        assertThat(authorities).contains("Root CA").contains("Issuing CA");
        assertThat(tool.run("openssl", "verify", "-x509_strict", "-CAfile", "ca.pem", "ca.pem"))
                .contains("OK");
    }

    @Test
    @DisplayName("read the CSR attributes: the fleet's kind of key and signature")
    void requestAttributes() {
        assertThat(curl("csrattrs", "--output attributes.b64 --dump-header -")).contains("application/csrattrs");
        assertThat(tool.run("sh", "-c", "openssl base64 -d -A -in attributes.b64 | openssl asn1parse -inform DER"))
                .contains("id-ecPublicKey", "prime256v1", "ecdsa-with-SHA256");
    }

    @ParameterizedTest(name = "TLS {0}")
    @ValueSource(strings = {"1.2", "1.3"})
    @DisplayName("enrol with a self-signed certificate around a claimed key, and again with what they got")
    void enrolsAndRenews(String version) {
        String device = claim("birth");
        String tls = " --tlsv" + version + " --tls-max " + version;

        makeRequest("birth");
        String head = post("simpleenroll", "birth", "--cert birth.pem --key birth.key --dump-header -" + tls);
        assertThat(head).contains("200 OK").contains("application/pkcs7-mime; smime-type=certs-only");
        Certificate first = issued("birth", "first");
        assertThat(first.subject().toString()).contains(device);
        assertThat(TENANT.state(device)).isEqualTo("active");

        makeKey("next");
        makeRequest("next");
        post("simplereenroll", "next", "--cert first.pem --key birth.key" + tls);
        assertThat(TENANT.certificates(device)).containsExactly(issued("next", "second"), first);
    }

    @Test
    @DisplayName("enrol with a token in Basic and in Bearer")
    void tokens() {
        String basic = TENANT.claim(fleet);
        makeKey("basic");
        makeRequest("basic");
        post("simpleenroll", "basic", "--user lock:" + TENANT.token(basic));
        assertThat(TENANT.certificates(basic)).containsExactly(issued("basic", "one"));

        String bearer = TENANT.claim(fleet);
        makeKey("bearer");
        makeRequest("bearer");
        post("simpleenroll", "bearer", "--oauth2-bearer " + TENANT.token(bearer));
        assertThat(TENANT.certificates(bearer)).containsExactly(issued("bearer", "two"));
    }

    @Test
    @DisplayName("get a key that the server made, and its certificate, as two parts of one answer")
    void serverKey() {
        String device = claim("birth");
        makeRequest("birth");

        String head = post("serverkeygen", "birth", "--cert birth.pem --key birth.key --dump-header -");

        assertThat(head).contains("Content-Type: multipart/mixed; boundary=");
        // The parts, by other code than ours: openssl knows multipart where it is signed only.
        tool.write("split.awk", """
                /^--/ { part++; body = 0; next }
                /^\\r?$/ { body = 1; next }
                body { sub(/\\r$/, ""); print > ("part" part) }
                """);
        tool.run("awk", "-f", "split.awk", "birth.answer");
        tool.run("sh", "-c", "openssl base64 -d -A -in part1 | openssl pkey -inform DER -check -out made.key");
        tool.run("sh", "-c", "openssl base64 -d -A -in part2 | openssl pkcs7 -inform DER -print_certs -out made.pem");
        verify("made.pem");
        assertThat(tool.run("openssl", "pkey", "-in", "made.key", "-pubout"))
                .isEqualTo(tool.run("openssl", "x509", "-in", "made.pem", "-noout", "-pubkey"));
        assertThat(TENANT.certificates(device))
                .containsExactly(EstTenant.certificate(tool.run("openssl", "x509", "-in", "made.pem")));
    }

    private String claim(String name) {
        makeKey(name);
        tool.run("sh", "-c", "openssl req -x509 -key %1$s.key -subj /CN=chip -days 3650 -out %1$s.pem".formatted(name));
        tool.run("sh", "-c", "openssl pkey -in %1$s.key -pubout -outform DER -out %1$s.pub".formatted(name));
        return TENANT.claim(fleet, Bytes.of(tool.read(name + ".pub")));
    }

    private void makeKey(String name) {
        tool.run("sh", "-c", "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out " + name + ".key");
    }

    private void makeRequest(String name) {
        tool.run(
                "sh",
                "-c",
                "openssl req -new -key %1$s.key -subj /CN=anything -outform DER | openssl base64 > %1$s.req"
                        .formatted(name));
    }

    private String post(String operation, String name, String options) {
        return curl(
                operation,
                "--fail-with-body --header 'Content-Type: application/pkcs10' --data-binary @%1$s.req --output %1$s.answer "
                                .formatted(name)
                        + options);
    }

    private String curl(String operation, String options) {
        return tool.run(
                "sh",
                "-c",
                "curl --silent --show-error --cacert %s %s %s"
                        .formatted(
                                TENANT.running
                                        .server()
                                        .authorityFile()
                                        .orElseThrow()
                                        .toAbsolutePath(),
                                options,
                                TENANT.est(fleet, operation)));
    }

    /// The certificate that was answered to `request`, written to `name.pem`.
    private Certificate issued(String request, String name) {
        tool.run(
                "sh",
                "-c",
                "openssl base64 -d -A -in %s.answer | openssl pkcs7 -inform DER -print_certs -out %s.pem"
                        .formatted(request, name));
        verify(name + ".pem");
        return EstTenant.certificate(tool.run("openssl", "x509", "-in", name + ".pem"));
    }

    private void verify(String certificate) {
        curl("cacerts", "--output ca.b64");
        tool.run("sh", "-c", "openssl base64 -d -A -in ca.b64 | openssl pkcs7 -inform DER -print_certs -out ca.pem");
        assertThat(tool.run(
                        "openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", "ca.pem", certificate))
                .contains("OK");
    }
}
