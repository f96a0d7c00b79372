// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.util.Locale;

/// Shows how much of a file has been read, on one line that is written over.
final class Progress extends FilterInputStream {
    private static final int WIDTH = 30;
    private static final long PAUSE_NANOS = 100_000_000;

    private final PrintWriter err;
    private final long size;
    private long read;
    private long shownAt;

    /// @param size of the file, from 1
    Progress(InputStream in, long size, PrintWriter err) {
        super(in);
        this.err = err;
        this.size = size;
    }

    @Override
    public int read() throws IOException {
        int next = super.read();
        count(next < 0 ? next : 1);
        return next;
    }

    @Override
    public int read(byte[] buffer, int offset, int length) throws IOException {
        int count = super.read(buffer, offset, length);
        count(count);
        return count;
    }

    private void count(int count) {
        read += Math.max(count, 0);
        long now = System.nanoTime();
        if (count < 0 || shownAt == 0 || now - shownAt > PAUSE_NANOS) {
            shownAt = now;
            show(count < 0);
        }
    }

    private void show(boolean end) {
        int filled = (int) (WIDTH * Math.min(read, size) / size);
        err.print(String.format(
                Locale.ROOT,
                "\r[%s%s] %3d %%  %.1f of %.1f MB%s",
                "#".repeat(filled),
                ".".repeat(WIDTH - filled),
                100 * Math.min(read, size) / size,
                read / 1e6,
                size / 1e6,
                end ? "  sent; the server checks the rest" : ""));
        err.flush();
    }

    /// Takes the line away.
    void clear() {
        err.print("\r" + " ".repeat(WIDTH + 70) + "\r");
        err.flush();
    }
}
