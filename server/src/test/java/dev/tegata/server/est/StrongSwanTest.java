// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.est;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("strongSwan's pki")
final class StrongSwanTest {
    private static final EstTenant TENANT = new EstTenant("strongSwan");
    private static final String FLEET = TENANT.fleet("");

    /// The tool knows no labels: it puts the well-known path behind whatever address it is given.
    private static final String URL = TENANT.running.server().devicesUrl() + "/" + FLEET;

    private static final String TLS_CA = TENANT.running
            .server()
            .authorityFile()
            .orElseThrow()
            .toAbsolutePath()
            .toString();

    @TempDir
    Path folder;

    private Tool tool;

    @BeforeAll
    static void requireTool() {
        Tool.require("pki", "strongswan-pki");
        Tool.require("openssl", "openssl");
    }

    @BeforeEach
    void fetchAuthorities() {
        tool = new Tool(folder);
        tool.run("pki", "--estca", "--url", URL, "--cacert", TLS_CA, "--caout", "ca.pem", "--outform", "pem");
    }

    @Test
    @DisplayName("fetches root and issuing CA")
    void caCertificates() {
        assertThat(List.of(pem("ca.pem"), pem("ca-1.pem"))).containsExactlyInAnyOrderElementsOf(TENANT.authorities());
    }

    @Test
    @DisplayName("enrols with a claim token as password, and again with the certificate from before and a new key")
    void enrolsAndRenews() {
        String device = TENANT.claim(FLEET);

        makeKey("first");
        est("first", "--userpass", "device:" + TENANT.token(device));
        assertThat(TENANT.state(device)).isEqualTo("active");
        assertThat(pem("first.pem").subject().toString()).contains(device);
        verify("first.pem");

        makeKey("second");
        est("second", "--cert", "first.pem", "--key", "first.key");
        verify("second.pem");
        assertThat(TENANT.certificates(device)).containsExactly(pem("second.pem"), pem("first.pem"));
    }

    @Test
    @DisplayName("enrols with a self-signed certificate around a claimed key as its old certificate")
    void enrolsWithBirthKey() {
        makeKey("birth");
        tool.run("sh", "-c", "pki --pub --in birth.key --outform der > birth.pub");
        String device = TENANT.claim(FLEET, Bytes.of(tool.read("birth.pub")));
        tool.run(
                "sh",
                "-c",
                "pki --self --in birth.key --type ecdsa --dn CN=chip --lifetime 3650 --outform pem > chip.pem");

        makeKey("first");
        est("first", "--cert", "chip.pem", "--key", "birth.key");

        assertThat(TENANT.certificates(device)).containsExactly(pem("first.pem"));
        verify("first.pem");
    }

    @Test
    @DisplayName("is told no where the token is wrong, and gets no certificate")
    void refused() {
        makeKey("first");

        Tool.Result result = tool.tryRun("sh", "-c", command("first", "--userpass", "device:wrong"));

        assertThat(result.status()).isNotZero();
        assertThat(result.output()).contains("401");
        assertThat(tool.read("first.pem")).isEmpty();
    }

    private void makeKey(String name) {
        tool.run(
                "sh",
                "-c",
                "pki --gen --type ecdsa --size 256 --outform pem > %1$s.key && pki --req --in %1$s.key --type ecdsa "
                                .formatted(name)
                        + "--dn CN=whoever > %s.req".formatted(name));
    }

    private void est(String name, String... credentials) {
        tool.run("sh", "-c", command(name, credentials));
    }

    private static String command(String name, String... credentials) {
        List<String> words = new ArrayList<>(List.of("pki --est --url", URL, "--in", name + ".req"));
        words.addAll(List.of("--cacert", TLS_CA, "--cacert ca.pem --cacert ca-1.pem --outform pem"));
        words.addAll(List.of(credentials));
        return String.join(" ", words) + " > " + name + ".pem";
    }

    private void verify(String certificate) {
        assertThat(tool.run(
                        "openssl",
                        "verify",
                        "-x509_strict",
                        "-purpose",
                        "sslclient",
                        "-CAfile",
                        "ca.pem",
                        "-untrusted",
                        "ca-1.pem",
                        certificate))
                .contains("OK");
    }

    private Certificate pem(String name) {
        return EstTenant.certificate(new String(tool.read(name), StandardCharsets.US_ASCII));
    }
}
