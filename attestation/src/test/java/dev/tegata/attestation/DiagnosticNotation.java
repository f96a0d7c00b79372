// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation;

import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.pki.Bytes;
import java.util.ArrayList;
import java.util.List;

/// Reads CBOR diagnostic notation (RFC 8949 §8) as the vectors use it.
public final class DiagnosticNotation {
    private final String text;
    private int position;

    private DiagnosticNotation(String text) {
        this.text = text;
    }

    public static Cbor parse(String text) {
        DiagnosticNotation parser = new DiagnosticNotation(text);
        Cbor item = parser.item();
        parser.skip();
        if (parser.position != text.length()) {
            throw parser.wrong("something follows");
        }
        return item;
    }

    private Cbor item() {
        skip();
        char c = peek();
        if (c == '{') {
            return map();
        }
        if (c == '[') {
            position++;
            List<Cbor> items = new ArrayList<>();
            while (!closes(']')) {
                items.add(item());
                comma();
            }
            return new Cbor.ArrayItem(items);
        }
        if (c == '"') {
            return Cbor.of(string());
        }
        if (text.startsWith("<<", position)) {
            position += 2;
            Bytes content = item().encode();
            skip();
            expect(">>");
            return Cbor.of(content);
        }
        if (text.startsWith("h'", position)) {
            position++;
            int end = text.indexOf('\'', position + 1);
            String hex =
                    text.substring(position + 1, end).replaceAll("/[^/]*/", "").replaceAll("\\s", "");
            // One vector has a comment mark in the middle of its hex digits.
            position = end + 1;
            return Cbor.of(Bytes.ofHex(hex.replace("/", "")));
        }
        for (String word : List.of("true", "false", "null", "undefined")) {
            if (text.startsWith(word, position)) {
                position += word.length();
                return switch (word) {
                    case "true" -> Cbor.TRUE;
                    case "false" -> Cbor.FALSE;
                    case "null" -> Cbor.NULL;
                    default -> new Cbor.Simple(23);
                };
            }
        }
        return number();
    }

    private Cbor number() {
        int start = position;
        while (position < text.length() && "+-.0123456789eExabcdfABCDEF".indexOf(peek()) >= 0) {
            position++;
        }
        String digits = text.substring(start, position);
        if (digits.isEmpty()) {
            throw wrong("an item is expected");
        }
        if (digits.indexOf('.') >= 0) {
            return new Cbor.FloatItem(Double.parseDouble(digits));
        }
        long value = Long.decode(digits);
        skip();
        if (position < text.length() && peek() == '(') {
            position++;
            Cbor content = item();
            skip();
            expect(")");
            return new Cbor.Tagged(value, content);
        }
        return Cbor.of(value);
    }

    private Cbor map() {
        position++;
        Cbor.Builder builder = Cbor.map();
        while (!closes('}')) {
            Cbor key = item();
            skip();
            expect(":");
            builder.put(key, item());
            comma();
        }
        return builder.build();
    }

    private String string() {
        StringBuilder content = new StringBuilder();
        position++;
        while (peek() != '"') {
            if (peek() == '\\') {
                position++;
                content.append(peek() == 'n' ? '\n' : peek());
            } else {
                content.append(peek());
            }
            position++;
        }
        position++;
        return content.toString();
    }

    private boolean closes(char close) {
        skip();
        if (peek() == close) {
            position++;
            return true;
        }
        return false;
    }

    private void comma() {
        skip();
        if (peek() == ',') {
            position++;
        }
    }

    private void skip() {
        while (position < text.length()) {
            if (Character.isWhitespace(peek())) {
                position++;
            } else if (peek() == '/') {
                position = text.indexOf('/', position + 1) + 1;
            } else {
                return;
            }
        }
    }

    private char peek() {
        if (position >= text.length()) {
            throw wrong("the text ends");
        }
        return text.charAt(position);
    }

    private void expect(String token) {
        if (!text.startsWith(token, position)) {
            throw wrong("'" + token + "' is expected");
        }
        position += token.length();
    }

    private IllegalArgumentException wrong(String message) {
        return new IllegalArgumentException(message + " at " + position + ": "
                + text.substring(Math.min(position, text.length()), Math.min(position + 20, text.length())));
    }
}
