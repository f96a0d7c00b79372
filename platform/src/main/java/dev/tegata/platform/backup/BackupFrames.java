// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.backup;

import dev.tegata.platform.store.Json;
import dev.tegata.platform.store.TableRows.Table;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import tools.jackson.core.JacksonException;

/// The content of a backup inside its seal: frames of a letter, a length and that many bytes. The
/// manifest (M), then for each table its name and columns (T) and its rows (R) as COPY writes them, and
/// at the end the number of all rows (E).
final class BackupFrames {
    private static final int LONGEST_TEXT = 1 << 20;
    private static final int LONGEST_ROW = 64 << 20;

    private BackupFrames() {}

    /// What is done with the content.
    interface Visitor {
        void table(Table table) throws IOException;

        void row(byte[] line) throws IOException;

        /// After the last row of all.
        void end() throws IOException;
    }

    /// The writing side.
    static final class Writer {
        private final DataOutputStream out;
        private long rows;

        Writer(OutputStream out) {
            this.out = new DataOutputStream(out);
        }

        void manifest(BackupManifest manifest) throws IOException {
            frame('M', Json.write(manifest).getBytes(StandardCharsets.UTF_8));
        }

        void table(Table table) throws IOException {
            frame('T', Json.write(table).getBytes(StandardCharsets.UTF_8));
        }

        void row(byte[] line) throws IOException {
            rows++;
            frame('R', line);
        }

        void end() throws IOException {
            frame('E', Long.toString(rows).getBytes(StandardCharsets.US_ASCII));
            out.flush();
        }

        private void frame(char kind, byte[] content) throws IOException {
            out.writeByte(kind);
            out.writeInt(content.length);
            out.write(content);
        }
    }

    /// The reading side.
    static final class Reader {
        private final DataInputStream in;

        Reader(InputStream in) {
            this.in = new DataInputStream(in);
        }

        BackupManifest manifest() throws IOException {
            if (in.read() != 'M') {
                throw new BrokenBackupException("the archive does not begin with a manifest");
            }
            BackupManifest manifest = parse(content(LONGEST_TEXT), BackupManifest.class);
            if (manifest.version() != BackupManifest.VERSION) {
                throw new BrokenBackupException("the archive has a form that this release does not know");
            }
            return manifest;
        }

        void rest(Visitor visitor) throws IOException {
            long rows = 0;
            boolean inTable = false;
            for (int kind = in.read(); kind != 'E'; kind = in.read()) {
                switch (kind) {
                    case 'T' -> {
                        visitor.table(parse(content(LONGEST_TEXT), Table.class));
                        inTable = true;
                    }
                    case 'R' -> {
                        if (!inTable) {
                            throw new BrokenBackupException("a row stands before the first table");
                        }
                        rows++;
                        visitor.row(content(LONGEST_ROW));
                    }
                    case -1 -> throw new BrokenBackupException("the content ends too early");
                    default -> throw new BrokenBackupException("the content holds a frame of no known kind");
                }
            }
            String promised = new String(content(20), StandardCharsets.US_ASCII);
            if (!promised.equals(Long.toString(rows)) || in.read() >= 0) {
                throw new BrokenBackupException("the content is not as long as it says");
            }
            visitor.end();
        }

        private byte[] content(int longest) throws IOException {
            try {
                int size = in.readInt();
                if (size < 0 || size > longest) {
                    throw new BrokenBackupException("a part of the content is longer than any can be");
                }
                byte[] content = in.readNBytes(size);
                if (content.length == size) {
                    return content;
                }
            } catch (EOFException e) {
                throw new BrokenBackupException("the content ends too early", e);
            }
            throw new BrokenBackupException("the content ends too early");
        }

        private static <T> T parse(byte[] json, Class<T> type) throws BrokenBackupException {
            try {
                T value = Json.mapper().readValue(json, type);
                if (value != null) {
                    return value;
                }
            } catch (JacksonException | IllegalArgumentException | NullPointerException e) {
                throw new BrokenBackupException("the archive's description of its content cannot be read", e);
            }
            throw new BrokenBackupException("the archive's description of its content is missing");
        }
    }
}
