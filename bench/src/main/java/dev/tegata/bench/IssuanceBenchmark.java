// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.claim.ImportOptions;
import dev.tegata.platform.enrol.DeviceCredential;
import dev.tegata.platform.enrol.EnrolmentOutcome;
import dev.tegata.platform.enrol.EnrolmentRequest;
import dev.tegata.platform.fleet.IssuingFleet;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;

/// First certificates through the service that every protocol calls, with durable storage: each device has
/// keys of its own, is found by its birth key, proves the new one, and has its certificate on disk before
/// it has its answer.
final class IssuanceBenchmark implements Benchmark {
    private static final int WARM_UP = 15_000;
    private static final Duration LONGEST_WARM_UP = Duration.ofMinutes(1);
    private static final int CLIENTS = 64;
    private static final double PART_OF_PEAK = 0.8;

    /// More than any machine of this size issues in a second.
    private static final int UNITS_PER_SECOND = 4_000;

    @Override
    public String name() {
        return "issuance";
    }

    @Override
    public String about() {
        return "certificates issued by the enrolment service on the embedded database, fsync on";
    }

    @Override
    public void measure(Run run) throws Exception {
        run.inFolder(folder -> {
            try (Node node = new Node(folder)) {
                measure(run, folder, node);
            }
        });
    }

    private static void measure(Run run, Path folder, Node node) throws Exception {
        int count = Math.toIntExact(
                WARM_UP + UNITS_PER_SECOND * run.duration().multipliedBy(3).toSeconds());
        run.say("making and claiming %,d devices, each with its own keys …".formatted(count));
        List<Unit> units = Unit.make(count);
        Path manifest = folder.resolve("devices.csv");
        Unit.writeManifest(units, manifest);
        FleetId fleet = node.newFleet();
        if (node.claim(fleet, manifest, new ImportOptions(true)).claimed() != count) {
            throw new IllegalStateException("not every device was claimed");
        }

        Load.Operation enrol = i -> enrol(node, fleet, units.get(i));
        run.say("warming up …");
        Load.closed(CLIENTS, LONGEST_WARM_UP, new Load.Work(0, WARM_UP), enrol);
        Load.Work work = new Load.Work(WARM_UP, count);
        run.say("measuring the peak …");
        Cpu here = Cpu.ofThisProcess();
        Cpu database = Cpu.below(ProcessHandle.current());
        Load.Outcome peak = Load.closed(CLIENTS, run.duration(), work, enrol);
        here = Cpu.ofThisProcess().since(here);
        database = Cpu.below(ProcessHandle.current()).since(database);
        run.say("measuring at 80 % of it …");
        double rate = peak.perSecond() * PART_OF_PEAK;
        // A thread for each request is another shape of load: what it needs compiled is compiled before it is measured.
        Load.open(rate, run.duration(), work, enrol);
        Load.Outcome steady = Load.open(rate, run.duration(), work, enrol);

        Limits limits = run.limits();
        run.say("measuring the machine …");
        String cores = Runtime.getRuntime().availableProcessors() + " cores";
        run.report(run.number("certificates on disk, " + CLIENTS + " at once", peak.perSecond(), "/s")
                .of("/s: one P-256 signature and one verification each, " + cores, limits.signedAndVerified())
                .atLeast(2_000));
        latencies(run, "at the peak", peak);
        run.report(run.number("offered load, arriving at random", steady.perSecond(), "/s")
                .of("/s at the peak", peak.perSecond()));
        latencies(run, "at that load", steady);
        run.report(run.number("CPU time of a certificate, service", here.microsPer(peak.count()), "µs"));
        run.report(run.number("CPU time of a certificate, database", database.microsPer(peak.count()), "µs"));
        run.report(run.number("certificates without storage", withoutStorage(run, node, fleet, units), "/s")
                .of("/s: one signature and one verification each, " + cores, limits.signedAndVerified()));
        run.report(run.number("P-256 signatures, one core", limits.signing().onOneCore(), "/s"));
        run.report(
                run.number("P-256 verifications, one core", limits.verifying().onOneCore(), "/s"));
        run.report(run.number("8 KiB writes forced to disk, one after the other", limits.durableWrites(folder), "/s"));
    }

    private static void latencies(Run run, String when, Load.Outcome outcome) {
        run.report(run.number("p50 " + when, outcome.percentile(50), "ms"));
        run.report(run.number("p95 " + when, outcome.percentile(95), "ms"));
        Measure worst = run.number("p99 " + when, outcome.percentile(99), "ms");
        run.report(when.equals("at that load") ? worst.below(50) : worst);
    }

    static void enrol(Node node, FleetId fleet, Unit unit) {
        EnrolmentOutcome outcome = node.enrolments()
                .enrol(new EnrolmentRequest(
                        fleet,
                        new DeviceCredential.TlsCertificate(List.of(unit.certificate())),
                        unit.request(),
                        EnrolmentRequest.Purpose.ENROL,
                        "192.0.2.1"));
        if (!(outcome instanceof EnrolmentOutcome.Issued)) {
            throw new IllegalStateException("not issued: " + outcome);
        }
    }

    /// The same certificates, made in memory and forgotten.
    private static double withoutStorage(Run run, Node node, FleetId fleet, List<Unit> units) {
        IssuingFleet issuing = node.issuingFleets().get(fleet);
        SecureRandom random = new SecureRandom();
        Instant now = InstantSource.system().instant();
        Map<String, String> variables = Map.of("device.id", "00000000-0000-0000-0000-000000000000");
        Load.Operation issue = i -> {
            Bytes request = units.get(i % units.size()).request();
            issuing.issuance()
                    .grant(CertificateRequest.parse(request).prove(), variables, SerialNumber.random(random), now)
                    .inPartition(1)
                    .lint()
                    .redeem(issuing.authority().signer(node.vault()));
        };
        int cores = Runtime.getRuntime().availableProcessors();
        Load.repeat(cores, Duration.ofSeconds(1), issue);
        return Load.repeat(cores, run.duration(), issue).perSecond();
    }
}
