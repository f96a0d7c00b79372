// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.verify;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import dev.tegata.attestation.appraisal.Evidence;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.attestation.psa.PsaProfile;
import dev.tegata.attestation.psa.PsaToken;
import dev.tegata.attestation.psa.SoftwareComponent;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.server.RunningServer;
import dev.tegata.server.RunningServer.TestTenant;
import dev.tegata.server.ServerConfig;
import dev.tegata.server.Setting;
import dev.tegata.server.cli.Shell;
import dev.tegata.server.est.Tool;
import java.net.InetSocketAddress;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

@DisplayName("What other CAs revoke, by lists that openssl makes")
class ForeignRevocationTest {
    private static final RunningServer SERVER = RunningServer.shared();
    private static final String INSTANCE = "ab".repeat(32);
    private static final Bytes HASH = Bytes.ofHex("11".repeat(32));

    @TempDir
    Path folder;

    private RunningServer server = SERVER;
    private TestTenant tenant = SERVER.createTenant("Revocation");
    private String address = "http://ca.invalid/iak.crl";
    private String subject = INSTANCE;
    private Tool tool = new Tool(Path.of("."));

    /// A root, an issuing CA below it, and one attestation key with a certificate that names a distribution
    /// point.
    @BeforeEach
    void makeAuthorities() {
        makeAuthorities(address);
    }

    private void makeAuthorities(String url) {
        makeAuthorities(url, "leaf");
    }

    /// @param extensions those of the attestation key's certificate
    private void makeAuthorities(String url, String extensions) {
        address = url;
        Tool.require("openssl", "openssl");
        tool = new Tool(folder);
        tool.write("index.txt", "");
        tool.write("ca.cnf", """
                [ca]
                default_ca = iak
                [iak]
                database = index.txt
                rand_serial = yes
                new_certs_dir = .
                default_md = sha256
                default_days = 30
                policy = any
                certificate = issuing.pem
                private_key = issuing.key
                crl_extensions = crl
                [any]
                commonName = supplied
                [leaf]
                basicConstraints = critical,CA:FALSE
                keyUsage = critical,digitalSignature
                crlDistributionPoints = URI:%1$s
                authorityKeyIdentifier = keyid
                [asked]
                basicConstraints = critical,CA:FALSE
                keyUsage = critical,digitalSignature
                authorityInfoAccess = OCSP;URI:%1$s
                [responder]
                basicConstraints = critical,CA:FALSE
                keyUsage = critical,digitalSignature
                extendedKeyUsage = OCSPSigning
                noCheck = ignored
                [issuing]
                basicConstraints = critical,CA:TRUE
                keyUsage = critical,keyCertSign,cRLSign
                subjectKeyIdentifier = hash
                [crl]
                authorityKeyIdentifier = keyid
                """.formatted(address));
        tool.run(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "30",
                "-subj",
                "/CN=IAK root",
                "-addext",
                "keyUsage=critical,keyCertSign,cRLSign",
                "-keyout",
                "root.key",
                "-out",
                "root.pem");
        for (String each : List.of("issuing:IAK issuing", "responder:OCSP", "leaf:" + subject)) {
            String name = each.substring(0, each.indexOf(':'));
            tool.run(
                    "openssl",
                    "req",
                    "-new",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                    "-subj",
                    "/CN=" + each.substring(each.indexOf(':') + 1),
                    "-keyout",
                    name + ".key",
                    "-out",
                    name + ".csr");
        }
        tool.run(
                "openssl",
                "x509",
                "-req",
                "-in",
                "issuing.csr",
                "-CA",
                "root.pem",
                "-CAkey",
                "root.key",
                "-days",
                "30",
                "-extfile",
                "ca.cnf",
                "-extensions",
                "issuing",
                "-out",
                "issuing.pem");
        issue("leaf", extensions);
        issue("responder", "responder");
    }

    private void issue(String name, String extensions) {
        tool.run(
                "openssl",
                "ca",
                "-batch",
                "-config",
                "ca.cnf",
                "-extensions",
                extensions,
                "-in",
                name + ".csr",
                "-out",
                name + ".pem",
                "-notext");
    }

    private String text(String file) {
        return new String(tool.read(file), StandardCharsets.US_ASCII);
    }

    private HttpResponse<String> post(String path, ObjectNode body) {
        return server.post(tenant.ownerKey(), path, body.toString());
    }

    private static ObjectNode object() {
        return JsonMapper.shared().createObjectNode();
    }

    private void trustRoot() {
        HttpResponse<String> trusted = post(
                "/api/v1/trusted-certificates",
                object().put("purpose", "attestation-ca").put("certificate", text("root.pem")));
        assertThat(trusted.statusCode()).as(trusted.body()).isEqualTo(201);
    }

