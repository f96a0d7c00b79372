// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import org.jspecify.annotations.Nullable;

/// A command cannot do what it was asked, for a reason that its message tells a person.
final class CommandFailure extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /// The server, or a check, said no.
    static final int REFUSED = 1;
    /// The command line, a file that it names, or a setting is wrong.
    static final int USAGE = 2;
    /// No server answers.
    static final int UNREACHABLE = 3;

    private final int exitCode;
    private final @Nullable String problem;

    private CommandFailure(int exitCode, String message, @Nullable String problem) {
        super(message, null, false, false);
        this.exitCode = exitCode;
        this.problem = problem;
    }

    static CommandFailure usage(String message) {
        return new CommandFailure(USAGE, message, null);
    }

    static CommandFailure unreachable(String message) {
        return new CommandFailure(UNREACHABLE, message, null);
    }

    static CommandFailure refused(String message) {
        return new CommandFailure(REFUSED, message, null);
    }

    /// @param problem the server's problem document
    static CommandFailure refused(String message, String problem) {
        return new CommandFailure(REFUSED, message, problem);
    }

    int exitCode() {
        return exitCode;
    }

    String message() {
        return String.valueOf(getMessage());
    }

    /// The server's problem document (RFC 9457), where it sent one.
    @Nullable
    String problem() {
        return problem;
    }
}
