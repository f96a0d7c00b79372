// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.est;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.agent.Agent;
import dev.tegata.agent.AgentEvent;
import dev.tegata.agent.Attester;
import dev.tegata.agent.ChipAttester;
import dev.tegata.agent.ChipKeys;
import dev.tegata.agent.DeviceKeys.Made;
import dev.tegata.agent.Network;
import dev.tegata.agent.simulator.RootOfTrust;
import dev.tegata.agent.store.AgentState.Home;
import dev.tegata.agent.store.Disk;
import dev.tegata.agent.store.StateStore;
import dev.tegata.attestation.csr.AttestationBundle;
import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.chip.driver.Ecc608;
import dev.tegata.chip.driver.Transport;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.certificate.RequestAttribute;
import dev.tegata.pki.der.Pem;
import dev.tegata.protocol.CheckIn;
import dev.tegata.server.RunningServer;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;

@DisplayName("Evidence at enrolment, by devices with a secure element and with PSA tokens")
final class AgentEvidenceTest {
    private static final EstTenant TENANT = new EstTenant("Agents with evidence");
    private static final EstTenant NEIGHBOUR = new EstTenant("Neighbours with evidence");
    private static final Path TLS_CA = TENANT.running.server().authorityFile().orElseThrow();
    private static final ChipFactory FACTORY = new ChipFactory(new SecureRandom());
    private static final String POLICY =
            "\"policy\":{\"evidence\":{\"atEnrolment\":true,\"atRenewal\":true,\"acceptWarnings\":true}}";
    private static final CheckIn.Component FIRMWARE = new CheckIn.Component("app", "1.0.0", Optional.empty());

    @TempDir
    Path folder;

    private static String fleet;

    @BeforeAll
    static void trust() {
        fleet = TENANT.fleet(POLICY);
        String body = JsonMapper.shared()
                .createObjectNode()
                .put("purpose", "attestation-ca")
                .put("certificate", Pem.encode(Pem.CERTIFICATE, Bytes.of(FACTORY.rootCertificate())))
                .toString();
        HttpResponse<String> trusted =
                TENANT.running.post(TENANT.tenant.ownerKey(), "/api/v1/trusted-certificates", body);
        assertThat(trusted.statusCode()).as(trusted.body()).isEqualTo(201);
    }

    /// A claimed device.
    private static final class Unit {
        final VirtualChip chip = FACTORY.make(Preset.TRUST_GO, Instant.now());
        final String serial = HexFormat.of().formatHex(chip.serial());
        final ChipKeys keys;
        final String id;

        Unit() throws IOException {
            TENANT.claim(fleet, FACTORY, List.of(chip));
            keys = ChipKeys.of(new Ecc608(Transport.of(chip), new SecureRandom()));
            id = TENANT.deviceOf(serial);
        }

        Attester element() {
            return new ChipAttester(keys.chip());
        }

        Attester psa() {
            return new RootOfTrust(chip, fleet, FIRMWARE);
        }
    }

    private List<AgentEvent> live(Unit unit, Optional<Attester> attester, int steps) throws Exception {
        List<AgentEvent> events = new ArrayList<>();
        Agent agent = Agent.start(new Agent.Setup(
                unit.keys,
                unit.serial,
                new Home(TENANT.running.server().devicesUrl(), fleet, List.of(TENANT.tlsAuthority())),
                List.of(FIRMWARE),
                attester,
                Agent.Habits.USUAL,
                StateStore.inFile(Disk.local(), folder.resolve(unit.serial)),
                Network.ofThisMachine(),
                InstantSource.system(),
                new Random(1),
                Agent.Pace.USUAL,
                events::add));
        for (int i = 0; i < steps; i++) {
            agent.step();
        }
        return events;
    }

    private void livesWith(Unit unit, Attester attester) throws Exception {
        List<AgentEvent> events = live(unit, Optional.of(attester), 1);
        assertThat(TENANT.state(unit.id)).as(events.toString()).isEqualTo("active");
        HttpResponse<String> order = TENANT.running.post(
                TENANT.tenant.ownerKey(), "/api/v1/devices/" + unit.id + "/orders", "{\"kind\":\"renew-key\"}");
        assertThat(order.statusCode()).as(order.body()).isEqualTo(201);
        List<AgentEvent> later = live(unit, Optional.of(attester), 2);
        assertThat(TENANT.certificates(unit.id)).as(later.toString()).hasSize(2);
        assertThat(TENANT.history(unit.id)
                        .valueStream()
                        .filter(record -> record.at("/detail/appraisal").isString())
                        .map(record -> record.path("action").asString()))
                .contains("device.activated", "certificate.renewed");
    }

