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
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("An agent is taken along when an authority is replaced")
final class AgentRolloverTest {
    private static final Duration LONGEST = Duration.ofMinutes(5);

    @TempDir
    Path folder;

    private final EstTenant tenant = new EstTenant("Agent's rollover");
    private final List<AgentEvent> events = new ArrayList<>();

    @ParameterizedTest
    @ValueSource(strings = {"root", "issuing"})
    @DisplayName("by itself: it trusts the new root, takes a certificate that leads there, and checks in with it")
    void moves(String kind) throws Exception {
        ChipFactory factory = new ChipFactory(new SecureRandom());
        VirtualChip chip = factory.make(Preset.TRUST_GO, Instant.now());
        String fleet = tenant.fleet("");
        tenant.claim(fleet, factory, List.of(chip));
        try (ChipKeys keys = ChipKeys.of(new Ecc608(Transport.of(chip), new SecureRandom()))) {
            Agent agent = start(chip, keys, fleet);
            agent.step();
            Bytes before = issuer(agent);

            String rollovers = "/api/v1/rollovers";
            String rollover = rollovers + "/"
                    + EstTenant.created(tenant.post(rollovers, "{\"authority\":\"%s\"}".formatted(authority(kind))))
                            .path("id")
                            .asString();
            assertThat(tenant.post(rollover + "/start", "{}").statusCode()).isEqualTo(200);
            Instant end = Instant.now().plus(LONGEST);
            while (!tenant.get(rollover).path("settled").asBoolean()) {
                assertThat(Instant.now()).as(events.toString()).isBefore(end);
                agent.step();
                LockSupport.parkNanos(50_000_000);
            }

            assertThat(issuer(agent)).as(events.toString()).isNotEqualTo(before);
            HttpResponse<String> finished = tenant.post(rollover + "/finish", "{}");
            assertThat(finished.statusCode()).as(finished.body()).isEqualTo(200);
            agent.step();
            assertThat(events.getLast()).isInstanceOf(AgentEvent.CheckedIn.class);
        }
    }

    private String authority(String kind) {
        return tenant.get("/api/v1/authorities")
                .path("items")
                .valueStream()
                .filter(item -> item.path("kind").asString().equals(kind))
                .findFirst()
                .orElseThrow()
                .path("id")
                .asString();
    }

    /// The certificate that the agent shows beside its own.
    private static Bytes issuer(Agent agent) {
        return agent.state().identity().orElseThrow().chain().get(1);
    }

    private Agent start(VirtualChip chip, ChipKeys keys, String fleet) throws Exception {
        return Agent.start(new Agent.Setup(
                keys,
                HexFormat.of().formatHex(chip.serial()),
                new Home(tenant.running.server().devicesUrl(), fleet, List.of(tenant.tlsAuthority())),
                List.of(),
                Optional.empty(),
                Agent.Habits.USUAL,
                StateStore.inFile(Disk.local(), folder.resolve("state")),
                Network.ofThisMachine(),
                InstantSource.system(),
                new Random(1),
                Agent.Pace.USUAL,
                events::add));
    }
}
