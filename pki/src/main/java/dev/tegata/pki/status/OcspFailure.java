// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.status;

import dev.tegata.pki.Bytes;

/// An OCSP answer without content, and so without a signature (RFC 6960 §4.2.1).
public enum OcspFailure {
    MALFORMED_REQUEST(1),
    INTERNAL_ERROR(2),
    TRY_LATER(3),
    UNAUTHORIZED(6);

    private final Bytes encoded;

    OcspFailure(int status) {
        this.encoded = Bytes.of((byte) 0x30, (byte) 3, (byte) 0x0a, (byte) 1, (byte) status);
    }

    /// The DER OCSPResponse.
    public Bytes encoded() {
        return encoded;
    }
}
