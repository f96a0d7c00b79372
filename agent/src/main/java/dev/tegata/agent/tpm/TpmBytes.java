// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.tpm;

import dev.tegata.pki.Bytes;
import java.io.ByteArrayOutputStream;
import java.io.IOException;

/// Writes and reads what commands are made of: big-endian numbers, and buffers with their size in front.
final class TpmBytes {
    private TpmBytes() {}

    static final class Writer {
        private final ByteArrayOutputStream out = new ByteArrayOutputStream();

        Writer u8(int value) {
            out.write(value);
            return this;
        }

        Writer u16(int value) {
            return u8(value >> 8).u8(value);
        }

        Writer u32(long value) {
            return u16((int) (value >> 16)).u16((int) value);
        }

        Writer raw(byte... bytes) {
            out.writeBytes(bytes);
            return this;
        }

        Writer raw(Bytes bytes) {
            return raw(bytes.toArray());
        }

        /// A TPM2B.
        Writer sized(byte... bytes) {
            return u16(bytes.length).raw(bytes);
        }

        Writer sized(Bytes bytes) {
            return sized(bytes.toArray());
        }

        byte[] bytes() {
            return out.toByteArray();
        }
    }

    /// Reads within what there is: a TPM is not believed to count right.
    static final class Reader {
        private final byte[] bytes;
        private int at;

        Reader(byte[] bytes, int from) {
            this.bytes = bytes;
            this.at = from;
        }

        int u8() throws IOException {
            return raw(1).at(0) & 0xFF;
        }

        int u16() throws IOException {
            return u8() << 8 | u8();
        }

        long u32() throws IOException {
            return (long) u16() << 16 | u16();
        }

        Bytes raw(long length) throws IOException {
            if (length < 0 || length > bytes.length - at) {
                throw new IOException("the TPM's answer is too short for what it says");
            }
            Bytes part = Bytes.of(bytes, at, (int) length);
            at += (int) length;
            return part;
        }

        Bytes sized() throws IOException {
            return raw(u16());
        }

        int position() {
            return at;
        }

        Bytes between(int from, int to) {
            return Bytes.of(bytes, from, to - from);
        }

        /// Everything up to here must have been read.
        void end(int expected) throws IOException {
            if (at != expected) {
                throw new IOException("the TPM's answer has another length than it says");
            }
        }
    }
}
