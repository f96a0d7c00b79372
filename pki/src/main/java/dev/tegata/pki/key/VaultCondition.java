// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

/// How a vault is doing.
///
/// @param answers      false where calls hang in it, and others are refused at once
/// @param hangingCalls that were given up and have not come back; each holds a thread
public record VaultCondition(boolean answers, int hangingCalls) {
    static final VaultCondition WELL = new VaultCondition(true, 0);
}
