// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/// Writes answers for people (tables, aligned fields) or for programs (the server's JSON, unchanged).
final class Output {
    private static final JsonMapper PRETTY =
            JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

    private final PrintWriter out;
    private final boolean json;

    Output(PrintWriter out, boolean json) {
        this.out = out;
        this.json = json;
    }

    boolean isJson() {
        return json;
    }

    /// A listing.
    ///
    /// @param fields the members to show, in order; `a.b` reaches into an object
    /// @param empty what to say where there is nothing
    void table(JsonNode page, String empty, String... fields) {
        if (json) {
            print(page);
            return;
        }
        List<List<String>> rows = new ArrayList<>();
        rows.add(java.util.Arrays.stream(fields).map(Output::heading).toList());
        for (JsonNode item : page.path("items")) {
            rows.add(java.util.Arrays.stream(fields)
                    .map(field -> text(at(item, field)))
                    .toList());
        }
        if (rows.size() == 1) {
            out.println(empty);
        } else {
            printAligned(rows);
        }
        if (page.hasNonNull("next")) {
            out.println(
                    "There is more: repeat with --cursor " + page.path("next").asString());
        }
        out.flush();
    }

    private void printAligned(List<List<String>> rows) {
        int columns = rows.getFirst().size();
        int[] widths = new int[columns];
        for (List<String> row : rows) {
            for (int i = 0; i < columns; i++) {
                widths[i] = Math.max(widths[i], row.get(i).length());
            }
        }
        for (List<String> row : rows) {
            StringBuilder line = new StringBuilder();
            for (int i = 0; i < columns; i++) {
                line.append(row.get(i)).append(" ".repeat(widths[i] - row.get(i).length() + 2));
            }
            out.println(line.toString().stripTrailing());
        }
    }

    /// One thing: a line a member.
    void fields(JsonNode thing) {
        if (json) {
            print(thing);
            return;
        }
        int width =
                thing.propertyNames().stream().mapToInt(String::length).max().orElse(0);
        for (String name : thing.propertyNames()) {
            JsonNode value = thing.get(name);
            if (value.isObject()) {
                out.println(name);
                for (String inner : value.propertyNames()) {
                    out.println("  " + inner + ": " + text(value.get(inner)));
                }
            } else {
                out.println(name + " ".repeat(width - name.length() + 2) + text(value));
            }
        }
        out.flush();
    }

    /// The server's JSON, indented.
    void print(JsonNode node) {
        out.println(PRETTY.writeValueAsString(node));
        out.flush();
    }

    /// A sentence for a person; programs get nothing.
    void say(String sentence) {
        if (!json) {
            out.println(sentence);
            out.flush();
        }
    }

    private static JsonNode at(JsonNode item, String field) {
        JsonNode node = item;
        for (String part : field.split("\\.")) {
            node = node.path(part);
        }
        return node;
    }

    private static String text(JsonNode node) {
        if (node.isMissingNode() || node.isNull()) {
            return "-";
        }
        if (node.isArray()) {
            return node.valueStream().map(Output::text).collect(Collectors.joining(", "));
        }
        return node.isValueNode() ? node.asString() : node.toString();
    }

    /// `fleetId` as `FLEET ID`.
    private static String heading(String field) {
        String last = field.substring(field.lastIndexOf('.') + 1);
        return last.replaceAll("([a-z])([A-Z])", "$1 $2").toUpperCase(Locale.ROOT);
    }
}
