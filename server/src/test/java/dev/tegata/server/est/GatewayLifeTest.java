// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.est;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.agent.Agent;
import dev.tegata.agent.AgentEvent;
import dev.tegata.agent.ChipAttester;
import dev.tegata.agent.ChipKeys;
import dev.tegata.agent.DeviceClock;
import dev.tegata.agent.DeviceIdentity;
import dev.tegata.agent.DeviceKeys;
import dev.tegata.agent.FileKeys;
import dev.tegata.agent.Network;
import dev.tegata.agent.store.AgentState;
import dev.tegata.agent.store.AgentState.Home;
import dev.tegata.agent.store.Disk;
import dev.tegata.agent.store.StateStore;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.attestation.csr.AttestationBundle;
import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.chip.driver.Ecc608;
import dev.tegata.chip.driver.Transport;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.certificate.RequestAttribute;
import dev.tegata.pki.der.Pem;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckInForm;
import dev.tegata.protocol.RelayedEnrolment;
import dev.tegata.protocol.RelayedRefusal;
import dev.tegata.server.RunningServer;
import dev.tegata.server.cli.Tegata;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

@DisplayName("A device without a network of its own")
final class GatewayLifeTest {
    private static final EstTenant TENANT = new EstTenant("Gateway's devices");
    private static final ChipFactory FACTORY = new ChipFactory(new SecureRandom());
    private static final HttpClient LAN = HttpClient.newHttpClient();
    private static Process gateway;
    private static URI relay;

    @TempDir
    Path folder;

    private final List<AgentEvent> events = new ArrayList<>();

    @BeforeAll
    static void startGateway() throws IOException {
        gateway = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx128m",
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Tegata.class.getName(),
                        "gateway",
                        "--listen",
                        "127.0.0.1:0",
                        "--server",
                        TENANT.running.server().devicesUrl(),
                        "--ca",
                        TENANT.running.server().authorityFile().orElseThrow().toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        BufferedReader output =
                new BufferedReader(new InputStreamReader(gateway.getInputStream(), StandardCharsets.UTF_8));
        String ready = output.readLine();
        assertThat(ready).startsWith("The gateway is ready at http://");
        relay = URI.create(ready.split(" ")[5].replaceAll("\\.$", ""));
    }

    @AfterAll
    static void stopGateway() {
        gateway.destroy();
    }

    private static Certificate root() {
        return root(TENANT);
    }

    private static Certificate root(EstTenant tenant) {
        return tenant.authorities().stream()
                .filter(Certificate::isSelfIssued)
                .findFirst()
                .orElseThrow();
    }

    private Agent.Setup setup(ChipKeys keys, String serial, String fleet) {
        return setup(keys, serial, fleet, Network.behind(relay));
    }

    private Agent.Setup setup(ChipKeys keys, String serial, String fleet, Network network) {
        return new Agent.Setup(
                keys,
                serial,
                new Home("http://no.server.is.here", fleet, List.of(root().encoded())),
                List.of(new CheckIn.Component("app", "1.0.0", Optional.empty())),
                Optional.of(new ChipAttester(keys.chip())),
                Agent.Habits.USUAL,
                StateStore.inFile(Disk.local(), folder.resolve("state")),
                network,
                InstantSource.system(),
                new Random(1),
                Agent.Pace.USUAL,
                events::add);
    }

    private static String order(String device, String body) {
        HttpResponse<String> placed =
                TENANT.running.post(TENANT.tenant.ownerKey(), "/api/v1/devices/" + device + "/orders", body);
        assertThat(placed.statusCode()).as(placed.body()).isEqualTo(201);
        return RunningServer.body(placed).path("id").asString();
    }

    private static String stateOf(String order) {
        return RunningServer.body(TENANT.running.get(TENANT.tenant.ownerKey(), "/api/v1/orders/" + order))
                .path("state")
                .asString();
    }

    private static Bytes publicKey(ChipKeys keys, Agent agent) throws IOException {
        return keys.open(agent.state().identity().orElseThrow().key())
                .publicKey()
                .encoded();
    }

