// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.est;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.agent.Agent;
import dev.tegata.agent.AgentEvent;
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
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.pki.path.PathResult;
import dev.tegata.pki.path.Presented;
import dev.tegata.pki.path.Purpose;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.protocol.CheckInForm;
import dev.tegata.server.RunningServer;
import dev.tegata.server.cli.Shell;
import java.net.http.HttpRequest;
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
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

@DisplayName("A fleet with a post-quantum chain beside its own, over the API and EST")
final class ParallelChainTest {
    private static final EstTenant TENANT = new EstTenant("Two chains");
    private static final ChipFactory FACTORY = new ChipFactory(new SecureRandom());

    @TempDir
    Path folder;

    private final List<AgentEvent> events = new ArrayList<>();

    private JsonNode made(String path, String body) {
        HttpResponse<String> answer = TENANT.running.post(TENANT.tenant.ownerKey(), path, body);
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(201);
        return RunningServer.body(answer);
    }

    private JsonNode get(String path) {
        HttpResponse<String> answer = TENANT.running.get(TENANT.tenant.ownerKey(), path);
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        return RunningServer.body(answer);
    }

    private Agent agent(VirtualChip chip, String fleet) throws Exception {
        return agent(chip, fleet, InstantSource.system());
    }

    private Agent agent(VirtualChip chip, String fleet, InstantSource clock) throws Exception {
        ChipKeys keys = ChipKeys.of(new Ecc608(Transport.of(chip), new SecureRandom()));
        return Agent.start(new Agent.Setup(
                keys,
                HexFormat.of().formatHex(chip.serial()),
                new Home(TENANT.running.server().devicesUrl(), fleet, List.of(TENANT.tlsAuthority())),
                List.of(),
                Optional.empty(),
                new Agent.Habits(
                        2.0 / 3, false, CheckInForm.CBOR, Optional.empty(), Optional.of(KeyAlgorithm.ML_DSA_65)),
                StateStore.inFile(Disk.local(), folder.resolve(fleet)),
                Network.ofThisMachine(),
                clock,
                new Random(1),
                Agent.Pace.USUAL,
                events::add));
    }

    @Test
    @DisplayName("gives an agent a certificate of each, renews both on one order, and refuses to lose either authority")
    void life() throws Exception {
        String classical = get("/api/v1/authorities")
                .path("items")
                .valueStream()
                .filter(item -> item.path("kind").asString().equals("issuing"))
                .findFirst()
                .orElseThrow()
                .path("id")
                .asString();
        JsonNode root = made(
                "/api/v1/authorities",
                "{\"name\":\"PQ root\",\"subject\":\"CN=PQ Root\",\"algorithm\":\"ml-dsa-87\",\"root\":true}");
        String pq = below(root, "ml-dsa-65");
        String fleet = TENANT.fleet("\"authority\":\"%s\",\"parallelAuthority\":\"%s\"".formatted(classical, pq));
        assertThat(get("/api/v1/fleets/" + fleet).path("parallelAuthority").asString())
                .isEqualTo(pq);
        VirtualChip chip = FACTORY.make(Preset.TRUST_GO, Instant.now());
        TENANT.claim(fleet, FACTORY, List.of(chip));
        String device = TENANT.deviceOf(HexFormat.of().formatHex(chip.serial()));

        Agent agent = agent(chip, fleet);
        agent.step();
        agent.step();

        assertThat(agent.state().parallel()).as(events.toString()).isPresent();
        List<Certificate> first = parse(agent.state().parallel().orElseThrow().chain());
        Certificate pqRoot = EstTenant.certificate(root.at("/certificate/pem").asString());
        assertThat(new PathCheck(10).check(Presented.of(first), TrustAnchors.of(pqRoot), Instant.now(), Purpose.CLIENT))
                .isInstanceOf(PathResult.Valid.class);
        assertThat(agent.state().anchors()).contains(pqRoot.encoded());
        assertThat(agent.state().identity().orElseThrow().chain()).hasSize(2);
        JsonNode shown = get("/api/v1/devices/" + device + "/certificates").path("items");
        assertThat(shown.valueStream().filter(item -> item.path("current").asBoolean()))
                .hasSize(2);

        made("/api/v1/devices/" + device + "/orders", "{\"kind\":\"renew-certificate\"}");
        agent.step();
        agent.step();
        assertThat(parse(agent.state().parallel().orElseThrow().chain()).getFirst())
                .as(events.toString())
                .isNotEqualTo(first.getFirst());
        assertThat(get("/api/v1/devices/" + device + "/certificates").path("items"))
                .hasSize(4);

        for (String authority : List.of(classical, pq)) {
            HttpResponse<String> refused =
                    TENANT.running.post(TENANT.tenant.ownerKey(), "/api/v1/authorities/" + authority + "/retire", "{}");
            assertThat(refused.statusCode()).isEqualTo(409);
            assertThat(refused.body()).contains("1 fleet").contains("\"breaks-chains\"");
            assertThat(RunningServer.body(refused).at("/breaks/1/first/0").asString())
                    .isEqualTo(device);
            assertThat(get("/api/v1/authorities/" + authority + "/dependents/devices")
                            .at("/items/0/device")
                            .asString())
                    .isEqualTo(device);
        }
        refusesToBreak(fleet, device);
        assertThat(get("/api/v1/fleets/" + fleet + "/readiness").path("items")).hasSize(KeyAlgorithm.values().length);
        HttpResponse<String> left = TENANT.running.post(
                TENANT.tenant.ownerKey(), "/api/v1/authorities/" + pq + "/retire", "{\"leaveBehind\":true}");
        assertThat(RunningServer.body(left).path("state").asString()).isEqualTo("retired");

        EstTenant other = new EstTenant("Elsewhere");
        for (String path : List.of("/readiness", "/readiness/ml-dsa-65/devices")) {
            assertThat(other.running
                            .get(other.tenant.ownerKey(), "/api/v1/fleets/" + fleet + path)
                            .statusCode())
                    .isEqualTo(404);
        }
    }

