// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.status;

/// An OCSP answer says nothing about the certificate, or is not to be believed. The message says why, for
/// people, and goes on after "the answer".
public final class RefusedAnswerException extends Exception {
    private static final long serialVersionUID = 1L;

    RefusedAnswerException(String message) {
        super(message, null, false, false);
    }
}
