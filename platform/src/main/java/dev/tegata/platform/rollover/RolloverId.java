// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.rollover;

import dev.tegata.platform.TimeOrderedIds;
import java.util.UUID;

/// Names a campaign.
public record RolloverId(UUID value) {
    /// Reads the usual text form of a UUID.
    ///
    /// @throws dev.tegata.platform.RefusedException where the text is something else
    public static RolloverId parse(String text) {
        return new RolloverId(TimeOrderedIds.parse("rollover id", text));
    }

    @Override
    public String toString() {
        return value.toString();
    }
}
