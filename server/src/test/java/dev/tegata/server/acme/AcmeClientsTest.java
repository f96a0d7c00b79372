// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.acme;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.GeneralName;
import dev.tegata.server.RunningServer;
import dev.tegata.server.est.EstTenant;
import dev.tegata.server.est.Tool;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/// ACME clients of Debian, with http-01 on a port of this machine.
@DisplayName("ACME clients")
class AcmeClientsTest {
    private static final EstTenant TENANT = new EstTenant("ACME clients");
    private static final String TLS_CA = RunningServer.shared()
            .server()
            .authorityFile()
            .orElseThrow()
            .toAbsolutePath()
            .toString();

    @TempDir
    Path folder;

    private Tool tool;
    private int port;
    private String fleet = "";
    private String device = "";
    private JsonNode key = RunningServer.json("{}");

    @BeforeEach
    void offerAcme() throws IOException {
        tool = new Tool(folder);
        port = Tool.freePort();
        fleet = TENANT.fleet("");
        TENANT.offerAcme(fleet, "*.gateways.example", port);
        device = TENANT.claim(fleet);
        key = TENANT.acmeKey(device, "127.0.0.1");
    }

    private String directory() {
        return RunningServer.shared().server().devicesUrl() + "/acme/" + fleet + "/directory";
    }

    @Test
    @DisplayName("lego: registers with external account binding, gets, renews and revokes a certificate")
    void lego() throws Exception {
        Tool.require("lego", "lego");
        lego("run");
        Path file = folder.resolve("lego/certificates/gw1.gateways.example.crt");
        Certificate first = Certificate.parsePem(Files.readString(file)).getFirst();
        assertThat(first.alternativeNames()).contains(new GeneralName.Dns("gw1.gateways.example"));
        assertThat(first.subject().toString()).contains(device);
        assertThat(TENANT.state(device)).isEqualTo("active");

        lego("renew --days 1000 --no-random-sleep");
        Certificate second = Certificate.parsePem(Files.readString(file)).getFirst();
        assertThat(TENANT.certificates(device)).containsExactly(second, first);
        verify(file);

        lego("revoke");
        assertThat(TENANT.revoked(device, second.serial())).isTrue();
    }

    private void lego(String command) {
        tool.run(
                "sh",
                "-c",
                ("LEGO_CA_CERTIFICATES=%s lego --accept-tos --path lego --server %s --email gw@plant.example --eab "
                                + "--kid %s --hmac %s --domains gw1.gateways.example --http --http.port 127.0.0.1:%d %s")
                        .formatted(
                                TLS_CA,
                                directory(),
                                key.path("id").asString(),
                                key.path("secret").asString(),
                                port,
                                command));
    }

    @Test
    @DisplayName("certbot: registers, gets a certificate for two names, rolls over, revokes")
    void certbot() throws Exception {
        Tool.require("certbot", "certbot");
        String eab = "--eab-kid %s --eab-hmac-key %s --email gw@plant.example "
                .formatted(key.path("id").asString(), key.path("secret").asString());
        String standalone = "--standalone --http-01-address 127.0.0.1 --http-01-port " + port
                + " -d gw2.gateways.example -d gw3.gateways.example";
        certbot("certonly", eab + standalone);
        Path live = folder.resolve("config/live/gw2.gateways.example");
        Certificate first =
                Certificate.parsePem(Files.readString(live.resolve("cert.pem"))).getFirst();
        assertThat(first.alternativeNames())
                .containsExactlyInAnyOrder(
                        new GeneralName.Dns("gw2.gateways.example"), new GeneralName.Dns("gw3.gateways.example"));
        verify(live.resolve("fullchain.pem"));
        certbot("renew", "--force-renewal --no-random-sleep-on-renew");
        assertThat(TENANT.certificates(device)).hasSize(2);
        certbot("revoke", "--no-delete-after-revoke --cert-path config/live/gw2.gateways.example/cert.pem");
        assertThat(TENANT.revoked(device, TENANT.certificates(device).getFirst().serial()))
                .isTrue();
        certbot("unregister", "");
    }

    private void certbot(String command, String options) {
        tool.run(
                "sh",
                "-c",
                "REQUESTS_CA_BUNDLE=%s certbot %s --config-dir config --work-dir work --logs-dir logs -n --agree-tos --server %s %s"
                        .formatted(TLS_CA, command, directory(), options));
    }

    @Test
    @DisplayName("lego is told no: a name that the policy does not allow, a wrong key, an address outside the networks")
    void refused() {
        Tool.require("lego", "lego");
        String lego = "LEGO_CA_CERTIFICATES=%s lego --accept-tos --path %s --server %s --email gw@plant.example --eab "
                + "--kid %s --hmac %s --domains %s --http --http.port 127.0.0.1:" + port + " run";
        String id = key.path("id").asString();
        String secret = key.path("secret").asString();
        String wrong = (secret.startsWith("A") ? "B" : "A") + secret.substring(1);
        assertThat(failed(lego.formatted(TLS_CA, "a", directory(), id, wrong, "gw1.gateways.example")))
                .contains("unauthorized");
        TENANT.awaitRefusal("fleet:" + fleet, "unauthenticated");
        assertThat(failed(lego.formatted(TLS_CA, "b", directory(), id, secret, "gw1.elsewhere.example")))
                .contains("rejectedIdentifier");
        assertThat(failed(lego.formatted(TLS_CA, "c", directory(), id, secret, "gw1.gateways.example")))
                .as("the key was used by the account before")
                .contains("unauthorized");

        JsonNode outside = TENANT.acmeKey(device, "192.0.2.1");
        assertThat(failed(lego.formatted(
                        TLS_CA,
                        "d",
                        directory(),
                        outside.path("id").asString(),
                        outside.path("secret").asString(),
                        "gw1.gateways.example")))
                .contains("policy does not allow");
        assertThat(TENANT.certificates(device)).isEmpty();
    }

    private String failed(String command) {
        Tool.Result result = tool.tryRun("sh", "-c", command);
        assertThat(result.status()).as(result.output()).isNotZero();
        return result.output();
    }

    private void verify(Path chain) throws Exception {
        Certificate root = TENANT.authorities().stream()
                .filter(Certificate::isSelfIssued)
                .findFirst()
                .orElseThrow();
        tool.write("root.pem", root.pem());
        Files.writeString(folder.resolve("chain.pem"), Files.readString(chain), StandardCharsets.US_ASCII);
        assertThat(tool.run(
                        "openssl",
                        "verify",
                        "-x509_strict",
                        "-purpose",
                        "sslserver",
                        "-CAfile",
                        "root.pem",
                        "-untrusted",
                        "chain.pem",
                        "chain.pem"))
                .contains("OK");
    }
}
