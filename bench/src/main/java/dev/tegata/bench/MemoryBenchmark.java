// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;

/// How soon the program is there, and what it takes to be there.
final class MemoryBenchmark implements Benchmark {
    private static final int REPETITIONS = 5;

    @Override
    public String name() {
        return "memory";
    }

    @Override
    public String about() {
        return "memory and start-up time of the server and the command line";
    }

    @Override
    public void measure(Run run) throws Exception {
        run.inFolder(folder -> {
            Path data = folder.resolve("data");
            run.say("making a data folder …");
            for (int i = 0; i < 2; i++) { // the end of the first start writes the archive of classes
                ServerProcess.start(data).close();
            }
            run.say("starting the server on it …");
            double[] seconds = new double[REPETITIONS];
            for (int i = 0; i < REPETITIONS; i++) {
                try (ServerProcess server = ServerProcess.start(data)) {
                    seconds[i] = server.secondsToReady();
                    if (i == REPETITIONS - 1) {
                        run.report(run.number("heap in use after the start, garbage included", server.heap(), "MiB")
                                .below(128));
                        run.report(run.number(
                                        "resident set after the start, without the database", server.resident(), "MiB")
                                .below(400));
                    }
                }
            }
            run.report(run.number("serve until ready on an existing data folder, median", median(seconds), "s")
                    .below(5));
        });
        double[] seconds = new double[REPETITIONS];
        for (int i = 0; i < REPETITIONS; i++) {
            seconds[i] = secondsOfHelp();
        }
        run.report(run.number("./tegata --help, median", median(seconds), "s").below(0.5));
    }

    private static double secondsOfHelp() throws IOException, InterruptedException {
        long begun = System.nanoTime();
        Process process = new ProcessBuilder(Checkout.launcher().toString(), "--help")
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        if (process.waitFor() != 0) {
            throw new IOException("./tegata --help ended with " + process.exitValue());
        }
        return (System.nanoTime() - begun) / 1e9;
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }
}
