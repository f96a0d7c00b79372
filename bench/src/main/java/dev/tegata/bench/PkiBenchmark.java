// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import java.util.Collection;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/// The steps of issuing a certificate, one by one ([CertificateSteps]).
final class PkiBenchmark implements Benchmark {
    @Override
    public String name() {
        return "pki";
    }

    @Override
    public String about() {
        return "JMH: reading and proving a request, encoding, linting, signing (one thread)";
    }

    @Override
    public void measure(Run run) throws Exception {
        Collection<RunResult> results = new Runner(new OptionsBuilder()
                        .include(CertificateSteps.class.getName())
                        .warmupIterations(3)
                        .warmupTime(TimeValue.seconds(1))
                        .measurementIterations(3)
                        .measurementTime(TimeValue.seconds(1))
                        .forks(1)
                        .shouldFailOnError(true)
                        .jvmArgs("--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow")
                        .verbosity(VerboseMode.SILENT)
                        .build())
                .run();
        for (RunResult result : results) {
            String step = result.getParams().getBenchmark();
            run.report(run.number(
                    step.substring(step.lastIndexOf('.') + 1),
                    result.getPrimaryResult().getScore(),
                    "µs"));
        }
    }
}
