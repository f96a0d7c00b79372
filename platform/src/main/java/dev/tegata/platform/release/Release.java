// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.release;

import dev.tegata.attestation.corim.ReleaseStatus.Status;
import dev.tegata.platform.FleetId;
import java.time.Instant;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// A firmware release of a fleet's product.
///
/// @param below the oldest acceptable version, where this release is older
/// @param lapsed whether its certification's time is over
/// @param endorsement through which it acts; null until it was submitted
/// @param withdrawn whether nobody who has signed its SUIT manifest is allowed to any more: it says nothing
public record Release(
        UUID id,
        FleetId fleet,
        ReleaseContent content,
        boolean minimum,
        @Nullable String below,
        boolean lapsed,
        int revision,
        @Nullable UUID endorsement,
        boolean withdrawn,
        Instant createdAt,
        Instant updatedAt) {
    /// What its certification comes to now.
    public Status effectiveStatus() {
        boolean counts = content.status() == Status.CERTIFIED || content.status() == Status.PROVISIONAL;
        return lapsed && counts ? Status.OUTDATED : content.status();
    }
}