    @Test
    @DisplayName("is claimed, activated, given a new key, refurbished and activated again through a gateway process")
    void life() throws Exception {
        VirtualChip chip = FACTORY.make(Preset.TRUST_GO, Instant.now());
        String serial = HexFormat.of().formatHex(chip.serial());
        String fleet = TENANT.fleet("");
        TENANT.claim(fleet, FACTORY, List.of(chip));
        String device = TENANT.deviceOf(serial);
        try (ChipKeys keys = ChipKeys.of(new Ecc608(Transport.of(chip), new SecureRandom()))) {
            Agent agent = Agent.start(setup(keys, serial, fleet));
            agent.step();
            assertThat(agent.state().identity()).as(events.toString()).isPresent();
            assertThat(TENANT.state(device)).isEqualTo("active");
            Bytes first = publicKey(keys, agent);

            String renewKey = order(device, "{\"kind\":\"renew-key\"}");
            String renew = order(device, "{\"kind\":\"renew-certificate\"}");
            String locked = order(
                    device,
                    "{\"kind\":\"update-trust-anchors\",\"anchors\":[\"%s\"]}"
                            .formatted(Certificate.parse(TENANT.tlsAuthority())
                                    .pem()
                                    .replace("\n", "\\n")));
            agent.step();
            agent.step();
            assertThat(stateOf(renewKey)).as(events.toString()).isEqualTo("done");
            assertThat(stateOf(renew)).as(events.toString()).isEqualTo("done");
            assertThat(stateOf(locked)).as("it would lock the device out").isEqualTo("failed");
            Bytes second = publicKey(keys, agent);
            assertThat(second).isNotEqualTo(first);
            assertThat(TENANT.certificates(device)).hasSize(3);

            TENANT.change(device, "refurbish");
            agent.step();
            assertThat(TENANT.state(device)).as(events.toString()).isEqualTo("active");
            assertThat(publicKey(keys, agent)).isNotIn(first, second);
            assertThat(TENANT.history(device).toString()).contains("device.refurbished");
        }
    }

    @Test
    @DisplayName("has its certificates with evidence where its fleet asks for it: the first one and the next")
    void evidence() throws Exception {
        VirtualChip chip = FACTORY.make(Preset.TRUST_GO, Instant.now());
        String serial = HexFormat.of().formatHex(chip.serial());
        String body = JsonMapper.shared()
                .createObjectNode()
                .put("purpose", "attestation-ca")
                .put("certificate", Pem.encode(Pem.CERTIFICATE, Bytes.of(FACTORY.rootCertificate())))
                .toString();
        HttpResponse<String> trusted =
                TENANT.running.post(TENANT.tenant.ownerKey(), "/api/v1/trusted-certificates", body);
        assertThat(trusted.statusCode()).as(trusted.body()).isEqualTo(201);
        String fleet = TENANT.fleet(
                "\"policy\":{\"evidence\":{\"atEnrolment\":true,\"atRenewal\":true,\"acceptWarnings\":true}}");
        TENANT.claim(fleet, FACTORY, List.of(chip));
        String device = TENANT.deviceOf(serial);
        try (ChipKeys keys = ChipKeys.of(new Ecc608(Transport.of(chip), new SecureRandom()))) {
            Agent agent = Agent.start(setup(keys, serial, fleet));
            agent.step();
            assertThat(TENANT.state(device)).as(events.toString()).isEqualTo("active");
            String renewKey = order(device, "{\"kind\":\"renew-key\"}");
            agent.step();
            agent.step();
            assertThat(stateOf(renewKey)).as(events.toString()).isEqualTo("done");
        }
        assertThat(TENANT.history(device)
                        .valueStream()
                        .filter(record -> record.at("/detail/appraisal").isString())
                        .map(record -> record.path("action").asString()))
                .contains("device.activated", "certificate.renewed");
    }

