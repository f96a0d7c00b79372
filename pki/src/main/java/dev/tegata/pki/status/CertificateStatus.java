// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.status;

import java.time.Instant;

/// What OCSP says about a certificate (RFC 6960 §2.2).
public sealed interface CertificateStatus {
    /// Issued by the authority and not revoked.
    record Good() implements CertificateStatus {}

    /// @param reason of RFC 5280 §5.3.1; `certificateHold` may be taken back
    record Revoked(Instant at, int reason) implements CertificateStatus {}

    /// Never issued by the authority, as far as it knows.
    record Unknown() implements CertificateStatus {}
}
