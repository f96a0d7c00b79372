// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.est;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.attestation.appraisal.Evidence;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.attestation.eat.Eat;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.server.RunningServer;
import dev.tegata.server.cli.Shell;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

@DisplayName("Attestation on the devices' port")
class AttestingDeviceTest {
    private static final EstTenant TENANT = new EstTenant("Attesting");
    private static final Path TLS_CA = TENANT.running.server().authorityFile().orElseThrow();
    private static final String FLEET = TENANT.fleet("");

    /// A device with its operational certificate.
    private record Enrolled(String id, SoftwareKey key, Certificate certificate) {
        static Enrolled one() {
            SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            String id = TENANT.claim(FLEET, key);
            try (EstDevice device = EstDevice.showing(TLS_CA, key)) {
                HttpResponse<byte[]> issued =
                        device.post(address("/.well-known/est/" + FLEET + "/simpleenroll"), EstDevice.request(key));
                assertThat(issued.statusCode()).as(EstDevice.text(issued)).isEqualTo(200);
                return new Enrolled(id, key, EstDevice.certificates(issued).getFirst());
            }
        }

        EstDevice connect() {
            return EstDevice.showing(TLS_CA, key, certificate);
        }

        /// A token of this device, signed with its operational key.
        byte[] token(Bytes nonce) {
            Signer signer = Signer.of(key.publicKey(), key.privateKey());
            Cbor.MapItem header = Cbor.map()
                    .put(CoseMessage.X5CHAIN, Cbor.of(certificate.encoded()))
                    .build();
            Cbor.MapItem claims = Cbor.map()
                    .put(Eat.NONCE, Cbor.of(nonce))
                    .put(Eat.DEBUG_STATUS, Cbor.of(3))
                    .build();
            return CoseMessage.sign1(header, Cbor.map().build(), claims.encode(), signer)
                    .encode()
                    .toArray();
        }
    }

    private static URI address(String path) {
        return URI.create(TENANT.running.server().devicesUrl() + path);
    }

    private static JsonNode json(HttpResponse<byte[]> response) {
        assertThat(response.statusCode()).as(EstDevice.text(response)).isIn(200, 201);
        return RunningServer.json(EstDevice.text(response));
    }

    private static HttpResponse<byte[]> answer(EstDevice device, String session, byte[] token) {
        return device.send(HttpRequest.newBuilder(address("/" + FLEET + "/challenge-response/v1/session/" + session))
                .header("Content-Type", Evidence.EAT_CWT)
                .POST(BodyPublishers.ofByteArray(token)));
    }

    private static String opened(EstDevice device, StringBuilder nonce) {
        HttpResponse<byte[]> response =
                device.send(HttpRequest.newBuilder(address("/" + FLEET + "/challenge-response/v1/newSession"))
                        .POST(BodyPublishers.noBody()));
        nonce.append(json(response).path("nonce").asString());
        return response.headers().firstValue("Location").orElseThrow().replaceFirst("session/", "");
    }

    private static List<JsonNode> appraisals(String device) {
        return RunningServer.body(TENANT.running.get(TENANT.tenant.ownerKey(), "/api/v1/appraisals?device=" + device))
                .path("items")
                .valueStream()
                .toList();
    }

    @Test
    @DisplayName("a device sends evidence of itself and fetches its result; another's evidence proves nothing")
    void passport() {
        Enrolled a = Enrolled.one();
        Enrolled b = Enrolled.one();
        try (EstDevice deviceA = a.connect();
                EstDevice deviceB = b.connect();
                EstDevice nobody = EstDevice.anonymous(TLS_CA)) {
            URI result = address("/" + FLEET + "/attestation-result");
            assertThat(deviceA.get(result).statusCode()).isEqualTo(404);
            assertThat(nobody.get(result).statusCode()).isEqualTo(401);
            StringBuilder nonce = new StringBuilder();
            String session = opened(deviceA, nonce);
            byte[] token = a.token(Bytes.ofBase64Url(nonce.toString()));
            // Another device finds no such session.
            assertThat(answer(deviceB, session, token).statusCode()).isEqualTo(404);
            assertThat(json(answer(deviceA, session, token)).path("status").asString())
                    .isEqualTo("complete");
            assertThat(appraisals(a.id)).hasSize(1);
            assertThat(appraisals(a.id)
                            .getFirst()
                            .at("/vector/instance-identity")
                            .asInt())
                    .isEqualTo(2);
            assertThat(EstDevice.text(deviceA.get(result))).matches("[\\w-]+\\.[\\w-]+\\.[\\w-]+");

            StringBuilder nonceOfB = new StringBuilder();
            String sessionOfB = opened(deviceB, nonceOfB);
            byte[] forwarded = a.token(Bytes.ofBase64Url(nonceOfB.toString()));
            assertThat(answer(deviceB, sessionOfB, forwarded).statusCode()).isEqualTo(200);
            JsonNode refused = appraisals(b.id).getFirst();
            assertThat(refused.at("/attesters/0/problem").asString()).isEqualTo("wrong-device");
            assertThat(refused.path("status").asString()).isEqualTo("contraindicated");
            assertThat(appraisals(a.id)).hasSize(1);
        }
        TENANT.change(a.id, "revoke");
        try (EstDevice revoked = a.connect()) {
            assertThat(revoked.get(address("/" + FLEET + "/attestation-result")).statusCode())
                    .isEqualTo(403);
        }
    }

