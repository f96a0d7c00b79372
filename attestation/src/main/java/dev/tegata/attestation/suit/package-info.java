// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// SUIT manifests: what a firmware update consists of, and who says so.
@NullMarked
package dev.tegata.attestation.suit;

import org.jspecify.annotations.NullMarked;
