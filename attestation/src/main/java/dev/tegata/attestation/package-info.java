// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Remote attestation (RFC 9334) as a library: reading evidence and endorsements, appraising the one by the
/// other, and saying the result. No clock, no network, no storage: instants, nonces and trust anchors are
/// parameters.
@NullMarked
package dev.tegata.attestation;

import org.jspecify.annotations.NullMarked;
