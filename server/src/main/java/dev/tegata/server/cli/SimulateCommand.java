// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.agent.simulator.Report;
import dev.tegata.agent.simulator.Scenario;
import dev.tegata.agent.store.AgentState.Home;
import dev.tegata.chip.VirtualChip;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.server.demo.DemoApi;
import dev.tegata.server.demo.SimulatedFleet;
import dev.tegata.server.demo.SimulatedFleet.Aftermath;
import dev.tegata.server.demo.SimulatedFleet.Buyer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// Lets a fleet of virtual devices loose on a server.
@Command(
        description = {
            "Simulate a fleet: virtual chips with real agents, claimed by a manifest like bought ones, live their lives in"
                    + " haste. Some are stolen, refurbished, sold or cloned, some lose power, some run firmware that turns out"
                    + " to be vulnerable. In the end there is a report of what happened, and of what the server did about it.",
            "",
            "Without --fleet, they get a fleet of their own whose rules fit the scenario; where several authorities sign"
                    + " devices, --authority says which one signs these."
        },
        footer = {
            "  tegata simulate --devices 1000 --server https://localhost:8444",
            "  tegata simulate --devices 10000 --fleet FLEET --scenario scenario.yaml --seed 7",
            "  tegata simulate --devices 200 --fleet FLEET --load --duration 30s"
        })
final class SimulateCommand implements Callable<Integer> {
    private static final int MAX_DEVICES = 1_000_000;
    private static final Duration BETWEEN_LINES = Duration.ofSeconds(30);

    @Option(
            names = "--devices",
            paramLabel = "N",
            defaultValue = "100",
            description = "How many devices there are (default: ${DEFAULT-VALUE}).")
    int devices;

    @Option(
            names = "--server",
            paramLabel = "URL",
            defaultValue = "https://localhost:8444",
            description = "The server's device port (default: ${DEFAULT-VALUE}).")
    String server = "";

    @Option(
            names = "--fleet",
            paramLabel = "FLEET",
            description = "The fleet that they belong to (default: a new one, whose rules fit the scenario).")
    @Nullable
    String fleet;

    @Option(
            names = "--authority",
            paramLabel = "AUTHORITY",
            description = "The authority that signs the devices of a fleet of their own, where there are several.")
    @Nullable
    String authority;

    @Option(
            names = "--scenario",
            paramLabel = "FILE",
            description = "YAML file that says what befalls them: see docs/how-to/simulate-a-fleet.md.")
    @Nullable
    Path scenario;

    @Option(
            names = "--duration",
            paramLabel = "TIME",
            converter = Bodies.Length.class,
            description = "How long the fleet is watched, such as 90s or 10m; otherwise as the scenario says.")
    @Nullable
    String duration;

    @Option(
            names = "--seed",
            paramLabel = "NUMBER",
            defaultValue = "1",
            description = "What chance begins with: the same number decides the same (default: ${DEFAULT-VALUE}).")
    long seed;

    @Option(
            names = "--threads",
            paramLabel = "N",
            defaultValue = "32",
            description = "How many devices are connected at the same moment (default: ${DEFAULT-VALUE}).")
    int threads;

    @Option(
            names = "--load",
            description = "Only load: each device enrols, then checks in again and again without a pause.")
    boolean load;

    @Option(
            names = "--buyer-fleet",
            paramLabel = "FLEET",
            description = "The fleet of another tenant that buys the devices which the scenario sells.")
    @Nullable
    String buyerFleet;

    @Option(names = "--buyer-key-file", paramLabel = "FILE", description = "File with an API key of that tenant.")
    @Nullable
    Path buyerKeyFile;

    private final Session session;
    private Duration nextLine = BETWEEN_LINES;

    SimulateCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws InterruptedException {
        if (devices < 1 || devices > MAX_DEVICES || threads < 1 || threads > 1024) {
            throw CommandFailure.usage("--devices is from 1 to " + MAX_DEVICES + ", --threads from 1 to 1024");
        }
        if (fleet != null && authority != null) {
            throw CommandFailure.usage("--authority is for a fleet of their own: leave --fleet out, or leave it out");
        }
        Scenario played = scenario();
        Access access = session.access();
        Path ca = Path.of(access.ca()
                .orElseThrow(() -> CommandFailure.usage(
                        "the devices need the CA of the server's certificate: set TEGATA_CA to its PEM file"))
                .value());
        String key = access.apiKey()
                .orElseThrow(() -> CommandFailure.usage("no API key: set TEGATA_API_KEY"))
                .value();
        List<Bytes> anchors = anchors(ca);
        try (DemoApi api = new DemoApi(access.url().value(), key, ca)) {
            return run(api, played, anchors, access, ca);
        } catch (IOException | IllegalStateException | UncheckedIOException e) {
            throw CommandFailure.refused("the simulation ended: " + e.getMessage());
        }
    }

