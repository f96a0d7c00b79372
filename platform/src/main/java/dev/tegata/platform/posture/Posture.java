// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.posture;

import dev.tegata.attestation.result.Tier;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.appraisal.AppraisalId;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// How a device is, as far as its last evidence tells.
///
/// @param appraisal of the last evidence; null where it has never shown any
/// @param previous the status before this one; null where there was none
/// @param vector the worst value of each trustworthiness claim, by its name
/// @param reasons why claims are not affirming, and what would make them so
/// @param release the version of what runs; empty where the evidence does not tell
/// @param bootEpoch what the evidence says of the boot; empty where it says nothing
/// @param bootCount as the device had reported it when the evidence came
/// @param appraisedAt when the evidence came; null where none ever did
/// @param judgedAt when it was judged last, with or without the device
/// @param changedAt when the status became what it is
/// @param staleAt when the evidence ceases to count; null where the fleet sets no limit
public record Posture(
        DeviceId device,
        FleetId fleet,
        @Nullable AppraisalId appraisal,
        Tier status,
        @Nullable Tier previous,
        Map<String, Integer> vector,
        List<Reason> reasons,
        String release,
        String bootEpoch,
        @Nullable Long bootCount,
        @Nullable Instant appraisedAt,
        Instant judgedAt,
        Instant changedAt,
        @Nullable Instant staleAt,
        boolean suspended) {

    /// Why a claim has its value.
    ///
    /// @param remedy what would make it affirming; empty where nobody knows
    public record Reason(String claim, int value, String rule, String sentence, String remedy) {}

    /// Where the device is heading.
    public enum Trend {
        BETTER,
        SAME,
        WORSE
    }

    public Trend trend() {
        if (previous == null || previous == status) {
            return Trend.SAME;
        }
        return status.compareTo(previous) < 0 ? Trend.BETTER : Trend.WORSE;
    }

    public boolean isStale(Instant now) {
        return staleAt != null && !now.isBefore(staleAt);
    }

    /// Whether the device is good now: affirming, by evidence that still counts.
    public boolean isGood(Instant now) {
        return status == Tier.AFFIRMING && !isStale(now);
    }
}
