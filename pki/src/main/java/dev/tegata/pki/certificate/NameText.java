// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/// The text form of names (RFC 4514).
final class NameText {
    private static final String SPECIAL = ",+\"\\<>;=";

    // Types that we read in the names of others but do not put into ours.
    private static final Map<Oid, String> OTHER_KEYWORDS = Map.of(
            Oid.of("0.9.2342.19200300.100.1.25"), "DC",
            Oid.of("0.9.2342.19200300.100.1.1"), "UID",
            Oid.of("2.5.4.9"), "STREET",
            Oid.of("1.2.840.113549.1.9.1"), "emailAddress");

    private NameText() {}

    /// One `type=value`, the value as it stands in the text, escapes and all.
    record Part(NameAttribute type, String value) {}

    /// Splits a name at its unescaped commas, in the order of the text.
    static List<Part> parse(String text) {
        List<Part> parts = new ArrayList<>();
        if (text.isBlank()) {
            return parts;
        }
        int start = 0;
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) == '\\') {
                i++;
            } else if (text.charAt(i) == ',') {
                parts.add(part(text.substring(start, i)));
                start = i + 1;
            }
        }
        parts.add(part(text.substring(start)));
        return parts;
    }

    private static Part part(String text) {
        int equals = text.indexOf('=');
        if (equals < 0) {
            throw new IllegalArgumentException("'" + text + "' is not of the form CN=value");
        }
        String keyword = text.substring(0, equals).strip();
        NameAttribute type = NameAttribute.ofKeyword(keyword)
                .orElseThrow(() -> new IllegalArgumentException(
                        "'" + keyword + "' is not one of C, ST, L, O, OU, CN, serialNumber, dnQualifier"));
        return new Part(type, stripUnescaped(text.substring(equals + 1)));
    }

    private static String stripUnescaped(String value) {
        String stripped = value.strip();
        int slashes = 0;
        while (slashes < stripped.length() && stripped.charAt(stripped.length() - 1 - slashes) == '\\') {
            slashes++;
        }
        boolean escapedSpace = slashes % 2 == 1 && value.stripLeading().length() > stripped.length();
        return escapedSpace ? stripped + ' ' : stripped;
    }

    /// Takes the escapes out of a value.
    static String unescape(String value) {
        if (value.startsWith("#")) {
            throw new IllegalArgumentException("values in hex are not supported: '" + value + "'");
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if (c == '\\') {
                if (isHexPair(value, i + 1)) {
                    out.write(HexFormat.fromHexDigits(value, i + 1, i + 3));
                    i += 2;
                    continue;
                }
                i++;
                if (i == value.length() || (SPECIAL + " #{}").indexOf(value.charAt(i)) < 0) {
                    throw new IllegalArgumentException("'" + value + "' has a wrong escape");
                }
                out.write(value.charAt(i));
            } else if (SPECIAL.indexOf(c) >= 0 && c != '=') {
                throw new IllegalArgumentException("'" + value + "' has an unescaped '" + c + "': write '\\" + c + "'");
            } else {
                int codePoint = value.codePointAt(i);
                out.writeBytes(Character.toString(codePoint).getBytes(StandardCharsets.UTF_8));
                i += Character.charCount(codePoint) - 1;
            }
        }
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(out.toByteArray()))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException("'" + value + "' is not UTF-8 after its escapes", e);
        }
    }

    private static boolean isHexPair(String text, int at) {
        return at + 1 < text.length()
                && HexFormat.isHexDigit(text.charAt(at))
                && HexFormat.isHexDigit(text.charAt(at + 1));
    }

    /// The text of an encoded name that has been read before.
    static String format(Bytes encoded) {
        try {
            List<String> rdns = new ArrayList<>();
            DerReader sequence = DerReader.of(encoded).sequence();
            while (sequence.hasMore()) {
                List<String> attributes = new ArrayList<>();
                DerReader set = sequence.set();
                while (set.hasMore()) {
                    attributes.add(format(set.sequence()));
                }
                rdns.add(String.join("+", attributes));
            }
            return String.join(",", rdns.reversed());
        } catch (EncodingException e) {
            throw new IllegalStateException("a name is read before it is shown", e);
        }
    }

    private static String format(DerReader attribute) throws EncodingException {
        Oid type = attribute.oid();
        String keyword = NameAttribute.of(type).map(NameAttribute::keyword).orElse(OTHER_KEYWORDS.get(type));
        if (keyword != null && Name.isText(attribute.nextTag())) {
            return keyword + "=" + escape(attribute.text());
        }
        // spec| RFC 4514 §2.4: a type in dotted form goes with the hex of the value's encoding
        return type + "=#" + attribute.element().hex();
    }

    private static String escape(String value) {
        StringBuilder escaped = new StringBuilder();
        for (int i = 0; i < value.length(); i += Character.charCount(value.codePointAt(i))) {
            int c = value.codePointAt(i);
            boolean edge = i == 0 && (c == ' ' || c == '#') || i == value.length() - 1 && c == ' ';
            if (Name.isForbidden(c)) {
                for (byte octet : Character.toString(c).getBytes(StandardCharsets.UTF_8)) {
                    escaped.append('\\').append(HexFormat.of().toHexDigits(octet));
                }
            } else if (edge || SPECIAL.indexOf(c) >= 0 && c != '=') {
                escaped.append('\\').appendCodePoint(c);
            } else {
                escaped.appendCodePoint(c);
            }
        }
        return escaped.toString();
    }
}
