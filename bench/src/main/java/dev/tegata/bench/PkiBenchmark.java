// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import java.util.Collection;
import java.util.Map;
import java.util.TreeMap;
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
                        // Before the compiler is done, a certificate seems to cost twice its signature.
                        .warmupIterations(5)
                        .warmupTime(TimeValue.seconds(2))
                        .measurementIterations(3)
                        .measurementTime(TimeValue.seconds(1))
                        .forks(1)
                        .shouldFailOnError(true)
                        .jvmArgs("--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow")
                        .verbosity(VerboseMode.SILENT)
                        .build())
                .run();
        Map<String, Double> micros = new TreeMap<>();
        for (RunResult result : results) {
            String step = result.getParams().getBenchmark();
            micros.put(
                    step.substring(step.lastIndexOf('.') + 1),
                    result.getPrimaryResult().getScore());
        }
        micros.forEach((step, time) -> run.report(run.number(step, time, "µs")));
        double sign = micros.getOrDefault("sign", 0.0);
        run.report(run.number(
                        "a certificate without its request's proof, in raw signatures",
                        micros.getOrDefault("grantEncodeLintAndSign", 0.0) / sign,
                        "×")
                .below(1.3));
        run.report(run.number(
                "the same by Bouncy Castle's builder, unlinted",
                micros.getOrDefault("bouncyCastleBuildAndSign", 0.0) / sign,
                "×"));
    }
}
