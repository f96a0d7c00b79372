// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.est;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.agent.Agent;
import dev.tegata.agent.AgentEvent;
import dev.tegata.agent.ChipAttester;
import dev.tegata.agent.ChipKeys;
import dev.tegata.agent.Network;
import dev.tegata.agent.store.AgentState.Home;
import dev.tegata.agent.store.Disk;
import dev.tegata.agent.store.StateStore;
import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.chip.driver.Ecc608;
import dev.tegata.chip.driver.Transport;
import dev.tegata.chip.port.ChipServer;
import dev.tegata.pki.Bytes;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckInAnswer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

@DisplayName("An agent, with its chip behind a TCP port, lives at a real server")
final class AgentLifeTest {
    private static final EstTenant TENANT = new EstTenant("Agent's life");
    private static final ChipFactory FACTORY = new ChipFactory(new SecureRandom());

    @TempDir
    Path folder;

    private final VirtualChip chip = FACTORY.make(Preset.TRUST_GO, Instant.now());
    private final String serial = HexFormat.of().formatHex(chip.serial());
    private final List<AgentEvent> events = new ArrayList<>();
    private String fleet = "";
    private String device = "";

    @BeforeEach
    void claim() {
        fleet = TENANT.fleet("");
        TENANT.claim(fleet, FACTORY, List.of(chip));
        device = TENANT.deviceOf(serial);
    }

    private Agent start(ChipKeys keys, Duration clockError) throws Exception {
        return start(keys, clockError, Network.ofThisMachine());
    }

    private Agent start(ChipKeys keys, Duration clockError, Network network) throws Exception {
        Home home = new Home(TENANT.running.server().devicesUrl(), fleet, List.of(TENANT.tlsAuthority()));
        return Agent.start(new Agent.Setup(
                keys,
                serial,
                home,
                List.of(new CheckIn.Component("app", "1.0.0", Optional.empty())),
                Optional.of(new ChipAttester(keys.chip())),
                Agent.Habits.USUAL,
                StateStore.inFile(Disk.local(), folder.resolve("state")),
                network,
                InstantSource.offset(InstantSource.system(), clockError),
                new Random(1),
                Agent.Pace.USUAL,
                events::add));
    }

    private String order(String body) {
        HttpResponse<String> placed =
                TENANT.running.post(TENANT.tenant.ownerKey(), "/api/v1/devices/" + device + "/orders", body);
        assertThat(placed.statusCode()).as(placed.body()).isEqualTo(201);
        return dev.tegata.server.RunningServer.body(placed).path("id").asString();
    }

    private String stateOf(String order) {
        JsonNode found = dev.tegata.server.RunningServer.body(
                TENANT.running.get(TENANT.tenant.ownerKey(), "/api/v1/orders/" + order));
        return found.path("state").asString();
    }

    @Test
    @DisplayName("it enrols, obeys, keeps still while suspended, and is shut out for good when revoked")
    void life() throws Exception {
        InetSocketAddress any = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        try (ChipServer port = ChipServer.start(any, chip, 60_000);
                ChipKeys keys = ChipKeys.of(new Ecc608(Transport.tcp(port.address(), 10_000), new SecureRandom()))) {
            Agent agent = start(keys, Duration.ofDays(-7000));
            agent.step();
            assertThat(agent.state().identity()).as(events.toString()).isPresent();
            assertThat(TENANT.state(device)).isEqualTo("active");
            Bytes first = agent.state().identity().orElseThrow().chain().getFirst();

            String renew = order("{\"kind\":\"renew-key\"}");
            String store = order("{\"kind\":\"store\",\"name\":\"a.txt\",\"value\":\"AQID\"}");
            String anchors = order("{\"kind\":\"update-trust-anchors\",\"anchors\":[\"%s\"]}"
                    .formatted(TENANT.authorities().getFirst().pem().replace("\n", "\\n")));
            agent.step();
            agent.step();
            assertThat(stateOf(renew)).as(events.toString()).isEqualTo("done");
            assertThat(stateOf(store)).isEqualTo("done");
            assertThat(stateOf(anchors)).as("it would lock the device out").isEqualTo("failed");
            assertThat(agent.state().objects()).containsEntry("a.txt", Bytes.of((byte) 1, (byte) 2, (byte) 3));
            assertThat(agent.state().identity().orElseThrow().chain().getFirst())
                    .isNotEqualTo(first);

            TENANT.change(device, "suspend");
            agent.step();
            assertThat(events.getLast())
                    .isInstanceOfSatisfying(
                            AgentEvent.CheckedIn.class,
                            heard -> assertThat(heard.state()).isEqualTo(CheckInAnswer.State.SUSPENDED));
            TENANT.change(device, "resume");
            agent.step();
            assertThat(TENANT.state(device)).isEqualTo("active");

            TENANT.change(device, "revoke");
            int before = events.size();
            agent.step();
            assertThat(events.subList(before, events.size()))
                    .noneMatch(event -> event instanceof AgentEvent.Enrolled || event instanceof AgentEvent.Renewed);
        }
    }

