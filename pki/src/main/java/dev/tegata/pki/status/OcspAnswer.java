// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.status;

import java.time.Instant;

/// What is answered about one certificate, and for how long it may be believed.
public record OcspAnswer(CertificateId certificate, CertificateStatus status, Instant thisUpdate, Instant nextUpdate) {}
