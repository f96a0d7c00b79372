// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.der;

import dev.tegata.pki.Bytes;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;

/// A cursor over DER (X.690 §10): each call reads the next element and moves past it.
///
/// Strict: single-octet tags, definite lengths in their shortest form, values in their canonical form, at most 24
/// levels deep. Works on the caller's array, which must not change meanwhile. What is left over is an error only where
/// [#end] is called: call it at the end of every structure.
public final class DerReader {
    private static final int MAX_DEPTH = 24;
    private static final int MAX_INTEGER = 2048;

    private final byte[] data;
    private final int end;
    private final int depth;
    private int position;

    // The element at `position`, valid after `header`.
    private int contentStart;
    private int contentEnd;

    private DerReader(byte[] data, int from, int to, int depth) {
        this.data = data;
        this.position = from;
        this.end = to;
        this.depth = depth;
    }

    /// A reader of all of `data`, which is not copied.
    public static DerReader of(byte[] data) {
        return new DerReader(data, 0, data.length, 0);
    }

    /// A reader of `data` from `from` (inclusive) to `to` (exclusive), which is not copied.
    public static DerReader of(byte[] data, int from, int to) {
        return new DerReader(data, from, to, 0);
    }

    public static DerReader of(Bytes data) {
        return of(data.toArray());
    }

    /// Where the next element starts in the array.
    public int position() {
        return position;
    }

    public boolean hasMore() {
        return position < end;
    }

    /// Whether there is a next element with this tag.
    public boolean nextIs(int tag) {
        return position < end && (data[position] & 0xff) == tag;
    }

    /// The tag of the next element, -1 where there is none.
    public int nextTag() {
        return position < end ? data[position] & 0xff : -1;
    }

    /// Requires that nothing is left.
    public void end() throws EncodingException {
        if (position < end) {
            throw error("there are bytes after the end of the structure");
        }
    }

    /// Enters the next element, which must have this tag: a constructed one, or an octet string around more DER.
    public DerReader enter(int tag) throws EncodingException {
        header(tag);
        if (depth == MAX_DEPTH) {
            throw error("the structure is nested too deeply");
        }
        DerReader inside = new DerReader(data, contentStart, contentEnd, depth + 1);
        position = contentEnd;
        return inside;
    }

    public DerReader sequence() throws EncodingException {
        return enter(Tag.SEQUENCE);
    }

    public DerReader set() throws EncodingException {
        return enter(Tag.SET);
    }

    /// The whole next element, tag and length included, of any tag. Its inside is not looked at.
    public Bytes element() throws EncodingException {
        header(nextTag());
        int start = position;
        position = contentEnd;
        return Bytes.of(data, start, contentEnd - start);
    }

    /// Moves past the next element, whatever it is.
    public void skip() throws EncodingException {
        header(nextTag());
        position = contentEnd;
    }

    /// The content octets of the next element.
    public Bytes content(int tag) throws EncodingException {
        header(tag);
        position = contentEnd;
        return Bytes.of(data, contentStart, contentEnd - contentStart);
    }

    public Bytes octetString() throws EncodingException {
        return content(Tag.OCTET_STRING);
    }

    public boolean bool() throws EncodingException {
        header(Tag.BOOLEAN);
        requireBoolean(data, contentStart, contentEnd);
        position = contentEnd;
        return data[contentStart] != 0;
    }

    /// The content octets of an INTEGER: two's complement, in the shortest form.
    public Bytes integerContent() throws EncodingException {
        header(Tag.INTEGER);
        requireInteger(data, contentStart, contentEnd);
        position = contentEnd;
        return Bytes.of(data, contentStart, contentEnd - contentStart);
    }

    public BigInteger integer() throws EncodingException {
        return new BigInteger(integerContent().toArray());
    }

    /// A non-negative INTEGER that fits an `int`.
    public int smallInteger() throws EncodingException {
        header(Tag.INTEGER);
        requireInteger(data, contentStart, contentEnd);
        if (contentEnd - contentStart > 4 || data[contentStart] < 0) {
            throw error("a number is negative or too large");
        }
        int value = 0;
        for (int i = contentStart; i < contentEnd; i++) {
            value = value << 8 | data[i] & 0xff;
        }
        position = contentEnd;
        return value;
    }

