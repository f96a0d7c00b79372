// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.est;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.agent.Agent;
import dev.tegata.agent.AgentEvent;
import dev.tegata.agent.Network;
import dev.tegata.agent.TpmAttester;
import dev.tegata.agent.TpmKeys;
import dev.tegata.agent.store.AgentState.Home;
import dev.tegata.agent.store.Disk;
import dev.tegata.agent.store.StateStore;
import dev.tegata.agent.tpm.Tpm;
import dev.tegata.agent.tpm.Tpm.Created;
import dev.tegata.agent.tpm.Tpm.Kind;
import dev.tegata.agent.tpm.Tpm.Loaded;
import dev.tegata.agent.tpm.Tpm.Signed;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Corim;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.attestation.corim.Tag;
import dev.tegata.attestation.corim.TagIdentity;
import dev.tegata.attestation.corim.Triple;
import dev.tegata.attestation.csr.AttestationBundle;
import dev.tegata.attestation.csr.AttestationBundle.Statement;
import dev.tegata.attestation.tpm.KeyCertification;
import dev.tegata.attestation.tpm.PcrValues;
import dev.tegata.attestation.tpm.TpmAttest;
import dev.tegata.attestation.tpm.TpmEvidence;
import dev.tegata.attestation.tpm.TpmHash;
import dev.tegata.attestation.tpm.TpmPublic;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.certificate.RequestAttribute;
import dev.tegata.pki.key.EcdsaSignature;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.protocol.KeyActivation;
import dev.tegata.server.RunningServer;
import dev.tegata.server.acme.AcmeDialogue;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

@DisplayName("Evidence at enrolment, by devices with a TPM (swtpm)")
final class TpmEnrolmentTest {
    private static final EstTenant TENANT = new EstTenant("TPM");
    private static final Path TLS_CA = TENANT.running.server().authorityFile().orElseThrow();
    private static final long ATTESTATION_KEY = 0x8101_0002L;
    private static final long BIRTH_KEY = 0x8101_0003L;
    private static final List<Integer> PCRS =
            IntStream.rangeClosed(0, 9).boxed().toList();
    private static final Environment MODEL = Environment.ofModel("Example", "ExampleGateway");

    private static final List<AgentEvent> EVENTS = new ArrayList<>();

    @TempDir
    static Path folder;

    private static Swtpm swtpm;
    private static Swtpm other;
    private static String fleet;

    /// A claimed device with a TPM.
    private record Machine(String id, SoftwareKey birth, Swtpm swtpm) {
        Tpm tpm() {
            return swtpm.tpm();
        }
    }

    private static Machine machine;
    private static Machine neighbour;

    @BeforeAll
    static void start() throws Exception {
        fleet = TENANT.fleet(
                "\"policy\":{\"evidence\":{\"atEnrolment\":true,\"atRenewal\":true,\"certificateLife\":\"PT12H\"}}");
        swtpm = new Swtpm(folder.resolve("a"));
        other = new Swtpm(folder.resolve("b"));
        machine = claimed(swtpm);
        neighbour = claimed(other);
        assertThat(trust(swtpm.maker()).statusCode()).isEqualTo(201);
        activate(machine);
        swtpm.boot("firmware 1");
        approve("fw1", machine.tpm());
    }

    @AfterAll
    static void stop() throws Exception {
        swtpm.close();
        other.close();
    }

    private static Machine claimed(Swtpm tpm) {
        SoftwareKey birth = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        return new Machine(TENANT.claim(fleet, birth), birth, tpm);
    }

    private static HttpResponse<String> trust(Certificate maker) {
        return post(
                "/api/v1/trusted-certificates",
                JsonMapper.shared()
                        .createObjectNode()
                        .put("purpose", "tpm-vendor-ca")
                        .put("certificate", maker.pem()));
    }

    private static HttpResponse<String> post(String path, ObjectNode body) {
        return TENANT.running.post(TENANT.tenant.ownerKey(), path, body.toString());
    }