    @Test
    @DisplayName("it is refurbished, and then sold: each time with a new key, and its old owner sees it no more")
    void refurbishedAndSold() throws Exception {
        EstTenant buyer = new EstTenant("Agent's buyer");
        String buyersFleet = buyer.fleet("");
        try (ChipKeys keys = ChipKeys.of(new Ecc608(Transport.of(chip), new SecureRandom()))) {
            Agent agent = start(keys, Duration.ZERO);
            agent.step();
            String first = agent.state().identity().orElseThrow().key();
            Bytes firstKey = keys.open(first).publicKey().encoded();

            TENANT.change(device, "refurbish");
            agent.step();
            assertThat(TENANT.state(device)).as(events.toString()).isEqualTo("active");
            Bytes secondKey = publicKey(keys, agent);
            assertThat(secondKey).isNotEqualTo(firstKey);

            HttpResponse<String> offer = TENANT.running.post(
                    TENANT.tenant.ownerKey(),
                    "/api/v1/transfers",
                    "{\"to\":\"%s\",\"devices\":[\"%s\"]}".formatted(buyer.tenant.id(), device));
            assertThat(offer.statusCode()).as(offer.body()).isEqualTo(201);
            String transfer =
                    dev.tegata.server.RunningServer.body(offer).path("id").asString();
            HttpResponse<String> accepted = TENANT.running.post(
                    buyer.tenant.ownerKey(),
                    "/api/v1/incoming-transfers/" + transfer + "/accept",
                    "{\"fleet\":\"" + buyersFleet + "\"}");
            assertThat(accepted.statusCode()).as(accepted.body()).isEqualTo(200);
            for (int i = 0; i < 40 && !hasMoved(agent, buyersFleet); i++) {
                agent.step();
                Thread.sleep(100);
            }
            assertThat(hasMoved(agent, buyersFleet)).as(events.toString()).isTrue();
            assertThat(buyer.state(buyer.deviceOf(serial))).isEqualTo("active");
            assertThat(publicKey(keys, agent)).isNotIn(firstKey, secondKey);
            assertThat(TENANT.running
                            .get(TENANT.tenant.ownerKey(), "/api/v1/devices/" + device)
                            .statusCode())
                    .isEqualTo(404);
        }
    }

    /// A network that loses the first answer to a request for a certificate.
    private static Network losing(AtomicInteger enrolments) {
        return (server, identity, anchors, clock) -> {
            Network.Connection connection = Network.ofThisMachine().connect(server, identity, anchors, clock);
            return new Network.Connection() {
                @Override
                public Network.HttpAnswer ask(Network.Question question) throws IOException {
                    Network.HttpAnswer answer = connection.ask(question);
                    if (question.path().endsWith("/simpleenroll") && enrolments.incrementAndGet() == 1) {
                        throw new IOException("the answer was lost");
                    }
                    return answer;
                }

                @Override
                public void close() {
                    connection.close();
                }
            };
        };
    }

    @Test
    @DisplayName("suspended before its first certificate arrived, it keeps still, and has that one when it is resumed")
    void suspendedBeforeItsFirstCertificate() throws Exception {
        HttpResponse<String> early = TENANT.running.post(
                TENANT.tenant.ownerKey(), "/api/v1/devices/" + device + "/suspend", "{\"reason\":\"test\"}");
        assertThat(early.statusCode())
                .as("nothing to suspend yet: " + early.body())
                .isEqualTo(409);
        AtomicInteger enrolments = new AtomicInteger();
        try (ChipKeys keys = ChipKeys.of(new Ecc608(Transport.of(chip), new SecureRandom()))) {
            Agent agent = start(keys, Duration.ZERO, losing(enrolments));
            agent.step();
            assertThat(agent.state().identity()).isEmpty();
            assertThat(TENANT.state(device)).isEqualTo("active");
            TENANT.change(device, "suspend");
            for (int i = 0; i < 3; i++) {
                agent.step();
                assertThat(events.getLast())
                        .isInstanceOfSatisfying(
                                AgentEvent.CheckedIn.class,
                                heard -> assertThat(heard.state()).isEqualTo(CheckInAnswer.State.SUSPENDED));
            }
            assertThat(agent.state().identity()).isEmpty();
            assertThat(enrolments).as("asks once, is refused, and waits").hasValue(2);

            TENANT.change(device, "resume");
            agent.step();
            assertThat(agent.state().identity()).as(events.toString()).isPresent();
            assertThat(TENANT.certificates(device))
                    .singleElement()
                    .satisfies(certificate -> assertThat(certificate.encoded())
                            .isEqualTo(agent.state()
                                    .identity()
                                    .orElseThrow()
                                    .chain()
                                    .getFirst()));
        }
    }

    private static boolean hasMoved(Agent agent, String fleet) {
        return agent.state().home().fleet().equals(fleet)
                && agent.state().identity().isPresent();
    }

    private static Bytes publicKey(ChipKeys keys, Agent agent) throws Exception {
        return keys.open(agent.state().identity().orElseThrow().key())
                .publicKey()
                .encoded();
    }
}
