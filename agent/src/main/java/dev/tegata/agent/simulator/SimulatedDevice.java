// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.simulator;

import dev.tegata.agent.Agent;
import dev.tegata.agent.AgentEvent;
import dev.tegata.agent.Attester;
import dev.tegata.agent.ChipAttester;
import dev.tegata.agent.ChipKeys;
import dev.tegata.agent.DeviceClock;
import dev.tegata.agent.DeviceIdentity;
import dev.tegata.agent.Network;
import dev.tegata.agent.store.AgentState;
import dev.tegata.agent.store.StateStore;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.chip.driver.Ecc608;
import dev.tegata.chip.driver.Transport;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckInAnswer;
import java.io.IOException;
import java.net.URI;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// One device: a virtual chip, an agent, and what befalls it.
///
/// Its steps are one after the other, by changing threads. What befalls it comes from other threads beside
/// them, through the volatile fields.
final class SimulatedDevice {
    private static final SecureRandom RANDOM = new SecureRandom();
    private static final double CUT_PER_SAVE = 0.1;
    private static final double LATEST_RENEWAL = 0.72;
    private static final double EARLIEST_RENEWAL = 0.62;

    /// What becomes of a device.
    enum Fate {
        NONE,
        STOLEN,
        REFURBISHED,
        SOLD,
        ASLEEP,
        CLONED
    }

    /// What it proves what it is by.
    enum Proof {
        NONE,
        PSA,
        CHIP,
        /// PSA tokens by another device's key.
        STOLEN_KEY,
        /// Always the first PSA token.
        REPLAYED
    }

    private final VirtualChip chip;
    private final String serial;
    private final Scenario scenario;
    private final Simulation.Settings settings;
    private final Tally tally;
    private final RandomGenerator random;
    private final Duration clockError;
    private final double clockDrift;
    private final Instant begun;
    private final boolean losesPower;
    private final Fate fate;
    private final Proof proof;
    private final VirtualChip signer;
    private final boolean clone;

    private volatile CheckIn.Component firmware;
    private volatile boolean mustRestart;

    /// What survives a power cut.
    private volatile @Nullable AgentState kept;

    private @Nullable Agent agent;
    private CheckIn.@Nullable Evidence firstEvidence;

    /// The operator has revoked it; nobody may let it in any more.
    private volatile boolean shutOut;

    /// The operator had revoked it before this step began.
    private boolean mayNotGetIn;

    private volatile boolean fateMet;

    /// In nanoseconds of this machine.
    private volatile long asleepFrom = Long.MAX_VALUE;

    private volatile long asleepUntil = Long.MAX_VALUE;

    /// The power failed, and nothing has gone well since.
    private boolean cut;

    /// It woke up without a valid certificate, and has none yet.
    private boolean overslept;

    /// What its last step came to, in words that do not differ from device to device.
    private volatile String last = "nothing had happened";

    private volatile boolean wasEnrolled;

    /// When its next step is due, in nanoseconds of this machine.
    private volatile long due = Long.MAX_VALUE;

    /// @param neighbour another device's chip, whose key may be misused
    SimulatedDevice(
            VirtualChip chip,
            VirtualChip neighbour,
            Scenario scenario,
            Simulation.Settings settings,
            Tally tally,
            RandomGenerator random) {
        this.chip = chip;
        this.serial = HexFormat.of().formatHex(chip.serial());
        this.scenario = scenario;
        this.settings = settings;
        this.tally = tally;
        this.random = random;
        this.begun = settings.clock().instant();
        this.firmware = firmware(random.nextDouble());
        Scenario.Troubles troubles = scenario.troubles();
        boolean wrong = random.nextDouble() < troubles.wrongClocks();
        this.clockError = wrong && troubles.clockYears() > 0
                ? Duration.ofDays((long) (365 * random.nextDouble(-troubles.clockYears(), troubles.clockYears())))
                : Duration.ZERO;
        this.clockDrift = troubles.clockDrift() * (2 * random.nextDouble() - 1);
        this.losesPower = random.nextDouble() < troubles.powerCuts();
        this.fate = fate(random.nextDouble());
        this.proof = proof(random.nextDouble(), random.nextDouble());
        this.signer = proof == Proof.STOLEN_KEY ? neighbour : chip;
        this.clone = false;
    }

    /// A second device with the same keys and memory.
    private SimulatedDevice(SimulatedDevice original, RandomGenerator random) {
        this.chip = original.chip.duplicate(RANDOM);
        this.serial = original.serial;
        this.scenario = original.scenario;
        this.settings = original.settings;
        this.tally = original.tally;
        this.random = random;
        this.begun = original.begun;
        this.firmware = original.firmware;
        this.clockError = Duration.ZERO;
        this.clockDrift = 0;
        this.losesPower = false;
        this.fate = Fate.NONE;
        this.proof = original.proof;
        this.signer = chip;
        this.clone = true;
        this.kept = original.kept;
    }

