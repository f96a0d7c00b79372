// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import java.util.List;

/// Something of Tegata that is measured.
interface Benchmark {
    List<Benchmark> ALL = List.of(
            new IssuanceBenchmark(),
            new StatusBenchmark(),
            new StoreBenchmark(),
            new EstBenchmark(),
            new CheckInBenchmark(),
            new ClaimBenchmark(),
            new RevokeBenchmark(),
            new PostureBenchmark(),
            new DecisionBenchmark(),
            new AppraisalBenchmark(),
            new HttpBenchmark(),
            new MemoryBenchmark(),
            new PkiBenchmark());

    /// As on the command line.
    String name();

    /// One line for `--list`.
    String about();

    /// Measures, and puts every number into the run's report.
    void measure(Run run) throws Exception;
}
