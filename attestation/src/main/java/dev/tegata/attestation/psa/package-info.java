// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// The PSA attestation token (RFC 9783) and its two older profiles.
@NullMarked
package dev.tegata.attestation.psa;

import org.jspecify.annotations.NullMarked;