    private CheckIn.Component firmware(double point) {
        double sum = 0;
        Scenario.Firmware chosen = scenario.firmware().getLast();
        for (Scenario.Firmware each : scenario.firmware()) {
            sum += each.share();
            if (point < sum) {
                chosen = each;
                break;
            }
        }
        return new CheckIn.Component(chosen.component(), chosen.version(), Optional.empty());
    }

    private Fate fate(double point) {
        Scenario.Fates shares = scenario.fates();
        double sum = shares.stolen();
        if (point < sum) {
            return Fate.STOLEN;
        }
        sum += shares.refurbished();
        if (point < sum) {
            return Fate.REFURBISHED;
        }
        sum += shares.sold();
        if (point < sum) {
            return Fate.SOLD;
        }
        sum += shares.asleep();
        if (point < sum) {
            return Fate.ASLEEP;
        }
        return point < sum + shares.cloned() ? Fate.CLONED : Fate.NONE;
    }

    private Proof proof(double kind, double honesty) {
        if (!isVouchedFor(chip)) {
            return Proof.NONE;
        }
        Scenario.Attestation shares = scenario.attestation();
        if (kind >= shares.psa()) {
            return kind < shares.psa() + shares.chip() ? Proof.CHIP : Proof.NONE;
        }
        if (honesty < shares.stolenKeys()) {
            return Proof.STOLEN_KEY;
        }
        return honesty < shares.stolenKeys() + shares.replayed() ? Proof.REPLAYED : Proof.PSA;
    }

    /// Whether the vendor has certified a key of this chip, and knows all of them.
    static boolean isVouchedFor(VirtualChip chip) {
        return chip.preset() == Preset.TRUST_GO;
    }

    String serial() {
        return serial;
    }

    Fate fate() {
        return fate;
    }

    Proof proof() {
        return proof;
    }

