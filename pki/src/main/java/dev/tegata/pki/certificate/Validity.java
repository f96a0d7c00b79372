// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import java.time.Instant;

/// The time a certificate is good for, both ends included (RFC 5280 §4.1.2.5).
public record Validity(Instant notBefore, Instant notAfter) {
    /// The end of a certificate that has no well-defined expiration date.
    // spec| RFC 5280 §4.1.2.5: the notAfter SHOULD be assigned the GeneralizedTime value of 99991231235959Z
    public static final Instant NO_EXPIRY = Instant.parse("9999-12-31T23:59:59Z");

    public boolean contains(Instant instant) {
        return !instant.isBefore(notBefore) && !isOver(instant);
    }

    /// Whether `instant` is after the end. The second that `notAfter` names still belongs to the validity.
    public boolean isOver(Instant instant) {
        return !instant.isBefore(notAfter.plusSeconds(1));
    }

    public boolean isUnlimited() {
        return notAfter.equals(NO_EXPIRY);
    }
}
