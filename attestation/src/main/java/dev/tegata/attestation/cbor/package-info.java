// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// CBOR (RFC 8949): a typed item tree, and a reader with limits.
@NullMarked
package dev.tegata.attestation.cbor;

import org.jspecify.annotations.NullMarked;
