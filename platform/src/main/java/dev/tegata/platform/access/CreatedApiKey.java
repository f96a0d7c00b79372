// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.access;

/// An API key that was just made.
///
/// @param text the whole key with its secret, which is shown this once and stored nowhere
public record CreatedApiKey(ApiKey key, String text) {
    /// Without the secret.
    @Override
    public String toString() {
        return "CreatedApiKey[" + key.prefix() + "]";
    }
}
