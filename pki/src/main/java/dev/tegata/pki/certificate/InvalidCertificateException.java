// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

/// A certificate, or a message of certificates, that cannot be read or used. The message tells a person why.
public final class InvalidCertificateException extends Exception {
    private static final long serialVersionUID = 1L;

    private final String message;

    public InvalidCertificateException(String message) {
        super(message);
        this.message = message;
    }

    @Override
    public String getMessage() {
        return message;
    }
}
