// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Claiming devices: reading the chip vendors' manifests, checking who vouches for them, and taking the chips in.
///
/// ```text
/// Manifests             imports a file: the job, its report, its issues
/// TrustedCertificates   signers and birth CAs that a tenant trusts beside the built-in ones
/// ClaimTokens           one-time secrets for devices whose manifest lists no keys
///
/// ManifestReader        framing: what is one element; one implementation per format
/// ElementReader         content: is this element what it should be, and who says so
/// ClaimWriter           storage: one batch of elements in one transaction
/// ```
@NullMarked
package dev.tegata.platform.claim;

import org.jspecify.annotations.NullMarked;
