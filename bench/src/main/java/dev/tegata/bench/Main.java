// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/// `tegata bench`.
@Command(
        name = "tegata bench",
        description = {
            "Measures Tegata on this machine, beside what the machine itself can do.",
            "",
            "Numbers mean something on a machine that does nothing else.",
            "The exit code is 1 where an aim was missed, 2 where something could not be measured."
        },
        footer = {
            "",
            "Examples:",
            "  tegata bench",
            "  tegata bench issuance --seconds 20",
            "  tegata bench est http --json"
        },
        sortOptions = false)
public final class Main implements Callable<Integer> {
    private static final String BEGIN = "<!-- begin: written by tegata bench --markdown -->\n";
    private static final String END = "<!-- end -->\n";

    @Parameters(paramLabel = "NAME", arity = "0..*", description = "What to measure; without it, everything.")
    List<String> names = new ArrayList<>();

    @Option(
            names = "--seconds",
            paramLabel = "N",
            defaultValue = "5",
            description = "How long each rate is measured (default: ${DEFAULT-VALUE}).")
    int seconds;

    @Option(names = "--json", description = "Print the numbers as JSON.")
    boolean json;

    @Option(names = "--markdown", description = "Also write the table into docs/performance.md.")
    boolean markdown;

    @Option(names = "--list", description = "Only list what can be measured.")
    boolean list;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Show this help.")
    boolean help;

    @Spec
    CommandSpec spec = CommandSpec.create();

    private final PrintStream out = System.out;

    public static void main(String[] arguments) {
        System.exit(new CommandLine(new Main()).execute(arguments));
    }

    @Override
    public Integer call() throws Exception {
        if (seconds < 1 || seconds > 600) {
            throw new ParameterException(spec.commandLine(), "--seconds must be from 1 to 600");
        }
        List<Benchmark> chosen = chosen();
        if (list) {
            chosen.forEach(benchmark -> out.printf("%-10s %s%n", benchmark.name(), benchmark.about()));
            return 0;
        }
        Report report = new Report(Machine.describe(InstantSource.system()));
        Run run = new Run(Duration.ofSeconds(seconds), report, System.err);
        boolean complete = true;
        for (Benchmark benchmark : chosen) {
            complete &= carryOut(run, benchmark);
        }
        if (json) {
            report.printJson(out);
        } else {
            report.printTable(out);
        }
        if (markdown) {
            write(report.markdown());
        }
        return !complete ? 2 : report.meetsAims() ? 0 : 1;
    }

    /// Whether it could be measured to its end. The others are measured all the same.
    private static boolean carryOut(Run run, Benchmark benchmark) {
        try {
            run.carryOut(benchmark);
            return true;
        } catch (Exception e) {
            for (Throwable cause = e; cause != null; cause = cause.getCause()) {
                run.say("failed: " + cause);
            }
            return false;
        }
    }

    private List<Benchmark> chosen() {
        for (String name : names) {
            if (Benchmark.ALL.stream().noneMatch(benchmark -> benchmark.name().equals(name))) {
                throw new ParameterException(
                        spec.commandLine(), "there is no benchmark '" + name + "'; --list shows which there are");
            }
        }
        return Benchmark.ALL.stream()
                .filter(benchmark -> names.isEmpty() || names.contains(benchmark.name()))
                .toList();
    }

    private static void write(String table) throws Exception {
        Path file = Checkout.find().resolve("docs/performance.md");
        String text = Files.readString(file);
        int begin = text.indexOf(BEGIN);
        int end = text.indexOf(END, begin);
        if (begin < 0 || end < 0) {
            throw new IllegalStateException(file + " has lost the marks between which the table belongs");
        }
        Files.writeString(file, text.substring(0, begin) + BEGIN + "\n" + table + "\n" + text.substring(end));
    }
}
