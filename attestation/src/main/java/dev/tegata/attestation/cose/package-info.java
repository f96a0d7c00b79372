// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// COSE (RFC 9052): messages with one signature or one MAC, and their keys.
@NullMarked
package dev.tegata.attestation.cose;

import org.jspecify.annotations.NullMarked;
