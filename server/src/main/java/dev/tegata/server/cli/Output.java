// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/// Writes answers for people (tables, aligned fields) or for programs (the server's JSON, unchanged).
final class Output {
    private static final JsonMapper PRETTY =
            JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();
    private static final int LONGEST_OBJECT = 100;
    private static final String RESET = "\u001b[0m";
    private static final String BOLD = "\u001b[1m";
    private static final String RED = "\u001b[31m";
    private static final String GREEN = "\u001b[32m";
    private static final String YELLOW = "\u001b[33m";

    private final Terminal terminal;
    private final PrintWriter out;
    private final boolean json;
    private final boolean colours;

    Output(Terminal terminal, boolean json) {
        this.terminal = terminal;
        this.out = terminal.out();
        this.json = json;
        this.colours = terminal.colours();
    }

    boolean isJson() {
        return json;
    }

    /// A listing, and how to go on where there is more of it.
    ///
    /// @param empty what to say where there is nothing
    /// @param columns the members to show: `state`, `policy.retryAfter`, or `VALID
    /// UNTIL=certificate.notAfter`
    void table(JsonNode page, String empty, String... columns) {
        if (json) {
            print(page);
            return;
        }
        if (page.path("items").isEmpty()) {
            say(empty);
            return;
        }
        rows(page.path("items"), columns);
        if (page.hasNonNull("next")) {
            say("There is more: repeat with --cursor " + page.path("next").asString());
        }
    }

    /// The items of a listing, for people.
    void rows(JsonNode items, String... columns) {
        List<List<String>> rows = new ArrayList<>();
        rows.add(Arrays.stream(columns).map(Output::heading).toList());
        for (JsonNode item : items) {
            rows.add(IntStream.range(0, columns.length)
                    .mapToObj(i -> {
                        JsonNode value = at(item, path(columns[i]));
                        // Nothing stands behind the last column that it could push away.
                        return value.isObject() && i < columns.length - 1 ? shortened(text(value)) : text(value);
                    })
                    .toList());
        }
        int[] widths = new int[columns.length];
        for (List<String> row : rows) {
            for (int i = 0; i < widths.length; i++) {
                widths[i] = Math.max(widths[i], row.get(i).length());
            }
        }
        for (List<String> row : rows) {
            StringBuilder line = new StringBuilder();
            for (int i = 0; i < widths.length; i++) {
                String cell = row.get(i);
                String gap = i == widths.length - 1 ? "" : " ".repeat(widths[i] - cell.length() + 2);
                String style = row == rows.getFirst() ? BOLD : path(columns[i]).endsWith("state") ? colour(cell) : "";
                line.append(styled(style, cell)).append(gap);
            }
            out.println(line);
        }
        out.flush();
    }

    /// One thing: a line a member.
    void fields(JsonNode thing) {
        if (json) {
            print(thing);
        } else {
            fields(thing, "");
            out.flush();
        }
    }

    private void fields(JsonNode thing, String indent) {
        int width = thing.propertyNames().stream()
                .mapToInt(name -> words(name).length())
                .max()
                .orElse(0);
        for (String name : thing.propertyNames()) {
            JsonNode value = thing.get(name);
            if (name.equals("pem")) {
                continue;
            }
            if (value.isObject()) {
                out.println(indent + styled(BOLD, words(name)));
                fields(value, indent + "  ");
            } else {
                String shown = text(value);
                out.println(indent
                        + words(name)
                        + " ".repeat(width - words(name).length() + 2)
                        + styled(name.equals("state") ? colour(shown) : "", shown));
            }
        }
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

    /// What the server answered with no content: a sentence for a person, an empty object for a program.
    void done(String sentence) {
        if (json) {
            out.println("{}");
            out.flush();
        } else {
            say(sentence);
        }
    }

    /// A document such as PEM: as it is, or as a JSON object's one member.
    void document(String member, String content) {
        if (json) {
            print(PRETTY.createObjectNode().put(member, content));
        } else {
            out.print(content);
            out.flush();
        }
    }

    /// A document of any length, as it comes from the server.
    void stream(ApiClient api, String path) {
        try {
            api.download(path, terminal.bytes());
        } catch (IOException e) {
            // The terminal remembers it, and says so when the command ends.
        }
    }

    private String styled(String style, String text) {
        return colours && !style.isEmpty() ? style + text + RESET : text;
    }

    private static String colour(String state) {
        return switch (state) {
            case "active", "completed" -> GREEN;
            case "suspended", "refurbishing", "running", "pending" -> YELLOW;
            case "revoked", "failed", "cancelled" -> RED;
            default -> "";
        };
    }

    private static JsonNode at(JsonNode item, String path) {
        JsonNode node = item;
        for (String part : path.split("\\.")) {
            node = node.path(part);
        }
        return node;
    }

    /// What others have written (names, serial numbers) stays text: control characters cannot steer the
    /// terminal.
    private static String text(JsonNode node) {
        if (node.isMissingNode() || node.isNull()) {
            return "-";
        }
        if (node.isArray()) {
            return node.isEmpty() ? "-" : node.valueStream().map(Output::text).collect(Collectors.joining(", "));
        }
        String text = node.isValueNode() ? node.asString() : node.toString();
        return withoutFraction(text).replaceAll("\\p{Cntrl}|[\\x{80}-\\x{9f}]", "·");
    }

    private static String shortened(String object) {
        return object.length() > LONGEST_OBJECT ? object.substring(0, LONGEST_OBJECT) + "…" : object;
    }

    /// `2026-03-01T12:00:00.123456Z` to the second.
    private static String withoutFraction(String text) {
        boolean instant = text.length() > 20 && text.matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d+Z");
        return instant ? text.substring(0, 19) + "Z" : text;
    }

    private static String path(String column) {
        return column.substring(column.indexOf('=') + 1);
    }

    /// `retryAfter` as `RETRY AFTER`.
    private static String heading(String column) {
        int equals = column.indexOf('=');
        String name = equals >= 0 ? column.substring(0, equals) : column.substring(column.lastIndexOf('.') + 1);
        return words(name).toUpperCase(Locale.ROOT);
    }

    private static String words(String name) {
        return name.replaceAll("([a-z])([A-Z])", "$1 $2").toLowerCase(Locale.ROOT);
    }
}
