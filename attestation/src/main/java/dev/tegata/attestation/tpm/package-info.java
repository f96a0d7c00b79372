// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// TPM 2.0: the structures that a TPM signs, event logs, endorsement keys and credential activation.
@NullMarked
package dev.tegata.attestation.tpm;

import org.jspecify.annotations.NullMarked;