    @Test
    @DisplayName("has no certificate by evidence for another message than the one that it comes in")
    void evidenceOfAnotherMessage() throws Exception {
        String fleet = TENANT.fleet("\"policy\":{\"evidence\":{\"atEnrolment\":true}}");
        SoftwareKey birth = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        TENANT.claim(fleet, birth);
        Unit unit = Unit.of(birth);
        assertRefused(unit.asks(fleet, nonce(fleet), Unit.request(unit.key())), 403, "evidence-required");
        VirtualChip chip = FACTORY.make(Preset.TRUST_GO, Instant.now());
        try (ChipKeys keys = ChipKeys.of(new Ecc608(Transport.of(chip), new SecureRandom()))) {
            DeviceKeys.Made made = keys.make(keys.nameNext(Set.of()));
            AttestationBundle bundle =
                    new AttestationBundle(new ChipAttester(keys.chip()).vouch(nonce(fleet), made), List.of());
            Bytes request = CertificateRequest.create(
                            Name.EMPTY,
                            made.key().publicKey(),
                            List.of(new RequestAttribute(AttestationBundle.ATTRIBUTE, bundle.encode())),
                            made.key()::sign)
                    .encoded();
            assertRefused(unit.asks(fleet, nonce(fleet), request), 403, "evidence-refused");
        }
    }

    /// A gateway that invents the server's answers: to messages, and in the place of nonces where there is
    /// another lie for these.
    private record Liar(
            Network honest,
            AtomicReference<Network.@Nullable HttpAnswer> lie,
            AtomicReference<Network.@Nullable HttpAnswer> aboutNonces)
            implements Network {
        @Override
        public boolean isGateway() {
            return true;
        }

        @Override
        public Connection connect(URI server, DeviceIdentity identity, List<Certificate> anchors, DeviceClock clock)
                throws IOException {
            Connection connection = honest.connect(server, identity, anchors, clock);
            return new Connection() {
                @Override
                public HttpAnswer ask(Question question) throws IOException {
                    HttpAnswer answer = connection.ask(question);
                    HttpAnswer invented = question.method().equals("GET") ? aboutNonces.get() : lie.get();
                    return invented == null ? answer : invented;
                }

                @Override
                public void close() {
                    connection.close();
                }
            };
        }
    }

    private static Network.HttpAnswer unsigned(int status, String code) {
        return new Network.HttpAnswer(
                status,
                Map.of("content-type", "application/problem+json"),
                ("{\"code\":\"" + code + "\"}").getBytes(StandardCharsets.UTF_8));
    }

    /// It waits, and does and forgets nothing.
    private void assertNoAnswer(Agent agent, AgentState before) {
        events.clear();
        assertThat(agent.step()).isPositive();
        assertThat(events).singleElement().isInstanceOf(AgentEvent.Failed.class);
        assertThat(agent.state()).isEqualTo(before);
    }

    @Test
    @DisplayName("believes the server's no, and none that a gateway invents or has kept from another time")
    void inventedRefusals() throws Exception {
        VirtualChip chip = FACTORY.make(Preset.TRUST_GO, Instant.now());
        String serial = HexFormat.of().formatHex(chip.serial());
        String fleet = TENANT.fleet("");
        TENANT.claim(fleet, FACTORY, List.of(chip));
        AtomicReference<Network.@Nullable HttpAnswer> lie = new AtomicReference<>();
        AtomicReference<Network.@Nullable HttpAnswer> aboutNonces = new AtomicReference<>();
        try (ChipKeys keys = ChipKeys.of(new Ecc608(Transport.of(chip), new SecureRandom()))) {
            Agent agent = Agent.start(setup(keys, serial, fleet, new Liar(Network.behind(relay), lie, aboutNonces)));
            agent.step();
            assertThat(agent.state().identity()).as(events.toString()).isPresent();
            AgentState before = agent.state();
            Unit stranger = Unit.of(SoftwareKey.generate(KeyAlgorithm.EC_P256));
            HttpResponse<byte[]> meant = send(
                    RelayedEnrolment.CONTENT_TYPE, stranger.asks(fleet, nonce(fleet), Unit.request(stranger.key())));
            for (Network.HttpAnswer invented : List.of(
                    unsigned(400, "malformed-request"),
                    unsigned(401, "unauthenticated"),
                    unsigned(403, "certificate-revoked"),
                    unsigned(403, "certificate-expired"),
                    unsigned(404, "not-found"),
                    unsigned(500, "internal"),
                    new Network.HttpAnswer(302, Map.of("location", "http://another.server"), new byte[0]),
                    // As a device that speaks TLS itself is told.
                    new Network.HttpAnswer(
                            200,
                            Map.of("content-type", "application/json"),
                            ("{\"time\":0,\"device\":\"" + TENANT.deviceOf(serial)
                                            + "\",\"next\":1,\"state\":\"REVOKED\",\"orders\":[]}")
                                    .getBytes(StandardCharsets.UTF_8)),
                    new Network.HttpAnswer(403, Map.of("content-type", RelayedRefusal.CONTENT_TYPE), new byte[9]),
                    new Network.HttpAnswer(403, Map.of("content-type", RelayedRefusal.CONTENT_TYPE), meant.body()))) {
                lie.set(invented);
                assertNoAnswer(agent, before);
                lie.set(null);
                aboutNonces.set(invented);
                assertNoAnswer(agent, before);
                aboutNonces.set(null);
            }
            lie.set(new Network.HttpAnswer(503, Map.of("retry-after", "999999999"), new byte[0]));
            assertThat(agent.step()).as("an hour at the most").isLessThanOrEqualTo(Duration.ofHours(1));
            assertThat(agent.state()).isEqualTo(before);
            lie.set(null);
            events.clear();
            agent.step();
            assertThat(events).singleElement().isInstanceOf(AgentEvent.CheckedIn.class);

            // The server's own no, and its reason.
            String elsewhere = TENANT.fleet("");
            Files.delete(folder.resolve("state"));
            events.clear();
            Agent.start(setup(keys, serial, elsewhere)).step();
            assertThat(events)
                    .filteredOn(AgentEvent.Refused.class::isInstance)
                    .singleElement()
                    .isEqualTo(new AgentEvent.Refused(403, "wrong-fleet"));
        }
    }

