// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.est;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckInAnswer;
import dev.tegata.protocol.CheckInAnswer.State;
import dev.tegata.protocol.CheckInCodec;
import dev.tegata.protocol.CheckInForm;
import dev.tegata.protocol.OrderContent;
import dev.tegata.protocol.OrderVerdict;
import dev.tegata.protocol.OrderVerifier;
import dev.tegata.protocol.RelayedCheckIn;
import dev.tegata.server.RunningServer;
import dev.tegata.server.device.Gateway;
import dev.tegata.server.http.ClientTrust;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

@DisplayName("Check-in on the device port")
final class CheckInTest {
    private static final EstTenant TENANT = new EstTenant("Check-in");
    private static final String FLEET = TENANT.fleet("");
    private static final Path TLS_CA = TENANT.running.server().authorityFile().orElseThrow();
    private static final URI CHECK_IN = URI.create(TENANT.running.server().devicesUrl() + "/device/v1/check-in");

    /// A device that has enrolled.
    private static final class Unit implements AutoCloseable {
        final SoftwareKey birth = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        final SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        final String id = TENANT.claim(FLEET, birth);
        final Certificate certificate;
        final EstDevice connection;

        Unit() {
            try (EstDevice fresh = EstDevice.showing(TLS_CA, birth)) {
                certificate = EstDevice.certificates(
                                fresh.post(TENANT.est(FLEET, "simpleenroll"), EstDevice.request(key)))
                        .getFirst();
            }
            connection = EstDevice.showing(TLS_CA, key, certificate);
        }

        CheckIn says(CheckIn.Result... results) {
            return new CheckIn(
                    FLEET,
                    List.of(new CheckIn.Component("application", "1.4.2", Optional.of(Bytes.sha256(new byte[1])))),
                    17,
                    List.of(certificate.serial()),
                    List.of(root().fingerprint()),
                    0,
                    Optional.empty(),
                    List.of(results),
                    Optional.empty());
        }

        CheckInAnswer checksIn(CheckInForm form, CheckIn.Result... results) {
            HttpResponse<byte[]> response = post(
                    form.mediaType(), CheckInCodec.encode(says(results), form).toArray());
            assertThat(response.statusCode()).as(EstDevice.text(response)).isEqualTo(200);
            assertThat(response.headers().firstValue("Content-Type")).contains(form.mediaType());
            try {
                return CheckInCodec.parseAnswer(Bytes.of(response.body()), form);
            } catch (MalformedException e) {
                throw new AssertionError(e);
            }
        }

        HttpResponse<byte[]> post(String type, byte[] body) {
            return connection.send(HttpRequest.newBuilder(CHECK_IN)
                    .header("Content-Type", type)
                    .POST(BodyPublishers.ofByteArray(body)));
        }

        OrderVerdict judges(Bytes order) {
            String serial = body(TENANT.running.get(TENANT.tenant.ownerKey(), "/api/v1/devices/" + id))
                    .path("serial")
                    .asString();
            return new OrderVerifier(TrustAnchors.of(root()), serial, Optional.of(UUID.fromString(id)))
                    .verify(order, 0, Instant.now());
        }

        Bytes signed(Bytes nonce, CheckIn said) {
            return RelayedCheckIn.sign(
                    nonce, said, Signer.of(key.publicKey(), key.privateKey()), List.of(certificate.encoded()));
        }

        @Override
        public void close() {
            connection.close();
        }
    }

    private static Certificate root() {
        return TENANT.authorities().stream()
                .filter(Certificate::isSelfIssued)
                .findFirst()
                .orElseThrow();
    }

    private static JsonNode body(HttpResponse<String> response) {
        assertThat(response.statusCode()).as(response.body()).isBetween(200, 201);
        return RunningServer.body(response);
    }

    private static String place(Unit unit, String order) {
        return body(TENANT.running.post(TENANT.tenant.ownerKey(), "/api/v1/devices/" + unit.id + "/orders", order))
                .path("id")
                .asString();
    }