    private static HttpResponse<String> begin(Machine machine, Loaded key) throws Exception {
        return post(
                "/api/v1/attestation-keys/activations",
                JsonMapper.shared()
                        .createObjectNode()
                        .put("attestationKey", key.publicArea().base64())
                        .put(
                                "endorsementCertificates",
                                machine.swtpm.endorsement().stream()
                                        .map(Certificate::pem)
                                        .collect(Collectors.joining()))
                        .put("device", machine.id)
                        .put("vendor", "Example")
                        .put("model", "ExampleGateway"));
    }

    /// Enrols the attestation key by credential activation: the TPM says what only the certified TPM can
    /// read.
    private static void activate(Machine machine) throws Exception {
        Tpm tpm = machine.tpm();
        Loaded key = tpm.createPrimary(Tpm.OWNER, Kind.ATTESTATION);
        HttpResponse<String> begun = begin(machine, key);
        assertThat(begun.statusCode()).as(begun.body()).isEqualTo(201);
        JsonNode challenge = RunningServer.body(begun);
        Bytes secret = tpm.activateCredential(
                key.handle(),
                Swtpm.RSA_KEY,
                Bytes.ofBase64(challenge.path("idObject").asString()),
                Bytes.ofBase64(challenge.path("encryptedSecret").asString()));
        HttpResponse<String> answered = post(
                "/api/v1/attestation-keys/activations/" + challenge.path("id").asString() + "/answer",
                JsonMapper.shared().createObjectNode().put("secret", secret.base64()));
        assertThat(answered.statusCode()).as(answered.body()).isEqualTo(200);
        assertThat(RunningServer.body(answered).path("device").asString()).isEqualTo(machine.id);
        tpm.evict(key.handle(), ATTESTATION_KEY);
        tpm.flush(key.handle());
    }

    /// Makes what the machine has booted now a reference value.
    private static String approve(String id, Tpm tpm) throws Exception {
        return approve(id, tpm, MODEL);
    }

    private static String approve(String id, Tpm tpm, Environment model) throws Exception {
        Signed quote = tpm.quote(ATTESTATION_KEY, Bytes.of(new byte[16]), PCRS);
        TpmAttest.Quote statement =
                (TpmAttest.Quote) TpmAttest.parse(quote.statement()).statement();
        Measurement registers = new PcrValues(Map.of(TpmHash.SHA256, tpm.readPcrs(PCRS))).toMeasurement(statement);
        Tag.Comid comid = new Tag.Comid(
                null,
                new TagIdentity(Cbor.of(id), 1),
                List.of(),
                List.of(),
                List.of(new Triple.Reference(model, List.of(registers))));
        Bytes corim = new Corim(Cbor.of(id), List.of(comid), List.of(), null, null, List.of()).encode();
        HttpResponse<String> submitted = TENANT.running.send(TENANT.running
                .to(TENANT.tenant.ownerKey(), "/api/v1/endorsements")
                .header("Content-Type", "application/rim+cbor")
                .POST(BodyPublishers.ofByteArray(corim.toArray())));
        assertThat(submitted.statusCode()).as(submitted.body()).isIn(200, 201);
        return RunningServer.body(submitted).path("id").asString();
    }

    private static Bytes nonce() {
        try (EstDevice anybody = EstDevice.anonymous(TLS_CA)) {
            HttpResponse<byte[]> answer = anybody.get(TENANT.est(fleet, "nonce"));
            assertThat(answer.statusCode()).as(EstDevice.text(answer)).isEqualTo(200);
            assertThat(answer.headers().firstValue("Set-Cookie")).isPresent();
            return Bytes.ofBase64Url(
                    RunningServer.json(EstDevice.text(answer)).path("nonce").asString());
        }
    }

    @Test
    @DisplayName("nonces come in the size that is asked for, and empty where the fleet wants no evidence")
    void nonces() {
        try (EstDevice anybody = EstDevice.anonymous(TLS_CA)) {
            assertThat(sized(anybody, "{\"len\":16}").statusCode()).isEqualTo(200);
            String nonce = RunningServer.json(EstDevice.text(sized(anybody, "{\"len\":16}")))
                    .path("nonce")
                    .asString();
            assertThat(Bytes.ofBase64Url(nonce).size()).isEqualTo(16);
            assertThat(sized(anybody, "{\"len\":7}").statusCode()).isEqualTo(422);
            assertThat(sized(anybody, "{").statusCode()).isEqualTo(400);
            HttpResponse<byte[]> none = anybody.get(TENANT.est(TENANT.fleet(""), "nonce"));
            assertThat(RunningServer.json(EstDevice.text(none)).path("nonce").asString())
                    .isEmpty();
            assertThat(anybody.get(TENANT.est("t67fgpp2xe-pd8kpk", "nonce")).statusCode())
                    .isEqualTo(404);
        }
    }

