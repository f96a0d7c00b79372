// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.webhook;

import java.time.Duration;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// When a failed delivery is tried again, and when no more.
///
/// @param first the wait after the first failure; it doubles with each one
/// @param longest the longest wait
/// @param givenUp after this long since its first attempt, a delivery is given up
/// @param paused after this long without any success, the webhook is paused
public record RetryRules(Duration first, Duration longest, Duration givenUp, Duration paused) {
    /// What a server goes by.
    public static final RetryRules STANDARD =
            new RetryRules(Duration.ofSeconds(2), Duration.ofHours(1), Duration.ofDays(1), Duration.ofDays(3));

    private static final int MOST_DOUBLINGS = 30;

    /// The wait after failure number `failures`, from half to all of what is due, so that many do not come
    /// back at once. What the receiver asked for is the least, up to the time of giving up.
    Duration pause(int failures, @Nullable Duration asked, RandomGenerator random) {
        long full = Math.min(longest.toMillis(), first.toMillis() << Math.min(failures - 1, MOST_DOUBLINGS));
        Duration pause = Duration.ofMillis(full / 2 + random.nextLong(full / 2 + 1));
        if (asked == null || asked.compareTo(pause) < 0) {
            return pause;
        }
        return asked.compareTo(givenUp) < 0 ? asked : givenUp;
    }
}