    private static JsonNode order(String id) {
        return body(TENANT.running.get(TENANT.tenant.ownerKey(), "/api/v1/orders/" + id));
    }

    @Test
    void bringsWhatTheOperatorOrdersInEitherForm() {
        try (Unit unit = new Unit()) {
            String store =
                    place(unit, "{\"kind\":\"store\",\"name\":\"settings\",\"value\":\"AQID\",\"life\":\"P1D\"}");

            CheckInAnswer json = unit.checksIn(CheckInForm.JSON);
            CheckInAnswer cbor = unit.checksIn(CheckInForm.CBOR);

            assertThat(json.state()).isEqualTo(State.ACTIVE);
            assertThat(json.device()).hasToString(unit.id);
            assertThat(cbor.orders()).hasSize(1);
            for (CheckInAnswer answer : List.of(json, cbor)) {
                assertThat(unit.judges(answer.orders().getFirst()))
                        .isInstanceOfSatisfying(
                                OrderVerdict.Accepted.class,
                                accepted -> assertThat(accepted.order().content())
                                        .isEqualTo(new OrderContent.Store("settings", Bytes.ofHex("010203"))));
            }
            assertThat(order(store).path("state").asString()).isEqualTo("delivered");

            unit.checksIn(
                    CheckInForm.CBOR,
                    new CheckIn.Result(UUID.fromString(store), CheckIn.Status.DONE, "kept", Optional.empty()));
            assertThat(order(store).path("state").asString()).isEqualTo("done");
            assertThat(order(store).path("detail").asString()).isEqualTo("kept");
        }
    }

    @Test
    void tellsASuspendedAndARevokedDeviceSoAndNothingElse() {
        try (Unit unit = new Unit()) {
            place(unit, "{\"kind\":\"renew-key\"}");
            TENANT.change(unit.id, "suspend");
            assertThat(unit.checksIn(CheckInForm.CBOR))
                    .returns(State.SUSPENDED, CheckInAnswer::state)
                    .returns(List.of(), CheckInAnswer::orders);
            TENANT.change(unit.id, "revoke");
            assertThat(unit.checksIn(CheckInForm.CBOR)).returns(State.REVOKED, CheckInAnswer::state);
        }
    }

    @Test
    void refusesBadBodiesWithASentence() {
        try (Unit unit = new Unit()) {
            String good = new String(
                    CheckInCodec.encode(unit.says(), CheckInForm.JSON).toArray(), StandardCharsets.UTF_8);
            Map<String, String> bad = Map.of(
                    "nothing", "",
                    "a list", "[]",
                    "cut off", good.substring(0, good.length() - 5),
                    "twice", good.replace("{\"fleet\"", "{\"bootCount\":1,\"fleet\""),
                    "trailing", good + "{}",
                    "wrong type", good.replace("17", "\"17\""),
                    "a fraction", good.replace("17", "17.5"),
                    "huge number", good.replace("17", "17" + "0".repeat(30)),
                    "deep", "{\"firmware\":" + "[".repeat(500) + "]".repeat(500) + "}",
                    "many", good.replaceFirst("\"results\":\\[]", "\"results\":[" + "1,".repeat(99) + "1]"));
            bad.forEach((what, body) ->
                    assertProblem(unit.post("application/json", body.getBytes(StandardCharsets.UTF_8)), 400, what));
            assertProblem(unit.post("application/json", new byte[RelayedCheckIn.MAX_SIZE + 1]), 413, "too large");
            assertProblem(unit.post("text/plain", good.getBytes(StandardCharsets.UTF_8)), 415, "type");
            assertProblem(unit.post("application/cbor", new byte[] {(byte) 0xa1}), 400, "cut off CBOR");
            byte[] deep = new byte[4096];
            Arrays.fill(deep, (byte) 0x81);
            assertProblem(unit.post("application/cbor", deep), 400, "deep CBOR");
            assertProblem(unit.post(RelayedCheckIn.CONTENT_TYPE, deep), 400, "no COSE");
            assertProblem(
                    unit.post(
                            "application/json",
                            good.replace(FLEET, "t000000000-000000").getBytes(StandardCharsets.UTF_8)),
                    404,
                    "no such fleet");
        }
    }

