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
import dev.tegata.server.demo.SimulatedFleet.Buyer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import tools.jackson.databind.node.ObjectNode;

/// Lets a fleet of virtual devices loose on a server.
@Command(
        description = {
            "Simulate a fleet: virtual chips with real agents, claimed by a manifest like bought ones, live their lives in"
                    + " haste. Some are stolen, refurbished or sold, some lose power, some have a wrong clock."
        },
        footer = {
            "  tegata simulate --devices 1000 --server https://localhost:8444 --fleet FLEET",
            "  tegata simulate --devices 10000 --fleet FLEET --scenario scenario.yaml --seed 7",
            "  tegata simulate --devices 200 --fleet FLEET --load --duration 30s"
        })
final class SimulateCommand implements Callable<Integer> {
    private static final int MAX_DEVICES = 1_000_000;

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

    @Option(names = "--fleet", paramLabel = "FLEET", required = true, description = "The fleet that they belong to.")
    String fleet = "";

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

    SimulateCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws InterruptedException {
        if (devices < 1 || devices > MAX_DEVICES || threads < 1 || threads > 1024) {
            throw CommandFailure.usage("--devices is from 1 to " + MAX_DEVICES + ", --threads from 1 to 1024");
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
        Home home = new Home(Profile.uri(server).toString().replaceAll("/+$", ""), fleet, anchors(ca));
        try (DemoApi api = new DemoApi(access.url().value(), key, ca)) {
            return run(api, played, home, access, ca);
        } catch (IOException | IllegalStateException | UncheckedIOException e) {
            throw CommandFailure.refused("the simulation ended: " + e.getMessage());
        }
    }

    private int run(DemoApi api, Scenario played, Home home, Access access, Path ca)
            throws IOException, InterruptedException {
        Path keyFile = buyerKeyFile;
        String buyersFleet = buyerFleet;
        if (keyFile == null || buyersFleet == null) {
            return run(new SimulatedFleet(api, Buyer.NOBODY), played, home);
        }
        try (DemoApi other = new DemoApi(access.url().value(), Inputs.text(keyFile, session.terminal()), ca)) {
            return run(new SimulatedFleet(api, SimulatedFleet.buyer(other, buyersFleet)), played, home);
        }
    }

    private int run(SimulatedFleet simulated, Scenario played, Home home) throws IOException, InterruptedException {
        say("Making %,d virtual chips and claiming them by their manifest…", devices);
        List<VirtualChip> chips = simulated.claim(fleet, devices);
        say(
                "They live for %d s, %d of them connected at a time.",
                played.duration().toSeconds(), threads);
        Report report = simulated.live(chips, played, home, threads, seed, this::show);
        clear();
        ObjectNode whole = json(report, simulated.outcomes());
        if (session.json) {
            session.output().print(whole);
        } else {
            session.output().say(text(report, simulated.outcomes()));
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

    private void show(Report report) {
        if (session.terminal().interactive() && !session.json) {
            session.terminal()
                    .err()
                    .print("\r%4d s  %,d of %,d enrolled  %,d renewed  %,d check-ins (%.0f/s)  %,d failed   "
                            .formatted(
                                    report.elapsed().toSeconds(),
                                    report.withIdentity(),
                                    report.devices(),
                                    report.count("renewed") + report.count("renewedWithNewKey"),
                                    report.count("checkIns"),
                                    report.rate("checkIns"),
                                    report.count("failed")));
            session.terminal().err().flush();
        }
    }

    private void clear() {
        if (session.terminal().interactive() && !session.json) {
            session.terminal().err().print("\r" + " ".repeat(100) + "\r");
            session.terminal().err().flush();
        }
    }

    private static ObjectNode json(Report report, SortedMap<String, SortedMap<String, Long>> outcomes) {
        ObjectNode json = ApiClient.object()
                .put("seconds", report.elapsed().toMillis() / 1000.0)
                .put("devices", report.devices())
                .put("withIdentity", report.withIdentity())
                .put("wrongClocks", report.wrongClocks())
                .put("wrongClocksWithIdentity", report.wrongClocksWithIdentity())
                .put("medianStepMillis", report.medianStep().toNanos() / 1e6)
                .put("p99StepMillis", report.slowestOfHundred().toNanos() / 1e6);
        numbers(json.putObject("counts"), report.counts());
        numbers(json.putObject("fates"), report.fates());
        numbers(json.putObject("firmware"), report.firmware());
        numbers(json.putObject("reasons"), report.reasons());
        ObjectNode states = json.putObject("server");
        outcomes.forEach((fate, byState) -> numbers(states.putObject(fate), byState));
        return json;
    }

    private static void numbers(ObjectNode object, Map<String, Long> numbers) {
        numbers.forEach((name, number) -> object.put(name, number.longValue()));
    }

    private static String text(Report report, SortedMap<String, SortedMap<String, Long>> outcomes) {
        StringBuilder text = new StringBuilder();
        line(text, "Devices", "%,d, of which %,d have an identity in the end", report.devices(), report.withIdentity());
        line(text, "Enrolments", "%,d (%.0f per second)", report.count("enrolled"), report.rate("enrolled"));
        line(
                text,
                "Renewals",
                "%,d, and %,d with a new key",
                report.count("renewed"),
                report.count("renewedWithNewKey"));
        line(text, "Check-ins", "%,d (%.0f per second)", report.count("checkIns"), report.rate("checkIns"));
        line(
                text,
                "A step took",
                "%.1f ms in the middle, %.1f ms at most for 99 of 100",
                report.medianStep().toNanos() / 1e6,
                report.slowestOfHundred().toNanos() / 1e6);
        line(text, "Power cuts", "%,d, in the middle of a change", report.count("powerCuts"));
        line(
                text,
                "Wrong clocks",
                "%,d devices, years off; %,d of them have an identity",
                report.wrongClocks(),
                report.wrongClocksWithIdentity());
        line(
                text,
                "Failures",
                "%,d connections or answers; %,d refusals, and %,d of thieves",
                report.count("failed"),
                report.count("refused"),
                report.count("thievesRefused"));
        line(text, "Let in after revocation", "%,d", report.count("letInAfterRevocation"));
        report.counts().forEach((what, number) -> {
            if (what.startsWith("order.")) {
                line(text, "Order " + what.substring(6).replace('.', ' '), "%,d", number);
            }
        });
        report.firmware().forEach((version, number) -> line(text, "Runs " + version, "%,d", number));
        outcomes.forEach((fate, states) -> line(
                text,
                Character.toUpperCase(fate.charAt(0)) + fate.substring(1),
                "%,d; the server has them as %s",
                states.values().stream().mapToLong(Long::longValue).sum(),
                states));
        if (!report.reasons().isEmpty()) {
            text.append("Why something was refused or failed:\n");
            report.reasons().forEach((reason, number) -> text.append("  %,8d  %s%n".formatted(number, reason)));
        }
        return text.toString().stripTrailing();
    }

    private static void line(StringBuilder text, String what, String form, Object... values) {
        text.append("%-26s%s%n".formatted(what, form.formatted(values)));
    }
}
