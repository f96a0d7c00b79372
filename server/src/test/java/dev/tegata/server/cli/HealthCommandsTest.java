// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.agent.Agent;
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
import dev.tegata.protocol.CheckInForm;
import dev.tegata.server.RunningServer;
import dev.tegata.server.est.EstTenant;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

@DisplayName("What is wrong with chains, over the API and the command line")
final class HealthCommandsTest {
    private static final ChipFactory FACTORY = new ChipFactory(new SecureRandom());
    private static final String CODE = "certificate-without-status";
    private static final Duration LONGEST = Duration.ofSeconds(60);

    @TempDir
    Path folder;

    private EstTenant tenant;
    private Shell shell;

    @BeforeEach
    void makeTenant() {
        tenant = new EstTenant("Healthy");
        shell = Shell.of(tenant.running, folder).with("TEGATA_API_KEY", tenant.tenant.ownerKey());
    }

    private JsonNode get(String path) {
        HttpResponse<String> answer = tenant.running.get(tenant.tenant.ownerKey(), path);
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        return RunningServer.body(answer);
    }

    /// Has everything looked through, and gives the authorities that have the finding then.
    private Set<String> found() throws InterruptedException {
        HttpResponse<String> asked = tenant.running.post(tenant.tenant.ownerKey(), "/api/v1/health/sweep", "");
        assertThat(asked.statusCode()).as(asked.body()).isEqualTo(202);
        String before = RunningServer.body(asked).path("sweptAt").asString("");
        Instant end = Instant.now().plus(LONGEST);
        while (get("/api/v1/health/findings").path("sweptAt").asString("").equals(before)) {
            assertThat(Instant.now()).as("the look is over before").isBefore(end);
            Thread.sleep(50);
        }
        Set<String> subjects = new HashSet<>();
        for (JsonNode finding : get("/api/v1/health/findings").path("items")) {
            if (finding.path("code").asString().equals(CODE)) {
                assertThat(finding.path("affected").asInt()).isEqualTo(1);
                subjects.add(finding.path("subject").asString().substring("authority:".length()));
            }
        }
        return subjects;
    }

    private Agent agent(String fleet) throws Exception {
        VirtualChip chip = FACTORY.make(Preset.TRUST_GO, Instant.now());
        tenant.claim(fleet, FACTORY, List.of(chip));
        return Agent.start(new Agent.Setup(
                ChipKeys.of(new Ecc608(Transport.of(chip), new SecureRandom())),
                HexFormat.of().formatHex(chip.serial()),
                new Home(tenant.running.server().devicesUrl(), fleet, List.of(tenant.tlsAuthority())),
                List.of(),
                Optional.empty(),
                new Agent.Habits(2.0 / 3, false, CheckInForm.CBOR, Optional.empty(), Optional.empty()),
                StateStore.inFile(Disk.local(), folder.resolve(UUID.randomUUID().toString())),
                Network.ofThisMachine(),
                InstantSource.system(),
                new Random(1),
                Agent.Pace.USUAL,
                _ -> {}));
    }

    private void writeAddresses(String fleet) {
        HttpResponse<String> changed = tenant.running.send(tenant.running
                .to(tenant.tenant.ownerKey(), "/api/v1/fleets/" + fleet)
                .header("Content-Type", "application/json")
                .header("If-Match", "\"1\"")
                .method(
                        "PATCH",
                        HttpRequest.BodyPublishers.ofString("{\"profile\":{\"locations\":{\"standard\":true}}}")));
        assertThat(changed.statusCode()).as(changed.body()).isEqualTo(200);
    }

    private void awaitJobs() throws InterruptedException {
        Instant end = Instant.now().plus(LONGEST);
        while (get("/api/v1/jobs")
                .path("items")
                .valueStream()
                .anyMatch(job -> job.path("state").asString().equals("running"))) {
            assertThat(Instant.now()).as("the jobs are over before").isBefore(end);
            Thread.sleep(50);
        }
    }