    private static HttpResponse<byte[]> sized(EstDevice device, String body) {
        return device.send(HttpRequest.newBuilder(TENANT.est(fleet, "nonce"))
                .header("Content-Type", "application/est-attestation-freshness+json")
                .POST(BodyPublishers.ofString(body)));
    }

    /// A key in a TPM for signing, and how it was made.
    private record Key(long handle, Created made, PublicKeyInfo publicKey) {
        static Key in(Tpm tpm) throws Exception {
            Loaded parent = tpm.createPrimary(Tpm.OWNER, Kind.STORAGE);
            Created made = tpm.create(parent.handle(), Kind.SIGNING);
            long handle = tpm.load(parent.handle(), made.privatePart(), made.publicArea());
            tpm.flush(parent.handle());
            return new Key(handle, made, TpmPublic.parse(made.publicArea()).key());
        }
    }

    private static Statement quoted(Tpm tpm, Bytes nonce) throws IOException {
        Signed quote = tpm.quote(ATTESTATION_KEY, nonce, PCRS);
        TpmEvidence evidence = new TpmEvidence(
                tpm.readPublic(ATTESTATION_KEY),
                quote.statement(),
                quote.signature(),
                new PcrValues(Map.of(TpmHash.SHA256, tpm.readPcrs(PCRS))),
                null,
                List.of());
        return Statement.ofMessage(Cbor.array(Cbor.of(TpmEvidence.MEDIA_TYPE), Cbor.of(evidence.encode()), Cbor.of(4L))
                .encode());
    }

    private static Statement certified(Tpm tpm, Key key, Bytes nonce) throws IOException {
        Signed signed = tpm.certifyCreation(ATTESTATION_KEY, key.handle, nonce, key.made);
        return Statement.of(new KeyCertification(signed.statement(), signed.signature(), key.made.publicArea()));
    }

