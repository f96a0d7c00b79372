// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.platform.DeviceId;
import java.time.Instant;
import java.util.List;

/// What came out of checking an export.
public sealed interface CustodyVerification {
    /// Every entry follows from the one before it, and is signed by who owned the device then.
    ///
    /// @param sealedBy the id of the owner who exported it
    /// @param sealedAt when that was: what happened later is not in the file
    /// @param byOwner whether whoever exported it owned the device at that moment, as far as the file
    ///     says
    record Intact(DeviceId device, List<CustodyStep> steps, String sealedBy, Instant sealedAt, boolean byOwner)
            implements CustodyVerification {
        public Intact {
            steps = List.copyOf(steps);
        }
    }

    /// @param entry the number of the entry at which it breaks, from 0; the number of entries where it
    ///     is the seal
    record Broken(int entry, String reason) implements CustodyVerification {}
}