    private int run(DemoApi api, Scenario played, List<Bytes> anchors, Access access, Path ca)
            throws IOException, InterruptedException {
        Path keyFile = buyerKeyFile;
        String buyersFleet = buyerFleet;
        if (keyFile == null || buyersFleet == null) {
            return run(new SimulatedFleet(api, Buyer.NOBODY), played, anchors);
        }
        try (DemoApi other = new DemoApi(access.url().value(), Inputs.text(keyFile, session.terminal()), ca)) {
            return run(new SimulatedFleet(api, SimulatedFleet.buyer(other, buyersFleet)), played, anchors);
        }
    }

    private int run(SimulatedFleet simulated, Scenario played, List<Bytes> anchors)
            throws IOException, InterruptedException {
        String joined = fleet == null ? simulated.found(played, authority) : fleet;
        Home home = new Home(Profile.uri(server).toString().replaceAll("/+$", ""), joined, anchors);
        say("Making %,d virtual chips and claiming them by their manifest into fleet %s…", devices, joined);
        List<VirtualChip> chips = simulated.claim(joined, devices, played.trustManager());
        if (played.attestation().isWanted()) {
            simulated.publish(joined, played.versions());
        }
        say(
                "They are switched on, and then live for %d s, %d of them connected at a time.",
                played.duration().toSeconds(), threads);
        Instant begun = InstantSource.system().instant();
        Report report = simulated.live(chips, played, home, threads, seed, this::show);
        clear();
        Aftermath aftermath = simulated.aftermath(joined, begun);
        SimulationReport whole = new SimulationReport(report, aftermath);
        if (session.json) {
            session.output().print(whole.json().put("fleet", joined));
        } else {
            session.output().say(whole.text());
        }
        return report.count("letInAfterRevocation") == 0 ? 0 : CommandFailure.REFUSED;
    }

    private Scenario scenario() {
        Scenario read = scenario == null ? Scenario.USUAL : ScenarioFile.read(scenario);
        if (duration != null) {
            read = read.lasting(Duration.parse(duration));
        }
        if (buyerFleet == null || buyerKeyFile == null) {
            read = read.withoutSales();
        }
        return load ? read.asLoad() : read;
    }

    private static List<Bytes> anchors(Path pem) {
        try {
            return Certificate.parsePem(Files.readString(pem)).stream()
                    .map(Certificate::encoded)
                    .toList();
        } catch (IOException | InvalidCertificateException e) {
            throw CommandFailure.usage("the file " + pem + " holds no CA certificates that can be read");
        }
    }

    private void say(String form, Object... values) {
        if (!session.json) {
            session.terminal().err().println(form.formatted(values));
        }
    }

    /// One line that changes, or a line each half minute where nobody looks on.
    private void show(Report report) {
        if (session.json) {
            return;
        }
        boolean interactive = session.terminal().interactive();
        if (!interactive && report.whole().compareTo(nextLine) < 0) {
            return;
        }
        nextLine = report.whole().plus(BETWEEN_LINES);
        String line = "%4d s  %,d of %,d have an identity  %,d renewals  %,d check-ins (%.0f/s)  %,d failed"
                .formatted(
                        report.whole().toSeconds(),
                        report.withIdentity(),
                        report.devices(),
                        report.count("renewed") + report.count("renewedWithNewKey"),
                        report.count("checkIns"),
                        report.rate("checkIns"),
                        report.count("failed"));
        if (interactive) {
            session.terminal().err().print("\r" + line + "   ");
            session.terminal().err().flush();
        } else {
            session.terminal().err().println(line);
        }
    }

    private void clear() {
        if (session.terminal().interactive() && !session.json) {
            session.terminal().err().print("\r" + " ".repeat(100) + "\r");
            session.terminal().err().flush();
        }
    }
}
