// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

import java.util.UUID;

/// Names a job.
public record JobId(UUID value) {
    /// Reads the usual text form of a UUID.
    ///
    /// @throws RefusedException where the text is something else
    public static JobId parse(String text) {
        return new JobId(TimeOrderedIds.parse("job id", text));
    }

    @Override
    public String toString() {
        return value.toString();
    }
}
