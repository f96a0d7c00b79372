// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.webhook;

import java.time.Instant;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// An event on its way through a webhook, and what became of it.
///
/// @param id the same in each attempt
/// @param dueAt when the next attempt is, where there is one
/// @param endedAt when it was delivered or given up
/// @param status of the last answer; null where there was none
/// @param problem of the last attempt
public record Delivery(
        UUID id,
        long sequence,
        String type,
        String subject,
        State state,
        int attempts,
        @Nullable Instant dueAt,
        @Nullable Instant endedAt,
        @Nullable Integer status,
        @Nullable String problem) {
    /// How far it is.
    public enum State {
        /// It is sent, or sent again, when it is due.
        PENDING,
        /// It waits for an earlier event of its subject.
        HELD,
        DELIVERED,
        /// It was given up.
        DEAD
    }
}
