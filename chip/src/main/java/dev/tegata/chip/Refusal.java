// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

/// Ends a command with a status. It never leaves the chip.
final class Refusal extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final Status status;

    Refusal(Status status) {
        super(status.name(), null, false, false);
        this.status = status;
    }

    Status status() {
        return status;
    }

    /// The command must have this form, whatever the chip's state.
    static void parseUnless(boolean condition) {
        if (!condition) {
            throw new Refusal(Status.PARSE_ERROR);
        }
    }

    /// The chip's policy, locks and state must permit this.
    static void refuseUnless(boolean condition) {
        if (!condition) {
            throw new Refusal(Status.EXECUTION_ERROR);
        }
    }
}