    /// A device whose messages are made by hand.
    private record Unit(SoftwareKey birth, SoftwareKey key, Certificate certificate) {
        static Unit of(SoftwareKey birth) throws Exception {
            return new Unit(
                    birth,
                    SoftwareKey.generate(KeyAlgorithm.EC_P256),
                    Certificate.parse(Bytes.of(EstDevice.selfSigned(birth).getEncoded())));
        }

        static Bytes request(SoftwareKey key) {
            return CertificateRequest.create(
                            Name.EMPTY,
                            key.publicKey(),
                            List.of(),
                            data -> key.sign(key.publicKey().algorithm().signatureAlgorithm(), data))
                    .encoded();
        }

        Bytes asks(String fleet, Bytes nonce, Bytes request) {
            return RelayedEnrolment.sign(
                    nonce,
                    fleet,
                    false,
                    request,
                    Signer.of(birth.publicKey(), birth.privateKey()),
                    List.of(certificate.encoded()));
        }
    }

    private static Bytes nonce(String fleet) throws Exception {
        HttpResponse<byte[]> response = LAN.send(
                HttpRequest.newBuilder(relay.resolve("/device/v1/nonce?fleet=" + fleet))
                        .build(),
                BodyHandlers.ofByteArray());
        assertThat(response.statusCode()).isEqualTo(200);
        return Bytes.of(response.body());
    }

    private static HttpResponse<byte[]> send(String type, Bytes message) throws Exception {
        return LAN.send(
                HttpRequest.newBuilder(relay.resolve("/device/v1/enrolment"))
                        .header("Content-Type", type)
                        .POST(BodyPublishers.ofByteArray(message.toArray()))
                        .build(),
                BodyHandlers.ofByteArray());
    }

    private static void assertRefused(Bytes message, int status, String code) throws Exception {
        assertRefused(message, status, code, root());
    }

    private static void assertRefused(Bytes message, int status, String code, Certificate by) throws Exception {
        HttpResponse<byte[]> response = send(RelayedEnrolment.CONTENT_TYPE, message);
        assertThat(response.headers().firstValue("Content-Type"))
                .as(new String(response.body(), StandardCharsets.UTF_8))
                .contains(RelayedRefusal.CONTENT_TYPE);
        RelayedRefusal refusal = RelayedRefusal.parse(Bytes.of(response.body()), message, TrustAnchors.of(by));
        assertThat(refusal.code()).isEqualTo(code);
        assertThat(refusal.status()).isEqualTo(status).isEqualTo(response.statusCode());
    }

