// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.certificate.Certificate;
import java.time.Instant;

/// A certificate as JSON.
record CertificateView(
        String serialNumber,
        String subject,
        String issuer,
        Instant notBefore,
        Instant notAfter,
        String fingerprint,
        String pem) {
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
