// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Endorsements and reference values: CoRIM, CoMID and CoTL (draft-ietf-rats-corim), CoSERV queries, and the
/// engine that matches them against evidence.
@NullMarked
package dev.tegata.attestation.corim;

import org.jspecify.annotations.NullMarked;