    private static void assertProblem(HttpResponse<byte[]> response, int status, String what) {
        assertThat(response.statusCode())
                .as(what + ": " + EstDevice.text(response))
                .isEqualTo(status);
        assertThat(EstDevice.text(response)).as(what).contains("\"code\":\"");
    }

    @Test
    void wantsTheOperationalIdentity() {
        try (Unit unit = new Unit();
                EstDevice birth = EstDevice.showing(TLS_CA, unit.birth);
                EstDevice nobody = EstDevice.anonymous(TLS_CA)) {
            HttpRequest.Builder request = HttpRequest.newBuilder(CHECK_IN)
                    .header("Content-Type", "application/cbor")
                    .POST(BodyPublishers.ofByteArray(
                            CheckInCodec.encode(unit.says(), CheckInForm.CBOR).toArray()));
            assertThat(EstDevice.text(birth.send(request))).contains("operational-identity-required");
            assertThat(nobody.send(request).statusCode()).isEqualTo(401);
        }
    }

    /// A device without a network: all it can reach is a gateway.
    private record Offline(Unit unit, URI gateway, HttpClient client) {
        Bytes nonce() throws Exception {
            HttpResponse<byte[]> response = client.send(
                    HttpRequest.newBuilder(gateway.resolve("/device/v1/nonce?fleet=" + FLEET))
                            .build(),
                    BodyHandlers.ofByteArray());
            return Bytes.of(response.body());
        }

        HttpResponse<byte[]> send(Bytes message) throws Exception {
            return client.send(
                    HttpRequest.newBuilder(gateway.resolve("/device/v1/check-in"))
                            .header("Content-Type", RelayedCheckIn.CONTENT_TYPE)
                            .POST(BodyPublishers.ofByteArray(message.toArray()))
                            .build(),
                    BodyHandlers.ofByteArray());
        }

        CheckInAnswer checksIn(CheckIn.Result... results) throws Exception {
            Bytes message = unit.signed(nonce(), unit.says(results));
            HttpResponse<byte[]> response = send(message);
            assertThat(response.statusCode()).as(EstDevice.text(response)).isEqualTo(200);
            return RelayedCheckIn.parseAnswer(Bytes.of(response.body()), message, TrustAnchors.of(root()));
        }
    }

    @Test
    void reachesADeviceWithoutANetworkByAGatewayThatHoldsNoKeys() throws Exception {
        try (Unit unit = new Unit();
                HttpClient lan = HttpClient.newHttpClient();
                Gateway gateway = Gateway.start(
                        "127.0.0.1", 0, URI.create(TENANT.running.server().devicesUrl()), ClientTrust.of(TLS_CA))) {
            Offline device = new Offline(unit, URI.create(gateway.url()), lan);
            String store = place(unit, "{\"kind\":\"store\",\"name\":\"wifi\",\"value\":\"AQ\"}");

            CheckInAnswer answer = device.checksIn();
            OrderVerdict verdict = unit.judges(answer.orders().getFirst());
            assertThat(verdict).isInstanceOf(OrderVerdict.Accepted.class);
            CheckInAnswer after = device.checksIn(
                    new CheckIn.Result(UUID.fromString(store), CheckIn.Status.DONE, "", Optional.empty()));

            assertThat(after.orders()).isEmpty();
            assertThat(order(store).path("state").asString()).isEqualTo("done");

            // What rests on TLS with the server cannot go through a gateway.
            HttpResponse<byte[]> plain = lan.send(
                    HttpRequest.newBuilder(device.gateway().resolve("/device/v1/check-in"))
                            .header("Content-Type", "application/cbor")
                            .POST(BodyPublishers.ofByteArray(new byte[1]))
                            .build(),
                    BodyHandlers.ofByteArray());
            assertThat(plain.statusCode()).isEqualTo(415);
        }
    }

