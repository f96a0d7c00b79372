// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;

/// Splits a JSON array into the texts of its elements, without looking into them.
///
/// Only strings and brackets matter for that, so it is fast, needs no recursion, and one element that is wrong inside
/// does not hinder the next. One object that stands alone is taken for an array of one.
final class JsonManifestReader implements ManifestReader {
    static final int MAX_ELEMENT = 128 << 10;
    private static final int END = -1;

    @Override
    public void read(InputStream in, Sink sink) throws IOException, InterruptedException {
        sink.format(ManifestFormat.MICROCHIP_JSON);
        new Split(in, sink).run();
    }

    private static final class Split {
        private final InputStream in;
        private final Sink sink;
        private final byte[] buffer = new byte[64 << 10];
        private int at;
        private int limit;

        /// The element being read, as far as it is kept: once it has grown past the maximum, it is only skipped.
        private byte[] kept = new byte[8 << 10];

        private int length;
        private long position;

        Split(InputStream in, Sink sink) {
            this.in = in;
            this.sink = sink;
        }

        void run() throws IOException, InterruptedException {
            int c = afterSpace();
            if (c == 0xef && next() == 0xbb && next() == 0xbf) {
                c = afterSpace();
            }
            switch (c) {
                case '[' -> elements();
                case '{' -> element(c);
                default -> throw new BrokenManifestException("the file is no JSON array");
            }
            if (afterSpace() != END) {
                throw new BrokenManifestException("the file goes on after the end of its JSON array");
            }
        }

        private void elements() throws IOException, InterruptedException {
            int c = afterSpace();
            if (c == ']') {
                return;
            }
            while (true) {
                element(c);
                c = afterSpace();
                if (c == ']') {
                    return;
                }
                if (c != ',') {
                    throw broken(c == END ? "the file ends before element " : "there is no comma before element ");
                }
                c = afterSpace();
            }
        }

        private void element(int first) throws IOException, InterruptedException {
            length = 0;
            if (first == '{' || first == '[') {
                nested(first);
            } else {
                scalar(first);
            }
            sink.element(
                    length <= MAX_ELEMENT
                            ? new RawElement.Jws(Arrays.copyOf(kept, length))
                            : new RawElement.Unreadable(
                                    IssueReason.TOO_LARGE,
                                    "the element is larger than " + (MAX_ELEMENT >> 10) + " KiB"));
            position++;
        }

        /// Keeps a value up to the bracket that closes it.
        private void nested(int first) throws IOException {
            int depth = 0;
            int c = first;
            while (true) {
                keep(c);
                switch (c) {
                    case '"' -> string();
                    case '{', '[' -> depth++;
                    case '}', ']' -> depth--;
                    case END -> throw broken("the file ends inside element ");
                    default -> {
                        // Whatever it is, whoever reads the element will judge it.
                    }
                }
                if (depth == 0) {
                    return;
                }
                c = next();
            }
        }

        /// Keeps anything that is no object and no array: it will be rejected, but has a place in the count.
        private void scalar(int first) throws IOException {
            int c = first;
            while (c != ',' && c != ']') {
                if (c == END) {
                    throw broken("the file ends inside element ");
                }
                keep(c);
                if (c == '"') {
                    string();
                }
                c = next();
            }
            at--;
        }

        /// Keeps the rest of a string, with its closing quote. Nearly all of a manifest is strings, so that what is
        /// plain in them is copied a run at a time.
        private void string() throws IOException {
            while (true) {
                int from = at;
                while (at < limit && isPlain(buffer[at])) {
                    at++;
                }
                keep(from, at - from);
                int c = next();
                if (c == '\\') {
                    keep(c);
                    c = next();
                } else if (c == '"') {
                    keep(c);
                    return;
                }
                if (c == END) {
                    throw broken("the file ends inside element ");
                }
                if (c < ' ') {
                    throw broken("a text is not closed in element ");
                }
                keep(c);
            }
        }

        private static boolean isPlain(byte b) {
            return b != '"' && b != '\\' && (b >= ' ' || b < 0);
        }

        private void keep(int c) {
            if (length <= MAX_ELEMENT) {
                grow(1);
                kept[length++] = (byte) c;
            }
        }

        private void keep(int from, int count) {
            if (count > 0 && length <= MAX_ELEMENT) {
                grow(count);
                System.arraycopy(buffer, from, kept, length, count);
                length += count;
            }
        }

        private void grow(int count) {
            if (length + count > kept.length) {
                kept = Arrays.copyOf(kept, Math.max(2 * kept.length, length + count));
            }
        }

        private BrokenManifestException broken(String what) {
            return new BrokenManifestException(what + position);
        }

        private int afterSpace() throws IOException {
            int c = next();
            while (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
                c = next();
            }
            return c;
        }

        private int next() throws IOException {
            if (at == limit) {
                limit = Math.max(0, in.read(buffer));
                at = 0;
                if (limit == 0) {
                    return END;
                }
            }
            return buffer[at++] & 0xff;
        }
    }
}
