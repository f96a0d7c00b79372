// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// The numbers of a run, in the order of measuring.
final class Report {
    private static final JsonMapper JSON = JsonMapper.shared();
    private static final List<String> HEAD = List.of("what", "value", "machine's limit", "ratio", "aim");

    private final Machine machine;
    private final List<Measure> measures = new ArrayList<>();

    Report(Machine machine) {
        this.machine = machine;
    }

    void add(Measure measure) {
        measures.add(measure);
    }

    /// Whether every aim was met.
    boolean meetsAims() {
        return measures.stream()
                .allMatch(measure -> measure.aim() == null || measure.aim().met());
    }

    void printTable(PrintStream out) {
        out.println(machine);
        for (List<Measure> benchmark : byBenchmark()) {
            out.printf("%n%s   (repeat: %s)%n", benchmark.getFirst().benchmark(), command(benchmark));
            List<List<String>> rows = new ArrayList<>();
            rows.add(HEAD);
            benchmark.forEach(measure -> rows.add(cells(measure)));
            int[] widths = IntStream.range(0, HEAD.size())
                    .map(column -> rows.stream()
                            .mapToInt(row -> row.get(column).length())
                            .max()
                            .orElse(0))
                    .toArray();
            for (List<String> row : rows) {
                StringBuilder line = new StringBuilder();
                for (int column = 0; column < row.size(); column++) {
                    line.append("  ")
                            .append(row.get(column))
                            .repeat(' ', widths[column] - row.get(column).length());
                }
                out.println(line.toString().stripTrailing());
            }
        }
    }

    /// The machine and the table, as `docs/performance.md` carries them.
    String markdown() {
        StringBuilder text = new StringBuilder(machine + "\n");
        for (List<Measure> benchmark : byBenchmark()) {
            text.append("\n### ").append(benchmark.getFirst().benchmark()).append("\n\n");
            text.append('`').append(command(benchmark)).append("`\n\n");
            text.append("| ").append(String.join(" | ", HEAD)).append(" |\n|---|---:|---|---:|---|\n");
            benchmark.forEach(measure ->
                    text.append("| ").append(String.join(" | ", cells(measure))).append(" |\n"));
        }
        return text.toString();
    }

    void printJson(PrintStream out) {
        ObjectNode root = JSON.createObjectNode();
        root.set("machine", JSON.valueToTree(machine));
        ArrayNode all = root.putArray("measures");
        for (Measure measure : measures) {
            ObjectNode node = all.addObject()
                    .put("benchmark", measure.benchmark())
                    .put("what", measure.what())
                    .put("value", measure.value())
                    .put("unit", measure.unit());
            if (measure.limit() != null) {
                node.put("limit", measure.limit().what())
                        .put("limitValue", measure.limit().value())
                        .put("ratio", measure.ratio());
            }
            if (measure.aim() != null) {
                node.put("aim", measure.aim().text()).put("met", measure.aim().met());
            }
        }
        out.println(JSON.writerWithDefaultPrettyPrinter().writeValueAsString(root));
    }

    private List<List<Measure>> byBenchmark() {
        List<List<Measure>> groups = new ArrayList<>();
        for (Measure measure : measures) {
            if (groups.isEmpty() || !groups.getLast().getFirst().benchmark().equals(measure.benchmark())) {
                groups.add(new ArrayList<>());
            }
            groups.getLast().add(measure);
        }
        return groups;
    }

    private static String command(List<Measure> benchmark) {
        return "./tegata bench " + benchmark.getFirst().benchmark();
    }

    private static List<String> cells(Measure measure) {
        Measure.Limit limit = measure.limit();
        Measure.Aim aim = measure.aim();
        return List.of(
                measure.what(),
                Measure.number(measure.value()) + " " + measure.unit(),
                limit == null ? "" : Measure.number(limit.value()) + " " + limit.what(),
                limit == null ? "" : Math.round(measure.ratio() * 100) + " %",
                aim == null ? "" : aim.text() + (aim.met() ? ": met" : ": NOT met"));
    }
}
