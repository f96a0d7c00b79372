// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.demo;

import dev.tegata.agent.Network;
import dev.tegata.agent.simulator.Operator;
import dev.tegata.agent.simulator.Report;
import dev.tegata.agent.simulator.RootOfTrust;
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
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// A fleet of virtual devices at a server: bought and claimed as a real one, let loose, and looked at in
/// the end. Everything goes through the doors that users and devices use.
public final class SimulatedFleet implements Operator {
    /// How often the verdicts are looked at in the scenario's time.
    private static final int SAMPLES = 10;

    /// Longer than any simulation: only what devices do changes what is thought of them.
    private static final String FRESHNESS = "PT24H";
    private static final int PAGE = 500;

    private final DemoApi api;
    private final Buyer buyer;
    private final ConcurrentMap<String, String> fates = new ConcurrentHashMap<>();
    private final ConcurrentMap<String, String> releases = new ConcurrentHashMap<>();
    private final ConcurrentMap<String, String> tokens = new ConcurrentHashMap<>();
    private final List<Verdicts> verdicts = new ArrayList<>();

    /// Who buys devices second-hand: a fleet of another tenant.
    ///
    /// @param api with a key of the buyer's; empty where nobody buys
    public record Buyer(Optional<DemoApi> api, String tenant, String fleet) {
        public static final Buyer NOBODY = new Buyer(Optional.empty(), "", "");

        static Buyer of(DemoApi api, String fleet) {
            return new Buyer(Optional.of(api), api.get("/tenant").path("id").asString(), fleet);
        }
    }

    /// What the server says of the fleet.
    ///
    /// @param states how many devices are in which state
    /// @param fates the same for the devices to which something befell
    /// @param acts what is in the audit since the simulation began, and how often
    public record Aftermath(
            SortedMap<String, Long> states,
            SortedMap<String, SortedMap<String, Long>> fates,
            SortedMap<String, Long> acts,
            List<Verdicts> verdicts) {}

    /// How many devices had which verdict at a time, by `version verdict`.
    public record Verdicts(Duration at, SortedMap<String, Long> devices) {}

    public SimulatedFleet(DemoApi api, Buyer buyer) {
        this.api = api;
        this.buyer = buyer;
    }

    /// A buyer with this fleet.
    public static Buyer buyer(DemoApi api, String fleet) {
        return Buyer.of(api, fleet);
    }

    /// Makes a fleet whose rules fit the scenario: its certificates end as soon, its devices are asked for
    /// evidence, and clones and devices that are not good are suspended.
    ///
    /// @param authority that signs for it; null where the tenant has just one that signs devices
    /// @return its public id
    public String found(Scenario scenario, @Nullable String authority) {
        ObjectNode fleet = JsonMapper.shared().createObjectNode().put("name", "Simulated");
        if (authority != null) {
            fleet.put("authority", authority);
        }
        fleet.putObject("profile")
                .put("lifetime", scenario.certificateLife().toString())
                .put("backdate", "PT0S");
        ObjectNode policy = fleet.putObject("policy");
        policy.putObject("checkIn").put("quick", "PT10S").put("suspendClones", true);
        if (scenario.attestation().isWanted()) {
            ObjectNode attestation = policy.putObject("attestation").put("freshness", FRESHNESS);
            attestation
                    .putArray("consequences")
                    .addObject()
                    .put("action", "suspend")
                    .put("after", "PT0S");
        }
        return api.post("/fleets", fleet.toString()).path("id").asString();
    }

    /// Makes chips, has their maker trusted, and claims them into a fleet; those of which the maker knows
    /// the serial number alone get claim tokens.
    ///
    /// @param trustManager the share of chips like TrustMANAGER; the others are like Trust&GO
    public List<VirtualChip> claim(String fleet, int devices, double trustManager) throws IOException {
        ChipFactory factory = new ChipFactory(new SecureRandom());
        trust("manifest-signer", factory.manifestSigner().certificate());
        trust("attestation-ca", factory.rootCertificate());
        Instant now = InstantSource.system().instant();
        int unknown = (int) Math.round(devices * trustManager);
        List<VirtualChip> chips = new ArrayList<>(factory.make(Preset.TRUST_GO, devices - unknown, now));
        if (!chips.isEmpty()) {
            claim(fleet, factory, chips, ManifestVersion.FULL);
        }
        if (unknown > 0) {
            List<VirtualChip> unborn = factory.make(Preset.TRUST_MANAGER, unknown, now);
            makeTokens(claim(fleet, factory, unborn, ManifestVersion.SHORT));
            chips.addAll(unborn);
        }
        return chips;
    }

    /// @return the id of the import
    private String claim(String fleet, ChipFactory factory, List<VirtualChip> chips, ManifestVersion version)
            throws IOException {
        Path manifest = Files.createTempFile("tegata-simulate", ".json");
        try {
            try (OutputStream stream = new BufferedOutputStream(Files.newOutputStream(manifest))) {
                Instant now = InstantSource.system().instant();
                factory.manifestSigner().write(chips, version, now, stream);
            }
            JsonNode report = api.upload("/fleets/" + fleet + "/manifests?fileName=simulator.json", manifest);
            if (report.path("claimed").asLong() != chips.size()) {
                throw new IOException("the server claimed %d of %d chips"
                        .formatted(report.path("claimed").asLong(), chips.size()));
            }
            return report.path("id").asString();
        } finally {
            Files.delete(manifest);
        }
    }

