// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation;

/// Input from outside is not what its format says. The message tells a person what is wrong and where.
///
/// Carries no stack trace: it is an expected outcome of reading, and made often under attack.
public final class MalformedException extends Exception {
    private static final long serialVersionUID = 1L;

    public MalformedException(String message) {
        super(message, null, false, false);
    }
}
