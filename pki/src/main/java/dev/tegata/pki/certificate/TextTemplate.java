// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.UnaryOperator;

/// A text with variables in braces, those of [NameTemplate#VARIABLES].
final class TextTemplate {
    private final List<Part> parts;

    private TextTemplate(List<Part> parts) {
        this.parts = parts;
    }

    private sealed interface Part {}

    private record Literal(String text) implements Part {}

    private record Variable(String name) implements Part {}

    /// @param unescape what turns a literal as written into the literal as meant
    static TextTemplate parse(String text, UnaryOperator<String> unescape) {
        List<Part> parts = new ArrayList<>();
        int start = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '\\') {
                i++;
            } else if (c == '}') {
                throw new IllegalArgumentException("'" + text + "' has '}' without '{'");
            } else if (c == '{') {
                addLiteral(text.substring(start, i), unescape, parts);
                int close = text.indexOf('}', i);
                if (close < 0) {
                    throw new IllegalArgumentException("'" + text + "' has '{' without '}'");
                }
                parts.add(variable(text.substring(i + 1, close)));
                start = close + 1;
                i = close;
            }
        }
        addLiteral(text.substring(start), unescape, parts);
        return new TextTemplate(List.copyOf(parts));
    }

    private static void addLiteral(String text, UnaryOperator<String> unescape, List<Part> parts) {
        if (!text.isEmpty()) {
            parts.add(new Literal(unescape.apply(text)));
        }
    }

    private static Variable variable(String name) {
        if (!NameTemplate.VARIABLES.contains(name)) {
            throw new IllegalArgumentException("there is no variable '%s', only %s"
                    .formatted(name, String.join(", ", new TreeSet<>(NameTemplate.VARIABLES))));
        }
        return new Variable(name);
    }

    boolean isLiteral() {
        return parts.stream().allMatch(Literal.class::isInstance);
    }

    /// @throws IllegalArgumentException where a variable has no value
    String render(Map<String, String> variables) {
        StringBuilder text = new StringBuilder();
        for (Part part : parts) {
            text.append(
                    switch (part) {
                        case Literal literal -> literal.text();
                        case Variable variable -> value(variable.name(), variables);
                    });
        }
        return text.toString();
    }

    private static String value(String name, Map<String, String> variables) {
        String value = variables.get(name);
        if (value == null || value.isBlank()) {
            throw new IllegalArgumentException("the variable '" + name + "' has no value here");
        }
        return value;
    }
}
