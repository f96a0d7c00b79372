// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

/// A certificate request that cannot be granted. `reason` is stable, the message is for a person.
public final class InvalidRequestException extends Exception {
    private static final long serialVersionUID = 1L;

    private final Reason reason;
    private final String message;

    public InvalidRequestException(Reason reason, String message) {
        super(message);
        this.reason = reason;
        this.message = message;
    }

    /// Why; clients and documentation know these names.
    public enum Reason {
        /// Not a PKCS#10 request in DER.
        MALFORMED,
        /// More bytes than a request may have.
        TOO_LARGE,
        /// A kind of key that is not supported at all.
        UNSUPPORTED_KEY,
        /// A key that is too short.
        WEAK_KEY,
        /// A key that is none: a point that is not on its curve, a wrong encoding.
        INVALID_KEY,
        /// A signature algorithm that is not supported.
        UNSUPPORTED_SIGNATURE,
        /// The request is not signed with the key that it carries.
        BAD_SIGNATURE,
        /// A good key, but not of a kind that the profile allows.
        KEY_NOT_ALLOWED,
        /// The request asks for extensions, and the profile refuses such requests.
        EXTENSIONS_REFUSED,
        /// The subject or an alternative name cannot be made from what is known of the device.
        NAME_INVALID,
        /// The certificate would not be valid: its issuer has expired or is not valid yet.
        ISSUER_NOT_VALID
    }

    public Reason reason() {
        return reason;
    }

    @Override
    public String getMessage() {
        return message;
    }
}
