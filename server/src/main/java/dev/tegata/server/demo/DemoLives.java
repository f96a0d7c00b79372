// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.demo;

import dev.tegata.agent.Agent;
import dev.tegata.agent.AgentEvent;
import dev.tegata.agent.ChipKeys;
import dev.tegata.agent.DeviceIdentity;
import dev.tegata.agent.EstClient;
import dev.tegata.agent.Network;
import dev.tegata.agent.simulator.RootOfTrust;
import dev.tegata.agent.store.AgentState;
import dev.tegata.agent.store.AgentState.Home;
import dev.tegata.agent.store.StateStore;
import dev.tegata.chip.VirtualChip;
import dev.tegata.chip.driver.Ecc608;
import dev.tegata.chip.driver.Transport;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.protocol.CheckIn;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.URI;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/// The turns of a device's life that the demo shows, lived by the real agent over virtual chips.
final class DemoLives {
    static final String OLD_RELEASE = "1.4.0";
    static final String NEW_RELEASE = "1.5.0";
    private static final int SERIAL_SHOWN = 10;
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private final DemoApi api;
    private final Home home;
    private final PrintWriter out;
    private final SecureRandom random = new SecureRandom();
    private final List<Life> lives = new ArrayList<>();

    /// Their ids, by their versions.
    private final Map<String, String> releases = new HashMap<>();

    DemoLives(DemoApi api, Home home, PrintWriter out) {
        this.api = api;
        this.home = home;
        this.out = out;
    }

    /// A device and its agent.
    private final class Life implements StateStore {
        private final VirtualChip chip;
        private final String serial;
        private final ChipKeys keys;
        private volatile String version;
        private volatile Agent agent;
        private final List<AgentEvent> events = new CopyOnWriteArrayList<>();
        private volatile @Nullable AgentState kept;

        Life(VirtualChip chip, String version) throws IOException {
            this.chip = chip;
            this.version = version;
            serial = HexFormat.of().formatHex(chip.serial());
            keys = ChipKeys.of(new Ecc608(Transport.of(chip), random));
            agent = booted(version);
        }

        private Agent booted(String version) throws IOException {
            CheckIn.Component firmware = new CheckIn.Component("lock", version, Optional.empty());
            return Agent.start(new Agent.Setup(
                    keys,
                    serial,
                    home,
                    List.of(firmware),
                    Optional.of(new RootOfTrust(chip, home.fleet(), firmware)),
                    Agent.Habits.USUAL,
                    this,
                    Network.ofThisMachine(),
                    InstantSource.system(),
                    random,
                    Agent.Pace.USUAL,
                    events::add));
        }

        /// Puts other firmware in, and boots.
        void update(String release) throws IOException {
            version = release;
            agent = booted(release);
        }

        DeviceIdentity identity() throws IOException {
            AgentState.Identity identity = agent.state().identity().orElseThrow();
            return DeviceIdentity.of(keys.open(identity.key()), identity.chain());
        }

        @Override
        public Optional<AgentState> load() {
            return Optional.ofNullable(kept);
        }

        @Override
        public void save(AgentState state) {
            kept = state;
        }

        String shortSerial() {
            return serial.substring(0, SERIAL_SHOWN) + "…";
        }

        String device() {
            return agent.state().device().map(UUID::toString).orElseThrow();
        }

        /// What it is for its owner.
        String state(DemoApi owner) {
            return owner.get("/devices?serial=" + serial).at("/items/0/state").asString("not there");
        }

        Optional<Certificate> certificate() {
            return agent.state().identity().map(identity -> {
                try {
                    return Certificate.parse(identity.chain().getFirst());
                } catch (InvalidCertificateException e) {
                    throw new IllegalStateException("an agent keeps certificates that can be read", e);
                }
            });
        }

        boolean saw(Class<? extends AgentEvent> kind) {
            return events.stream().anyMatch(kind::isInstance);
        }
    }

    /// Lets these devices come to life.
    void begin(List<VirtualChip> chips) throws IOException, InterruptedException {
        for (VirtualChip chip : chips) {
            lives.add(new Life(chip, lives.size() % 2 == 0 ? OLD_RELEASE : NEW_RELEASE));
        }
        long begun = System.nanoTime();
        step(lives);
        told(
                begun,
                "%,d of the devices live on, with an agent each: enrolled for a new key, and checked in"
                        .formatted(count(life -> life.saw(AgentEvent.CheckedIn.class))));
    }

