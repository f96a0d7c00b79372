// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Evidence in certificate requests (draft-ietf-lamps-csr-attestation).
@NullMarked
package dev.tegata.attestation.csr;

import org.jspecify.annotations.NullMarked;
