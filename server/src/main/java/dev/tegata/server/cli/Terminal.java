// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.io.Console;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Where a command runs: its environment variables and its streams. All text is UTF-8, whatever the locale
/// says: what programs read must not depend on it.
///
/// @param out writes to `bytes`
/// @param interactive whether a person watches: then there are colours and progress
record Terminal(
        Map<String, String> environment,
        InputStream in,
        Printed bytes,
        PrintWriter out,
        PrintWriter err,
        boolean interactive) {

    static Terminal of(
            Map<String, String> environment, InputStream in, OutputStream out, OutputStream err, boolean interactive) {
        Printed printed = new Printed(out);
        return new Terminal(
                environment,
                in,
                printed,
                new PrintWriter(printed, true, StandardCharsets.UTF_8),
                new PrintWriter(err, true, StandardCharsets.UTF_8),
                interactive);
    }

    /// The standard output. A [PrintWriter] on it keeps silent about what it could not write; this
    /// remembers why.
    static final class Printed extends FilterOutputStream {
        private @Nullable IOException failure;

        Printed(OutputStream out) {
            super(out);
        }

        @Override
        public void write(int b) throws IOException {
            write(new byte[] {(byte) b}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            try {
                out.write(bytes, offset, length);
            } catch (IOException e) {
                failure = e;
                throw e;
            }
        }

        /// Why something was not written. That whoever reads has seen enough and gone (`| head`) is no
        /// failure.
        Optional<String> failure() {
            return Optional.ofNullable(failure)
                    .map(e -> String.valueOf(e.getMessage()))
                    .filter(reason -> !reason.toLowerCase(Locale.ROOT).contains("pipe"));
        }
    }

    /// The one of this process.
    static Terminal system() {
        Console console = System.console();
        return of(
                System.getenv(),
                new FileInputStream(FileDescriptor.in),
                new FileOutputStream(FileDescriptor.out),
                new FileOutputStream(FileDescriptor.err),
                console != null && console.isTerminal());
    }

    /// Whether to write in colour. `NO_COLOR` turns it off, as in other programs (no-color.org).
    boolean colours() {
        return interactive
                && environment.getOrDefault("NO_COLOR", "").isEmpty()
                && !"dumb".equals(environment.get("TERM"));
    }

    /// Leaves out the environment, where secrets stand.
    @Override
    public String toString() {
        return "Terminal[interactive=" + interactive + "]";
    }
}