    @Test
    @DisplayName("appears, is mended by the request that the finding names or by one command for all, and is gone")
    void findAndFix() throws Exception {
        String first = get("/api/v1/authorities")
                .path("items")
                .valueStream()
                .filter(item -> item.path("kind").asString().equals("issuing"))
                .findFirst()
                .orElseThrow()
                .path("id")
                .asString();
        String root = get("/api/v1/authorities").at("/items/0/id").asString();
        String second = RunningServer.body(tenant.running.post(
                        tenant.tenant.ownerKey(),
                        "/api/v1/authorities",
                        "{\"name\":\"Second\",\"subject\":\"CN=Second\",\"parent\":\"%s\"}".formatted(root)))
                .path("id")
                .asString();
        String bare =
                "\"authority\":\"%s\",\"profile\":{\"locations\":{\"crls\":[],\"ocsp\":[],\"issuers\":[],\"standard\":false}}";
        List<String> fleets = List.of(tenant.fleet(bare.formatted(first)), tenant.fleet(bare.formatted(second)));
        Agent one = agent(fleets.get(0));
        Agent other = agent(fleets.get(1));
        one.step();
        other.step();
        assertThat(found()).containsExactlyInAnyOrder(first, second);

        fleets.forEach(this::writeAddresses);
        JsonNode fix = get("/api/v1/health/findings")
                .path("items")
                .valueStream()
                .filter(item -> item.path("subject").asString().equals("authority:" + first))
                .filter(item -> item.path("code").asString().equals(CODE))
                .findFirst()
                .orElseThrow()
                .path("fix");
        HttpResponse<String> sent = tenant.running.post(
                tenant.tenant.ownerKey(),
                fix.path("path").asString(),
                fix.path("body").toString(),
                Map.of("Idempotency-Key", UUID.randomUUID().toString()));
        assertThat(sent.statusCode()).as(sent.body()).isBetween(200, 202);
        awaitJobs();
        one.step();
        one.step();
        assertThat(found()).containsExactly(second);

        Shell.Result unasked = shell.run("health", "fix", CODE);
        assertThat(unasked.exitCode()).isEqualTo(2);
        assertThat(unasked.out()).contains("authority:" + second + ", 1 devices: POST /api/v1/devices/bulk");
        assertThat(unasked.err()).contains("add --yes");
        assertThat(shell.run("health", "fix", "crl-stale", "--yes").err()).contains("there is no such finding");
        assertThat(shell.run("health", "fix", CODE, first, "--yes").exitCode()).isEqualTo(1);
        int jobs = get("/api/v1/jobs").path("items").size();
        assertThat(shell.run("health", "fix", CODE, "--yes").text()).contains("device.");
        assertThat(get("/api/v1/jobs").path("items")).hasSize(jobs + 1);
        awaitJobs();
        other.step();
        other.step();
        assertThat(shell.run("health", "sweep").text()).contains("devices");
        assertThat(found()).isEmpty();
        assertThat(shell.run("health", "findings", "--json")
                        .json()
                        .path("items")
                        .toString())
                .doesNotContain(CODE);
    }

    @Test
    @DisplayName("is not said to be fine where nothing was looked at: fleet readiness --lacking")
    void nothingLookedAt() throws Exception {
        String fleet = tenant.fleet("");
        assertThat(lacking(fleet)).doesNotContain("All devices can verify it");
        found();
        assertThat(lacking(fleet)).contains("the fleet had no active devices");
        agent(fleet).step();
        found();
        assertThat(lacking(fleet)).contains("All devices can verify it");
        assertThat(shell.run("fleet", "readiness", fleet).text()).contains("As of 20", "looks anew");
    }

    private String lacking(String fleet) {
        return shell.run("fleet", "readiness", fleet, "--lacking", "ec-p256").text();
    }

    @Test
    @DisplayName("is of no other tenant, whose devices are not looked through by this one's wish")
    void tenantWall() throws Exception {
        String authority = get("/api/v1/authorities").at("/items/0/id").asString();
        EstTenant other = new EstTenant("Elsewhere");
        assertThat(other.running
                        .get(other.tenant.ownerKey(), "/api/v1/health/findings/key-shared/" + authority + "/devices")
                        .statusCode())
                .isEqualTo(404);
        found();
        Shell elsewhere = Shell.of(other.running, folder).with("TEGATA_API_KEY", other.tenant.ownerKey());
        assertThat(elsewhere.run("health", "fix", CODE, authority, "--yes").err())
                .contains("there is no such finding");
    }
}
