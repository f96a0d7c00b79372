// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.job;

import dev.tegata.platform.JobId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.store.Json;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// Long work as it is stored.
///
/// @param kind which handler does it: `device.revoke`
/// @param parameters what was asked for, in JSON
/// @param actor who started it
/// @param position where the next step goes on, in the words of its handler; null at the beginning
/// @param total how many pieces there are, where that is known
/// @param done pieces that are over and went well
/// @param refused pieces that were refused: each is a [JobIssue]
/// @param result what came of it beside the counts, in JSON
/// @param failure why it failed, for a person
public record Job(
        JobId id,
        String kind,
        State state,
        String parameters,
        Actor actor,
        @Nullable String position,
        @Nullable Long total,
        long done,
        long refused,
        @Nullable String result,
        @Nullable String failure,
        Instant createdAt,
        Instant updatedAt) {

    /// Whether a job is over, and how it ended.
    public enum State {
        /// Waits for its turn, or is being worked on.
        RUNNING,
        COMPLETED,
        FAILED,
        CANCELLED
    }

    /// The parameters as the record that [Jobs#start] was given.
    public <T> T parameters(Class<T> type) {
        return Json.read(parameters, type);
    }
}
