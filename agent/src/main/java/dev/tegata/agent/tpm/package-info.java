// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// TPM 2.0 by its commands, as many as a device's identity needs: keys, quotes, and the proof that both are
/// in one TPM.
@NullMarked
package dev.tegata.agent.tpm;

import org.jspecify.annotations.NullMarked;
