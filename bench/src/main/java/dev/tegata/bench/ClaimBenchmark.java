// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.ManifestVersion;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// Claims signed manifests in the vendor's real format, in a process with a heap of 512 MiB
/// ([ClaimProcess]).
final class ClaimBenchmark implements Benchmark {
    static final int ELEMENTS = 100_000;
    private static final Instant MADE = Instant.parse("2026-01-02T03:04:05Z");

    /// A kind of manifest.
    ///
    /// @param verifications of signatures that each element needs: its own, and that of the chip's
    /// certificate
    record Kind(String name, Preset preset, ManifestVersion version, int elements, int verifications) {
        static final List<Kind> MEASURED = List.of(
                new Kind("serial numbers", Preset.TRUST_MANAGER, ManifestVersion.SHORT, ELEMENTS, 1),
                new Kind("keys and certificates", Preset.TRUST_GO, ManifestVersion.FULL, ELEMENTS, 2));

        /// Other chips, which the server has claimed before these: then the compiler is done.
        List<Kind> before() {
            return Stream.of("first ", "earlier ")
                    .map(when -> new Kind(when + name, preset, version, elements, verifications))
                    .toList();
        }

        private String fileName(String ending) {
            return name.replace(' ', '-') + "-" + elements + ending;
        }

        Path manifest(Path folder) {
            return folder.resolve(fileName(".json"));
        }

        Path signer(Path folder) {
            return folder.resolve(fileName(".der"));
        }
    }

    @Override
    public String name() {
        return "claim";
    }

    @Override
    public String about() {
        return "a signed manifest of 100,000 chips claimed, with a heap of 512 MiB";
    }

    @Override
    public void measure(Run run) throws Exception {
        Path manifests = Path.of(System.getProperty("java.io.tmpdir"), "tegata-bench-manifests");
        Files.createDirectories(manifests);
        for (Kind kind : Kind.MEASURED) {
            for (Kind before : kind.before()) {
                makeMissing(run, before, manifests);
            }
            makeMissing(run, kind, manifests);
        }
        run.inFolder(data -> {
            // Before and after: other guests of the machine make it faster or slower by a tenth from minute to minute.
            Limits.Speed before = new Limits().verifying();
            List<ClaimProcess.Claimed> all = ClaimProcess.start(run, data, manifests);
            Limits.Speed after = new Limits().verifying();
            double onAllCores = (before.onAllCores() + after.onAllCores()) / 2;
            double perCpuSecond = (before.perCpuSecond() + after.perCpuSecond()) / 2;
            for (ClaimProcess.Claimed claimed : all) {
                report(run, claimed, onAllCores, perCpuSecond);
            }
        });
    }

    private static void report(Run run, ClaimProcess.Claimed claimed, double onAllCores, double perCpuSecond) {
        Kind kind = Kind.MEASURED.stream()
                .filter(measured -> measured.name().equals(claimed.kind()))
                .findFirst()
                .orElseThrow();
        double verifications = (double) kind.elements() * kind.verifications();
        double cpuSeconds = claimed.cpuSeconds() + claimed.databaseCpuSeconds();
        String of = kind.name() + ": ";
        Measure elements = run.number(of + "elements", kind.elements() / claimed.seconds(), "/s")
                .of(
                        "/s: P-256 verifications, " + kind.verifications() + " each, all cores",
                        onAllCores / kind.verifications());
        // The aim is about the signature of a manifest; with keys, each chip brings another one and seven rows.
        run.report(kind.verifications() == 1 ? elements.ratioAtLeast(0.6) : elements);
        run.report(run.number(of + "verifications per CPU second, database included", verifications / cpuSeconds, "/s")
                .of("/s: verifications alone", perCpuSecond));
        run.report(
                run.number(of + "CPU time of an element, service", claimed.cpuSeconds() / kind.elements() * 1e6, "µs"));
        run.report(run.number(
                of + "CPU time of an element, database", claimed.databaseCpuSeconds() / kind.elements() * 1e6, "µs"));
        run.report(run.number(of + "highest heap", claimed.peakHeapMib(), "MiB").below(512));
    }

    private static void makeMissing(Run run, Kind kind, Path folder) throws IOException {
        if (Files.exists(kind.signer(folder))) {
            return;
        }
        run.say("making %,d chips and their manifest (kept in %s) …".formatted(kind.elements(), folder));
        ChipFactory factory = new ChipFactory(new SecureRandom());
        Path unfinished = Files.createTempFile(folder, "unfinished", ".json");
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(unfinished), 1 << 20)) {
            Iterable<VirtualChip> chips = () -> IntStream.range(0, kind.elements())
                    .mapToObj(_ -> factory.make(kind.preset(), MADE))
                    .iterator();
            factory.manifestSigner().write(chips, kind.version(), MADE, out);
        }
        Files.move(unfinished, kind.manifest(folder), StandardCopyOption.REPLACE_EXISTING);
        Files.write(kind.signer(folder), factory.manifestSigner().certificate());
    }
}
