// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.fleet;

import dev.tegata.platform.Fields;
import java.time.Duration;

/// How certificates of a fleet give way to others, and who comes back after a refurbishment.
///
/// @param renewalOverlap how long the old certificate stays good beside the one that renewed it, up to 90
///     days
/// @param orderRenewalBefore devices are told to renew when their certificate has less time left than
///     this; zero leaves it to them
/// @param renewOutdated whether devices are told to renew when the fleet's authority, or the keys that it
///     allows, change
/// @param birthKeyEndsRefurbishment whether a device that is being refurbished may come back by its birth
///     key alone, without a signed receipt of what it has wiped
public record LifePolicy(
        Duration renewalOverlap,
        Duration orderRenewalBefore,
        boolean renewOutdated,
        boolean birthKeyEndsRefurbishment) {
    private static final Duration MAX_OVERLAP = Duration.ofDays(90);
    private static final Duration MAX_BEFORE = Duration.ofDays(3653);

    public LifePolicy {
        if (renewalOverlap.isNegative() || renewalOverlap.compareTo(MAX_OVERLAP) > 0) {
            throw Fields.invalid("policy.life.renewalOverlap", "must be from PT0S to " + MAX_OVERLAP);
        }
        if (orderRenewalBefore.isNegative() || orderRenewalBefore.compareTo(MAX_BEFORE) > 0) {
            throw Fields.invalid("policy.life.orderRenewalBefore", "must be from PT0S to " + MAX_BEFORE);
        }
    }

    /// A week of overlap: a device that renewed and was then set back to its last backup still gets in.
    /// Devices renew by themselves. A signed receipt ends a refurbishment, and nothing less.
    public static LifePolicy standard() {
        return new LifePolicy(Duration.ofDays(7), Duration.ZERO, true, false);
    }
}
