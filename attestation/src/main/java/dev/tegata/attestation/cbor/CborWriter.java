// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.cbor;

import dev.tegata.pki.Bytes;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// Encodes items into a growing buffer.
final class CborWriter {
    private byte[] buffer = new byte[256];
    private int size;

    Bytes bytes() {
        return Bytes.of(buffer, 0, size);
    }

    void write(Cbor item) {
        switch (item) {
            case Cbor.Int(long value) -> head(value < 0 ? 1 : 0, value < 0 ? -1 - value : value);
            case Cbor.BigInt(BigInteger value) ->
                head(value.signum() < 0 ? 1 : 0, (value.signum() < 0 ? value.not() : value).longValue());
            case Cbor.ByteString(Bytes value) -> string(2, value.toArray());
            case Cbor.TextString(String value) -> string(3, value.getBytes(StandardCharsets.UTF_8));
            case Cbor.ArrayItem array -> {
                head(4, array.items().size());
                array.items().forEach(this::write);
            }
            case Cbor.MapItem map -> {
                head(5, map.entries().size());
                map.entries().forEach((key, value) -> {
                    write(key);
                    write(value);
                });
            }
            case Cbor.Tagged(long number, Cbor content) -> {
                head(6, number);
                write(content);
            }
            case Cbor.Simple(int value) -> head(7, value);
            case Cbor.FloatItem(double value) -> number(value);
        }
    }

    /// The shortest of the three sizes that keeps the value.
    private void number(double value) {
        float single = (float) value;
        if (single != value && !Double.isNaN(value)) {
            append(0xfb, 1);
            append(Double.doubleToLongBits(value), 8);
            return;
        }
        short half = Float.floatToFloat16(single);
        if (Float.float16ToFloat(half) == single || Double.isNaN(value)) {
            append(0xf9, 1);
            append(Double.isNaN(value) ? 0x7e00 : half, 2);
        } else {
            append(0xfa, 1);
            append(Float.floatToIntBits(single), 4);
        }
    }

    private void string(int major, byte[] content) {
        head(major, content.length);
        ensure(content.length);
        System.arraycopy(content, 0, buffer, size, content.length);
        size += content.length;
    }

    /// `argument` is unsigned.
    private void head(int major, long argument) {
        int type = major << 5;
        if (argument < 0 || argument > 0xffff_ffffL) {
            append(type | 27, 1);
            append(argument, 8);
        } else if (argument > 0xffff) {
            append(type | 26, 1);
            append(argument, 4);
        } else if (argument > 0xff) {
            append(type | 25, 1);
            append(argument, 2);
        } else if (argument > 23) {
            append(type | 24, 1);
            append(argument, 1);
        } else {
            append(type | argument, 1);
        }
    }

    private void append(long value, int count) {
        ensure(count);
        for (int shift = (count - 1) * 8; shift >= 0; shift -= 8) {
            buffer[size++] = (byte) (value >> shift);
        }
    }

    private void ensure(int more) {
        if (size + more > buffer.length) {
            buffer = Arrays.copyOf(buffer, Math.max(buffer.length * 2, size + more));
        }
    }
}
