// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("What is measured is reported as it was")
class ReportTest {
    private final Report report = new Report(new Machine("a CPU", 2, 4096, "Linux 6", "25", 0.1, "2026-01-02"));
    private final Run run = new Run(Duration.ofSeconds(1), report, new PrintStream(new ByteArrayOutputStream()));

    @Test
    @DisplayName("with the limit, the ratio to it, and whether the aim was met")
    void table() throws Exception {
        run.carryOut(benchmark(2_500));

        assertThat(report.markdown())
                .contains("Measured on 2026-01-02: a CPU, 2 cores, 4,096 MiB")
                .contains("`./tegata bench example`")
                .contains("| things done | 2,500 /s | 10,000 /s on bare metal | 25 % | ≥ 2,000 /s: met |");
        assertThat(report.meetsAims()).isTrue();
    }

    @Test
    @DisplayName("an aim that was missed says so")
    void missedAim() throws Exception {
        run.carryOut(benchmark(1_999));

        ByteArrayOutputStream out = new ByteArrayOutputStream();
        report.printTable(new PrintStream(out, true, StandardCharsets.UTF_8));
        assertThat(out.toString(StandardCharsets.UTF_8)).contains("≥ 2,000 /s: NOT met");
        assertThat(report.meetsAims()).isFalse();
    }

    @Test
    @DisplayName("a percentile is a latency that was really seen, even of very few")
    void percentiles() {
        Load.Outcome outcome = new Load.Outcome(2, new long[] {1_000_000, 2_000_000, 3_000_000, 40_000_000});

        assertThat(outcome.perSecond()).isEqualTo(2);
        assertThat(outcome.percentile(50)).isEqualTo(2);
        assertThat(outcome.percentile(99)).isEqualTo(40);
    }

    @Test
    @DisplayName("prepared work is done once, and no longer than there is some")
    void preparedWork() throws Exception {
        Load.Outcome outcome = Load.closed(3, Duration.ofMinutes(1), new Load.Work(10, 25), _ -> {});

        assertThat(outcome.count()).isEqualTo(15);
    }

    @Test
    @DisplayName("a failure under load ends the measuring")
    void failure() {
        assertThatThrownBy(() -> Load.open(1_000, Duration.ofMinutes(1), new Load.Work(0, 5), i -> {
                    if (i == 3) {
                        throw new IllegalArgumentException("refused");
                    }
                }))
                .hasMessageContaining("refused");
    }

    private static Benchmark benchmark(double value) {
        return new Benchmark() {
            @Override
            public String name() {
                return "example";
            }

            @Override
            public String about() {
                return "an example";
            }

            @Override
            public void measure(Run run) {
                run.report(run.number("things done", value, "/s")
                        .of("/s on bare metal", 10_000)
                        .atLeast(2_000));
            }
        };
    }
}