    @Test
    @DisplayName("an agent puts its secure element's word about the key into its requests, first and further ones")
    void secureElement() throws Exception {
        Unit unit = new Unit();
        livesWith(unit, unit.element());
    }

    @Test
    @DisplayName("an agent puts a PSA token whose nonce names the key into its requests, first and further ones")
    void psa() throws Exception {
        Unit unit = new Unit();
        livesWith(unit, unit.psa());
    }

    @Test
    @DisplayName("an agent without evidence is told so and gets nothing")
    void without() throws Exception {
        Unit unit = new Unit();
        assertThat(live(unit, Optional.empty(), 1))
                .anyMatch(event -> event instanceof AgentEvent.Refused(int status, String reason)
                        && status == 403
                        && reason.contains("evidence-missing"));
        assertThat(TENANT.state(unit.id)).isEqualTo("claimed");
    }

    private static Bytes nonce(EstTenant tenant, String of) {
        try (EstDevice anybody = EstDevice.anonymous(TLS_CA)) {
            HttpResponse<byte[]> answer = anybody.get(tenant.est(of, "nonce"));
            assertThat(answer.statusCode()).as(EstDevice.text(answer)).isEqualTo(200);
            return Bytes.ofBase64Url(
                    RunningServer.json(EstDevice.text(answer)).path("nonce").asString());
        }
    }

    /// Asks for a certificate for `wanted` with evidence that was made for `shown`.
    private static HttpResponse<byte[]> ask(Unit as, Attester by, Made shown, Made wanted, Bytes nonce, Bytes cookie)
            throws Exception {
        AttestationBundle bundle = new AttestationBundle(by.vouch(nonce, shown), List.of());
        CertificateRequest request = CertificateRequest.create(
                Name.EMPTY,
                wanted.key().publicKey(),
                List.of(new RequestAttribute(AttestationBundle.ATTRIBUTE, bundle.encode())),
                wanted.key()::sign);
        try (EstDevice device = EstDevice.anonymous(TLS_CA)) {
            return device.send(HttpRequest.newBuilder(TENANT.est(fleet, "simpleenroll"))
                    .header("Content-Type", "application/pkcs10")
                    .header("Authorization", "Bearer " + TENANT.token(as.id))
                    .header("Cookie", "est-nonce=" + cookie.base64Url())
                    .POST(BodyPublishers.ofString(request.encoded().base64(), StandardCharsets.US_ASCII)));
        }
    }

    private static void assertRefused(String reason, HttpResponse<byte[]> response) {
        assertThat(response.statusCode()).as(EstDevice.text(response)).isEqualTo(403);
        assertThat(RunningServer.json(EstDevice.text(response)).path("reason").asString())
                .as(EstDevice.text(response))
                .isEqualTo(reason);
    }

    @Test
    @DisplayName("another key, another device, a used nonce and another tenant's are refused, whatever the evidence")
    void refused() throws Exception {
        Unit unit = new Unit();
        Unit other = new Unit();
        String elsewhere = NEIGHBOUR.fleet(POLICY);
        Made first = unit.keys.make(unit.keys.nameNext(Set.of()));
        Made second = unit.keys.make(unit.keys.nameNext(Set.of(first.name())));
        Made foreign = other.keys.make(other.keys.nameNext(Set.of()));
        for (Map.Entry<Attester, Attester> kind :
                Map.of(unit.element(), other.element(), unit.psa(), other.psa()).entrySet()) {
            Attester own = kind.getKey();
            boolean element = own instanceof ChipAttester;
            Bytes nonce = nonce(TENANT, fleet);
            assertRefused(element ? "key-not-bound" : "wrong-nonce", ask(unit, own, first, second, nonce, nonce));
            assertRefused("nonce-used", ask(unit, own, second, second, nonce, nonce));
            // A token of device A with the certificate of device B.
            Bytes stolen = nonce(TENANT, fleet);
            assertRefused("wrong-device", ask(other, own, element ? first : foreign, foreign, stolen, stolen));
            Bytes theirs = nonce(NEIGHBOUR, elsewhere);
            assertRefused("nonce-unknown", ask(unit, own, first, first, theirs, theirs));
            Bytes swapped = nonce(TENANT, fleet);
            assertRefused(
                    element ? "bad-signature" : "wrong-nonce",
                    ask(unit, own, first, first, nonce(TENANT, fleet), swapped));
        }
        assertThat(TENANT.state(unit.id)).isEqualTo("claimed");
        assertThat(TENANT.state(other.id)).isEqualTo("claimed");
        Bytes nonce = nonce(TENANT, fleet);
        HttpResponse<byte[]> issued = ask(unit, unit.psa(), first, first, nonce, nonce);
        assertThat(issued.statusCode()).as(EstDevice.text(issued)).isEqualTo(200);
    }
}