    boolean isClone() {
        return clone;
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

    /// Why it has no identity: how it came to that, what its last step came to, and why there has been no
    /// other since.
    String lack() {
        boolean moved = state().stream().anyMatch(known -> !known.home().equals(settings.home()));
        String cause = !wasEnrolled ? "never enrolled" : moved ? "has left its owner" : "has wiped itself";
        String next = due - System.nanoTime() > 0 ? "its next step is not due yet" : "its next step is late";
        return "%s: %s, and %s".formatted(cause, last, next);
    }

    String version() {
        CheckIn.Component runs = firmware;
        return runs.component() + " " + runs.version();
    }

    /// Takes new firmware, which begins to run at the next step.
    void update(Scenario.Update update) {
        CheckIn.Component runs = firmware;
        if (update.from().isEmpty() || update.from().get().equals(runs.version())) {
            firmware = new CheckIn.Component(runs.component(), update.to(), Optional.empty());
            mustRestart = true;
            tally.updated();
        }
    }

    /// Boots at the next step.
    void reboot() {
        mustRestart = true;
    }

    /// What has to be done about it is done.
    ///
    /// @return a second device, where there is one from now on
    Optional<SimulatedDevice> meetFate() {
        try {
            switch (fate) {
                case NONE -> {}
                case STOLEN -> {
                    settings.operator().revoke(serial);
                    shutOut = true;
                }
                case REFURBISHED -> settings.operator().refurbish(serial);
                case SOLD -> settings.operator().sell(serial);
                case ASLEEP -> {} // sleeps by itself
                case CLONED -> settings.operator().cloned(serial);
            }
            fateMet = true;
        } catch (IOException e) {
            tally.operatorFailed(String.valueOf(e.getMessage()));
        }
        return fateMet && fate == Fate.CLONED
                ? Optional.of(new SimulatedDevice(this, new SplittableRandom(random.nextLong())))
                : Optional.empty();
    }

    /// Lays it into a drawer for a while.
    void sleeps(long from, long until) {
        asleepFrom = from;
        asleepUntil = until;
    }

    /// Until when it sleeps, if it does.
    long sleepsUntil(long now) {
        if (now >= asleepFrom && now < asleepUntil) {
            return asleepUntil;
        }
        if (fate == Fate.ASLEEP && !fateMet && now >= asleepUntil) {
            wake();
        }
        return now;
    }

    private void wake() {
        fateMet = true;
        overslept = state().flatMap(AgentState::identity).stream()
                .map(identity -> identity.chain().getFirst())
                .anyMatch(this::isOver);
        if (overslept) {
            tally.overslept();
        }
    }

    private boolean isOver(Bytes certificate) {
        try {
            return Certificate.parse(certificate)
                    .validity()
                    .isOver(settings.clock().instant());
        } catch (InvalidCertificateException e) {
            throw new IllegalStateException("an agent keeps certificates that can be read", e);
        }
    }

    /// Lets the agent do what is due.
    ///
    /// @return when it has something to do again, in nanoseconds of this machine
    long step() {
        Duration pause = work();
        long next = System.nanoTime() + pause.toNanos();
        due = next;
        return next;
    }

    private Duration work() {
        long start = System.nanoTime();
        mayNotGetIn = shutOut;
        try {
            if (kept == null && !hasWrongClock()) {
                // Its clock was set where it was made; one that is years off knows nothing.
                kept = AgentState.first(settings.home()).with(change -> change.latestTime = clock());
            }
            if (mustRestart) {
                mustRestart = false;
                restart();
            }
            Agent running = agent;
            if (running == null) {
                running = Agent.start(setup());
                agent = running;
            }
            return running.step();
        } catch (PowerCut e) {
            tally.powerCut();
            last = "its power failed";
            cut = true;
            restart();
            return Duration.ofMillis(200);
        } catch (IOException e) {
            happened(new AgentEvent.Failed(String.valueOf(e.getMessage()), scenario.checkIn()));
            return scenario.checkIn();
        } finally {
            tally.step(System.nanoTime() - start);
        }
    }

    private void restart() {
        chip.powerCycle();
        agent = null;
    }

    private Agent.Setup setup() throws IOException {
        ChipKeys keys = ChipKeys.of(new Ecc608(Transport.of(chip), RANDOM));
        return new Agent.Setup(
                keys,
                serial,
                settings.home(),
                List.of(firmware),
                attester(keys),
                new Agent.Habits(
                        Agent.Habits.USUAL.renewAt(),
                        Agent.Habits.USUAL.newKeyAtRenewal(),
                        Agent.Habits.USUAL.form(),
                        settings.operator().claimToken(serial),
                        Optional.empty()),
                new Memory(),
                this::connect,
                this::clock,
                random,
                new Haste(),
                this::happened);
    }

    private Instant clock() {
        Instant now = settings.clock().instant();
        long drift = (long) (Duration.between(begun, now).toNanos() * clockDrift);
        return now.plus(clockError).plusNanos(drift);
    }

    private Optional<Attester> attester(ChipKeys keys) {
        RootOfTrust psa = new RootOfTrust(signer, settings.home().fleet(), firmware);
        return switch (proof) {
            case NONE -> Optional.empty();
            case CHIP -> Optional.of(new ChipAttester(keys.chip()));
            case PSA, STOLEN_KEY -> Optional.of(psa);
            case REPLAYED -> Optional.of((nonce, key) -> replayed(psa, nonce, key));
        };
    }

    private CheckIn.Evidence replayed(RootOfTrust psa, Bytes nonce, Optional<String> key) throws IOException {
        CheckIn.Evidence first = firstEvidence;
        if (first == null) {
            first = psa.attest(nonce, key);
            firstEvidence = first;
        }
        return new CheckIn.Evidence(first.mediaType(), first.value(), nonce);
    }

    private void happened(AgentEvent event) {
        boolean well = event instanceof AgentEvent.Enrolled
                || event instanceof AgentEvent.Renewed
                || event instanceof AgentEvent.CheckedIn;
        if (cut && well) {
            cut = false;
            tally.powerCutSurvived();
        }
        if (overslept && event instanceof AgentEvent.Enrolled) {
            overslept = false;
            tally.cameBack();
        }
        last = Tally.words(event).orElse(last);
        tally.event(this, event, mayNotGetIn && !isHarmless(event));
    }

    /// What a revoked device may still hear: that it is revoked.
    private static boolean isHarmless(AgentEvent event) {
        return !(event instanceof AgentEvent.Enrolled
                || event instanceof AgentEvent.Renewed
                || event instanceof AgentEvent.CheckedIn(CheckInAnswer.State state, Duration _)
                        && state != CheckInAnswer.State.REVOKED);
    }

    private Network.Connection connect(URI server, DeviceIdentity identity, List<Certificate> anchors, DeviceClock time)
            throws IOException {
        if (random.nextDouble() < scenario.troubles().failures()) {
            throw new IOException("the network is away");
        }
        return settings.network().connect(server, identity, anchors, time);
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
            if (state.identity().isPresent()) {
                wasEnrolled = true;
            }
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
