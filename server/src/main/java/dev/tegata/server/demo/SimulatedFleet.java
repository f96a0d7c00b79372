// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.demo;

import dev.tegata.agent.Network;
import dev.tegata.agent.simulator.Operator;
import dev.tegata.agent.simulator.Report;
import dev.tegata.agent.simulator.Scenario;
import dev.tegata.agent.simulator.Simulation;
import dev.tegata.agent.store.AgentState.Home;
import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.ManifestVersion;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.function.Consumer;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// A fleet of virtual devices at a server: bought and claimed as a real one, let loose, and looked at in
/// the end. Everything goes through the doors that users and devices use.
public final class SimulatedFleet implements Operator {
    private final DemoApi api;
    private final Buyer buyer;
    private final ConcurrentMap<String, String> fates = new ConcurrentHashMap<>();

    /// Who buys devices second-hand: a fleet of another tenant.
    ///
    /// @param api with a key of the buyer's; empty where nobody buys
    public record Buyer(Optional<DemoApi> api, String tenant, String fleet) {
        public static final Buyer NOBODY = new Buyer(Optional.empty(), "", "");

        static Buyer of(DemoApi api, String fleet) {
            return new Buyer(Optional.of(api), api.get("/tenant").path("id").asString(), fleet);
        }
    }

    public SimulatedFleet(DemoApi api, Buyer buyer) {
        this.api = api;
        this.buyer = buyer;
    }

    /// A buyer with this fleet.
    public static Buyer buyer(DemoApi api, String fleet) {
        return Buyer.of(api, fleet);
    }

    /// Makes chips, has their maker trusted, and claims them into a fleet.
    public List<VirtualChip> claim(String fleet, int devices) throws IOException {
        ChipFactory factory = new ChipFactory(new SecureRandom());
        List<VirtualChip> chips =
                factory.make(Preset.TRUST_GO, devices, InstantSource.system().instant());
        Path manifest = Files.createTempFile("tegata-simulate", ".json");
        try {
            try (OutputStream stream = new BufferedOutputStream(Files.newOutputStream(manifest))) {
                factory.manifestSigner()
                        .write(
                                chips,
                                ManifestVersion.FULL,
                                InstantSource.system().instant(),
                                stream);
            }
            ObjectNode trust = JsonMapper.shared()
                    .createObjectNode()
                    .put("purpose", "manifest-signer")
                    .put("name", "simulator")
                    .put("certificate", pem(factory.manifestSigner().certificate()));
            api.post("/trusted-certificates", trust.toString());
            JsonNode report = api.upload("/fleets/" + fleet + "/manifests?fileName=simulator.json", manifest);
            if (report.path("claimed").asLong() != devices) {
                throw new IOException("the server claimed %d of %d chips"
                        .formatted(report.path("claimed").asLong(), devices));
            }
            return chips;
        } finally {
            Files.delete(manifest);
        }
    }

    /// Lets the devices live.
    public Report live(
            List<VirtualChip> chips, Scenario scenario, Home home, int threads, long seed, Consumer<Report> progress)
            throws IOException, InterruptedException {
        Simulation.Settings settings =
                new Simulation.Settings(home, Network.ofThisMachine(), this, InstantSource.system(), threads, seed);
        return new Simulation(scenario, settings).run(chips, progress);
    }

    /// What the server says of the devices to which something befell: how many of which fate are in which
    /// state.
    public SortedMap<String, SortedMap<String, Long>> outcomes() {
        SortedMap<String, SortedMap<String, Long>> outcomes = new TreeMap<>();
        fates.forEach((serial, fate) -> {
            DemoApi owner = fate.equals("sold") ? buyer.api().orElse(api) : api;
            String state =
                    owner.get("/devices?serial=" + serial).at("/items/0/state").asString("not there");
            outcomes.computeIfAbsent(fate, _ -> new TreeMap<>()).merge(state, 1L, Long::sum);
        });
        return outcomes;
    }

    @Override
    public void revoke(String serial) throws IOException {
        act(serial, "stolen", "revoke", "{\"reason\":\"stolen\"}");
    }

    @Override
    public void refurbish(String serial) throws IOException {
        act(serial, "refurbished", "refurbish", "{\"reason\":\"returned by its user\"}");
    }

    private void act(String serial, String fate, String action, String body) throws IOException {
        attempt(() -> api.post("/devices/" + device(serial) + "/" + action, body));
        fates.put(serial, fate);
    }

    @Override
    public void sell(String serial) throws IOException {
        DemoApi other = buyer.api().orElseThrow(() -> new IOException("nobody buys: name a buyer's fleet"));
        attempt(() -> {
            String offer = """
                    {"to":"%s","devices":["%s"]}""".formatted(buyer.tenant(), device(serial));
            String transfer = api.post("/transfers", offer).path("id").asString();
            return other.post("/incoming-transfers/" + transfer + "/accept", "{\"fleet\":\"" + buyer.fleet() + "\"}");
        });
        fates.put(serial, "sold");
    }

    private String device(String serial) {
        return api.get("/devices?serial=" + serial).at("/items/0/id").asString();
    }

    private interface Attempt {
        JsonNode run();
    }

    private static void attempt(Attempt attempt) throws IOException {
        try {
            attempt.run();
        } catch (IllegalStateException | java.io.UncheckedIOException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    private static String pem(byte[] der) {
        try {
            return Certificate.parse(Bytes.of(der)).pem();
        } catch (InvalidCertificateException e) {
            throw new IllegalStateException("the factory makes certificates that can be read", e);
        }
    }
}
