// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

/// A key that is malformed, of a kind that is not supported, or too weak. The message tells a person which.
public final class InvalidKeyInfoException extends Exception {
    private static final long serialVersionUID = 1L;

    public InvalidKeyInfoException(String message) {
        super(message);
    }
}