    public Oid oid() throws EncodingException {
        header(Tag.OID);
        position = contentEnd;
        return Oid.ofContent(data, contentStart, contentEnd);
    }

    public void nullValue() throws EncodingException {
        header(Tag.NULL);
        if (contentStart != contentEnd) {
            throw error("a NULL has content");
        }
        position = contentEnd;
    }

    /// A BIT STRING of whole octets.
    public Bytes bitString() throws EncodingException {
        header(Tag.BIT_STRING);
        requireBitString(data, contentStart, contentEnd);
        if (data[contentStart] != 0) {
            throw error("a bit string does not end on an octet");
        }
        position = contentEnd;
        return Bytes.of(data, contentStart + 1, contentEnd - contentStart - 1);
    }

    /// Moves past a BIT STRING of any number of bits.
    void anyBitString() throws EncodingException {
        header(Tag.BIT_STRING);
        requireBitString(data, contentStart, contentEnd);
        position = contentEnd;
    }

    /// A BIT STRING of at most 24 named bits; bit `n` of the string is bit `n` of the answer.
    public int namedBits() throws EncodingException {
        header(Tag.BIT_STRING);
        requireBitString(data, contentStart, contentEnd);
        int octets = contentEnd - contentStart - 1;
        // X.690 §11.2.2 allows no trailing zero bits, but the certificates in millions of Infineon's chips have them in
        // their key usage (03 02 00 80). They mean the same, and nothing that is read here is encoded anew.
        if (octets > 3) {
            throw error("a list of named bits is too long");
        }
        int bits = 0;
        for (int i = 0; i < octets; i++) {
            bits |= Integer.reverse(data[contentStart + 1 + i] & 0xff) >>> 24 << 8 * i;
        }
        position = contentEnd;
        return bits;
    }

    /// A UTCTime or GeneralizedTime in the form of RFC 5280 §4.1.2.5: to the second, in UTC, no fractions.
    public Instant time() throws EncodingException {
        int tag = nextTag();
        if (tag != Tag.UTC_TIME && tag != Tag.GENERALIZED_TIME) {
            throw error("a time is expected");
        }
        header(tag);
        Instant time = time(tag, data, contentStart, contentEnd);
        position = contentEnd;
        return time;
    }

    /// A string of any of the types that names use.
    public String text() throws EncodingException {
        int tag = nextTag();
        header(tag);
        String text = text(tag, data, contentStart, contentEnd);
        position = contentEnd;
        return text;
    }

    private void header(int tag) throws EncodingException {
        int at = position;
        if (end - at < 2) {
            throw error("the structure is cut off");
        }
        int actual = data[at] & 0xff;
        if (actual != tag) {
            throw error("tag %02x is expected, %02x found".formatted(tag, actual));
        }
        if ((actual & Tag.NUMBER) == Tag.NUMBER) {
            throw error("tags of more than one octet are not supported");
        }
        int length = data[at + 1] & 0xff;
        at += 2;
        if (length >= 0x80) {
            int octets = length & 0x7f;
            if (octets == 0 || octets > 3 || octets > end - at) {
                throw error("a length is indefinite, too large or cut off");
            }
            length = 0;
            for (int i = 0; i < octets; i++) {
                length = length << 8 | data[at++] & 0xff;
            }
            // spec| X.690 §10.1: the definite form with the minimum number of octets
            if (length < 0x80 || length >>> 8 * (octets - 1) == 0) {
                throw error("a length is not in its shortest form");
            }
        }
        if (length > end - at) {
            throw error("an element is longer than what surrounds it");
        }
        contentStart = at;
        contentEnd = at + length;
    }

    private EncodingException error(String what) {
        return new EncodingException(what + " (at byte " + position + ")");
    }

