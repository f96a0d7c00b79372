// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.job;

import dev.tegata.platform.store.Json;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// How far a step has brought its job.
///
/// @param position where the next step goes on
/// @param over whether nothing is left to do
/// @param done pieces of this step that went well
/// @param issues pieces of this step that were refused
/// @param total how many pieces there are in all, where this step has found out
/// @param result what came of the job, in JSON, where this step has found out
/// @param pause how long the next step has to wait; null for not at all
public record Advance(
        @Nullable String position,
        boolean over,
        long done,
        List<JobIssue> issues,
        @Nullable Long total,
        @Nullable String result,
        @Nullable Duration pause) {
    public Advance {
        issues = List.copyOf(issues);
    }

    /// Without a pause.
    public Advance(
            @Nullable String position,
            boolean over,
            long done,
            List<JobIssue> issues,
            @Nullable Long total,
            @Nullable String result) {
        this(position, over, done, issues, total, result, null);
    }

    /// There is more to do, from `position` on.
    public static Advance to(String position, long done, List<JobIssue> issues) {
        return new Advance(position, false, done, issues, null, null, null);
    }

    /// That was the last step.
    public static Advance complete(long done, List<JobIssue> issues) {
        return new Advance(null, true, done, issues, null, null, null);
    }

    /// There will be more to do, but not before `pause` is over.
    public Advance after(Duration wait) {
        return new Advance(position, over, done, issues, total, result, wait);
    }

    public Advance withTotal(long count) {
        return new Advance(position, over, done, issues, count, result, pause);
    }

    /// @param value a record, to be read as JSON
    public Advance withResult(Object value) {
        return new Advance(position, over, done, issues, total, Json.write(value), pause);
    }
}
