// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import dev.tegata.bench.ClaimBenchmark.Kind;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.claim.ImportOptions;
import dev.tegata.platform.claim.ManifestReport;
import java.io.BufferedReader;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.json.JsonMapper;

/// The process that claims manifests: a node with a small heap, and nothing else in it.
final class ClaimProcess {
    private ClaimProcess() {}

    /// What came of one manifest.
    ///
    /// @param kind name of a [Kind]
    /// @param cpuSeconds of the node without its database
    record Claimed(String kind, double seconds, double cpuSeconds, double databaseCpuSeconds, double peakHeapMib) {}

    /// Starts the process and waits for its end.
    static List<Claimed> start(Run run, Path data, Path manifests) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin/java").toString(),
                        // As `tegata serve` has it.
                        "-Xms80m",
                        "-Xmn48m",
                        "-Xmx512m",
                        "-XX:+UseSerialGC",
                        "-XX:MinHeapFreeRatio=10",
                        "-XX:MaxHeapFreeRatio=30",
                        "--enable-native-access=ALL-UNNAMED",
                        "--sun-misc-unsafe-memory-access=allow",
                        "-cp",
                        System.getProperty("java.class.path"),
                        ClaimProcess.class.getName(),
                        data.toString(),
                        manifests.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        List<Claimed> claimed = new ArrayList<>();
        try (BufferedReader lines = process.inputReader()) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                claimed.add(JsonMapper.shared().readValue(line, Claimed.class));
                run.say("claimed " + claimed.getLast().kind());
            }
        }
        if (process.waitFor() != 0) {
            throw new IOException("the process that claims ended with " + process.exitValue());
        }
        return claimed;
    }

    /// Claims each kind of manifest and prints a line of JSON for it. All go into one fleet, as a maker claims
    /// reel after reel.
    public static void main(String[] arguments) throws Exception {
        Path manifests = Path.of(arguments[1]);
        try (Node node = new Node(Path.of(arguments[0]))) {
            FleetId fleet = node.newFleet();
            for (Kind kind : Kind.MEASURED) {
                for (Kind before : kind.before()) {
                    claim(node, fleet, before, manifests);
                }
                System.out.println(JsonMapper.shared().writeValueAsString(measure(node, fleet, kind, manifests)));
            }
        }
    }

    private static Claimed measure(Node node, FleetId fleet, Kind kind, Path manifests) throws Exception {
        System.gc();
        ManagementFactory.getMemoryPoolMXBeans().forEach(MemoryPoolMXBean::resetPeakUsage);
        Cpu here = Cpu.ofThisProcess();
        Cpu database = Cpu.below(ProcessHandle.current());
        long begun = System.nanoTime();
        ManifestReport report = claim(node, fleet, kind, manifests);
        double seconds = (System.nanoTime() - begun) / 1e9;
        if (report.claimed() != kind.elements()) {
            throw new IllegalStateException("not everything was claimed: " + report);
        }
        return new Claimed(
                kind.name(),
                seconds,
                Cpu.ofThisProcess().since(here).seconds(),
                Cpu.below(ProcessHandle.current()).since(database).seconds(),
                peakHeapMib());
    }

    private static ManifestReport claim(Node node, FleetId fleet, Kind kind, Path manifests) throws Exception {
        node.trustSigner(fleet, Certificate.parse(Bytes.of(Files.readAllBytes(kind.signer(manifests)))));
        return node.claim(fleet, kind.manifest(manifests), ImportOptions.STRICT);
    }

    private static double peakHeapMib() {
        return ManagementFactory.getMemoryPoolMXBeans().stream()
                        .filter(pool -> pool.getType() == MemoryType.HEAP)
                        .mapToLong(pool -> pool.getPeakUsage().getUsed())
                        .sum()
                / (double) (1 << 20);
    }
}
