// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

/// The part of a vault that belongs to one tenant: a token of an HSM, or a partition of the software vault.
public record KeySpace(String name) {
    public KeySpace {
        if (!name.matches("[a-z0-9-]{1,32}")) {
            throw new IllegalArgumentException("a key space's name is 1 to 32 of a-z, 0-9 and '-': '" + name + "'");
        }
    }
}
