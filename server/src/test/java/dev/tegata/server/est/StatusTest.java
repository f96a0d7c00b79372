// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.est;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.server.RunningServer;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Random;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

@DisplayName("The status of certificates, as openssl, GnuTLS and curl see it")
final class StatusTest {
    private static final EstTenant TENANT = new EstTenant("Status");
    private static final EstTenant OTHER = new EstTenant("Other status");
    private static final String FLEET = TENANT.fleet("");
    private static final Path TLS_CA = TENANT.running.server().authorityFile().orElseThrow();
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    @TempDir
    Path folder;

    private Tool tool;

    private record Unit(String id, Certificate certificate) {
        String crl() {
            return certificate.locations().crls().getFirst();
        }

        String ocsp() {
            return certificate.locations().ocsp().getFirst();
        }
    }

    @BeforeAll
    static void toolsAreThere() {
        Tool.require("openssl", "openssl");
        Tool.require("ocsptool", "gnutls-bin");
        Tool.require("curl", "curl");
    }

    @BeforeEach
    void writeChain() {
        tool = new Tool(folder);
        tool.write("root.pem", authority("root").pem());
        tool.write("issuing.pem", authority("issuing").pem());
        tool.write("chain.pem", authority("issuing").pem() + authority("root").pem());
    }

    @AfterAll
    static void close() {
        HTTP.close();
    }

    private static JsonNode authorityNode(String kind) {
        for (JsonNode authority : TENANT.tenant.created().path("authorities")) {
            if (authority.path("kind").asString().equals(kind)) {
                return authority;
            }
        }
        throw new AssertionError("no " + kind);
    }

    private static Certificate authority(String kind) {
        return EstTenant.certificate(authorityNode(kind).at("/certificate/pem").asString());
    }

    private Unit enrol() {
        SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        String id = TENANT.claim(FLEET, key);
        CertificateRequest request = EstDevice.request(key);
        try (EstDevice device = EstDevice.showing(TLS_CA, key)) {
            HttpResponse<byte[]> answer = device.post(TENANT.est(FLEET, "simpleenroll"), request);
            assertThat(answer.statusCode()).as(EstDevice.text(answer)).isEqualTo(200);
            Certificate certificate = EstDevice.certificates(answer).getFirst();
            tool.write(id + ".pem", certificate.pem());
            return new Unit(id, certificate);
        }
    }

    private String opensslOcsp(Unit unit, String... more) {
        return tool.run(concat(
                concat(new String[] {"openssl", "ocsp"}, more),
                "-issuer",
                "issuing.pem",
                "-cert",
                unit.id() + ".pem",
                "-url",
                unit.ocsp(),
                "-CAfile",
                "chain.pem"));
    }

    private static String[] concat(String[] one, String... other) {
        String[] all = java.util.Arrays.copyOf(one, one.length + other.length);
        System.arraycopy(other, 0, all, one.length, other.length);
        return all;
    }

