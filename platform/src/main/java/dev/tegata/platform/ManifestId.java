// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

import java.util.UUID;

/// Names an imported manifest.
public record ManifestId(UUID value) {
    /// Reads the usual text form of a UUID.
    ///
    /// @throws RefusedException where the text is something else
    public static ManifestId parse(String text) {
        return new ManifestId(TimeOrderedIds.parse("manifest id", text));
    }

    @Override
    public String toString() {
        return value.toString();
    }
}
