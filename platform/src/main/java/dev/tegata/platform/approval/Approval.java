// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.approval;

import dev.tegata.platform.access.Permission;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// A request that needs a second person, and what became of it.
///
/// @param description what was asked, in words for who decides; holds no secrets
/// @param requestedBy id of the API key
/// @param decidedBy id of the API key; null while nobody has decided
public record Approval(
        ApprovalId id,
        Permission permission,
        String method,
        String target,
        String description,
        State state,
        String requestedBy,
        Instant requestedAt,
        Instant expiresAt,
        @Nullable String decidedBy,
        @Nullable Instant decidedAt) {

    /// How far it is. Where its time is over, a request in any state but `USED` is worth nothing.
    public enum State {
        PENDING,
        APPROVED,
        REJECTED,
        USED
    }
}
