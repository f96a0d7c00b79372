// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.der;

import dev.tegata.pki.Bytes;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Writes DER from front to back. Nested structures are lambdas that write to the same writer, so none can
/// stay open:
///
/// ```java
/// writer.sequence(() -> {
///     writer.oid(type);
///     writer.octetString(value);
/// });
/// ```
///
/// Not for use by several threads at once.
public final class DerWriter {
    // spec| RFC 5280 §4.1.2.5: UTCTime through the year 2049, GeneralizedTime from 2050 on
    private static final Instant FIRST_UTC_TIME = Instant.parse("1950-01-01T00:00:00Z");
    private static final Instant FIRST_GENERALIZED_TIME = Instant.parse("2050-01-01T00:00:00Z");

    private byte[] buffer = new byte[512];
    private int size;

    public byte[] toArray() {
        return Arrays.copyOf(buffer, size);
    }

    public Bytes toBytes() {
        return Bytes.of(buffer, 0, size);
    }

    public void sequence(Runnable body) {
        nested(Tag.SEQUENCE, body);
    }

    /// A SET whose elements the caller writes in their DER order.
    public void set(Runnable body) {
        nested(Tag.SET, body);
    }

    /// A SET OF encoded elements, put in their DER order here.
    public void setOf(int tag, List<Bytes> elements) {
        List<Bytes> sorted = new ArrayList<>(elements);
        // spec| X.690 §11.6: ascending order of the encodings
        sorted.sort(null);
        nested(tag, () -> sorted.forEach(this::raw));
    }

    /// An element with any tag, around what `body` writes.
    public void nested(int tag, Runnable body) {
        put(tag);
        put(0);
        int start = size;
        body.run();
        int length = size - start;
        if (length < 0x80) {
            buffer[start - 1] = (byte) length;
            return;
        }
        int octets = lengthOctets(length);
        reserve(octets);
        System.arraycopy(buffer, start, buffer, start + octets, length);
        size = start - 1;
        putLength(length);
        size += length;
    }

    /// An OCTET STRING around the DER that `body` writes.
    public void octetString(Runnable body) {
        nested(Tag.OCTET_STRING, body);
    }

    public void octetString(byte[] content) {
        primitive(Tag.OCTET_STRING, content);
    }

    /// A BIT STRING of whole octets.
    public void bitString(byte[] content) {
        put(Tag.BIT_STRING);
        putLength(content.length + 1);
        put(0);
        raw(content);
    }

    /// Tag and length of an element whose `length` content octets follow by another way, as they are
    /// too many to hold.
    public void head(int tag, int length) {
        put(tag);
        putLength(length);
    }

    /// A BIT STRING of named bits: bit `n` of `bits` is bit `n` of the string.
    public void namedBits(int bits) {
        int length = 32 - Integer.numberOfLeadingZeros(bits);
        int octets = (length + 7) / 8;
        put(Tag.BIT_STRING);
        putLength(octets + 1);
        put(octets * 8 - length);
        for (int i = 0; i < octets; i++) {
            put(Integer.reverse(bits >>> 8 * i & 0xff) >>> 24);
        }
    }

    public void bool(boolean value) {
        put(Tag.BOOLEAN);
        put(1);
        put(value ? 0xff : 0);
    }

    public void integer(long value) {
        integer(BigInteger.valueOf(value));
    }

    public void integer(BigInteger value) {
        primitive(Tag.INTEGER, value.toByteArray());
    }

    public void oid(Oid oid) {
        primitive(Tag.OID, oid.content());
    }

    public void nullValue() {
        put(Tag.NULL);
        put(0);
    }

    /// A string under `tag`; UTF-8, which is ASCII for the types that are.
    public void text(int tag, String text) {
        primitive(tag, text.getBytes(StandardCharsets.UTF_8));
    }

    /// A time to the second, as UTCTime or GeneralizedTime by its year.
    public void time(Instant time) {
        time(time, !time.isBefore(FIRST_UTC_TIME) && time.isBefore(FIRST_GENERALIZED_TIME));
    }

    private void time(Instant time, boolean utc) {
        LocalDateTime parts = LocalDateTime.ofEpochSecond(time.getEpochSecond(), 0, ZoneOffset.UTC);
        put(utc ? Tag.UTC_TIME : Tag.GENERALIZED_TIME);
        put(utc ? 13 : 15);
        if (!utc) {
            putDigits(parts.getYear() / 100);
        }
        putDigits(parts.getYear() % 100);
        putDigits(parts.getMonthValue());
        putDigits(parts.getDayOfMonth());
        putDigits(parts.getHour());
        putDigits(parts.getMinute());
        putDigits(parts.getSecond());
        put('Z');
    }

    /// A time to the second, as GeneralizedTime whatever its year.
    public void generalizedTime(Instant time) {
        time(time, false);
    }

    /// An element with any tag and these content octets.
    public void primitive(int tag, byte[] content) {
        put(tag);
        putLength(content.length);
        raw(content);
    }

    /// Octets that are DER already.
    public void raw(byte[] encoded) {
        reserve(encoded.length);
        System.arraycopy(encoded, 0, buffer, size, encoded.length);
        size += encoded.length;
    }

    public void raw(Bytes encoded) {
        raw(encoded.toArray());
    }

    private void put(int octet) {
        reserve(1);
        buffer[size++] = (byte) octet;
    }

    private void putDigits(int number) {
        put('0' + number / 10);
        put('0' + number % 10);
    }

    private void putLength(int length) {
        if (length < 0x80) {
            put(length);
            return;
        }
        int octets = lengthOctets(length);
        put(0x80 | octets);
        for (int i = octets - 1; i >= 0; i--) {
            put(length >>> 8 * i);
        }
    }

    private static int lengthOctets(int length) {
        return (39 - Integer.numberOfLeadingZeros(length)) / 8;
    }

    private void reserve(int more) {
        if (buffer.length - size < more) {
            buffer = Arrays.copyOf(buffer, Math.max(buffer.length * 2, size + more));
        }
    }
}
