// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.der;

import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.util.Arrays;

/// An object identifier, held in its encoded form. `toString` gives the dotted one.
public final class Oid implements Comparable<Oid> {
    private static final int MAX_SIZE = 64;

    private final byte[] content;
    private final int hash;

    private Oid(byte[] content) {
        this.content = content;
        this.hash = Arrays.hashCode(content);
    }

    /// Reads the dotted form, such as `2.5.29.15`.
    ///
    /// @throws IllegalArgumentException where the text is not an object identifier
    public static Oid of(String dotted) {
        if (dotted.length() > 2 * MAX_SIZE || !dotted.matches("[0-2](\\.(0|[1-9][0-9]{0,38}))+")) {
            throw new IllegalArgumentException("'" + dotted + "' is not an object identifier");
        }
        String[] arcs = dotted.split("\\.", -1);
        BigInteger first = new BigInteger(arcs[0]);
        BigInteger second = new BigInteger(arcs[1]);
        if (first.intValue() < 2 && second.bitLength() > 6 || first.intValue() < 2 && second.intValue() > 39) {
            throw new IllegalArgumentException("'" + dotted + "' is not an object identifier");
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        writeArc(out, first.multiply(BigInteger.valueOf(40)).add(second));
        for (int i = 2; i < arcs.length; i++) {
            writeArc(out, new BigInteger(arcs[i]));
        }
        return new Oid(out.toByteArray());
    }

    private static void writeArc(ByteArrayOutputStream out, BigInteger arc) {
        int septets = Math.max(1, (arc.bitLength() + 6) / 7);
        for (int i = septets - 1; i >= 0; i--) {
            int septet = arc.shiftRight(7 * i).intValue() & 0x7f;
            out.write(i == 0 ? septet : septet | 0x80);
        }
    }

    /// Reads the content octets of an encoded object identifier.
    static Oid ofContent(byte[] data, int from, int to) throws EncodingException {
        requireContent(data, from, to);
        return new Oid(Arrays.copyOfRange(data, from, to));
    }

    static void requireContent(byte[] data, int from, int to) throws EncodingException {
        if (from == to || to - from > MAX_SIZE || data[to - 1] < 0) {
            throw new EncodingException("an object identifier is empty, too long or cut off");
        }
        boolean arcStarts = true;
        for (int i = from; i < to; i++) {
            // spec| X.690 §8.19.2: the leading octet of a subidentifier is not 80
            if (arcStarts && data[i] == (byte) 0x80) {
                throw new EncodingException("an object identifier is not in its shortest form");
            }
            arcStarts = data[i] >= 0;
        }
    }

    byte[] content() {
        return content;
    }

    @Override
    public int compareTo(Oid other) {
        return Arrays.compareUnsigned(content, other.content);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Oid oid && Arrays.equals(content, oid.content);
    }

    @Override
    public int hashCode() {
        return hash;
    }

    /// The dotted form.
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        BigInteger arc = BigInteger.ZERO;
        for (byte octet : content) {
            arc = arc.shiftLeft(7).or(BigInteger.valueOf(octet & 0x7f));
            if (octet < 0) {
                continue;
            }
            if (text.isEmpty()) {
                int first = Math.min(2, arc.divide(BigInteger.valueOf(40)).intValue());
                text.append(first);
                arc = arc.subtract(BigInteger.valueOf(40L * first));
            }
            text.append('.').append(arc);
            arc = BigInteger.ZERO;
        }
        return text.toString();
    }
}
