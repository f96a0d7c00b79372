// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.demo;

import dev.tegata.agent.Agent;
import dev.tegata.agent.AgentEvent;
import dev.tegata.agent.ChipAttester;
import dev.tegata.agent.ChipKeys;
import dev.tegata.agent.DeviceIdentity;
import dev.tegata.agent.DeviceKey;
import dev.tegata.agent.EstClient;
import dev.tegata.agent.Network;
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
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/// The turns of a device's life that the demo shows, lived by the real agent over virtual chips.
final class DemoLives {
    private static final int SERIAL_SHOWN = 10;

    private final DemoApi api;
    private final Home home;
    private final PrintWriter out;
    private final SecureRandom random = new SecureRandom();
    private final List<Life> lives = new ArrayList<>();

    DemoLives(DemoApi api, Home home, PrintWriter out) {
        this.api = api;
        this.home = home;
        this.out = out;
    }

    /// A device and its agent.
    private final class Life implements StateStore {
        private final String serial;
        private final ChipKeys keys;
        private final Agent agent;
        private final List<AgentEvent> events = new CopyOnWriteArrayList<>();
        private volatile @Nullable AgentState kept;

        Life(VirtualChip chip) throws IOException {
            serial = HexFormat.of().formatHex(chip.serial());
            keys = ChipKeys.of(new Ecc608(Transport.of(chip), random));
            agent = Agent.start(new Agent.Setup(
                    keys,
                    serial,
                    home,
                    List.of(new CheckIn.Component("lock", "1.4.0", Optional.empty())),
                    Optional.of(new ChipAttester(keys.chip())),
                    Agent.Habits.USUAL,
                    this,
                    Network.ofThisMachine(),
                    InstantSource.system(),
                    random,
                    Agent.Pace.USUAL,
                    events::add));
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
            return api.get("/devices?serial=" + serial).at("/items/0/id").asString();
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
            lives.add(new Life(chip));
        }
        out.println("%,d of the devices now live on, with an agent each:".formatted(lives.size()));
        long begun = System.nanoTime();
        step(lives);
        told(
                begun,
                "%,d enrolled for a new key, and checked in"
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
        AgentState.Identity identity = stolen.agent.state().identity().orElseThrow();
        DeviceKey key = stolen.keys.open(identity.key());
        EstClient est = new EstClient(URI.create(home.url() + "/.well-known/est/" + home.fleet()), home.anchors());
        EstClient.Answer renewal = est.reEnrol(
                DeviceIdentity.of(key, identity.chain()),
                key,
                stolen.certificate().orElseThrow().subject());
        EstClient.Answer enrolment = est.enrol(stolen.keys.birth(), key);
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

    private void told(long begun, String what) {
        out.printf(Locale.ROOT, "%6.2f s  %s%n", (System.nanoTime() - begun) / 1e9, what);
        out.flush();
    }
}