    private interface Question {
        boolean of(Life life);
    }

    private long count(Question question) {
        return lives.stream().filter(question::of).count();
    }

    private static void step(List<Life> devices) throws InterruptedException {
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Duration>> steps = devices.stream()
                    .map(life -> threads.submit(life.agent::step))
                    .toList();
            for (Future<Duration> step : steps) {
                step.get();
            }
        } catch (ExecutionException e) {
            throw new IllegalStateException("an agent's step failed", e.getCause());
        }
    }

    /// Orders all of them to make new keys.
    void renewalWave() throws InterruptedException {
        long begun = System.nanoTime();
        for (Life life : lives) {
            api.post("/devices/" + life.device() + "/orders", "{\"kind\":\"renew-key\"}");
        }
        step(lives);
        told(
                begun,
                "A renewal wave: %,d signed orders, %,d new keys made in the chips and certified"
                        .formatted(lives.size(), count(life -> life.saw(AgentEvent.Renewed.class))));
    }

    /// Revokes one, whose thief then tries every door.
    void theft() throws IOException, InterruptedException {
        Life stolen = lives.removeFirst();
        long begun = System.nanoTime();
        api.post("/devices/" + stolen.device() + "/revoke", "{\"reason\":\"stolen\"}");
        DeviceIdentity identity = stolen.identity();
        EstClient est = new EstClient(URI.create(home.url() + "/.well-known/est/" + home.fleet()), home.anchors());
        EstClient.Answer renewal = est.reEnrol(
                identity, identity.key(), stolen.certificate().orElseThrow().subject());
        EstClient.Answer enrolment = est.enrol(stolen.keys.birth(), identity.key());
        told(begun, "Lock %s is stolen, and revoked. Its thief tries every door:".formatted(stolen.shortSerial()));
        out.println("            to renew with its certificate: " + gist(renewal));
        out.println("            to enrol with its birth key:   " + gist(enrolment));
        step(List.of(stolen));
        out.println("            to check in:                   "
                + stolen.events.getLast().sentence());
        out.flush();
    }

    private static String gist(EstClient.Answer answer) {
        return switch (answer) {
            case EstClient.Answer.Refused(int status, String reason) ->
                "refused, " + status + " " + reason.strip().split("\\. ", 2)[0];
            case EstClient.Answer.Enrolled _ -> "LET IN";
            case EstClient.Answer.Later _ -> "told to come later";
        };
    }

    /// Has one wipe itself, prove it, and begin anew.
    void refurbishment() throws InterruptedException {
        Life returned = lives.removeFirst();
        long begun = System.nanoTime();
        Optional<Certificate> old = returned.certificate();
        api.post("/devices/" + returned.device() + "/refurbish", "{\"reason\":\"returned by its user\"}");
        step(List.of(returned));
        boolean newKey = returned.certificate().isPresent()
                && !returned.certificate()
                        .get()
                        .publicKeyEncoded()
                        .equals(old.orElseThrow().publicKeyEncoded());
        told(
                begun,
                "Lock %s is refurbished: wiped, proven by its birth key, and %s again%s"
                        .formatted(returned.shortSerial(), returned.state(api), newKey ? " with a new key" : ""));
        lives.add(returned);
    }

    /// Sells one to another tenant.
    ///
    /// @param buyersFleet where it goes
    void sale(DemoApi buyer, String buyerTenant, String buyersFleet) throws InterruptedException {
        Life sold = lives.removeFirst();
        long begun = System.nanoTime();
        JsonNode transfer = api.post("/transfers", """
                        {"to":"%s","devices":["%s"]}""".formatted(buyerTenant, sold.device()));
        buyer.post(
                "/incoming-transfers/" + transfer.path("id").asString() + "/accept",
                "{\"fleet\":\"" + buyersFleet + "\"}");
        long patience = System.nanoTime() + Duration.ofSeconds(20).toNanos();
        while (!sold.agent.state().home().fleet().equals(buyersFleet)
                || sold.agent.state().identity().isEmpty()) {
            if (System.nanoTime() > patience) {
                break;
            }
            step(List.of(sold));
            Thread.sleep(200);
        }
        told(
                begun,
                "Lock %s is sold: for its old owner it is %s, for the new one %s%s"
                        .formatted(
                                sold.shortSerial(),
                                sold.state(api),
                                sold.state(buyer),
                                sold.certificate().map(_ -> ", with a new key").orElse("")));
    }

    /// Says what the devices' firmware looks like, as a build pipeline does.
    void publish(String... versions) {
        for (String version : versions) {
            String release = """
                    {"fleet":"%s","version":"%s","product":{"id":"%s"},"components":[{"version":"%s","digest":"%s"}],
                     "certification":{"status":"certified","scheme":"PSA"}}""".formatted(
                            home.fleet(),
                            version,
                            RootOfTrust.implementationId(home.fleet()).hex(),
                            version,
                            RootOfTrust.digest(version).hex());
            releases.put(version, api.post("/releases", release).path("id").asString());
        }
    }

    /// A release is revoked; whoever runs it stays outside until it has been updated.
    ///
    /// @return whether all are in again in the end
    boolean revokedRelease(DemoDoor door) throws IOException, InterruptedException {
        List<Life> outdated = new ArrayList<>(lives);
        outdated.removeIf(life -> !life.version.equals(OLD_RELEASE));
        out.println("          At their check-ins, the devices have proven what they run:");
        showMatrix();
        long begun = System.nanoTime();
        long first = in(door, lives);
        told(begun, "%s lets in %,d of %,d".formatted(door.name(), first, lives.size()));

        begun = System.nanoTime();
        api.put("/releases/" + releases.get(OLD_RELEASE) + "/certification", "{\"status\":\"revoked\"}");
        boolean turned = await(() -> devices(OLD_RELEASE, "affirming") == 0);
        told(begun, "Release %s is revoked. The evidence is judged again, without the devices:".formatted(OLD_RELEASE));
        showMatrix();

        begun = System.nanoTime();
        boolean out = await(() -> in(door, outdated) == 0);
        told(begun, "Those that run it are shut out: %,d of %,d are in".formatted(in(door, lives), lives.size()));

        begun = System.nanoTime();
        for (Life life : outdated) {
            life.update(NEW_RELEASE);
        }
        step(outdated);
        boolean updated = await(() -> devices(NEW_RELEASE, "affirming") >= lives.size());
        told(
                begun,
                "%,d update to %s, boot, check in, and prove it; what is left is the stolen one:"
                        .formatted(outdated.size(), NEW_RELEASE));
        showMatrix();

        begun = System.nanoTime();
        boolean back = await(() -> in(door, lives) == lives.size());
        told(
                begun,
                "%,d of %,d are in again, and nobody has touched a device, a certificate or the door"
                        .formatted(in(door, lives), lives.size()));
        return turned && out && updated && back;
    }

    private interface Condition {
        boolean holds() throws IOException;
    }

    private static boolean await(Condition condition) throws IOException, InterruptedException {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.holds()) {
            if (System.nanoTime() > end) {
                return false;
            }
            Thread.sleep(50);
        }
        return true;
    }

    private static long in(DemoDoor door, List<Life> devices) throws IOException {
        long in = 0;
        for (Life life : devices) {
            in += door.lets(life.device(), life.identity()) ? 1 : 0;
        }
        return in;
    }

    private long devices(String release, String verdict) {
        return api.get("/posture-summary?fleet=" + home.fleet())
                .path("items")
                .valueStream()
                .filter(count -> count.path("release").asString().equals(release)
                        && count.path("status").asString().equals(verdict))
                .mapToLong(count -> count.path("devices").asLong())
                .sum();
    }

    private void showMatrix() {
        out.println("            release   affirming  contraindicated");
        for (String release : List.of(OLD_RELEASE, NEW_RELEASE)) {
            out.println("            %-9s %9d  %15d"
                    .formatted(release, devices(release, "affirming"), devices(release, "contraindicated")));
        }
        out.flush();
    }

    private void told(long begun, String what) {
        out.printf(Locale.ROOT, "%6.2f s  %s%n", (System.nanoTime() - begun) / 1e9, what);
        out.flush();
    }
}
