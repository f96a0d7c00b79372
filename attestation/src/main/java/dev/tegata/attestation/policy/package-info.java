// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Appraisal policies: rules in CEL over named inputs, checked and tested before they are used.
@NullMarked
package dev.tegata.attestation.policy;

import org.jspecify.annotations.NullMarked;
