// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.certificate.Certificate;
import java.time.Instant;

/// A certificate that a tenant trusts beside the built-in ones.
///
/// @param name what people call it
/// @param statusRequired whether birth and TPM certificates that lead to it are refused while it is not
/// known
///     whether they are revoked
public record TrustedCertificate(
        TrustPurpose purpose, String name, Certificate certificate, boolean statusRequired, Instant createdAt) {}
