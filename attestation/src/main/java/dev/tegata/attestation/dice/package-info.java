// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// DICE: layered identities, each of which says what the layer before measured.
@NullMarked
package dev.tegata.attestation.dice;

import org.jspecify.annotations.NullMarked;
