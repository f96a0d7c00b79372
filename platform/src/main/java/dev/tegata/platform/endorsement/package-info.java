// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Endorsements and whom a tenant believes about its devices: manifests of reference values through their
/// lives, their signers, CAs of attestation keys, and attestation keys that TPMs have proven.
///
/// Every change counts [AppraisalBasis] up in its own transaction; what is remembered carries the
/// count it was read at.
@NullMarked
package dev.tegata.platform.endorsement;

import org.jspecify.annotations.NullMarked;