    static void requireBoolean(byte[] data, int from, int to) throws EncodingException {
        // spec| X.690 §11.1: TRUE is FF
        if (to - from != 1 || data[from] != 0 && data[from] != (byte) 0xff) {
            throw new EncodingException("a boolean is neither 00 nor FF");
        }
    }

    static void requireInteger(byte[] data, int from, int to) throws EncodingException {
        if (from == to || to - from > MAX_INTEGER) {
            throw new EncodingException("a number is empty or too large");
        }
        // spec| X.690 §8.3.2: the first nine bits are neither all zero nor all one
        if (to - from > 1 && (data[from] == 0 && data[from + 1] >= 0 || data[from] == -1 && data[from + 1] < 0)) {
            throw new EncodingException("a number is not in its shortest form");
        }
    }

    static void requireBitString(byte[] data, int from, int to) throws EncodingException {
        if (from == to || (data[from] & 0xff) > 7 || to - from == 1 && data[from] != 0) {
            throw new EncodingException("a bit string has a wrong number of unused bits");
        }
        // spec| X.690 §11.2.1: each unused bit is zero
        if (to - from > 1 && (data[to - 1] & (1 << data[from]) - 1) != 0) {
            throw new EncodingException("the unused bits of a bit string are not zero");
        }
    }

    static Instant time(int tag, byte[] data, int from, int to) throws EncodingException {
        int yearDigits = tag == Tag.UTC_TIME ? 2 : 4;
        if (to - from != yearDigits + 11 || data[to - 1] != 'Z') {
            throw new EncodingException("a time is not in the form YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ");
        }
        int year = number(data, from, yearDigits);
        if (tag == Tag.UTC_TIME) {
            // spec| RFC 5280 §4.1.2.5.1: 50 and more is 19YY, less is 20YY
            year += year >= 50 ? 1900 : 2000;
        }
        int at = from + yearDigits;
        try {
            return LocalDateTime.of(
                            year,
                            number(data, at, 2),
                            number(data, at + 2, 2),
                            number(data, at + 4, 2),
                            number(data, at + 6, 2),
                            number(data, at + 8, 2))
                    .toInstant(ZoneOffset.UTC);
        } catch (DateTimeException e) {
            throw new EncodingException("a time does not exist in the calendar");
        }
    }

    private static int number(byte[] data, int from, int digits) throws EncodingException {
        int value = 0;
        for (int i = from; i < from + digits; i++) {
            if (data[i] < '0' || data[i] > '9') {
                throw new EncodingException("a time has something other than digits");
            }
            value = value * 10 + data[i] - '0';
        }
        return value;
    }

    static String text(int tag, byte[] data, int from, int to) throws EncodingException {
        return switch (tag) {
            case Tag.UTF8_STRING -> decode(data, from, to, StandardCharsets.UTF_8);
            case Tag.PRINTABLE_STRING, Tag.IA5_STRING, Tag.NUMERIC_STRING ->
                decode(data, from, to, StandardCharsets.US_ASCII);
            // T.61 in theory, Latin-1 in every certificate that has it
            case Tag.TELETEX_STRING -> new String(data, from, to - from, StandardCharsets.ISO_8859_1);
            case Tag.BMP_STRING -> decode(data, from, to, StandardCharsets.UTF_16BE);
            case Tag.UNIVERSAL_STRING -> decode(data, from, to, StandardCharsets.UTF_32BE);
            default -> throw new EncodingException("a string is expected, tag %02x found".formatted(tag));
        };
    }

    private static String decode(byte[] data, int from, int to, Charset charset) throws EncodingException {
        if (isAscii(data, from, to) && (charset == StandardCharsets.UTF_8 || charset == StandardCharsets.US_ASCII)) {
            return new String(data, from, to - from, StandardCharsets.ISO_8859_1);
        }
        try {
            return charset.newDecoder()
                    .decode(ByteBuffer.wrap(data, from, to - from))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new EncodingException("a string has characters that its type does not allow");
        }
    }

    private static boolean isAscii(byte[] data, int from, int to) {
        for (int i = from; i < to; i++) {
            if (data[i] < 0) {
                return false;
            }
        }
        return true;
    }
}
