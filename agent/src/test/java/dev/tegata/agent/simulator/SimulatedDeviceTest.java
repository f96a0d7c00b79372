// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.simulator;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.agent.DeviceServer;
import dev.tegata.agent.Network;
import dev.tegata.agent.store.AgentState;
import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.protocol.OrderContent;
import java.io.IOException;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("A simulated device that has no identity in the end")
final class SimulatedDeviceTest {
    private final VirtualChip chip =
            new ChipFactory(new SecureRandom()).make(Preset.TRUST_GO, Instant.parse("2026-01-01T00:00:00Z"));
    private final Tally tally = new Tally();

    /// Nobody does anything about the devices.
    private static final class Idle implements Operator {
        @Override
        public Optional<String> claimToken(String serial) {
            return Optional.empty();
        }

        @Override
        public void revoke(String serial) {}

        @Override
        public void refurbish(String serial) {}

        @Override
        public void sell(String serial) {}

        @Override
        public void cloned(String serial) {}

        @Override
        public void vulnerable(String version) {}
    }

    private SimulatedDevice device(DeviceServer server, Network network) throws Exception {
        Simulation.Settings settings =
                new Simulation.Settings(server.home(), network, new Idle(), InstantSource.system(), 1, 1);
        return new SimulatedDevice(chip, chip, Scenario.USUAL.asLoad(), settings, tally, new SplittableRandom(1));
    }

    private List<String> lacks(SimulatedDevice device) {
        return List.copyOf(tally.report(List.of(device), Duration.ZERO, Duration.ZERO)
                .lacks()
                .keySet());
    }

    @Test
    @DisplayName("says that it never enrolled, and why its last step brought none")
    void neverEnrolled() throws Exception {
        try (DeviceServer server = new DeviceServer(HexFormat.of().formatHex(chip.serial()))) {
            SimulatedDevice device = device(server, (_, _, _, _) -> {
                throw new IOException("the network is away");
            });
            assertThat(lacks(device))
                    .containsExactly("never enrolled: nothing had happened, and its next step is not due yet");
            device.step();
            assertThat(lacks(device))
                    .singleElement()
                    .asString()
                    .startsWith("never enrolled: the network is away, and ");
        }
    }

    @Test
    @DisplayName("says that it has left its owner, and is listed by its serial number; one that has an identity is not")
    void leftItsOwner() throws Exception {
        String serial = HexFormat.of().formatHex(chip.serial());
        AgentState.Home home;
        try (DeviceServer nobodyThere = new DeviceServer(serial)) {
            home = nobodyThere.home();
        }
        try (DeviceServer server = new DeviceServer(serial)) {
            SimulatedDevice device = device(server, Network.ofThisMachine());
            device.step();
            assertThat(lacks(device)).isEmpty();

            server.place(new OrderContent.Release(
                    Optional.of(new OrderContent.NewHome(home.fleet(), home.url(), home.anchors()))));
            device.step();
            Report report = tally.report(List.of(device), Duration.ZERO, Duration.ZERO);
            assertThat(report.withIdentity()).isZero();
            assertThat(report.lacks()).hasSize(1).allSatisfy((why, serials) -> {
                assertThat(why).startsWith("has left its owner: ");
                assertThat(serials).containsExactly(serial);
            });
        }
    }
}
