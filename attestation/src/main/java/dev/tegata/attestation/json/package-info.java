// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// JSON read strictly, and its relation to CBOR.
@NullMarked
package dev.tegata.attestation.json;

import org.jspecify.annotations.NullMarked;
