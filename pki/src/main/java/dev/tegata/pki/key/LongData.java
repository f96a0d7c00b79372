// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;

/// Data that is written out piece by piece, the same each time.
@FunctionalInterface
public interface LongData {
    void writeTo(OutputStream out) throws IOException;

    /// All of it.
    default byte[] toArray() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        writeUnchecked(out);
        return out.toByteArray();
    }

    /// As [#writeTo], where the source is not expected to fail.
    default void writeUnchecked(OutputStream out) {
        try {
            writeTo(out);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