    @Test
    @DisplayName("a device shows the result that it has fetched to a relying party, which asks whether to let it in")
    void door(@TempDir Path folder) {
        Enrolled a = Enrolled.one();
        Enrolled b = Enrolled.one();
        post("/api/v1/relying-parties", "{\"name\":\"gate\",\"tier\":\"warning\"}", 201);
        String passport = attested(a);
        attested(b);
        JsonNode in = decide("passport", passport, null);
        assertThat(in.path("allowed").asBoolean()).as(in.toString()).isTrue();
        assertThat(in.path("device").asString()).isEqualTo(a.id);
        assertThat(decide("passport", passport, a.id).path("allowed").asBoolean())
                .isTrue();
        assertThat(decide("passport", passport, b.id).at("/reasons/0/code").asString())
                .isEqualTo("foreign-passport");

        String altered = passport.substring(0, passport.length() - 6) + "AAAAAA";
        refused(TENANT, altered);
        refused(new EstTenant("Neighbour"), passport);

        attested(a);
        assertThat(decide("passport", passport, null).at("/reasons/0/code").asString())
                .isEqualTo("unknown-passport");
        TENANT.change(a.id, "suspend");
        assertThat(decide("device", a.id, null).at("/reasons/0/code").asString())
                .isEqualTo("device-suspended");
        TENANT.change(a.id, "resume");

        String csv = Shell.of(TENANT.running, folder)
                .with("TEGATA_API_KEY", TENANT.tenant.ownerKey())
                .with("TEGATA_CA", TLS_CA.toString())
                .run("posture", "summary", "--csv")
                .text();
        List<String> lines = csv.lines().toList();
        assertThat(lines.getFirst()).isEqualTo("release,status,age,devices");
        assertThat(lines.subList(1, lines.size()))
                .isNotEmpty()
                .allMatch(line -> line.matches("\"[^\"]*\",[a-z]+,today,[0-9]+"));
        HttpResponse<String> other =
                TENANT.running.get(new EstTenant("Empty").tenant.ownerKey(), "/api/v1/posture-summary?format=csv");
        assertThat(other.body()).isEqualTo("release,status,age,devices\r\n");
    }

    @Test
    @DisplayName("a tenant that a device is lent to asks about it with its own key, until the loan ends")
    void loan() {
        Enrolled lock = Enrolled.one();
        EstTenant guest = new EstTenant("Guest");
        EstTenant stranger = new EstTenant("Stranger");
        String fingerprint = lock.certificate.encoded().sha256().hex();
        String pem = "{\"party\":\"flat\",\"certificate\":\""
                + lock.certificate.pem().replace("\n", "\\n") + "\"}";
        for (EstTenant tenant : List.of(guest, stranger)) {
            tenant.running.post(
                    tenant.tenant.ownerKey(),
                    "/api/v1/relying-parties",
                    "{\"name\":\"flat\",\"tier\":\"none\",\"life\":\"PT24H\"}");
            assertNotLent(tenant, lock, fingerprint, pem);
        }
        Instant until = Instant.now().plusSeconds(3600).truncatedTo(ChronoUnit.SECONDS);
        JsonNode grant = RunningServer.body(post(
                "/api/v1/devices/" + lock.id + "/grants",
                "{\"to\":\"" + guest.tenant.id() + "\",\"until\":\"" + until + "\"}",
                201));
        JsonNode in = ask(guest, pem);
        assertThat(in.path("allowed").asBoolean()).as(in.toString()).isTrue();
        assertThat(in.path("validUntil").asString()).isEqualTo(until.toString());
        assertThat(in.propertyNames())
                .containsExactlyInAnyOrder("allowed", "device", "party", "posture", "reasons", "validUntil");
        assertThat(in.path("posture").asString()).isEqualTo("withheld");
        for (String subject : List.of(lock.id, fingerprint)) {
            assertThat(lean(guest, subject).at("/reasons/0/code").asString())
                    .as("nobody's policy asks for evidence")
                    .isEqualTo("never-attested");
        }
        assertNotLent(stranger, lock, fingerprint, pem);

        TENANT.change(lock.id, "suspend");
        assertThat(ask(guest, pem).at("/reasons/0/detail").asString()).isEqualTo("its owner says: device suspended");
        TENANT.change(lock.id, "resume");
        HttpResponse<String> revoked = TENANT.running.send(TENANT.running
                .to(
                        TENANT.tenant.ownerKey(),
                        "/api/v1/devices/" + lock.id + "/grants/"
                                + grant.path("id").asString())
                .DELETE());
        assertThat(revoked.statusCode()).isEqualTo(204);
        assertNotLent(guest, lock, fingerprint, pem);
    }

