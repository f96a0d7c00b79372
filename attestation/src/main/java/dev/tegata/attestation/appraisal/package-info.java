// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// The verifier: evidence is verified, matched with endorsements and judged by a policy, and each value explains
/// itself.
@NullMarked
package dev.tegata.attestation.appraisal;

import org.jspecify.annotations.NullMarked;