    @Test
    @DisplayName("gets one certificate for one signed request, and nobody on the way gets any")
    void onlyItself() throws Exception {
        String fleet = TENANT.fleet("");
        SoftwareKey birth = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        String device = TENANT.claim(fleet, birth);
        Unit unit = Unit.of(birth);
        Bytes message = unit.asks(fleet, nonce(fleet), Unit.request(unit.key()));

        // The gateway puts its own key in the place of the device's: the signature is wrong.
        byte[] changed = message.toArray();
        changed[message.size() - 100] ^= 1;
        HttpResponse<byte[]> malformed = send(RelayedEnrolment.CONTENT_TYPE, Bytes.of(changed));
        assertThat(malformed.statusCode()).isEqualTo(400);
        assertThat(new String(malformed.body(), StandardCharsets.UTF_8))
                .as("in nobody's name")
                .contains("\"code\":\"malformed-request\"");
        // Somebody else's nonce, or none of this server's.
        EstTenant neighbour = new EstTenant("Gateway's neighbour");
        String otherFleet = neighbour.fleet("");
        assertRefused(unit.asks(fleet, nonce(otherFleet), Unit.request(unit.key())), 403, "nonce-invalid");
        assertRefused(unit.asks(fleet, Bytes.of(new byte[32]), Unit.request(unit.key())), 403, "nonce-invalid");
        // A device that nobody claimed there, with a good nonce of that fleet.
        assertRefused(
                unit.asks(otherFleet, nonce(otherFleet), Unit.request(unit.key())),
                403,
                "device-unknown",
                root(neighbour));
        // The birth key of another device in the request.
        SoftwareKey other = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        TENANT.claim(fleet, other);
        Bytes early = unit.asks(fleet, nonce(fleet), Unit.request(unit.key()));
        assertRefused(unit.asks(fleet, nonce(fleet), Unit.request(other)), 403, "key-mismatch");
        assertRefused(unit.asks(fleet, nonce(fleet), Bytes.ofHex("3000")), 400, "request-invalid");
        // Kept back, and an earlier nonce than one that served.
        assertRefused(early, 403, "nonce-invalid");
        assertThat(TENANT.certificates(device)).isEmpty();
        assertThat(send("application/pkcs10", message).statusCode()).isEqualTo(415);

        Bytes good = unit.asks(fleet, nonce(fleet), Unit.request(unit.key()));
        HttpResponse<byte[]> answered = send(RelayedEnrolment.CONTENT_TYPE, good);
        RelayedEnrolment.Answer answer =
                RelayedEnrolment.parseAnswer(Bytes.of(answered.body()), good, TrustAnchors.of(root()));
        assertThat(answer.certificate().publicKeyEncoded())
                .isEqualTo(unit.key().publicKey().encoded());
        assertThat(answer.authorities()).contains(root());
        assertRefused(good, 403, "nonce-invalid");
        assertThat(TENANT.certificates(device)).containsExactly(answer.certificate());
    }

    @Test
    @DisplayName("is told by the gateway itself what a claim token and a TPM need, and the token goes no further")
    void whatNeedsTls() throws Exception {
        String fleet = TENANT.fleet("");
        String device = TENANT.claim(fleet);
        String token = TENANT.token(device);
        for (String path : List.of(
                "/.well-known/est/" + fleet + "/simpleenroll",
                "/device/v1/attestation-key",
                "/device/v1/attestation-key/answer")) {
            HttpResponse<String> refused = LAN.send(
                    HttpRequest.newBuilder(relay.resolve(path))
                            .header("Authorization", "Bearer " + token)
                            .POST(BodyPublishers.ofString("anything"))
                            .build(),
                    BodyHandlers.ofString());
            assertThat(refused.statusCode()).isEqualTo(403);
            assertThat(refused.body())
                    .contains("connection of the device's own", "tegata attest activate")
                    .doesNotContain(token);
        }
        assertThat(TENANT.state(device)).isEqualTo("claimed");
    }

