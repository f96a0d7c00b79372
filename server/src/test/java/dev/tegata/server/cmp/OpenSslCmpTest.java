// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cmp;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.Name;
import dev.tegata.server.RunningServer;
import dev.tegata.server.est.EstTenant;
import dev.tegata.server.est.Tool;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/// `openssl cmp`, as anybody has it.
@DisplayName("openssl cmp")
class OpenSslCmpTest {
    private static final EstTenant TENANT = new EstTenant("OpenSSL CMP");
    private static final EstTenant OTHER = new EstTenant("Other CMP");
    private static final String FLEET = TENANT.fleet("");
    private static final String TLS_CA = RunningServer.shared()
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
        Tool.require("openssl", "openssl");
    }

    @BeforeEach
    void trustRoot() {
        tool = new Tool(folder);
        writeRoot(TENANT);
    }

    record Secret(String device, String reference, String text) {}

    private static Secret secret(EstTenant tenant, String fleet) {
        String device = tenant.claim(fleet);
        JsonNode made = tenant.sharedSecret(device);
        return new Secret(
                device, made.path("reference").asString(), made.path("secret").asString());
    }

    @Test
    @DisplayName("ir with a MAC, certConf; then kur and rr with signatures")
    void life() {
        Secret secret = secret(TENANT, FLEET);
        key("first");
        cmp("ir", FLEET, with(secret), "-newkey first.key -subject /CN=device -certout first.pem -cacertsout ca.pem");
        assertThat(TENANT.state(secret.device())).isEqualTo("active");
        assertThat(pem("first.pem").subject().toString()).contains(secret.device());
        assertThat(pem("ca.pem")).isEqualTo(pem("root.pem"));

        key("second");
        cmp("kur", FLEET, signing("first"), "-newkey second.key -certout second.pem");
        assertThat(TENANT.certificates(secret.device())).containsExactly(pem("second.pem"), pem("first.pem"));

        cmp("rr", FLEET, signing("second"), "-oldcert first.pem -revreason 4");
        assertThat(TENANT.revoked(secret.device(), pem("first.pem").serial())).isTrue();
        assertThat(TENANT.revoked(secret.device(), pem("second.pem").serial())).isFalse();
        String again = refused("rr", FLEET, signing("second"), "-oldcert first.pem -revreason 4");
        assertThat(again).contains("certRevoked");
    }

    @Test
    @DisplayName("ir and cr signed with a birth key; p10cr; implicit confirmation")
    void birthKey() {
        key("birth");
        String device = claimBirth("birth");
        key("first");
        cmp("ir", FLEET, signing("birth"), "-newkey first.key -subject /CN=x -certout first.pem -implicit_confirm");
        key("second");
        cmp("cr", FLEET + "/certification", signing("first"), "-newkey second.key -subject /CN=x -certout second.pem");
        key("third");
        tool.run("sh", "-c", "openssl req -new -key third.key -subj /CN=x -out third.csr");
        cmp("p10cr", FLEET + "/pkcs10", signing("second"), "-csr third.csr -certout third.pem");
        assertThat(TENANT.certificates(device)).containsExactly(pem("third.pem"), pem("second.pem"), pem("first.pem"));
    }

    @Test
    @DisplayName("genm asks for CA certificates and for a template")
    void information() {
        key("birth");
        claimBirth("birth");
        assertThat(cmp("genm", FLEET + "/getcacerts", signing("birth"), "-infotype caCerts"))
                .contains("genp");
        assertThat(cmp("genm", FLEET, signing("birth"), "-infotype certReqTemplate"))
                .contains("genp");
        assertThat(cmp("genm", FLEET, signing("birth"), "-infotype signKeyPairTypes"))
                .contains("genp");
    }

    @Test
    @DisplayName("waits by polling until an operator approves")
    void polling() {
        String fleet = TENANT.fleet("\"policy\":{\"approvalRequired\":true,\"retryAfter\":\"PT10S\"}");
        Secret secret = secret(TENANT, fleet);
        key("first");
        Thread operator = Thread.startVirtualThread(() -> {
            TENANT.awaitRecord("device:" + secret.device(), "enrolment.asked");
            TENANT.change(secret.device(), "approve");
        });
        cmp("ir", fleet, with(secret), "-newkey first.key -subject /CN=device -certout first.pem -total_timeout 50");
        assertThat(operator.isAlive()).isFalse();
        assertThat(TENANT.certificates(secret.device())).containsExactly(pem("first.pem"));
    }

    @Test
    @DisplayName("a wrong secret, a used one, an unknown reference, none at all")
    void secrets() {
        Secret secret = secret(TENANT, FLEET);
        key("first");
        String request = "-newkey first.key -subject /CN=device -certout first.pem";
        Secret wrong = new Secret(secret.device(), secret.reference(), secret.text() + "x");
        assertThat(refused("ir", FLEET, with(wrong), request)).contains("badMessageCheck");
        TENANT.awaitRefusal("fleet:" + FLEET, "unauthenticated");
        Secret unknown = new Secret(secret.device(), "000000", secret.text());
        assertThat(refused("ir", FLEET, with(unknown), request)).contains("badMessageCheck");
        assertThat(refused("ir", FLEET, "-unprotected_requests -ref x", request))
                .contains("badMessageCheck");
        assertThat(TENANT.certificates(secret.device())).isEmpty();

        cmp("ir", FLEET, with(secret), request);
        key("first");
        assertThat(refused("ir", FLEET, with(secret), request)).contains("notAuthorized");
        assertThat(TENANT.certificates(secret.device())).hasSize(1);
    }

    @Test
    @DisplayName("a second secret for an active device: once its authority was compromised, and not before")
    void afterCompromise() {
        EstTenant tenant = new EstTenant("Compromised CMP");
        String fleet = tenant.fleet("");
        Secret first = secret(tenant, fleet);
        String tokens = "/api/v1/devices/" + first.device() + "/claim-tokens";
        String wanted = "{\"validity\":\"PT1H\",\"cmp\":true}";
        String request = "-newkey first.key -subject /CN=device -certout first.pem";
        writeRoot(tenant);
        key("first");
        cmp("ir", fleet, with(first), request);
        assertThat(tenant.post(tokens, wanted).statusCode()).isEqualTo(409);

        String issuing = tenant.get("/api/v1/authorities")
                .path("items")
                .valueStream()
                .filter(authority -> authority.path("kind").asString().equals("issuing"))
                .findFirst()
                .orElseThrow()
                .path("id")
                .asString();
        assertThat(tenant.post("/api/v1/authorities/" + issuing + "/compromise", "{}")
                        .statusCode())
                .isBetween(200, 202);
        Instant end = Instant.now().plus(Duration.ofMinutes(2));
        while (!tenant.revoked(first.device(), pem("first.pem").serial())) {
            assertThat(Instant.now()).isBefore(end);
            LockSupport.parkNanos(50_000_000);
        }
        assertThat(refused("ir", fleet, with(first), request)).contains("notAuthorized");

        JsonNode made = RunningServer.body(tenant.post(tokens, wanted));
        Secret second = new Secret(
                first.device(),
                made.path("reference").asString(),
                made.path("secret").asString());
        key("second");
        String again = "-newkey second.key -subject /CN=device -certout second.pem";
        cmp("ir", fleet, with(second), again);
        assertThat(pem("second.pem").issuer()).isNotEqualTo(pem("first.pem").issuer());
        assertThat(tenant.state(first.device())).isEqualTo("active");
        assertThat(refused("ir", fleet, with(second), again)).contains("notAuthorized");
        assertThat(tenant.post(tokens, wanted).statusCode()).isEqualTo(409);
        key("third");
        cmp("kur", fleet, signing("second"), "-newkey third.key -certout third.pem");
        assertThat(tenant.certificates(first.device())).hasSize(3);
    }

    @Test
    @DisplayName("a secret that was left over when the device enrolled without it is good for nothing later")
    void leftOver() {
        key("birth");
        String device = claimBirth("birth");
        Secret left = secretOf(device);
        key("first");
        cmp("ir", FLEET, signing("birth"), "-newkey first.key -subject /CN=x -certout first.pem");
        cmp("rr", FLEET, signing("first"), "-oldcert first.pem -revreason 4");
        assertThat(TENANT.revoked(device, pem("first.pem").serial())).isTrue();

        key("second");
        String request = "-newkey second.key -subject /CN=x -certout second.pem";
        assertThat(refused("ir", FLEET, with(left), request)).contains("notAuthorized");
        cmp("ir", FLEET, with(secretOf(device)), request);
        assertThat(TENANT.certificates(device)).containsExactly(pem("second.pem"), pem("first.pem"));
    }

    private static Secret secretOf(String device) {
        JsonNode made = TENANT.sharedSecret(device);
        return new Secret(
                device, made.path("reference").asString(), made.path("secret").asString());
    }

    private void writeRoot(EstTenant tenant) {
        tool.write(
                "root.pem",
                tenant.authorities().stream()
                        .filter(Certificate::isSelfIssued)
                        .findFirst()
                        .orElseThrow()
                        .pem());
    }

    @Test
    @DisplayName("a message that is sent again is refused, and so is one of another transaction's nonce")
    void replay() {
        key("birth");
        String device = claimBirth("birth");
        key("first");
        cmp(
                "ir",
                FLEET,
                signing("birth"),
                "-newkey first.key -subject /CN=x -certout first.pem -reqout ir.der,conf.der");
        String sentAgain = refused(
                "ir",
                FLEET,
                signing("birth"),
                "-newkey first.key -subject /CN=x -certout again.pem -reqin ir.der,conf.der");
        assertThat(sentAgain).contains("transactionIdInUse");
        assertThat(TENANT.certificates(device)).hasSize(1);
    }

    @Test
    @DisplayName("another fleet's device, another tenant's device, and another device's certificate")
    void walls() {
        String another = TENANT.fleet("");
        Secret secret = secret(TENANT, another);
        key("first");
        String request = "-newkey first.key -subject /CN=device -certout first.pem";
        assertThat(refused("ir", FLEET, with(secret), request)).contains("notAuthorized");

        Secret foreign = secret(OTHER, OTHER.fleet(""));
        assertThat(refused("ir", FLEET, with(foreign), request)).contains("badMessageCheck");

        Secret mine = secret(TENANT, FLEET);
        cmp("ir", FLEET, with(mine), request);
        key("birth");
        claimBirth("birth");
        String stranger = refused("rr", FLEET, signing("birth"), "-oldcert first.pem -revreason 1");
        assertThat(stranger).contains("badCertId");
        assertThat(TENANT.revoked(mine.device(), pem("first.pem").serial())).isFalse();

        String unknown = FLEET.substring(0, FLEET.length() - 4) + "0000";
        assertThat(refused("ir", unknown, with(mine), request)).contains("404");
    }

    @Test
    @DisplayName("no proof of possession, or one of another key")
    void possession() {
        Secret secret = secret(TENANT, FLEET);
        key("first");
        String request = "-newkey first.key -subject /CN=device -certout first.pem -popo ";
        assertThat(refused("ir", FLEET, with(secret), request + "-1")).contains("badCertTemplate");
        assertThat(refused("ir", FLEET, with(secret), request + "0")).contains("badCertTemplate");
        assertThat(TENANT.certificates(secret.device())).isEmpty();
    }

    @Test
    @DisplayName("kur while the root is replaced: whoever trusts the old root alone can follow all the way")
    void rollover() {
        EstTenant tenant = new EstTenant("Replaced CMP");
        String fleet = tenant.fleet("");
        JsonNode authorities = tenant.get("/api/v1/authorities").path("items");
        String root = authorities.get(0).path("id").asString();
        writeRoot(tenant);
        key("first");
        cmp("ir", fleet, with(secret(tenant, fleet)), "-newkey first.key -subject /CN=device -certout first.pem");
        String rollovers = "/api/v1/rollovers";
        tenant.post(rollovers, "{\"authority\":\"%s\"}".formatted(root));
        String rollover = rollovers + "/"
                + tenant.get(rollovers).path("items").get(0).path("id").asString();
        tenant.post(rollover + "/start", "{}");
        Instant end = Instant.now().plus(Duration.ofMinutes(2));
        while (tenant.get(rollover).at("/progress/own-renewal").asInt() == 0) {
            assertThat(Instant.now()).isBefore(end);
            LockSupport.parkNanos(50_000_000);
        }

        // What is known of fleets and rollovers is remembered for two seconds.
        Name old = pem("first.pem").issuer();
        String held = "first";
        while (pem(held + ".pem").issuer().equals(old)) {
            assertThat(Instant.now()).isBefore(end);
            held = follow(fleet, held);
        }
        assertThat(tenant.post(rollover + "/finish", "{\"leaveBehind\":true}").statusCode())
                .isEqualTo(200);
        while (pem("chain.pem").subject().equals(old)) {
            assertThat(Instant.now()).isBefore(end);
            held = follow(fleet, held);
        }
    }

    /// Renews, and verifies what comes by the old root and the certificates that came with it.
    private String follow(String fleet, String held) {
        String next = held + "x";
        key(next);
        cmp("kur", fleet, signing(held), "-newkey %1$s.key -certout %1$s.pem -extracertsout all.pem".formatted(next));
        tool.run("sh", "-c", "openssl x509 -in all.pem -out chain.pem");
        tool.run("openssl", "verify", "-CAfile", "root.pem", "-untrusted", "all.pem", next + ".pem");
        return next;
    }

    /// Claims a device by its key. Its birth certificate is of a vendor's CA, since openssl leaves
    /// self-signed ones out of extraCerts.
    private String claimBirth(String name) {
        key("vendor");
        tool.run("sh", "-c", """
                openssl req -new -x509 -key vendor.key -subj /CN=vendor -days 9 -out vendor.pem &&
                openssl req -new -key %1$s.key -subj /CN=chip -out %1$s.csr &&
                openssl x509 -req -in %1$s.csr -CA vendor.pem -CAkey vendor.key -set_serial 7 -days 9 -out %1$s.pem &&
                openssl pkey -in %1$s.key -pubout -outform der -out %1$s.pub""".formatted(name));
        return TENANT.claim(FLEET, Bytes.of(tool.read(name + ".pub")));
    }

    private void key(String name) {
        tool.run("sh", "-c", "openssl ecparam -name prime256v1 -genkey -noout -out " + name + ".key");
    }

    private static String with(Secret secret) {
        return "-ref " + secret.reference() + " -secret pass:" + secret.text();
    }

    private static String signing(String name) {
        return "-cert %1$s.pem -key %1$s.key".formatted(name);
    }

    private String cmp(String command, String path, String... options) {
        return tool.run(words(command, path, options));
    }

    private String refused(String command, String path, String... options) {
        Tool.Result result = tool.tryRun(words(command, path, options));
        assertThat(result.status()).as(result.output()).isNotZero();
        return result.output();
    }

    private static String[] words(String command, String path, String... options) {
        String server = RunningServer.shared().server().devicesUrl() + "/.well-known/cmp/p/" + path;
        List<String> words = new ArrayList<>(List.of("openssl", "cmp", "-config", "", "-cmd", command));
        words.addAll(List.of("-server", server, "-tls_used", "-tls_trusted", TLS_CA, "-trusted", "root.pem"));
        words.add("-unprotected_errors");
        for (String option : options) {
            words.addAll(List.of(option.split(" ")));
        }
        return words.toArray(String[]::new);
    }

    private Certificate pem(String name) {
        return EstTenant.certificate(new String(tool.read(name), StandardCharsets.US_ASCII));
    }
}