    /// A gateway that does to messages what it likes.
    private static HttpServer evil(Gateway honest, UnaryOperator<Bytes> there, UnaryOperator<Bytes> back)
            throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/", exchange -> {
            try (HttpClient client = HttpClient.newHttpClient()) {
                relay(exchange, client, honest, there, back);
            } catch (InterruptedException e) {
                throw new IOException(e);
            }
        });
        server.start();
        return server;
    }

    private static void relay(
            HttpExchange exchange,
            HttpClient client,
            Gateway honest,
            UnaryOperator<Bytes> there,
            UnaryOperator<Bytes> back)
            throws IOException, InterruptedException {
        boolean checkIn = exchange.getRequestMethod().equals("POST");
        HttpRequest.Builder request =
                HttpRequest.newBuilder(URI.create(honest.url()).resolve(exchange.getRequestURI()));
        Bytes said = Bytes.of(exchange.getRequestBody().readAllBytes());
        if (checkIn) {
            request.header("Content-Type", RelayedCheckIn.CONTENT_TYPE)
                    .POST(BodyPublishers.ofByteArray(there.apply(said).toArray()));
        }
        HttpResponse<byte[]> response = client.send(request.build(), BodyHandlers.ofByteArray());
        byte[] answer = checkIn ? back.apply(Bytes.of(response.body())).toArray() : response.body();
        exchange.sendResponseHeaders(response.statusCode(), answer.length == 0 ? -1 : answer.length);
        exchange.getResponseBody().write(answer);
        exchange.close();
    }

    @Test
    void isProofAgainstAGatewayThatAltersReplaysAndSwaps() throws Exception {
        try (Unit unit = new Unit();
                HttpClient lan = HttpClient.newHttpClient();
                Gateway honest = Gateway.start(
                        "127.0.0.1", 0, URI.create(TENANT.running.server().devicesUrl()), ClientTrust.of(TLS_CA))) {
            place(unit, "{\"kind\":\"renew-key\"}");
            List<Bytes> requests = new ArrayList<>();
            List<Bytes> answers = new ArrayList<>();

            HttpServer listening = evil(honest, kept(requests), kept(answers));
            Offline device = new Offline(unit, address(listening), lan);
            device.checksIn();
            device.checksIn();
            // Replayed, and in another order.
            assertThat(EstDevice.text(device.send(requests.getFirst()))).contains("nonce-invalid");
            assertThat(EstDevice.text(device.send(requests.getLast()))).contains("nonce-invalid");
            listening.stop(0);

            HttpServer altering = evil(honest, CheckInTest::flipped, UnaryOperator.identity());
            Offline altered = new Offline(unit, address(altering), lan);
            assertThat(altered.send(unit.signed(altered.nonce(), unit.says())).statusCode())
                    .isEqualTo(400);
            altering.stop(0);

            for (UnaryOperator<Bytes> lie : List.<UnaryOperator<Bytes>>of(
                    CheckInTest::flipped, _ -> answers.getFirst(), _ -> unsigned(answers.getFirst()))) {
                HttpServer lying = evil(honest, UnaryOperator.identity(), lie);
                Offline deceived = new Offline(unit, address(lying), lan);
                assertThatThrownBy(deceived::checksIn).isInstanceOf(MalformedException.class);
                lying.stop(0);
            }
        }
    }

    private static UnaryOperator<Bytes> kept(List<Bytes> list) {
        return message -> {
            list.add(message);
            return message;
        };
    }

    private static URI address(HttpServer server) {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    /// With one bit of the payload changed.
    private static Bytes flipped(Bytes message) {
        byte[] changed = message.toArray();
        changed[changed.length - 100] ^= 1;
        return Bytes.of(changed);
    }

    /// The payload alone.
    private static Bytes unsigned(Bytes message) {
        try {
            return CoseMessage.parse(message, CborLimits.DOCUMENT).content();
        } catch (MalformedException e) {
            return Cbor.NULL.encode();
        }
    }
}
