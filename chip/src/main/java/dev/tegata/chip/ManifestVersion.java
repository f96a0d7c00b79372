// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

/// The versions of a manifest element.
public enum ManifestVersion {
    /// All public keys and the chain of slot 0.
    FULL_2018(1),
    /// Serial numbers only.
    SHORT(2),
    /// As the first, and what kind of chip it is.
    FULL(3);

    private final int number;

    ManifestVersion(int number) {
        this.number = number;
    }

    /// The number in the element's `version` member.
    public int number() {
        return number;
    }
}