    private static CertificateRequest request(Tpm tpm, Key key, Statement... statements) {
        return CertificateRequest.create(Name.EMPTY, key.publicKey, attribute(statements), data -> {
            try {
                return EcdsaSignature.derOf(
                        tpm.sign(key.handle, Bytes.of(data).sha256().toArray()));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }

    private static List<RequestAttribute> attribute(Statement... statements) {
        return statements.length == 0
                ? List.of()
                : List.of(new RequestAttribute(
                        AttestationBundle.ATTRIBUTE, new AttestationBundle(List.of(statements), List.of()).encode()));
    }

    private static HttpResponse<byte[]> enrol(Machine machine, CertificateRequest request) {
        try (EstDevice device = EstDevice.showing(TLS_CA, machine.birth)) {
            return device.post(TENANT.est(fleet, "simpleenroll"), request);
        }
    }

    private static void assertRefused(String reason, HttpResponse<byte[]> response) {
        assertThat(response.statusCode()).as(EstDevice.text(response)).isEqualTo(403);
        assertThat(response.headers().firstValue("Content-Type")).hasValue("application/problem+json");
        JsonNode problem = RunningServer.json(EstDevice.text(response));
        assertThat(problem.path("reason").asString()).as(problem.toString()).isEqualTo(reason);
    }

    private static HttpResponse<byte[]> attempt(Machine machine, @Nullable Key given) throws Exception {
        Bytes nonce = nonce();
        Key key = given == null ? Key.in(machine.tpm()) : given;
        HttpResponse<byte[]> response = enrol(
                machine,
                request(machine.tpm(), key, quoted(machine.tpm(), nonce), certified(machine.tpm(), key, nonce)));
        machine.tpm().flush(key.handle);
        return response;
    }

    @Test
    @DisplayName("a good boot gets a short certificate that names its appraisal; a tampered boot none; an update again")
    void life() throws Exception {
        HttpResponse<byte[]> issued = attempt(machine, null);
        assertThat(issued.statusCode()).as(EstDevice.text(issued)).isEqualTo(200);
        Certificate certificate = EstDevice.certificates(issued).getFirst();
        assertThat(certificate.validity().notAfter()).isBefore(Instant.now().plus(Duration.ofHours(13)));
        JsonNode activated = TENANT.history(machine.id)
                .valueStream()
                .filter(record -> record.path("action").asString().equals("device.activated"))
                .findFirst()
                .orElseThrow();
        String appraisal = activated.at("/detail/appraisal").asString();
        JsonNode stored =
                RunningServer.body(TENANT.running.get(TENANT.tenant.ownerKey(), "/api/v1/appraisals/" + appraisal));
        assertThat(stored.path("status").asString()).isEqualTo("affirming");
        assertThat(stored.path("device").asString()).isEqualTo(machine.id);

        swtpm.boot("firmware 1", "rootkit");
        assertRefused("result-warning", attempt(machine, null));
        swtpm.boot("firmware 2");
        assertRefused("result-warning", attempt(machine, null));
        approve("fw2", machine.tpm());
        assertThat(attempt(machine, null).statusCode()).isEqualTo(200);
        assertThat(TENANT.certificates(machine.id)).hasSize(2);
    }

    /// The agent on this machine after a boot, with the state that it had before.
    private static void live(String fleet, String serial, Swtpm tpm, int steps) throws Exception {
        TpmKeys keys = TpmKeys.of(tpm.tpm(), BIRTH_KEY, List.of());
        Agent agent = Agent.start(new Agent.Setup(
                keys,
                serial,
                new Home(TENANT.running.server().devicesUrl(), fleet, List.of(TENANT.tlsAuthority())),
                List.of(),
                Optional.of(new TpmAttester(
                        tpm.tpm(),
                        ATTESTATION_KEY,
                        List.of(),
                        Optional.of(TpmAttester.Endorsement.stored(tpm.tpm(), Swtpm.RSA_KEY, tpm.issuers())),
                        Optional.empty())),
                Agent.Habits.USUAL,
                StateStore.inFile(Disk.local(), folder.resolve("agent-" + serial)),
                Network.ofThisMachine(),
                InstantSource.system(),
                new Random(1),
                Agent.Pace.USUAL,
                EVENTS::add));
        for (int i = 0; i < steps; i++) {
            agent.step();
        }
    }

    private static String attested(String fleet, String id, String serial, Swtpm tpm) throws Exception {
        HttpResponse<String> order = TENANT.running.post(
                TENANT.tenant.ownerKey(), "/api/v1/devices/" + id + "/orders", "{\"kind\":\"attest\"}");
        assertThat(order.statusCode()).as(order.body()).isEqualTo(201);
        live(fleet, serial, tpm, 3);
        return lastStatus(id);
    }

    private static JsonNode last(String id) {
        return RunningServer.body(TENANT.running.get(TENANT.tenant.ownerKey(), "/api/v1/appraisals?device=" + id))
                .at("/items/0");
    }

    private static String lastStatus(String id) {
        JsonNode last = last(id);
        assertThat(last.path("origin").asString()).as(last.toString()).isEqualTo("check-in");
        return last.path("status").asString();
    }

    /// Where a device is suspended at once when its evidence is not good.
    private static String strictFleet() throws Exception {
        return TENANT.fleet("""
                "policy":{"attestation":{"freshness":"PT24H","consequences":[{"action":"suspend","after":"PT0S"}]}}""");
    }

    /// A device with a birth key in the TPM itself and an attestation key that the server knows.
    private String claimAndActivate(String fleet, Swtpm own) throws Exception {
        Loaded birth = own.tpm().createPrimary(Tpm.OWNER, Kind.SIGNING);
        own.tpm().evict(birth.handle(), BIRTH_KEY);
        own.tpm().flush(birth.handle());
        String id =
                TENANT.claim(fleet, TpmPublic.parse(birth.publicArea()).key().encoded());
        activate(new Machine(id, SoftwareKey.generate(KeyAlgorithm.EC_P256), own));
        return id;
    }

    private static String serial(String id) throws Exception {
        return RunningServer.body(TENANT.running.get(TENANT.tenant.ownerKey(), "/api/v1/devices/" + id))
                .path("serial")
                .asString();
    }

    @Test
    @DisplayName(
            "the agent quotes at check-in: a good boot is in, a tampered one is suspended, an updated one is in again")
    void agent() throws Exception {
        String open = strictFleet();
        try (Swtpm own = swtpm.sibling(folder.resolve("c"))) {
            String id = claimAndActivate(open, own);
            String serial = serial(id);
            own.boot("agent firmware 1");
            approve("agent-fw1", own.tpm());
            live(open, serial, own, 1);
            assertThat(TENANT.state(id)).as(EVENTS.toString()).isEqualTo("active");
            assertThat(attested(open, id, serial, own)).isEqualTo("affirming");
            own.boot("agent firmware 1", "rootkit");
            live(open, serial, own, 3);
            assertThat(lastStatus(id)).isEqualTo("warning");
            assertThat(TENANT.state(id)).isEqualTo("suspended");
            own.boot("agent firmware 2");
            live(open, serial, own, 3);
            assertThat(lastStatus(id)).isEqualTo("warning");
            assertThat(TENANT.state(id)).isEqualTo("suspended");
            // What it said last was about the boot before.
            own.boot("agent firmware 3");
            approve("agent-fw3", own.tpm());
            live(open, serial, own, 3);
            assertThat(lastStatus(id)).isEqualTo("affirming");
            assertThat(TENANT.state(id)).isEqualTo("active");
            assertThat(TENANT.certificates(id)).hasSize(1);
            assertThat(EVENTS).noneMatch(AgentEvent.FellBack.class::isInstance);
        }
    }

    @Test
    @DisplayName("what one device has booted is made a release, and all that boot the same are in, without contact")
    void learnt() throws Exception {
        String open = strictFleet();
        try (Swtpm own = swtpm.sibling(folder.resolve("d"))) {
            String id = claimAndActivate(open, own);
            String serial = serial(id);
            own.boot("learnt firmware");
            live(open, serial, own, 3);
            assertThat(lastStatus(id)).isEqualTo("warning");
            assertThat(TENANT.state(id)).isEqualTo("suspended");

            ObjectNode asked = JsonMapper.shared().createObjectNode();
            asked.put("fleet", open).put("appraisal", last(id).path("id").asString());
            assertThat(post("/api/v1/releases/import", asked).statusCode()).isEqualTo(409);
            asked.put("version", "7.0.0").putArray("registers").add(23);
            assertThat(post("/api/v1/releases/import", asked).statusCode()).isEqualTo(409);
            asked.putArray("registers").add(0).add(2).add(4);
            asked.put("endorsement", id);
            assertThat(post("/api/v1/releases/import", asked).statusCode()).isEqualTo(422);
            asked.remove("endorsement");
            assertThat(TENANT.running
                            .post(
                                    TENANT.running.createTenant("Stranger").ownerKey(),
                                    "/api/v1/releases/import",
                                    asked.toString())
                            .statusCode())
                    .isEqualTo(404);
            HttpResponse<String> added = post("/api/v1/releases/import", asked);
            assertThat(added.statusCode()).as(added.body()).isEqualTo(201);

            long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
            while (!TENANT.state(id).equals("active")) {
                assertThat(System.nanoTime()).as("the device is not in again").isLessThan(end);
                Thread.sleep(100);
            }
            assertThat(RunningServer.body(
                                    TENANT.running.get(TENANT.tenant.ownerKey(), "/api/v1/devices/" + id + "/posture"))
                            .path("release")
                            .asString())
                    .isEqualTo("7.0.0");
        }
    }

    @Test
    @DisplayName("the agent enrols and renews with its TPM's word, without a certificate around its birth key")
    void agentEnrols() throws Exception {
        try (Swtpm own = swtpm.sibling(folder.resolve("d"))) {
            Loaded birth = own.tpm().createPrimary(Tpm.OWNER, Kind.SIGNING);
            own.tpm().evict(birth.handle(), BIRTH_KEY);
            own.tpm().flush(birth.handle());
            String id = TENANT.claim(
                    fleet, TpmPublic.parse(birth.publicArea()).key().encoded());
            String serial = RunningServer.body(TENANT.running.get(TENANT.tenant.ownerKey(), "/api/v1/devices/" + id))
                    .path("serial")
                    .asString();
            Loaded key = own.tpm().createPrimary(Tpm.OWNER, Kind.ATTESTATION);
            own.tpm().evict(key.handle(), ATTESTATION_KEY);
            own.tpm().flush(key.handle());
            own.boot("enrolling firmware", "rootkit");
            live(fleet, serial, own, 1);
            assertThat(TENANT.state(id)).as(EVENTS.toString()).isEqualTo("claimed");
            own.boot("enrolling firmware");
            // What no operator has named is called by its tenant and its fleet.
            approve("enrolling", own.tpm(), Environment.ofModel("TPM", "Locks"));
            live(fleet, serial, own, 1);
            assertThat(TENANT.state(id)).as(EVENTS.toString()).isEqualTo("active");
            for (String kind : List.of("renew-certificate", "renew-key")) {
                HttpResponse<String> order = TENANT.running.post(
                        TENANT.tenant.ownerKey(), "/api/v1/devices/" + id + "/orders", "{\"kind\":\"" + kind + "\"}");
                assertThat(order.statusCode()).as(order.body()).isEqualTo(201);
                live(fleet, serial, own, 2);
            }
            assertThat(TENANT.certificates(id)).as(EVENTS.toString()).hasSize(3);
        }
    }

    private static HttpResponse<byte[]> introduce(String to, SoftwareKey birth, byte[] body) {
        try (EstDevice device = EstDevice.showing(TLS_CA, birth)) {
            return device.send(
                    HttpRequest.newBuilder(URI.create(TENANT.running.server().devicesUrl() + KeyActivation.PATH + to))
                            .header("Content-Type", KeyActivation.MEDIA_TYPE)
                            .POST(BodyPublishers.ofByteArray(body)));
        }
    }

    private static byte[] wish(String of, Swtpm tpm) throws Exception {
        return new KeyActivation.Wish(
                        of,
                        tpm.tpm().readPublic(ATTESTATION_KEY),
                        tpm.endorsement().stream().map(Certificate::encoded).toList())
                .encode()
                .toArray();
    }

    private static void assertCode(int status, String code, HttpResponse<byte[]> response) {
        assertThat(response.statusCode()).as(EstDevice.text(response)).isEqualTo(status);
        assertThat(RunningServer.json(EstDevice.text(response)).path("code").asString())
                .isEqualTo(code);
    }

    @Test
    @DisplayName("no device makes another's TPM its own, answers for another, or introduces a TPM where none is wanted")
    void introductions() throws Exception {
        SoftwareKey thief = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        TENANT.claim(fleet, thief);
        SoftwareKey stranger = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        byte[] wish = wish(fleet, swtpm);
        assertCode(403, "activation-failed", introduce("", thief, wish));
        assertCode(403, "device-unknown", introduce("", stranger, wish));
        assertCode(403, "not-enabled", introduce("", machine.birth, wish(TENANT.fleet(""), swtpm)));
        assertCode(400, "malformed-request", introduce("", thief, new byte[] {1}));
        assertCode(409, "conflict", introduce("", machine.birth, wish));
        Tpm tpm = other.tpm();
        Loaded key = tpm.createPrimary(Tpm.OWNER, Kind.ATTESTATION);
        tpm.flush(key.handle());
        byte[] unknown = new KeyActivation.Wish(
                        fleet,
                        key.publicArea(),
                        swtpm.endorsement().stream().map(Certificate::encoded).toList())
                .encode()
                .toArray();
        HttpResponse<byte[]> begun = introduce("", machine.birth, unknown);
        assertThat(begun.statusCode()).as(EstDevice.text(begun)).isEqualTo(201);
        String id = KeyActivation.Challenge.parse(Bytes.of(begun.body())).id();
        byte[] guess = new KeyActivation.Solved(fleet, id, Bytes.of(new byte[32]))
                .encode()
                .toArray();
        assertCode(404, "not-found", introduce("/answer", thief, guess));
        assertCode(403, "activation-failed", introduce("/answer", machine.birth, guess));
    }

    @Test
    @DisplayName("nothing, a used nonce, a key outside the TPM or one of another TPM get nothing")
    void refused() throws Exception {
        Tpm tpm = machine.tpm();
        int before = TENANT.certificates(machine.id).size();
        Key key = Key.in(tpm);
        assertRefused("evidence-missing", enrol(machine, request(tpm, key)));
        Bytes nonce = nonce();
        assertRefused("key-not-bound", enrol(machine, request(tpm, key, quoted(tpm, nonce))));
        assertRefused("nonce-used", enrol(machine, request(tpm, key, quoted(tpm, nonce), certified(tpm, key, nonce))));
        Bytes made = Bytes.of(new byte[32]);
        assertRefused("nonce-unknown", enrol(machine, request(tpm, key, quoted(tpm, made), certified(tpm, key, made))));
        // The TPM's statement is about its own key; the request is for one outside.
        Bytes fresh = nonce();
        SoftwareKey outside = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        CertificateRequest forOutside = CertificateRequest.create(
                Name.EMPTY,
                outside.publicKey(),
                attribute(quoted(tpm, fresh), certified(tpm, key, fresh)),
                EstDevice.signer(outside));
        assertRefused("key-not-bound", enrol(machine, forOutside));
        tpm.flush(key.handle);
        // Another device with this device's evidence.
        Bytes stolen = nonce();
        Key mine = Key.in(tpm);
        assertRefused(
                "wrong-device",
                enrol(neighbour, request(tpm, mine, quoted(tpm, stolen), certified(tpm, mine, stolen))));
        tpm.flush(mine.handle);
        assertThat(TENANT.certificates(machine.id)).hasSize(before);
        assertThat(TENANT.state(neighbour.id)).isEqualTo("claimed");
    }

    @Test
    @DisplayName("a TPM whose maker is not trusted cannot enrol its attestation key, and its evidence proves nothing")
    void foreignMaker() throws Exception {
        Tpm tpm = neighbour.tpm();
        Loaded key = tpm.createPrimary(Tpm.OWNER, Kind.ATTESTATION);
        HttpResponse<String> refused = begin(neighbour, key);
        assertThat(refused.statusCode()).isEqualTo(403);
        assertThat(RunningServer.body(refused).path("code").asString()).isEqualTo("activation-failed");
        tpm.evict(key.handle(), ATTESTATION_KEY);
        tpm.flush(key.handle());
        assertRefused("unknown-device", attempt(neighbour, null));
        assertThat(TENANT.state(neighbour.id)).isEqualTo("claimed");
        tpm.evict(ATTESTATION_KEY, ATTESTATION_KEY);
    }

    private static final String TOKEN = "/challenges/0/token";

    /// What draft-ietf-acme-device-attest sends: an attestation object of WebAuthn, in which the TPM
    /// certifies a key over the hash of the key authorization.
    private static String attestation(Machine machine, Key key, AcmeDialogue client, JsonNode authorization)
            throws Exception {
        String thumbprint = Bytes.sha256(AcmeDialogue.jwk(client.key).getBytes(StandardCharsets.UTF_8))
                .base64Url();
        String keyAuthorization = authorization.at(TOKEN).asString() + "." + thumbprint;
        Bytes nonce = Bytes.sha256(keyAuthorization.getBytes(StandardCharsets.US_ASCII));
        Signed signed = machine.tpm().certifyCreation(ATTESTATION_KEY, key.handle, nonce, key.made);
        Cbor statement = Cbor.map()
                .put("ver", Cbor.of("2.0"))
                .put("alg", Cbor.of(-7))
                .put("x5c", Cbor.array())
                .put("sig", Cbor.of(signed.signature()))
                .put("certInfo", Cbor.of(signed.statement()))
                .put("pubArea", Cbor.of(key.made.publicArea()))
                .build();
        Cbor object =
                Cbor.map().put("fmt", Cbor.of("tpm")).put("attStmt", statement).build();
        return "{\"attObj\":\"" + object.encode().base64Url() + "\"}";
    }

    private static JsonNode ordered(AcmeDialogue client, String device) {
        HttpResponse<String> made = client.post(
                "/new-order",
                "{\"identifiers\":[{\"type\":\"permanent-identifier\",\"value\":\"" + device + "\"}]}",
                client.key);
        assertThat(made.statusCode()).as(made.body()).isEqualTo(201);
        return RunningServer.json(made.body());
    }

    private static JsonNode read(AcmeDialogue client, String url) {
        return RunningServer.json(client.post(url, "", client.key).body());
    }

    /// @return the state of the authorization after the answer
    private static String answered(AcmeDialogue client, JsonNode order, JsonNode authorization, String payload) {
        client.post(authorization.at("/challenges/0/url").asString(), payload, client.key);
        return read(client, order.at("/authorizations/0").asString())
                .path("status")
                .asString();
    }

    @Test
    @DisplayName("draft-ietf-acme-device-attest: a TPM attests the key, for this account and challenge and no other")
    void acme() throws Exception {
        String gateways = TENANT.fleet("");
        Machine gateway = new Machine(TENANT.claim(gateways), machine.birth, swtpm.sibling(folder.resolve("c")));
        try (Swtpm own = gateway.swtpm) {
            activate(gateway);
            HttpResponse<String> offered = TENANT.running.send(TENANT.running
                    .to(TENANT.tenant.ownerKey(), "/api/v1/fleets/" + gateways + "/acme")
                    .header("Content-Type", "application/json")
                    .PUT(BodyPublishers.ofString("{\"names\":[],\"networks\":[],\"attestation\":true}")));
            assertThat(offered.statusCode()).as(offered.body()).isEqualTo(200);
            AcmeDialogue client = new AcmeDialogue(TENANT, gateways);
            client.register(gateway.id);
            Key key = Key.in(own.tpm());

            JsonNode order = ordered(client, gateway.id);
            JsonNode authorization = read(client, order.at("/authorizations/0").asString());
            assertThat(authorization.at("/challenges/0/type").asString()).isEqualTo("device-attest-01");
            String good = attestation(gateway, key, client, authorization);
            assertThat(answered(client, order, authorization, good)).isEqualTo("valid");
            String finalize = order.path("finalize").asString();
            Key other = Key.in(own.tpm());
            HttpResponse<String> otherKey = client.post(finalize, csr(own.tpm(), other), client.key);
            assertThat(otherKey.statusCode()).as(otherKey.body()).isBetween(400, 403);
            HttpResponse<String> issued = client.post(finalize, csr(own.tpm(), key), client.key);
            assertThat(issued.statusCode()).as(issued.body()).isEqualTo(200);
            String certificate =
                    RunningServer.json(issued.body()).path("certificate").asString();
            assertThat(Certificate.parsePem(
                                    client.post(certificate, "", client.key).body())
                            .getFirst()
                            .publicKey())
                    .isEqualTo(key.publicKey);

            Key foreign = Key.in(machine.tpm());
            AcmeDialogue elsewhere = new AcmeDialogue(TENANT, gateways);
            elsewhere.register(gateway.id);
            for (String bad : List.of(
                    good,
                    attestation(gateway, other, elsewhere, authorization),
                    attestation(machine, foreign, client, authorization),
                    "{\"attObj\":\"oA\"}",
                    "{\"attObj\":7}",
                    "{}")) {
                JsonNode again = ordered(client, gateway.id);
                JsonNode fresh = read(client, again.at("/authorizations/0").asString());
                assertThat(answered(client, again, fresh, bad)).as(bad).isEqualTo("invalid");
                assertThat(read(client, again.path("finalize").asString().replace("/finalize", ""))
                                .at("/error/type")
                                .asString())
                        .isEqualTo("urn:ietf:params:acme:error:badAttestationStatement");
            }
            JsonNode last = ordered(client, gateway.id);
            JsonNode fresh = read(client, last.at("/authorizations/0").asString());
            assertThat(answered(client, last, fresh, attestation(machine, foreign, client, fresh)))
                    .as("another device's TPM, over this very challenge")
                    .isEqualTo("invalid");
            machine.tpm().flush(foreign.handle);
        }
    }

    private static String csr(Tpm tpm, Key key) {
        return "{\"csr\":\"" + request(tpm, key).encoded().base64Url() + "\"}";
    }
}
