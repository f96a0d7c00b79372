// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Key attestation by secure elements of the ECC608 family.
@NullMarked
package dev.tegata.attestation.ecc608;

import org.jspecify.annotations.NullMarked;
