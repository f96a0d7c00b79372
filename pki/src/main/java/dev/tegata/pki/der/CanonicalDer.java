// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.der;

import java.util.Arrays;

/// Whether octets are the one DER encoding of what they say: writing them anew would give the same octets.
///
/// Checks by tag alone, all the way down. It cannot know of values left at their default, nor look inside
/// octet strings.
public final class CanonicalDer {
    private CanonicalDer() {}

    /// Requires that `data` is one canonical element and nothing else.
    public static void require(byte[] data) throws EncodingException {
        DerReader reader = DerReader.of(data);
        element(reader, data);
        reader.end();
    }

    private static void element(DerReader reader, byte[] data) throws EncodingException {
        int tag = reader.nextTag();
        if (tag == Tag.SET) {
            setOf(reader.set(), data);
        } else if (tag == Tag.SEQUENCE || tag >= 0x80 && (tag & Tag.CONSTRUCTED) != 0) {
            DerReader inside = reader.enter(tag);
            while (inside.hasMore()) {
                element(inside, data);
            }
        } else {
            primitive(tag, reader);
        }
    }

    private static void setOf(DerReader inside, byte[] data) throws EncodingException {
        int previousFrom = -1;
        int previousTo = -1;
        while (inside.hasMore()) {
            int from = inside.position();
            element(inside, data);
            int to = inside.position();
            if (previousFrom >= 0 && Arrays.compareUnsigned(data, previousFrom, previousTo, data, from, to) > 0) {
                throw new EncodingException("a SET is not in order (at byte " + from + ")");
            }
            previousFrom = from;
            previousTo = to;
        }
    }

    private static void primitive(int tag, DerReader reader) throws EncodingException {
        switch (tag) {
            case Tag.BOOLEAN -> reader.bool();
            case Tag.INTEGER -> reader.integerContent();
            case Tag.BIT_STRING -> reader.anyBitString();
            case Tag.NULL -> reader.nullValue();
            case Tag.OID -> reader.oid();
            case Tag.UTC_TIME, Tag.GENERALIZED_TIME -> reader.time();
            case Tag.UTF8_STRING, Tag.IA5_STRING, Tag.NUMERIC_STRING, Tag.TELETEX_STRING -> reader.text();
            case Tag.BMP_STRING, Tag.UNIVERSAL_STRING -> reader.text();
            case Tag.PRINTABLE_STRING -> printable(reader);
            case Tag.OCTET_STRING, Tag.ENUMERATED -> reader.skip();
            default -> {
                // A primitive of the context class has no form that its tag tells; a universal one that is not listed,
                // or is constructed where DER wants it primitive, does not belong in a certificate.
                if (tag < 0x80 || tag >= 0xc0) {
                    throw new EncodingException("tag %02x does not belong here".formatted(tag));
                }
                reader.skip();
            }
        }
    }

    private static void printable(DerReader reader) throws EncodingException {
        String text = reader.text();
        if (!isPrintable(text)) {
            throw new EncodingException("a PrintableString has characters that it does not allow");
        }
    }

    /// Whether all characters are of those that a PrintableString may have (X.680 §41.4).
    public static boolean isPrintable(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean letterOrDigit = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9';
            if (!letterOrDigit && " '()+,-./:=?".indexOf(c) < 0) {
                return false;
            }
        }
        return true;
    }
}
