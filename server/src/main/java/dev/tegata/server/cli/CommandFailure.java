// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

/// A command cannot do what it was asked, for a reason that its message tells a person.
///
/// Exit codes: 1 the server refused, 2 the command line is wrong, 3 the server cannot be reached.
final class CommandFailure extends RuntimeException {
    private static final long serialVersionUID = 1L;
    static final int REFUSED = 1;
    static final int USAGE = 2;
    static final int UNREACHABLE = 3;

    private final int exitCode;

    CommandFailure(int exitCode, String message) {
        super(message, null, false, false);
        this.exitCode = exitCode;
    }

    CommandFailure(String message) {
        this(USAGE, message);
    }

    int exitCode() {
        return exitCode;
    }
}
