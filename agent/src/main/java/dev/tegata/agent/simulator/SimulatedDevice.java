// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.simulator;

import dev.tegata.agent.Agent;
import dev.tegata.agent.AgentEvent;
import dev.tegata.agent.ChipAttester;
import dev.tegata.agent.ChipKeys;
import dev.tegata.agent.DeviceClock;
import dev.tegata.agent.DeviceIdentity;
import dev.tegata.agent.Network;
import dev.tegata.agent.store.AgentState;
import dev.tegata.agent.store.StateStore;
import dev.tegata.chip.VirtualChip;
import dev.tegata.chip.driver.Ecc608;
import dev.tegata.chip.driver.Transport;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckInAnswer;
import java.io.IOException;
import java.net.URI;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// One device: a virtual chip, an agent, and what befalls it.
final class SimulatedDevice {
    private static final SecureRandom NONCES = new SecureRandom();
    private static final double CUT_PER_SAVE = 0.1;
    private static final double LATEST_RENEWAL = 0.72;
    private static final double EARLIEST_RENEWAL = 0.62;

    /// What becomes of a device.
    enum Fate {
        NONE,
        STOLEN,
        REFURBISHED,
        SOLD
    }

    private final VirtualChip chip;
    private final String serial;
    private final Scenario scenario;
    private final Simulation.Settings settings;
    private final Tally tally;
    private final RandomGenerator random;
    private final CheckIn.Component firmware;
    private final Duration clockError;
    private final boolean losesPower;
    private final Fate fate;

    /// What survives a power cut.
    private volatile @Nullable AgentState kept;

    private @Nullable Agent agent;

    /// The operator has revoked it; nobody may let it in any more.
    private volatile boolean shutOut;

    /// The operator had revoked it before this step began.
    private boolean mayNotGetIn;

    private volatile boolean fateMet;

    SimulatedDevice(
            VirtualChip chip, Scenario scenario, Simulation.Settings settings, Tally tally, RandomGenerator random) {
        this.chip = chip;
        this.serial = HexFormat.of().formatHex(chip.serial());
        this.scenario = scenario;
        this.settings = settings;
        this.tally = tally;
        this.random = random;
        this.firmware = firmware(random.nextDouble());
        boolean wrong = random.nextDouble() < scenario.wrongClocks();
        this.clockError = wrong
                ? Duration.ofDays((long) (365 * random.nextDouble(-scenario.clockYears(), scenario.clockYears())))
                : Duration.ZERO;
        this.losesPower = random.nextDouble() < scenario.powerCuts();
        this.fate = fate(random.nextDouble());
    }

    private CheckIn.Component firmware(double point) {
        double sum = 0;
        for (Scenario.Firmware each : scenario.firmware()) {
            sum += each.share();
            if (point < sum) {
                return new CheckIn.Component(each.component(), each.version(), Optional.empty());
            }
        }
        Scenario.Firmware last = scenario.firmware().getLast();
        return new CheckIn.Component(last.component(), last.version(), Optional.empty());
    }

    private Fate fate(double point) {
        if (point < scenario.stolen()) {
            return Fate.STOLEN;
        }
        if (point < scenario.stolen() + scenario.refurbished()) {
            return Fate.REFURBISHED;
        }
        return point < scenario.stolen() + scenario.refurbished() + scenario.sold() ? Fate.SOLD : Fate.NONE;
    }

    boolean hasFate() {
        return fate != Fate.NONE;
    }

    Fate fate() {
        return fate;
    }

    boolean fateMet() {
        return fateMet;
    }

    boolean hasWrongClock() {
        return !clockError.isZero();
    }

    /// Where it belongs and whether it has an identity there, as far as it knows.
    Optional<AgentState> state() {
        return Optional.ofNullable(kept);
    }

    String version() {
        return firmware.component() + " " + firmware.version();
    }

    /// The device's owner does what has to be done about it.
    void meetFate() {
        try {
            switch (fate) {
                case NONE -> {}
                case STOLEN -> {
                    settings.operator().revoke(serial);
                    shutOut = true;
                }
                case REFURBISHED -> settings.operator().refurbish(serial);
                case SOLD -> settings.operator().sell(serial);
            }
            fateMet = true;
        } catch (IOException e) {
            tally.operatorFailed(String.valueOf(e.getMessage()));
        }
    }

    /// Lets the agent do what is due.
    Duration step() {
        long begun = System.nanoTime();
        mayNotGetIn = shutOut;
        try {
            Agent running = agent;
            if (running == null) {
                running = Agent.start(setup());
                agent = running;
            }
            return running.step();
        } catch (PowerCut e) {
            tally.powerCut();
            chip.powerCycle();
            agent = null;
            return Duration.ofMillis(200);
        } catch (IOException e) {
            tally.event(this, new AgentEvent.Failed(String.valueOf(e.getMessage()), scenario.checkIn()), false);
            return scenario.checkIn();
        } finally {
            tally.step(System.nanoTime() - begun);
        }
    }

    private Agent.Setup setup() throws IOException {
        ChipKeys keys = ChipKeys.of(new Ecc608(Transport.of(chip), NONCES));
        return new Agent.Setup(
                keys,
                serial,
                settings.home(),
                List.of(firmware),
                Optional.of(new ChipAttester(keys.chip())),
                Agent.Habits.USUAL,
                new Memory(),
                this::connect,
                InstantSource.offset(settings.clock(), clockError),
                random,
                new Haste(),
                this::happened);
    }

    private void happened(AgentEvent event) {
        tally.event(this, event, mayNotGetIn && !isHarmless(event));
    }

    /// What a revoked device may still hear: that it is revoked.
    private static boolean isHarmless(AgentEvent event) {
        return !(event instanceof AgentEvent.Enrolled
                || event instanceof AgentEvent.Renewed
                || event instanceof AgentEvent.CheckedIn(CheckInAnswer.State state, Duration _)
                        && state != CheckInAnswer.State.REVOKED);
    }

    private Network.Connection connect(
            URI server, DeviceIdentity identity, List<Certificate> anchors, DeviceClock clock) throws IOException {
        if (random.nextDouble() < scenario.failures()) {
            throw new IOException("the network is away");
        }
        return settings.network().connect(server, identity, anchors, clock);
    }

    /// The power failed in the middle of a change.
    private static final class PowerCut extends Error {
        private static final long serialVersionUID = 1L;
    }

    /// Memory that outlives a loss of power. A cut falls before a change or after it, as on a disk that is
    /// used well.
    private final class Memory implements StateStore {
        @Override
        public Optional<AgentState> load() {
            return Optional.ofNullable(kept);
        }

        @Override
        public void save(AgentState state) {
            boolean cut = losesPower && random.nextDouble() < CUT_PER_SAVE;
            if (cut && random.nextBoolean()) {
                throw new PowerCut();
            }
            kept = state;
            if (cut) {
                throw new PowerCut();
            }
        }
    }

    private final class Haste implements Agent.Pace {
        @Override
        public Duration pause(Duration told) {
            double spread = random.nextDouble(0.8, 1.2);
            return Duration.ofNanos((long) (scenario.checkIn().toNanos() * spread));
        }

        @Override
        public Duration untilRenewal(Duration due) {
            double point = random.nextDouble(EARLIEST_RENEWAL, LATEST_RENEWAL);
            return Duration.ofNanos((long) (scenario.certificateLife().toNanos() * point));
        }
    }
}
