// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.certificate.Certificate;
import java.time.Instant;

/// A certificate that a tenant trusts beside the built-in ones.
///
/// @param name what people call it
public record TrustedCertificate(TrustPurpose purpose, String name, Certificate certificate, Instant createdAt) {}
