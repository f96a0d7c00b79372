// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.cbor;

import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Decodes one CBOR item. Integers in longer form than needed are accepted (RFC 9783 §5.1.1 demands it);
/// duplicate map keys, invalid UTF-8, reserved encodings and anything after the item are not, and
/// structured map keys only where the limits say so.
final class CborReader {
    private static final int INDEFINITE = 31;
    private static final int BREAK = 0xff;

    private final byte[] input;
    private final CborLimits limits;
    private int position;
    private int items;

    CborReader(byte[] input, CborLimits limits) {
        this.input = input;
        this.limits = limits;
    }

    Cbor readAll() throws MalformedException {
        if (input.length > limits.maxSize()) {
            throw new MalformedException(
                    "the CBOR has " + input.length + " bytes, at most " + limits.maxSize() + " are read");
        }
        Cbor item = read(0);
        if (position != input.length) {
            throw malformed((input.length - position) + " bytes follow the CBOR item");
        }
        return item;
    }

    private Cbor read(int depth) throws MalformedException {
        if (depth > limits.maxDepth()) {
            throw malformed("the CBOR is nested more than " + limits.maxDepth() + " deep");
        }
        if (++items > limits.maxItems()) {
            throw malformed("the CBOR has more than " + limits.maxItems() + " items");
        }
        int initial = next();
        int major = initial >> 5;
        int info = initial & 31;
        return switch (major) {
            case 0 -> integer(argument(info), false);
            case 1 -> integer(argument(info), true);
            case 2 -> new Cbor.ByteString(info == INDEFINITE ? Bytes.of(chunks(2)) : byteString(info));
            case 3 -> new Cbor.TextString(info == INDEFINITE ? utf8(chunks(3)) : text(info));
            case 4 -> array(info, depth);
            case 5 -> map(info, depth);
            case 6 -> tag(info, depth);
            default -> simple(info);
        };
    }

    private static Cbor integer(long argument, boolean negative) {
        if (argument >= 0) {
            return new Cbor.Int(negative ? -1 - argument : argument);
        }
        BigInteger value = new BigInteger(Long.toUnsignedString(argument));
        return new Cbor.BigInt(negative ? value.not() : value);
    }

    private Bytes byteString(int info) throws MalformedException {
        int length = length(info, 1);
        Bytes bytes = Bytes.of(input, position, length);
        position += length;
        return bytes;
    }

    private String text(int info) throws MalformedException {
        int length = length(info, 1);
        int from = position;
        position += length;
        boolean ascii = true;
        for (int i = from; i < position && ascii; i++) {
            ascii = input[i] >= 0;
        }
        return ascii
                ? new String(input, from, length, StandardCharsets.ISO_8859_1)
                : utf8(Bytes.of(input, from, length).toArray());
    }

    private String utf8(byte[] bytes) throws MalformedException {
        try {
            // Unlike String's constructor, a decoder refuses what is not UTF-8.
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException _) {
            throw malformed("a text is not UTF-8");
        }
    }

    /// The chunks of a string of indefinite length, which each have a definite one.
    private byte[] chunks(int major) throws MalformedException {
        requireIndefiniteAllowed();
        ByteArrayOutputStream joined = new ByteArrayOutputStream();
        while (!atBreak()) {
            if (++items > limits.maxItems()) {
                throw malformed("the CBOR has more than " + limits.maxItems() + " items");
            }
            int initial = next();
            if (initial >> 5 != major || (initial & 31) == INDEFINITE) {
                throw malformed("a string of indefinite length has a chunk of another kind");
            }
            int length = length(initial & 31, 1);
            joined.write(input, position, length);
            position += length;
        }
        return joined.toByteArray();
    }

    private Cbor array(int info, int depth) throws MalformedException {
        List<Cbor> list = new ArrayList<>();
        if (info == INDEFINITE) {
            requireIndefiniteAllowed();
            while (!atBreak()) {
                list.add(read(depth + 1));
            }
        } else {
            int length = length(info, 1);
            for (int i = 0; i < length; i++) {
                list.add(read(depth + 1));
            }
        }
        return new Cbor.ArrayItem(list);
    }

    private Cbor map(int info, int depth) throws MalformedException {
        Map<Cbor, Cbor> entries = new LinkedHashMap<>();
        if (info == INDEFINITE) {
            requireIndefiniteAllowed();
            while (!atBreak()) {
                entry(entries, depth);
            }
        } else {
            int length = length(info, 2);
            for (int i = 0; i < length; i++) {
                entry(entries, depth);
            }
        }
        return new Cbor.MapItem(entries);
    }

    private void entry(Map<Cbor, Cbor> entries, int depth) throws MalformedException {
        Cbor key = read(depth + 1);
        boolean plain = key instanceof Cbor.Int || key instanceof Cbor.TextString || key instanceof Cbor.ByteString;
        if (!plain && !limits.structuredKeys()) {
            throw malformed("a map key must be an integer, text or a byte string, not " + key.kind());
        }
        if (entries.put(key, read(depth + 1)) != null) {
            throw malformed("a map has a key twice");
        }
    }

    private Cbor tag(int info, int depth) throws MalformedException {
        long number = argument(info);
        if (number < 0) {
            throw malformed("a tag number is too large");
        }
        return new Cbor.Tagged(number, read(depth + 1));
    }

    private Cbor simple(int info) throws MalformedException {
        return switch (info) {
            case 24 -> {
                int value = next();
                if (value < 32) {
                    throw malformed("a simple value is encoded in two bytes where one must do");
                }
                yield new Cbor.Simple(value);
            }
            case 25 -> new Cbor.FloatItem(Float.float16ToFloat((short) take(2)));
            case 26 -> new Cbor.FloatItem(Float.intBitsToFloat((int) take(4)));
            case 27 -> new Cbor.FloatItem(Double.longBitsToDouble(take(8)));
            case 28, 29, 30, 31 -> throw malformed("an encoding is reserved, or a break is out of place");
            default -> new Cbor.Simple(info);
        };
    }

    private long argument(int info) throws MalformedException {
        return switch (info) {
            case 24 -> take(1);
            case 25 -> take(2);
            case 26 -> take(4);
            case 27 -> take(8);
            case 28, 29, 30, 31 -> throw malformed("a length or number has a reserved encoding");
            default -> info;
        };
    }

    /// A count of units that each take at least `unit` bytes of what is left, so nothing is allocated in
    /// vain.
    private int length(int info, int unit) throws MalformedException {
        long length = argument(info);
        if (length < 0 || length > (input.length - position) / unit) {
            throw malformed("a length reaches beyond the end");
        }
        return (int) length;
    }

    private long take(int count) throws MalformedException {
        if (count > input.length - position) {
            throw malformed("the CBOR ends too early");
        }
        long value = 0;
        for (int i = 0; i < count; i++) {
            value = value << 8 | (input[position++] & 0xff);
        }
        return value;
    }

    private int next() throws MalformedException {
        return (int) take(1);
    }

    private boolean atBreak() throws MalformedException {
        if (position >= input.length) {
            throw malformed("the CBOR ends too early");
        }
        if ((input[position] & 0xff) != BREAK) {
            return false;
        }
        position++;
        return true;
    }

    private void requireIndefiniteAllowed() throws MalformedException {
        if (!limits.indefiniteLengths()) {
            throw malformed("indefinite lengths are not allowed here");
        }
    }

    private MalformedException malformed(String message) {
        return new MalformedException(message + " (at byte " + position + ")");
    }
}
