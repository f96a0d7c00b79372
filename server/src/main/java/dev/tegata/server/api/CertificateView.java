// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.certificate.Certificate;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// A certificate as JSON. Of an archived one what stands only in the DER is not known any more.
record CertificateView(
        String serialNumber,
        @Nullable String subject,
        @Nullable String issuer,
        Instant notBefore,
        Instant notAfter,
        String fingerprint,
        @Nullable String pem) {
    static CertificateView of(Certificate certificate) {
        return new CertificateView(
                certificate.serial().hex(),
                certificate.subject().toString(),
                certificate.issuer().toString(),
                certificate.validity().notBefore(),
                certificate.validity().notAfter(),
                certificate.encoded().sha256().hex(),
                certificate.pem());
    }
}
