// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.io.Console;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/// Where a command runs: its environment variables and its streams. All text is UTF-8, whatever the locale says: what
/// programs read must not depend on it.
///
/// @param out writes to `bytes`
/// @param interactive whether a person watches: then there are colours and progress
record Terminal(
        Map<String, String> environment,
        InputStream in,
        OutputStream bytes,
        PrintWriter out,
        PrintWriter err,
        boolean interactive) {

    static Terminal of(
            Map<String, String> environment, InputStream in, OutputStream out, OutputStream err, boolean interactive) {
        return new Terminal(
                environment,
                in,
                out,
                new PrintWriter(out, true, StandardCharsets.UTF_8),
                new PrintWriter(err, true, StandardCharsets.UTF_8),
                interactive);
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
