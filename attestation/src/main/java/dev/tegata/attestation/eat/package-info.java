// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// The Entity Attestation Token (RFC 9711) in CBOR and JSON, as CWT (RFC 8392), JWT or UCCS (RFC 9781).
@NullMarked
package dev.tegata.attestation.eat;

import org.jspecify.annotations.NullMarked;
