// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Secrets that must be had again, sealed under a key of the vault.
@NullMarked
package dev.tegata.platform.seal;

import org.jspecify.annotations.NullMarked;