    @Test
    @DisplayName("what may tell something of people is erased with a retired device, then or later, and no more of it")
    void erased() {
        Enrolled lock = Enrolled.one();
        Enrolled other = Enrolled.one();
        attested(lock);
        attested(other);
        post(
                "/api/v1/devices/" + lock.id + "/grants",
                "{\"to\":\"" + new EstTenant("Holidaymaker").tenant.id() + "\",\"until\":\""
                        + Instant.now().plusSeconds(3600).truncatedTo(ChronoUnit.SECONDS) + "\"}",
                201);
        post("/api/v1/devices/" + lock.id + "/orders", "{\"kind\":\"renew-certificate\"}", 201);
        post("/api/v1/devices/" + lock.id + "/retire", "{\"reason\":\"worn out\"}", 200);
        assertThat(appraisals(lock.id)).hasSize(1);
        assertThat(count("/api/v1/devices/" + lock.id + "/orders")).isOne();
        assertThat(get("/api/v1/devices/" + lock.id).path("lastSeenAt").isString())
                .isTrue();
        post("/api/v1/devices/" + lock.id + "/retire", "{\"reason\":\"worn out\"}", 409);

        String erasure = "{\"reason\":\"its user asked for it\",\"erase\":true}";
        post("/api/v1/devices/" + lock.id + "/retire", erasure, 200);
        post("/api/v1/devices/" + lock.id + "/retire", erasure, 200);

        assertThat(appraisals(lock.id)).isEmpty();
        assertThat(count("/api/v1/devices/" + lock.id + "/orders")).isZero();
        assertThat(count("/api/v1/devices/" + lock.id + "/grants")).isZero();
        JsonNode rest = get("/api/v1/devices/" + lock.id);
        assertThat(rest.path("lastSeenAt").isMissingNode()
                        || rest.path("lastSeenAt").isNull())
                .isTrue();
        assertThat(rest.path("state").asString()).isEqualTo("retired");
        assertThat(TENANT.running
                        .get(TENANT.tenant.ownerKey(), "/api/v1/devices/" + lock.id + "/posture")
                        .statusCode())
                .isEqualTo(404);
        assertThat(get("/api/v1/devices/" + lock.id + "/history")
                        .path("items")
                        .valueStream()
                        .map(item -> item.path("action").asString())
                        .limit(3))
                .containsExactly("device.erased", "device.erased", "device.retired");
        assertThat(appraisals(other.id)).hasSize(1);
        assertThat(get("/api/v1/devices/" + other.id + "/posture")
                        .path("status")
                        .asString())
                .isNotEmpty();
    }

    private static JsonNode get(String path) {
        return RunningServer.body(TENANT.running.get(TENANT.tenant.ownerKey(), path));
    }

    private static int count(String path) {
        JsonNode listing = get(path);
        return (listing.isArray() ? listing : listing.path("items")).size();
    }

    private static void assertNotLent(EstTenant tenant, Enrolled lock, String fingerprint, String pem) {
        assertThat(lean(tenant, lock.id).at("/reasons/0/code").asString()).isEqualTo("unknown-device");
        for (JsonNode answer : List.of(lean(tenant, fingerprint), ask(tenant, pem))) {
            assertThat(answer.at("/reasons/0/code").asString()).isEqualTo("unknown-certificate");
            assertThat(answer.has("device")).isFalse();
        }
    }

    private static JsonNode lean(EstTenant tenant, String subject) {
        return RunningServer.body(tenant.running.get(tenant.tenant.ownerKey(), "/api/v1/decisions/" + subject));
    }

    private static JsonNode ask(EstTenant tenant, String body) {
        return RunningServer.body(tenant.running.post(tenant.tenant.ownerKey(), "/api/v1/decisions", body));
    }

    /// What a device fetches after it has sent evidence.
    private static String attested(Enrolled enrolled) {
        try (EstDevice device = enrolled.connect()) {
            StringBuilder nonce = new StringBuilder();
            String session = opened(device, nonce);
            json(answer(device, session, enrolled.token(Bytes.ofBase64Url(nonce.toString()))));
            return EstDevice.text(device.get(address("/" + FLEET + "/attestation-result")));
        }
    }

    private static JsonNode decide(String member, String value, @Nullable String device) {
        String more = device == null ? "" : ",\"device\":\"" + device + "\"";
        return RunningServer.body(post(
                "/api/v1/decisions", "{\"party\":\"gate\",\"" + member + "\":\"" + value + "\"" + more + "}", 200));
    }

    private static HttpResponse<String> post(String path, String body, int status) {
        HttpResponse<String> response = TENANT.running.post(TENANT.tenant.ownerKey(), path, body);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        return response;
    }

    private static void refused(EstTenant tenant, String passport) {
        HttpResponse<String> response = tenant.running.post(
                tenant.tenant.ownerKey(), "/api/v1/decisions", "{\"passport\":\"" + passport + "\"}");
        assertThat(response.statusCode()).as(response.body()).isBetween(400, 422);
        assertThat(response.body()).contains("passport");
    }
}
