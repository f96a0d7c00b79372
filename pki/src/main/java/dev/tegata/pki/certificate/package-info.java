// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Certificates: read, requested, granted, linted, signed.
///
/// The types spell the order of work: [CertificateRequest] → [ProvenRequest] (possession of the key is proven) →
/// [GrantedRequest] (the profile said yes) → [LintedTbs] (good for one signature) → [Certificate]. Nothing here reads a
/// clock or does input or output: instants, serial numbers and signatures come from the caller.
@NullMarked
package dev.tegata.pki.certificate;

import org.jspecify.annotations.NullMarked;