    private HttpResponse<String> bring(String file, String... more) {
        tool.run(command(file, more));
        return post("/api/v1/revocation-lists", object().put("list", text(file)).put("issuers", text("issuing.pem")));
    }

    private static String[] command(String file, String... more) {
        List<String> words = new ArrayList<>(List.of("openssl", "ca", "-config", "ca.cnf", "-gencrl", "-out", file));
        words.addAll(List.of(more));
        return words.toArray(String[]::new);
    }

    /// What became of the device's evidence: its problem, or nothing.
    private String problem() throws Exception {
        return appraised().at("/attesters/0/problem").asString("");
    }

    private JsonNode appraised() throws Exception {
        byte[] der = Base64.getMimeDecoder().decode(text("leaf.key").replaceAll("-----[^-]*-----", ""));
        PrivateKey key = KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(der));
        Certificate leaf = Certificate.parsePem(text("leaf.pem")).getFirst();
        Certificate issuing = Certificate.parsePem(text("issuing.pem")).getFirst();
        Bytes spki = leaf.publicKeyEncoded();
        // A certificate is for the instance that it names, or for the one that is named after its key.
        Bytes instance = subject.equals(INSTANCE)
                ? Bytes.ofHex(INSTANCE)
                : spki.slice(spki.size() - 65, spki.size()).sha256();
        PsaToken token = new PsaToken(
                PsaProfile.RFC_9783,
                HASH,
                Bytes.ofHex("01").concat(instance),
                HASH,
                1,
                0x3000,
                null,
                null,
                List.of(new SoftwareComponent("BL", HASH, null, null, null)),
                null);
        Bytes evidence = token.sign(Signer.of(leaf.publicKey(), key), List.of(leaf.encoded(), issuing.encoded()));
        HttpResponse<String> answer = server.send(server.to(tenant.ownerKey(), "/api/v1/appraisals")
                .header("Content-Type", Evidence.PSA)
                .POST(BodyPublishers.ofByteArray(evidence.toArray())));
        assertThat(answer.statusCode()).as(answer.body()).isIn(200, 201);
        return RunningServer.body(answer);
    }

    @Test
    @DisplayName(
            "a certificate of an attestation CA that names a device's serial number makes its evidence the device's")
    void named() throws Exception {
        HttpResponse<String> fleet = post("/api/v1/fleets", object().put("name", "Lamps"));
        assertThat(fleet.statusCode()).as(fleet.body()).isEqualTo(201);
        String manifests = "/api/v1/fleets/"
                + RunningServer.body(fleet).path("id").asString() + "/manifests?fileName=list.csv&statement=true";
        HttpResponse<String> upload = server.send(server.to(tenant.ownerKey(), manifests)
                .header("Content-Type", "application/octet-stream")
                .POST(BodyPublishers.ofString("serial\nLamp-77\nLamp-78\n")));
        assertThat(upload.statusCode()).as(upload.body()).isBetween(200, 299);
        await(() -> devices().size() == 2);
        trustRootOf("Lamp-77");
        assertThat(bring("first.crl", "-crldays", "7").statusCode()).isEqualTo(201);
        JsonNode device = devices()
                .valueStream()
                .filter(each -> each.path("serial").asString().equals("lamp-77"))
                .findFirst()
                .orElseThrow();
        JsonNode appraised = appraised();
        assertThat(appraised.path("device").asString())
                .as(appraised.toString())
                .isEqualTo(device.path("id").asString());
        // Nobody's serial number makes it nobody's.
        trustRootOf("Lamp-79");
        assertThat(bring("first.crl", "-crldays", "7").statusCode()).isEqualTo(201);
        assertThat(appraised().has("device")).isFalse();
    }

    private JsonNode devices() {
        return RunningServer.body(server.get(tenant.ownerKey(), "/api/v1/devices"))
                .path("items");
    }

    private void trustRootOf(String name) {
        subject = name;
        makeAuthorities();
        trustRoot();
    }

    @Test
    @DisplayName("unknown is refused, current is believed, revoked is refused, an older list does not come back")
    void life() throws Exception {
        trustRoot();
        assertThat(problem()).isEqualTo("unknown-revocation");
        assertThat(bring("first.crl", "-crldays", "7").statusCode()).isEqualTo(201);
        assertThat(problem()).isEmpty();
        tool.run("openssl", "ca", "-config", "ca.cnf", "-revoke", "leaf.pem", "-crl_reason", "keyCompromise");
        HttpResponse<String> second = bring("second.crl", "-crl_lastupdate", later(), "-crldays", "7");
        assertThat(second.statusCode()).as(second.body()).isEqualTo(201);
        assertThat(RunningServer.body(second).path("entries").asInt()).isEqualTo(1);
        assertThat(problem()).isEqualTo("revoked-certificate");
        HttpResponse<String> again = post(
                "/api/v1/revocation-lists",
                object().put("list", text("first.crl")).put("issuers", text("issuing.pem")));
        assertThat(again.statusCode()).as(again.body()).isEqualTo(409);
        JsonNode listed = RunningServer.body(SERVER.get(tenant.ownerKey(), "/api/v1/revocation-lists"));
        assertThat(listed.path("items").size()).isEqualTo(1);
        String issuer = listed.at("/items/0/issuer").asString();
        assertThat(SERVER.send(SERVER.to(tenant.ownerKey(), "/api/v1/revocation-lists/" + issuer)
                                .DELETE())
                        .statusCode())
                .isEqualTo(204);
        assertThat(problem()).isEqualTo("unknown-revocation");
    }

    private JsonNode source() {
        return RunningServer.body(server.get(tenant.ownerKey(), "/api/v1/revocation-sources"))
                .at("/items/0");
    }

    private interface Condition {
        boolean holds() throws Exception;
    }

    private static void await(Condition condition) throws Exception {
        long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (!condition.holds()) {
            assertThat(System.nanoTime()).isLessThan(end);
            Thread.sleep(100);
        }
    }

    @Test
    @DisplayName("a list is fetched from where the certificate says, where the operator allows that network")
    void fetched() throws Exception {
        HttpServer publisher = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        publisher.createContext("/iak.crl", exchange -> {
            byte[] list = Files.readAllBytes(folder.resolve("iak.crl"));
            exchange.getResponseHeaders().set("ETag", "\"1\"");
            exchange.sendResponseHeaders(200, list.length);
            exchange.getResponseBody().write(list);
            exchange.close();
        });
        publisher.start();
        try (RunningServer open = new RunningServer(ForeignRevocationTest::privateTargets)) {
            makeAuthorities("http://127.0.0.1:" + publisher.getAddress().getPort() + "/iak.crl");
            tool.run("openssl", "ca", "-config", "ca.cnf", "-revoke", "leaf.pem", "-crl_reason", "keyCompromise");
            tool.run(command("iak.crl", "-crldays", "7"));
            trustRoot();
            // The usual server does not look into its own network.
            assertThat(problem()).isEqualTo("unknown-revocation");
            await(() -> source().path("failures").asInt() > 0);
            assertThat(source().path("problem").asString()).contains("not public");
            assertThat(problem()).isEqualTo("unknown-revocation");

            server = open;
            tenant = open.createTenant("Revocation");
            trustRoot();
            await(() -> problem().equals("revoked-certificate"));
            assertThat(source().path("url").asString()).isEqualTo(address);
            assertThat(source().has("problem")).isFalse();
            assertThat(source().path("nextUpdate").asString()).isNotEmpty();
            HttpResponse<String> elsewhere =
                    open.get(open.createTenant("Other").ownerKey(), "/api/v1/revocation-sources");
            assertThat(RunningServer.body(elsewhere).path("items")).isEmpty();
        } finally {
            publisher.stop(0);
        }
    }

    @Test
    @DisplayName("RFC 6960: a CA without lists is asked for each certificate, at openssl's responder")
    void asked() throws Exception {
        int port = Tool.freePort();
        makeAuthorities("http://127.0.0.1:" + port + "/ocsp", "asked");
        trustRoot();
        // The usual server does not look into its own network, and unknown is a refusal.
        assertThat(problem()).isEqualTo("unknown-revocation");
        await(() -> source().path("failures").asInt() > 0);
        assertThat(source().path("problem").asString()).contains("not public");
        assertThat(problem()).isEqualTo("unknown-revocation");
        Process responder = respond(port);
        try (RunningServer open = new RunningServer(ForeignRevocationTest::privateTargets)) {
            server = open;
            tenant = open.createTenant("Revocation");
            trustRoot();
            // Evidence waits for the first answer, for some seconds.
            await(() -> problem().isEmpty());
            assertThat(source().path("url").asString()).isEqualTo(address);
            assertThat(source().path("certificates").asInt()).isEqualTo(1);
            assertThat(source().has("problem")).isFalse();
            assertThat(source().path("nextUpdate").asString()).isNotEmpty();
            assertThat(Shell.of(open, folder)
                            .with("TEGATA_API_KEY", tenant.ownerKey())
                            .run("trust", "crl-sources")
                            .text())
                    .contains("OCSP FOR", address);
            TestTenant other = open.createTenant("Other");
            assertThat(RunningServer.body(open.get(other.ownerKey(), "/api/v1/revocation-sources"))
                            .path("items"))
                    .isEmpty();

            // Another tenant learns of the certificate when it is revoked already.
            tool.run("openssl", "ca", "-config", "ca.cnf", "-revoke", "leaf.pem", "-crl_reason", "keyCompromise");
            stop(responder);
            responder = respond(port);
            tenant = other;
            trustRoot();
            await(() -> problem().equals("revoked-certificate"));
            JsonNode audit = RunningServer.body(open.get(tenant.ownerKey(), "/api/v1/audit/records"));
            assertThat(audit.path("items")
                            .valueStream()
                            .map(record -> record.path("action").asString()))
                    .containsOnlyOnce("revocation-answer.revoked");
        } finally {
            stop(responder);
        }
    }

    private Process respond(int port) throws Exception {
        return new ProcessBuilder(
                        "openssl",
                        "ocsp",
                        "-port",
                        Integer.toString(port),
                        "-index",
                        "index.txt",
                        "-CA",
                        "issuing.pem",
                        "-rsigner",
                        "responder.pem",
                        "-rkey",
                        "responder.key",
                        "-nmin",
                        "60")
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("responder.log").toFile())
                .start();
    }

    private static void stop(Process process) throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    private static ServerConfig privateTargets(Path data) {
        Map<Setting, String> settings = new EnumMap<>(Setting.class);
        settings.put(Setting.DATA, data.toString());
        settings.put(Setting.WEBHOOK_PRIVATE_TARGETS, "true");
        for (Setting port : List.of(Setting.API_PORT, Setting.DEVICE_PORT, Setting.PUBLIC_PORT, Setting.METRICS_PORT)) {
            settings.put(port, "0");
        }
        return ServerConfig.read(settings, Map.of(), null);
    }

    /// A minute from now: after the first list, and within what clocks may differ.
    private static String later() {
        return DateTimeFormatter.ofPattern("yyyyMMddHHmmss'Z'")
                .withZone(ZoneOffset.UTC)
                .format(Instant.now().plusSeconds(60));
    }

    @Test
    @DisplayName("a stale list leaves the status unknown, which a policy may put up with; revoked stays revoked")
    void stale() throws Exception {
        trustRoot();
        assertThat(bring("stale.crl", "-crl_lastupdate", "20250101000000Z", "-crl_nextupdate", "20250201000000Z")
                        .statusCode())
                .isEqualTo(201);
        assertThat(problem()).isEqualTo("unknown-revocation");
        ObjectNode policy = object();
        policy.putObject("policy")
                .put("id", "lenient")
                .put("version", 1)
                .put("unknownRevocation", "accept")
                .putArray("rules");
        policy.putArray("tests")
                .addObject()
                .put("name", "nothing changes")
                .put("scheme", "psa")
                .putObject("expect")
                .put("status", "none");
        HttpResponse<String> added = post("/api/v1/appraisal-policies", policy);
        assertThat(added.statusCode()).as(added.body()).isEqualTo(201);
        assertThat(post("/api/v1/appraisal-policies/lenient/1/activate", object())
                        .statusCode())
                .isEqualTo(200);
        assertThat(problem()).isEmpty();
        tool.run("openssl", "ca", "-config", "ca.cnf", "-revoke", "leaf.pem");
        assertThat(bring("revoked.crl", "-crl_lastupdate", "20250102000000Z", "-crl_nextupdate", "20250201000000Z")
                        .statusCode())
                .isEqualTo(201);
        assertThat(problem()).isEqualTo("revoked-certificate");
    }

    @Test
    @DisplayName("lists of strangers, changed ones and such as are none are refused")
    void refused() {
        // Nobody trusts its root yet.
        assertThat(bring("list.crl", "-crldays", "7").statusCode()).isEqualTo(422);
        trustRoot();
        byte[] der = Base64.getMimeDecoder().decode(text("list.crl").replaceAll("-----[^-]*-----", ""));
        der[der.length - 1] ^= 1;
        for (String list :
                List.of(Base64.getEncoder().encodeToString(der), "AAAA", "?", text("root.pem"), text("leaf.csr"))) {
            HttpResponse<String> answer =
                    post("/api/v1/revocation-lists", object().put("list", list).put("issuers", text("issuing.pem")));
            assertThat(answer.statusCode()).as(answer.body()).isEqualTo(422);
        }
        // Without the certificate of the CA below the root, nobody knows whose it is.
        assertThat(post("/api/v1/revocation-lists", object().put("list", text("list.crl")))
                        .statusCode())
                .isEqualTo(422);
        TestTenant other = SERVER.createTenant("Other");
        assertThat(SERVER.post(
                                other.ownerKey(),
                                "/api/v1/revocation-lists",
                                object().put("list", text("list.crl"))
                                        .put("issuers", text("issuing.pem"))
                                        .toString())
                        .statusCode())
                .isEqualTo(422);
    }
}