    private String below(JsonNode root, String algorithm) {
        return made(
                        "/api/v1/authorities",
                        "{\"name\":\"I\",\"subject\":\"CN=I\",\"algorithm\":\"%s\",\"parent\":\"%s\"}"
                                .formatted(algorithm, root.path("id").asString()))
                .path("id")
                .asString();
    }

    @Test
    @DisplayName("is asked for its second certificate again by an agent that was refused: after a while, or when told")
    void refusedAtFirst() throws Exception {
        String own = below(
                made(
                        "/api/v1/authorities",
                        "{\"name\":\"R\",\"subject\":\"CN=R\",\"algorithm\":\"ec-p256\",\"root\":true}"),
                "ec-p256");
        String pq = below(
                made(
                        "/api/v1/authorities",
                        "{\"name\":\"PQ R\",\"subject\":\"CN=PQ R\",\"algorithm\":\"ml-dsa-87\",\"root\":true}"),
                "ml-dsa-65");
        for (boolean told : List.of(true, false)) {
            String fleet = TENANT.fleet("\"authority\":\"" + own + "\"");
            VirtualChip chip = FACTORY.make(Preset.TRUST_GO, Instant.now());
            TENANT.claim(fleet, FACTORY, List.of(chip));
            String device = TENANT.deviceOf(HexFormat.of().formatHex(chip.serial()));
            AtomicReference<Duration> ahead = new AtomicReference<>(Duration.ZERO);
            Agent agent = agent(chip, fleet, () -> Instant.now().plus(ahead.get()));
            agent.step();
            assertThat(agent.state().parallel()).isEmpty();
            assertThat(events.toString()).contains("key-not-allowed");
            assertThat(patched(fleet, "{\"parallelAuthority\":\"" + pq + "\"}")).isEqualTo(200);

            if (told) {
                made("/api/v1/devices/" + device + "/orders", "{\"kind\":\"renew-certificate\"}");
            } else {
                ahead.set(Duration.ofMinutes(1));
            }
            agent.step();

            assertThat(agent.state().parallel()).as(events.toString()).isPresent();
            events.clear();
        }
    }

    private static int patched(String fleet, String change) {
        return TENANT.running
                .send(TENANT.running
                        .to(TENANT.tenant.ownerKey(), "/api/v1/fleets/" + fleet)
                        .header("Content-Type", "application/json")
                        .header("If-Match", "\"1\"")
                        .method("PATCH", HttpRequest.BodyPublishers.ofString(change)))
                .statusCode();
    }

    /// Over the API, with each list read; and as the command tells a person.
    private void refusesToBreak(String fleet, String device) {
        String path = "/api/v1/fleets/" + fleet;
        String change = "{\"parallelAuthority\":\"\",\"profile\":{\"keyAlgorithms\":[\"rsa-2048\"]}}";
        HttpResponse<String> refused = TENANT.running.send(TENANT.running
                .to(TENANT.tenant.ownerKey(), path)
                .header("Content-Type", "application/json")
                .header("If-Match", "\"1\"")
                .method("PATCH", HttpRequest.BodyPublishers.ofString(change)));
        assertThat(refused.statusCode()).as(refused.body()).isEqualTo(409);
        JsonNode breaks = RunningServer.body(refused).path("breaks");
        assertThat(breaks.valueStream().map(one -> one.path("reason").asString()))
                .containsExactly("key-not-allowed", "second-chain-ends");
        for (JsonNode one : breaks) {
            assertThat(one.path("count").asInt()).isEqualTo(1);
            assertThat(one.at("/first/0").asString()).isEqualTo(device);
            assertThat(get(one.path("path").asString()).path("items").toString())
                    .contains(device);
        }
        assertThat(get("/api/v1/devices?fleet=" + fleet + "&keyAlgorithm=rsa-2048")
                        .path("items"))
                .isEmpty();
        assertThat(TENANT.running
                        .get(TENANT.tenant.ownerKey(), "/api/v1/devices?keyAlgorithm=rsa-2048")
                        .statusCode())
                .isEqualTo(422);

        Shell.Result told = Shell.of(TENANT.running, folder)
                .with("TEGATA_API_KEY", TENANT.tenant.ownerKey())
                .run("fleet", "update", fleet, "--parallel-authority", "");
        assertThat(told.exitCode()).as(told.err()).isEqualTo(1);
        assertThat(told.err())
                .contains("1 device, second-chain-ends")
                .contains("    " + device)
                .contains("All: tegata authority dependent-devices ");
    }

    private static List<Certificate> parse(List<Bytes> chain) throws Exception {
        List<Certificate> certificates = new ArrayList<>();
        for (Bytes encoded : chain) {
            certificates.add(Certificate.parse(encoded));
        }
        return certificates;
    }
}