    @Test
    @DisplayName("shows a claim token once where it has a network, and comes by way of a gateway from then on")
    void claimToken() throws Exception {
        String fleet = TENANT.fleet("");
        String device = TENANT.claim(fleet);
        String serial = RunningServer.body(TENANT.running.get(TENANT.tenant.ownerKey(), "/api/v1/devices/" + device))
                .path("serial")
                .asString();
        SoftwareKey birth = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        try (FileKeys keys =
                FileKeys.of(Disk.local(), folder.resolve("keys"), birth.pkcs8(), List.of(), new SecureRandom())) {
            Agent agent = Agent.start(tokenSetup(keys, serial, fleet, Optional.empty()));
            agent.step();
            assertThat(agent.state().identity()).as("nobody knows its key").isEmpty();

            agent = Agent.start(tokenSetup(keys, serial, fleet, Optional.of(TENANT.token(device))));
            agent.step();
            assertThat(TENANT.state(device)).as(events.toString()).isEqualTo("active");

            // The birth key is known from now on: the used token is worth nothing, and not needed.
            TENANT.change(device, "refurbish");
            agent.step();
            assertThat(TENANT.state(device)).as(events.toString()).isEqualTo("active");
            assertThat(TENANT.certificates(device)).hasSize(2);

            // From now on it may come by way of a gateway.
            agent = Agent.start(tokenSetup(keys, serial, fleet, Optional.empty(), Network.behind(relay)));
            String renewal = order(device, "{\"kind\":\"renew-key\"}");
            agent.step();
            agent.step();
            assertThat(stateOf(renewal)).as(events.toString()).isEqualTo("done");
            TENANT.change(device, "refurbish");
            agent.step();
            agent.step();
            assertThat(TENANT.state(device)).as(events.toString()).isEqualTo("active");
        }
    }

    @Test
    @DisplayName("has a chip like TrustMANAGER, of which the maker tells no key that it can enrol with")
    void trustManager() throws Exception {
        VirtualChip chip = FACTORY.make(Preset.TRUST_MANAGER, Instant.now());
        String serial = HexFormat.of().formatHex(chip.serial());
        String fleet = TENANT.fleet("");
        TENANT.claim(fleet, FACTORY, List.of(chip));
        String device = TENANT.deviceOf(serial);
        try (ChipKeys keys = ChipKeys.of(new Ecc608(Transport.of(chip), new SecureRandom()))) {
            Agent agent = Agent.start(tokenSetup(keys, serial, fleet, Optional.of(tokenOfTheImport(device))));
            agent.step();
            assertThat(TENANT.state(device)).as(events.toString()).isEqualTo("active");
            Bytes first = publicKey(keys, agent);
            String renewal = order(device, "{\"kind\":\"renew-certificate\"}");
            agent.step();
            agent.step();
            assertThat(stateOf(renewal)).as(events.toString()).isEqualTo("done");
            String newKey = order(device, "{\"kind\":\"renew-key\"}");
            agent.step();
            agent.step();
            assertThat(stateOf(newKey)).as(events.toString()).isEqualTo("failed");
            assertThat(publicKey(keys, agent)).isEqualTo(first);

            TENANT.change(device, "refurbish");
            agent.step();
            agent.step();
            assertThat(TENANT.state(device)).as(events.toString()).isEqualTo("active");
            assertThat(publicKey(keys, agent)).isNotEqualTo(first);
        }
    }

    /// The one token that is made for the import which brought this device and no other.
    private static String tokenOfTheImport(String device) {
        String owner = TENANT.tenant.ownerKey();
        String manifest = RunningServer.body(TENANT.running.get(owner, "/api/v1/devices/" + device))
                .path("manifest")
                .asString();
        JsonNode made = RunningServer.body(TENANT.running.post(
                owner, "/api/v1/manifests/" + manifest + "/claim-tokens", "{\"validity\":\"PT1H\"}"));
        assertThat(made.path("items")).as(made.toString()).hasSize(1);
        return made.at("/items/0/secret").asString();
    }

    private Agent.Setup tokenSetup(DeviceKeys keys, String serial, String fleet, Optional<String> token) {
        return tokenSetup(keys, serial, fleet, token, Network.ofThisMachine());
    }

    private Agent.Setup tokenSetup(
            DeviceKeys keys, String serial, String fleet, Optional<String> token, Network network) {
        return new Agent.Setup(
                keys,
                serial,
                new Home(TENANT.running.server().devicesUrl(), fleet, List.of(TENANT.tlsAuthority())),
                List.of(),
                Optional.empty(),
                new Agent.Habits(0.6, false, CheckInForm.CBOR, token, Optional.empty()),
                StateStore.inFile(Disk.local(), folder.resolve("state")),
                network,
                InstantSource.system(),
                new Random(1),
                Agent.Pace.USUAL,
                events::add);
    }
}
