// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.HexFormat;

/// Writes the few DER types that an X.509 certificate is made of.
final class Der {
    private static final DateTimeFormatter UTC_TIME =
            DateTimeFormatter.ofPattern("yyMMddHHmmss'Z'").withZone(ZoneOffset.UTC);
    private static final DateTimeFormatter GENERALIZED_TIME =
            DateTimeFormatter.ofPattern("yyyyMMddHHmmss'Z'").withZone(ZoneOffset.UTC);
    private static final Instant UTC_TIME_END = Instant.parse("2050-01-01T00:00:00Z");

    private Der() {}

    static byte[] sequence(byte[]... parts) {
        return value(0x30, parts);
    }

    static byte[] set(byte[]... parts) {
        return value(0x31, parts);
    }

    /// A value of one byte of tag, its content in parts.
    static byte[] value(int tag, byte[]... parts) {
        int length = Arrays.stream(parts).mapToInt(part -> part.length).sum();
        ByteArrayOutputStream out = new ByteArrayOutputStream(length + 4);
        out.write(tag);
        if (length > 0xFF) {
            out.write(0x82);
            out.write(length >> 8);
        } else if (length > 0x7F) {
            out.write(0x81);
        }
        out.write(length);
        for (byte[] part : parts) {
            out.writeBytes(part);
        }
        return out.toByteArray();
    }

    /// An object identifier from its content in hex.
    static byte[] oid(String hex) {
        return value(0x06, HexFormat.of().parseHex(hex));
    }

    static byte[] unsignedInteger(byte[] bigEndian) {
        return value(0x02, new BigInteger(1, bigEndian).toByteArray());
    }

    static byte[] octetString(byte[]... parts) {
        return value(0x04, parts);
    }

    static byte[] bitString(byte[] content) {
        return value(0x03, new byte[] {0}, content);
    }

    static byte[] utf8(String text) {
        return value(0x0C, text.getBytes(StandardCharsets.UTF_8));
    }

    static byte[] time(Instant instant) {
        // spec| RFC 5280 §4.1.2.5: dates through the year 2049 MUST be UTCTime, later ones GeneralizedTime
        return instant.isBefore(UTC_TIME_END)
                ? value(0x17, UTC_TIME.format(instant).getBytes(StandardCharsets.US_ASCII))
                : value(0x18, GENERALIZED_TIME.format(instant).getBytes(StandardCharsets.US_ASCII));
    }
}
