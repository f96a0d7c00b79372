// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// The conceptual message wrapper (RFC 9999).
@NullMarked
package dev.tegata.attestation.cmw;

import org.jspecify.annotations.NullMarked;
