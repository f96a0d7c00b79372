// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.tpm;

import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import java.util.Arrays;

/// Reads numbers and sized buffers; big-endian for TPM structures, little-endian for event logs.
final class TpmReader {
    private final byte[] input;
    private final boolean littleEndian;
    private int position;

    TpmReader(byte[] input, boolean littleEndian) {
        this.input = input;
        this.littleEndian = littleEndian;
    }

    static TpmReader of(Bytes input) {
        return new TpmReader(input.toArray(), false);
    }

    int u8() throws MalformedException {
        return (int) number(1);
    }

    int u16() throws MalformedException {
        return (int) number(2);
    }

    long u32() throws MalformedException {
        return number(4);
    }

    long u64() throws MalformedException {
        return number(8);
    }

    private long number(int size) throws MalformedException {
        byte[] bytes = raw(size);
        long value = 0;
        for (int i = 0; i < size; i++) {
            value = value << 8 | (bytes[littleEndian ? size - 1 - i : i] & 0xff);
        }
        return value;
    }

    byte[] raw(long size) throws MalformedException {
        if (size < 0 || size > input.length - position) {
            throw new MalformedException("a TPM structure ends too early");
        }
        byte[] bytes = Arrays.copyOfRange(input, position, position + (int) size);
        position += (int) size;
        return bytes;
    }

    /// A TPM2B: two bytes of size, then as many bytes.
    Bytes sized() throws MalformedException {
        return Bytes.of(raw(u16()));
    }

    boolean hasMore() {
        return position < input.length;
    }

    int remaining() {
        return input.length - position;
    }

    void end() throws MalformedException {
        if (hasMore()) {
            throw new MalformedException(remaining() + " bytes follow a TPM structure");
        }
    }
}
