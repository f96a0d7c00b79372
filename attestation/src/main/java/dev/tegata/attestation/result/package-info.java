// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Attestation results: the AR4SI trustworthiness vector, and the EAR that carries it as JWT or CWT.
@NullMarked
package dev.tegata.attestation.result;

import org.jspecify.annotations.NullMarked;
