// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.der;

/// Bytes that are not what strict DER, or PEM, requires. The message tells a person what is wrong.
public final class EncodingException extends Exception {
    private static final long serialVersionUID = 1L;

    private final String message;

    public EncodingException(String message) {
        super(message);
        this.message = message;
    }

    @Override
    public String getMessage() {
        return message;
    }
}
