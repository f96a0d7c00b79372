// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// attestation
@NullMarked
package dev.tegata.attestation;

import org.jspecify.annotations.NullMarked;
