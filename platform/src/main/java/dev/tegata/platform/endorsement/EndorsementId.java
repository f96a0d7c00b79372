// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.endorsement;

import dev.tegata.platform.TimeOrderedIds;
import java.util.UUID;

/// Names a manifest that was accepted.
public record EndorsementId(UUID value) {
    /// Reads the usual text form of a UUID.
    ///
    /// @throws dev.tegata.platform.RefusedException where the text is something else
    public static EndorsementId parse(String text) {
        return new EndorsementId(TimeOrderedIds.parse("endorsement id", text));
    }

    @Override
    public String toString() {
        return value.toString();
    }
}
