// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

import java.util.UUID;

/// Names an authority.
public record AuthorityId(UUID value) {
    /// Reads the usual text form of a UUID.
    ///
    /// @throws RefusedException where the text is something else
    public static AuthorityId parse(String text) {
        return new AuthorityId(TimeOrderedIds.parse("authority id", text));
    }

    @Override
    public String toString() {
        return value.toString();
    }
}