    private HttpResponse<byte[]> get(String url, String... headers) {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url));
        if (headers.length > 0) {
            request.headers(headers);
        }
        return send(request);
    }

    private static HttpResponse<byte[]> send(HttpRequest.Builder request) {
        try {
            return HTTP.send(request.build(), BodyHandlers.ofByteArray());
        } catch (IOException e) {
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    /// Publication happens in the background: asked for until it has happened.
    private static <T> T eventually(Supplier<T> question, java.util.function.Predicate<T> wanted) {
        long deadline = System.nanoTime() + 60_000_000_000L;
        while (true) {
            T answer = question.get();
            if (wanted.test(answer)) {
                return answer;
            }
            assertThat(System.nanoTime()).as("still " + answer).isLessThan(deadline);
            try {
                Thread.sleep(50);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException(e);
            }
        }
    }

    private String crlText(String url) {
        eventually(() -> get(url), answer -> answer.statusCode() == 200);
        tool.run("curl", "--silent", "--fail", "--output", "list.crl", url);
        return tool.run("openssl", "crl", "-inform", "DER", "-in", "list.crl", "-noout", "-text");
    }

    private Tool.Result verify(Unit unit) {
        tool.run("openssl", "crl", "-inform", "DER", "-in", "list.crl", "-out", "list.pem");
        String rootUrl = authority("issuing").locations().crls().getFirst();
        eventually(() -> get(rootUrl), answer -> answer.statusCode() == 200);
        tool.run("curl", "--silent", "--fail", "--output", "root.crl", rootUrl);
        tool.run("openssl", "crl", "-inform", "DER", "-in", "root.crl", "-out", "root-crl.pem");
        return tool.tryRun(
                "openssl",
                "verify",
                "-x509_strict",
                "-crl_check_all",
                "-CAfile",
                "root.pem",
                "-untrusted",
                "issuing.pem",
                "-CRLfile",
                "list.pem",
                "-CRLfile",
                "root-crl.pem",
                unit.id() + ".pem");
    }

    private static String serial(Certificate certificate) {
        return certificate.serial().hex().toUpperCase(java.util.Locale.ROOT);
    }

    @Test
    @DisplayName("a leaf names its partition, its responder and its issuer; openssl checks the whole chain by CRLs")
    void crls() {
        Unit unit = enrol();
        assertThat(unit.crl())
                .startsWith(TENANT.running.server().publicUrl() + "/crl/")
                .endsWith("/000001.crl");
        assertThat(get(unit.certificate().locations().issuers().getFirst()).body())
                .isEqualTo(authority("issuing").encoded().toArray());

        String before = crlText(unit.crl());
        assertThat(before)
                .contains(
                        "X509v3 Issuing Distribution Point: critical",
                        unit.crl(),
                        "X509v3 CRL Number",
                        "Authority Key Identifier")
                .doesNotContain(serial(unit.certificate()));
        assertThat(tool.run("openssl", "crl", "-inform", "DER", "-in", "list.crl", "-CAfile", "chain.pem", "-noout"))
                .contains("verify OK");
        assertThat(verify(unit).output()).contains("OK");

        TENANT.change(unit.id(), "revoke");
        eventually(() -> crlText(unit.crl()), text -> text.contains(serial(unit.certificate())));
        assertThat(verify(unit).output()).contains("certificate revoked");
        String full = unit.crl().replace("/000001.crl", ".crl");
        assertThat(eventually(() -> crlText(full), text -> text.contains(serial(unit.certificate()))))
                .contains("Only User Certificates");
        assertThat(verify(unit).output()).contains("certificate revoked");
    }

    @Test
    @DisplayName("a device on hold is listed as such, and leaves the list when the hold ends")
    void hold() {
        Unit unit = enrol();
        TENANT.change(unit.id(), "suspend");
        assertThat(eventually(() -> crlText(unit.crl()), text -> text.contains(serial(unit.certificate()))))
                .contains("Certificate Hold");
        assertThat(opensslOcsp(unit)).contains("certificateHold");
        TENANT.change(unit.id(), "resume");
        eventually(() -> crlText(unit.crl()), text -> !text.contains(serial(unit.certificate())));
        assertThat(eventually(() -> opensslOcsp(unit), text -> text.contains(": good")))
                .contains("verify OK");
    }

    @Test
    @DisplayName("lists are served with validators, and not again to those who have them")
    void caching() {
        Unit unit = enrol();
        HttpResponse<byte[]> list = eventually(() -> get(unit.crl()), answer -> answer.statusCode() == 200);
        assertThat(list.headers().firstValue("Content-Type")).contains("application/pkix-crl");
        String etag = list.headers().firstValue("ETag").orElseThrow();
        String modified = list.headers().firstValue("Last-Modified").orElseThrow();
        assertThat(list.headers().firstValue("Cache-Control").orElseThrow()).contains("max-age=300", "public");
        assertThat(get(unit.crl(), "If-None-Match", etag).statusCode()).isEqualTo(304);
        assertThat(get(unit.crl(), "If-None-Match", "\"other\"").statusCode()).isEqualTo(200);
        assertThat(get(unit.crl(), "If-Modified-Since", modified).statusCode()).isEqualTo(304);
        assertThat(get(unit.crl(), "If-Modified-Since", "yesterday").statusCode())
                .isEqualTo(200);
    }

    @Test
    @DisplayName("RFC 6960, RFC 9654: openssl gets good with its nonce, and revoked in the next answer")
    void opensslAsks() {
        Unit unit = enrol();
        assertThat(opensslOcsp(unit)).contains("Response verify OK", ": good").doesNotContain("WARNING");
        assertThat(opensslOcsp(unit, "-no_nonce")).contains("Response verify OK", ": good");
        for (String hash : List.of("-sha1", "-sha256", "-sha384", "-sha512")) {
            assertThat(opensslOcsp(unit, "-no_nonce", hash)).contains("Response verify OK", unit.id() + ".pem: good");
        }
        TENANT.change(unit.id(), "revoke");
        assertThat(opensslOcsp(unit)).contains(": revoked");
        assertThat(opensslOcsp(unit, "-no_nonce")).contains("Response verify OK", ": revoked");
    }

    @Test
    @DisplayName("GnuTLS asks and believes")
    void gnuTlsAsks() {
        Unit unit = enrol();
        tool.write("both.pem", unit.certificate().pem() + authority("issuing").pem());
        assertThat(tool.run(
                        "ocsptool",
                        "--ask=" + unit.ocsp(),
                        "--nonce",
                        "--load-cert=" + unit.id() + ".pem",
                        "--load-issuer=issuing.pem",
                        "--verify-allow-broken"))
                .contains("Certificate Status: good", "Success");
        TENANT.change(unit.id(), "revoke");
        assertThat(tool.run(
                        "ocsptool",
                        "--ask=" + unit.ocsp(),
                        "--load-cert=" + unit.id() + ".pem",
                        "--load-issuer=issuing.pem",
                        "--verify-allow-broken"))
                .contains("Certificate Status: revoked");
    }

    @Test
    @DisplayName("RFC 5019: GET is answered ready made and with caching headers; POST says what must not be kept")
    void getIsCacheable() {
        Unit unit = enrol();
        tool.run("openssl", "ocsp", "-issuer", "issuing.pem", "-cert", unit.id() + ".pem", "-no_nonce", "-reqout", "r");
        String url = unit.ocsp() + "/"
                + URLEncoder.encode(Base64.getEncoder().encodeToString(tool.read("r")), StandardCharsets.UTF_8);
        HttpResponse<byte[]> first = get(url);
        assertThat(first.headers().firstValue("Content-Type")).contains("application/ocsp-response");
        assertThat(first.headers().map()).containsKeys("etag", "expires", "last-modified");
        assertThat(first.headers().firstValue("Cache-Control").orElseThrow()).contains("max-age=35", "must-revalidate");
        assertThat(get(url).body()).isEqualTo(first.body());
        String etag = first.headers().firstValue("ETag").orElseThrow();
        assertThat(get(url, "If-None-Match", etag).statusCode()).isEqualTo(304);
        HttpResponse<byte[]> posted = post(unit.ocsp(), tool.read("r"));
        assertThat(posted.body()).isEqualTo(first.body());
        assertThat(posted.headers().firstValue("Cache-Control")).contains("no-store");
    }

    @Test
    @DisplayName("RFC 6960 A.1: GET takes base64 with its slashes encoded or not, two in a row and one at the end, too")
    void getWithSlashes() {
        Unit unit = enrol();
        // Set bits are slashes wherever a group of six begins; three lengths give each padding.
        for (int bytes : List.of(10, 11, 12)) {
            String serial = "0x7f" + "ff".repeat(bytes - 1);
            tool.run("openssl", "ocsp", "-issuer", "issuing.pem", "-serial", serial, "-no_nonce", "-reqout", "r");
            byte[] asked = tool.read("r");
            String base64 = Base64.getEncoder().encodeToString(asked);
            assertThat(base64).contains("//");
            for (String form : List.of(
                    base64, base64.replace("/", "%2F").replace("+", "%2b").replace("=", "%3D"))) {
                HttpResponse<byte[]> answer = get(unit.ocsp() + "/" + form);
                assertThat(ocspStatus(answer)).as(form).isZero();
                assertThat(answer.body()).hasSizeGreaterThan(100);
            }
        }
        assertThat(ocspStatus(get(unit.ocsp() + "/a//b/"))).isEqualTo(1);
    }

    @Test
    @DisplayName("how fresh status is can be watched")
    void gauges() {
        assertThat(new String(
                        get(TENANT.running.server().metricsUrl() + "/metrics").body(), StandardCharsets.UTF_8))
                .contains("tegata_crl_seconds_left ", "tegata_ocsp_responder_days_left ", "tegata_ocsp_ready ");
    }

    private static HttpResponse<byte[]> post(String url, byte[] body) {
        return send(HttpRequest.newBuilder(URI.create(url))
                .header("Content-Type", "application/ocsp-request")
                .POST(BodyPublishers.ofByteArray(body)));
    }

    private static int ocspStatus(HttpResponse<byte[]> response) {
        assertThat(response.statusCode()).isEqualTo(200);
        return response.body().length == 5 ? response.body()[4] : 0;
    }

    @Test
    @DisplayName("what was never issued is unknown; and so is what another tenant has issued")
    void unknown() {
        Unit unit = enrol();
        assertThat(tool.run(
                        "openssl",
                        "ocsp",
                        "-issuer",
                        "issuing.pem",
                        "-serial",
                        "0x1234567890",
                        "-url",
                        unit.ocsp(),
                        "-CAfile",
                        "chain.pem"))
                .contains("Response verify OK", "unknown");
        String elsewhere = unit.ocsp()
                .replaceFirst(
                        "/ocsp/.*",
                        "/ocsp/" + OTHER.tenant.id() + "/"
                                + OTHER.tenant.created().at("/authorities/1/id").asString());
        tool.run("openssl", "ocsp", "-issuer", "issuing.pem", "-cert", unit.id() + ".pem", "-reqout", "r");
        assertThat(new String(post(elsewhere, tool.read("r")).body(), StandardCharsets.ISO_8859_1))
                .isNotEmpty();
        tool.write(
                "other.pem",
                EstTenant.certificate(OTHER.tenant
                                        .created()
                                        .at("/authorities/1/certificate/pem")
                                        .asString())
                                .pem()
                        + EstTenant.certificate(OTHER.tenant
                                        .created()
                                        .at("/authorities/0/certificate/pem")
                                        .asString())
                                .pem());
        assertThat(tool.tryRun(
                                "openssl",
                                "ocsp",
                                "-issuer",
                                "issuing.pem",
                                "-cert",
                                unit.id() + ".pem",
                                "-url",
                                elsewhere,
                                "-CAfile",
                                "other.pem",
                                "-VAfile",
                                "other.pem",
                                "-noverify")
                        .output())
                .contains("unknown")
                .doesNotContain(": good");
        // Authorities of others, and none at all, look the same.
        String mixed = unit.ocsp().replace(TENANT.tenant.id(), OTHER.tenant.id());
        assertThat(ocspStatus(post(mixed, tool.read("r")))).isEqualTo(6);
        assertThat(ocspStatus(post(unit.ocsp().replaceFirst("[^/]+$", "no-uuid"), tool.read("r"))))
                .isEqualTo(6);
        assertThat(get(unit.crl().replace(TENANT.tenant.id(), OTHER.tenant.id()))
                        .statusCode())
                .isEqualTo(404);
        assertThat(OTHER.running
                        .get(OTHER.tenant.ownerKey(), statusPath("issuing"))
                        .statusCode())
                .isEqualTo(404);
        assertThat(OTHER.running
                        .post(OTHER.tenant.ownerKey(), authorityPath("issuing") + "/retire", "{}")
                        .statusCode())
                .isEqualTo(404);
    }

    @Test
    @DisplayName("requests that are malformed, too large or misuse nonces are refused in OCSP's own words")
    void malformed() {
        Unit unit = enrol();
        tool.run("openssl", "ocsp", "-issuer", "issuing.pem", "-cert", unit.id() + ".pem", "-reqout", "r");
        byte[] good = tool.read("r");
        assertThat(ocspStatus(post(unit.ocsp(), good))).isZero();
        assertThat(ocspStatus(post(unit.ocsp(), new byte[0]))).isEqualTo(1);
        assertThat(ocspStatus(post(unit.ocsp(), java.util.Arrays.copyOf(good, good.length + 1))))
                .isEqualTo(1);
        assertThat(post(unit.ocsp(), new byte[17 * 1024]).statusCode()).isEqualTo(413);
        assertThat(ocspStatus(get(unit.ocsp() + "/***"))).isEqualTo(1);
        Random random = new Random(20);
        for (int i = 0; i < 300; i++) {
            byte[] mutated = good.clone();
            mutated[random.nextInt(mutated.length)] = (byte) random.nextInt();
            HttpResponse<byte[]> answer = post(unit.ocsp(), mutated);
            assertThat(answer.statusCode()).isEqualTo(200);
            assertThat(answer.body().length == 5 ? answer.body()[4] : 0).isIn((byte) 0, (byte) 1);
        }
    }

    private static String authorityPath(String kind) {
        return "/api/v1/authorities/" + authorityNode(kind).path("id").asString();
    }

    private static String statusPath(String kind) {
        return authorityPath(kind) + "/status";
    }

    @Test
    @DisplayName("operators see the status and publish by hand; numbers only rise")
    void published() {
        enrol();
        JsonNode before = eventually(
                () -> RunningServer.body(TENANT.running.get(TENANT.tenant.ownerKey(), statusPath("issuing"))),
                status -> status.path("partitions").asInt() == 2 && status.has("crl"));
        HttpResponse<String> done = eventually(
                () -> TENANT.running.post(TENANT.tenant.ownerKey(), authorityPath("issuing") + "/crl", ""),
                answer -> answer.statusCode() == 200);
        assertThat(RunningServer.body(done).at("/crl/number").asLong())
                .isGreaterThan(before.at("/crl/number").asLong());
        HttpResponse<String> changed = TENANT.running.send(TENANT.running
                .to(TENANT.tenant.ownerKey(), statusPath("issuing"))
                .header("Content-Type", "application/json")
                .method("PATCH", BodyPublishers.ofString("{\"ocspLifetime\":\"PT2H\"}")));
        assertThat(changed.body()).contains("\"PT2H\"", "\"publishAtOnce\":true");
    }

    @Test
    @DisplayName("a revoked authority is on its root's list, issues nothing, and its own status goes on")
    void authorityRevoked() {
        EstTenant tenant = new EstTenant("Revoked authority");
        String fleet = tenant.fleet("");
        JsonNode issuing = tenant.tenant.created().at("/authorities/1");
        String path = "/api/v1/authorities/" + issuing.path("id").asString();
        HttpResponse<String> revoked =
                tenant.running.post(tenant.tenant.ownerKey(), path + "/revoke", "{\"reason\":\"cACompromise\"}");
        assertThat(RunningServer.body(revoked).path("state").asString()).isEqualTo("retired");
        assertThat(tenant.running
                        .post(tenant.tenant.ownerKey(), path + "/revoke", "{}")
                        .statusCode())
                .isEqualTo(409);
        Certificate certificate =
                EstTenant.certificate(issuing.at("/certificate/pem").asString());
        String list = certificate.locations().crls().getFirst();
        assertThat(eventually(() -> crlText(list), text -> text.contains(serial(certificate))))
                .contains("CA Compromise");
        SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        tenant.claim(fleet, key);
        eventually(
                () -> {
                    try (EstDevice device = EstDevice.showing(TLS_CA, key)) {
                        return device.post(tenant.est(fleet, "simpleenroll"), EstDevice.request(key))
                                .statusCode();
                    }
                },
                status -> status == 503);
        String own = list.replaceFirst("[^/]+$", issuing.path("id").asString() + ".crl");
        eventually(() -> get(own).statusCode(), status -> status == 200);
        assertThat(Bytes.of(get(own).body()).size()).isPositive();
    }
}
