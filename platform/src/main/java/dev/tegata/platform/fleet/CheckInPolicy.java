// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.fleet;

import dev.tegata.platform.Fields;
import java.time.Duration;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// How often the devices of a fleet check in, and what happens where two seem to share one identity.
///
/// @param quick the interval at first, 10 seconds to a day
/// @param settling how long after its activation a device comes quickly, up to 30 days
/// @param slow the interval from then on, 10 seconds to 30 days
/// @param suspendClones whether a device is suspended when a clone of it is suspected; an event tells of it
///     anyway
public record CheckInPolicy(Duration quick, Duration settling, Duration slow, boolean suspendClones) {
    private static final Duration SHORTEST = Duration.ofSeconds(10);

    public CheckInPolicy {
        require("quick", quick, SHORTEST, Duration.ofDays(1));
        require("settling", settling, Duration.ZERO, Duration.ofDays(30));
        require("slow", slow, SHORTEST, Duration.ofDays(30));
    }

    /// Every five minutes for the first hour, in which people look whether it works; then every six hours,
    /// which is fifty requests a second for a million devices.
    public static CheckInPolicy standard() {
        return new CheckInPolicy(Duration.ofMinutes(5), Duration.ofHours(1), Duration.ofHours(6), false);
    }

    /// The interval for an active device, before jitter.
    ///
    /// @param activatedAt null where it has not been activated
    public Duration interval(Instant now, @Nullable Instant activatedAt) {
        return activatedAt != null && now.isBefore(activatedAt.plus(settling)) ? quick : slow;
    }

    private static void require(String field, Duration value, Duration min, Duration max) {
        if (value.compareTo(min) < 0 || value.compareTo(max) > 0) {
            throw Fields.invalid("policy.checkIn." + field, "must be from " + min + " to " + max);
        }
    }
}