    private void makeTokens(String manifest) {
        String cursor = "";
        do {
            JsonNode page = api.post(
                    "/manifests/" + manifest + "/claim-tokens?limit=" + PAGE + cursor, "{\"validity\":\"P1D\"}");
            page.path("items")
                    .forEach(token -> tokens.put(
                            token.path("serial").asString(),
                            token.path("secret").asString()));
            cursor = page.has("next") ? "&cursor=" + page.path("next").asString() : "";
        } while (!cursor.isEmpty());
    }

    @Override
    public Optional<String> claimToken(String serial) {
        return Optional.ofNullable(tokens.get(serial));
    }

    private void trust(String purpose, byte[] certificate) {
        ObjectNode trust = JsonMapper.shared()
                .createObjectNode()
                .put("purpose", purpose)
                .put("name", "simulator")
                .put("certificate", pem(certificate));
        api.post("/trusted-certificates", trust.toString());
    }

    /// Says what the devices' firmware looks like, as a build pipeline does.
    public void publish(String fleet, Set<String> versions) {
        for (String version : versions) {
            ObjectNode release =
                    JsonMapper.shared().createObjectNode().put("fleet", fleet).put("version", version);
            release.putObject("product")
                    .put("id", RootOfTrust.implementationId(fleet).hex());
            release.putArray("components")
                    .addObject()
                    .put("version", version)
                    .put("digest", RootOfTrust.digest(version).hex());
            release.putObject("certification").put("status", "certified");
            releases.put(
                    version,
                    api.post("/releases", release.toString()).path("id").asString());
        }
    }

    /// Lets the devices live.
    ///
    /// @param progress called about once a second
    public Report live(
            List<VirtualChip> chips, Scenario scenario, Home home, int threads, long seed, Consumer<Report> progress)
            throws IOException, InterruptedException {
        Simulation.Settings settings =
                new Simulation.Settings(home, Network.ofThisMachine(), this, InstantSource.system(), threads, seed);
        Duration every = scenario.duration().dividedBy(SAMPLES);
        Consumer<Report> watching = report -> {
            if (scenario.attestation().isWanted()
                    && report.elapsed().compareTo(every.multipliedBy(verdicts.size())) > 0) {
                verdicts.add(new Verdicts(report.elapsed(), verdicts(home.fleet())));
            }
            progress.accept(report);
        };
        return new Simulation(scenario, settings).run(chips, watching);
    }

    private SortedMap<String, Long> verdicts(String fleet) {
        SortedMap<String, Long> devices = new TreeMap<>();
        for (JsonNode count : api.get("/posture-summary?fleet=" + fleet).path("items")) {
            String release = count.path("release").asString();
            devices.merge(
                    (release.isEmpty() ? "?" : release) + " "
                            + count.path("status").asString(),
                    count.path("devices").asLong(),
                    Long::sum);
        }
        return devices;
    }

    /// What the server says in the end.
    ///
    /// @param since when the simulation began
    public Aftermath aftermath(String fleet, Instant since) {
        SortedMap<String, Long> states = new TreeMap<>();
        Map<String, String> bySerial = new HashMap<>();
        String cursor = "";
        do {
            JsonNode page = api.get("/devices?fleet=" + fleet + "&limit=" + PAGE + cursor);
            for (JsonNode device : page.path("items")) {
                String state = device.path("state").asString();
                states.merge(state, 1L, Long::sum);
                bySerial.put(device.path("serial").asString(), state);
            }
            cursor = page.has("next") ? "&cursor=" + page.path("next").asString() : "";
        } while (!cursor.isEmpty());
        SortedMap<String, SortedMap<String, Long>> outcomes = new TreeMap<>();
        fates.forEach((serial, fate) -> {
            String state = fate.equals("sold") ? buyersState(serial) : bySerial.getOrDefault(serial, "not there");
            outcomes.computeIfAbsent(fate, _ -> new TreeMap<>()).merge(state, 1L, Long::sum);
        });
        return new Aftermath(states, outcomes, acts(since), List.copyOf(verdicts));
    }

    private String buyersState(String serial) {
        return buyer.api()
                .orElse(api)
                .get("/devices?serial=" + serial)
                .at("/items/0/state")
                .asString("not there");
    }

    /// What the audit holds since then. Its export begins with a checkpoint, which is no record.
    private SortedMap<String, Long> acts(Instant since) {
        SortedMap<String, Long> acts = new TreeMap<>();
        api.lines("/audit/export", line -> {
            JsonNode record = JsonMapper.shared().readTree(line).path("record");
            if (record.has("action")
                    && !Instant.parse(record.path("time").asString()).isBefore(since)) {
                String kind = record.at("/detail/code")
                        .asString(record.at("/detail/action").asString(""));
                acts.merge((record.path("action").asString() + " " + kind).strip(), 1L, Long::sum);
            }
        });
        return acts;
    }

    @Override
    public void revoke(String serial) throws IOException {
        act(serial, "stolen", "revoke", "{\"reason\":\"stolen\"}");
    }

    @Override
    public void refurbish(String serial) throws IOException {
        act(serial, "refurbished", "refurbish", "{\"reason\":\"returned by its user\"}");
    }

    @Override
    public void cloned(String serial) {
        fates.put(serial, "cloned");
    }

    @Override
    public void vulnerable(String version) throws IOException {
        String release = releases.get(version);
        if (release == null) {
            throw new IOException("there is no release " + version);
        }
        attempt(() -> api.put(
                "/releases/" + release + "/certification",
                "{\"status\":\"certified\",\"vulnerabilities\":[\"SIMULATED-1\"]}"));
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
