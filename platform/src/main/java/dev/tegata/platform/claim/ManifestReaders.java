// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

/// Finds the reader for a file by its content, and unwraps gzip and ZIP on the way.
final class ManifestReaders {
    private static final int HEAD = 8 << 10;
    private static final int MAX_WRAPPINGS = 2;
    private static final int MAX_ENTRIES = 10_000;
    private static final int MAX_RATIO = 100;
    private static final long RATIO_COUNTS_FROM = 32L << 20;

    private ManifestReaders() {}

    /// A stream whose beginning [#recognise] can look at.
    static BufferedInputStream buffered(InputStream in) {
        return new BufferedInputStream(in, 64 << 10);
    }

    /// The reader for what `in` holds; `in` stays at its beginning.
    static Optional<ManifestReader> recognise(BufferedInputStream in) throws IOException {
        return recognise(in, 0);
    }

    private static Optional<ManifestReader> recognise(BufferedInputStream in, int wrappings) throws IOException {
        in.mark(HEAD);
        byte[] head = in.readNBytes(HEAD);
        in.reset();
        if (startsWith(head, '7', 'z', 0xbc, 0xaf, 0x27, 0x1c)) {
            return Optional.of(new ReelReader());
        }
        if (wrappings < MAX_WRAPPINGS && startsWith(head, 'P', 'K', 3, 4)) {
            return Optional.of((content, sink) -> readZip(content, sink, wrappings + 1));
        }
        if (wrappings < MAX_WRAPPINGS && startsWith(head, 0x1f, 0x8b)) {
            return Optional.of((content, sink) -> readGzip(content, sink, wrappings + 1));
        }
        return recogniseText(head);
    }

    private static boolean startsWith(byte[] head, int... magic) {
        if (head.length < magic.length) {
            return false;
        }
        for (int i = 0; i < magic.length; i++) {
            if (head[i] != (byte) magic[i]) {
                return false;
            }
        }
        return true;
    }

    private static Optional<ManifestReader> recogniseText(byte[] head) {
        String text =
                new String(head, StandardCharsets.UTF_8).replace("\ufeff", "").stripLeading();
        if (text.startsWith("[") || text.startsWith("{")) {
            return Optional.of(new JsonManifestReader());
        }
        if (text.indexOf('\0') >= 0) {
            return Optional.empty();
        }
        Optional<CsvManifestReader> csv = CsvManifestReader.recognise(text);
        if (csv.isPresent()) {
            return Optional.of(csv.get());
        }
        return text.contains("-----BEGIN ") ? Optional.of(new PemManifestReader()) : Optional.empty();
    }

    private static void readGzip(InputStream in, ManifestReader.Sink sink, int wrappings)
            throws IOException, InterruptedException {
        CountingStream packed = new CountingStream(in);
        BufferedInputStream content = buffered(new UnpackedStream(new GZIPInputStream(packed, 8 << 10), packed));
        ManifestReader reader = recognise(content, wrappings)
                .orElseThrow(() -> new BrokenManifestException("what is packed in the file is no known manifest"));
        reader.read(content, sink);
    }

    /// Reads every entry that is recognised; the others may be anything.
    private static void readZip(InputStream in, ManifestReader.Sink sink, int wrappings)
            throws IOException, InterruptedException {
        CountingStream packed = new CountingStream(in);
        boolean found = false;
        int entries = 0;
        try {
            // Not closed: `in` belongs to the caller.
            ZipInputStream zip = new ZipInputStream(packed);
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                EntryNames.check(entry.getName());
                if (++entries > MAX_ENTRIES) {
                    throw new BrokenManifestException("the archive has more than " + MAX_ENTRIES + " entries");
                }
                if (entry.isDirectory() || EntryNames.isSecret(entry.getName())) {
                    continue;
                }
                BufferedInputStream content = buffered(new UnpackedStream(zip, packed));
                Optional<ManifestReader> reader = recognise(content, wrappings);
                if (reader.isPresent()) {
                    reader.get().read(content, sink);
                    found = true;
                }
                // What is left is read through the bound as well: the library would skip it without one.
                content.transferTo(OutputStream.nullOutputStream());
            }
        } catch (IllegalArgumentException e) {
            throw new BrokenManifestException("the archive is damaged");
        }
        packed.transferTo(OutputStream.nullOutputStream());
        if (!packed.endsLikeZip()) {
            throw new BrokenManifestException("the archive is cut off");
        }
        if (!found) {
            throw new BrokenManifestException("the archive holds no known manifest");
        }
    }

    /// Counts what was taken from the packed side, and remembers its end.
    private static final class CountingStream extends FilterInputStream {
        private final byte[] tail = new byte[4 << 10];
        private long count;

        CountingStream(InputStream in) {
            super(in);
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] buffer, int offset, int length) throws IOException {
            int read = in.read(buffer, offset, length);
            if (read > 0) {
                keep(buffer, offset, read);
                count += read;
            }
            return read;
        }

        private void keep(byte[] buffer, int offset, int length) {
            int kept = Math.min(length, tail.length);
            System.arraycopy(tail, kept, tail, 0, tail.length - kept);
            System.arraycopy(buffer, offset + length - kept, tail, tail.length - kept, kept);
        }

        /// Whether a ZIP's end of central directory is near the end: its reader would not miss it, nor the entries
        /// that an upload cut between two of them has lost.
        boolean endsLikeZip() {
            for (int i = 0; i + 22 <= tail.length; i++) {
                if (tail[i] == 'P' && tail[i + 1] == 'K' && tail[i + 2] == 5 && tail[i + 3] == 6) {
                    return true;
                }
            }
            return false;
        }
    }

    /// The unpacked side: ends with an error where it has grown out of all proportion. Closing it closes nothing.
    private static final class UnpackedStream extends InputStream {
        private final InputStream in;
        private final CountingStream packed;
        private long count;

        UnpackedStream(InputStream in, CountingStream packed) {
            this.in = in;
            this.packed = packed;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] buffer, int offset, int length) throws IOException {
            int read;
            try {
                read = in.read(buffer, offset, length);
            } catch (EOFException e) {
                throw new BrokenManifestException("the archive is cut off");
            }
            count += Math.max(0, read);
            if (count > RATIO_COUNTS_FROM && count / MAX_RATIO > packed.count) {
                throw new BrokenManifestException(
                        "the archive unpacks to more than " + MAX_RATIO + " times its size: not accepted");
            }
            return read;
        }
    }
}
