// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import dev.tegata.platform.TimeOrderedIds;
import java.util.UUID;

/// Names an appraisal. Ids are in the order of time.
public record AppraisalId(UUID value) {
    /// Reads the usual text form of a UUID.
    ///
    /// @throws dev.tegata.platform.RefusedException where the text is something else
    public static AppraisalId parse(String text) {
        return new AppraisalId(TimeOrderedIds.parse("appraisal id", text));
    }

    @Override
    public String toString() {
        return value.toString();
    }
}
