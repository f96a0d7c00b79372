// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.stream.Stream;

/// One run of `tegata bench`: what the benchmarks share.
final class Run {
    private final Duration duration;
    private final Report report;
    private final PrintStream progress;
    private final Limits limits = new Limits();
    private String benchmark = "";

    /// @param duration how long each rate is measured
    Run(Duration duration, Report report, PrintStream progress) {
        this.duration = duration;
        this.report = report;
        this.progress = progress;
    }

    void carryOut(Benchmark next) throws Exception {
        benchmark = next.name();
        say(next.about());
        next.measure(this);
    }

    /// How long each rate is measured.
    Duration duration() {
        return duration;
    }

    Limits limits() {
        return limits;
    }

    /// A number of the benchmark that runs, to be reported when it is complete.
    Measure number(String what, double value, String unit) {
        return new Measure(benchmark, what, value, unit, null, null);
    }

    void report(Measure measure) {
        report.add(measure);
    }

    /// Tells a person who waits what is going on.
    void say(String what) {
        progress.println(benchmark + ": " + what);
    }

    /// Lends out a new folder, and deletes it.
    void inFolder(Work work) throws Exception {
        Path folder = Files.createTempDirectory("tegata-bench-");
        try {
            work.run(folder);
        } finally {
            try (Stream<Path> files = Files.walk(folder)) {
                for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                    delete(file);
                }
            }
        }
    }

    private static void delete(Path file) throws IOException {
        Files.deleteIfExists(file);
    }

    /// Work that needs a folder.
    interface Work {
        void run(Path folder) throws Exception;
    }
}
