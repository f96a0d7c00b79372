// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.decision;

import dev.tegata.attestation.result.Tier;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.device.DeviceState;
import java.time.Duration;
import java.util.Set;

/// What a relying party requires of devices.
///
/// @param tier the worst verdict that is let in; `NONE` where evidence is not asked for
/// @param allowStale whether evidence may be older than the fleet allows
/// @param fleets whose devices are let in; empty for those of all
/// @param states in which devices are let in
/// @param life how long a yes holds at most, a second to a day
public record PartyPolicy(Tier tier, boolean allowStale, Set<FleetId> fleets, Set<DeviceState> states, Duration life) {
    public PartyPolicy {
        fleets = Set.copyOf(fleets);
        states = Set.copyOf(states);
        if (tier == Tier.CONTRAINDICATED) {
            throw Fields.invalid("tier", "must be none, affirming or warning");
        }
        if (states.isEmpty()
                || !Set.of(DeviceState.ACTIVE, DeviceState.REFURBISHING, DeviceState.CLAIMED)
                        .containsAll(states)) {
            throw Fields.invalid("states", "must be some of active, claimed and refurbishing");
        }
        if (life.compareTo(Duration.ofSeconds(1)) < 0 || life.compareTo(Duration.ofDays(1)) > 0) {
            throw Fields.invalid("life", "must be from PT1S to PT24H");
        }
    }

    /// What holds for whoever has no policy of their own: active devices with an affirming verdict by
    /// fresh evidence.
    public static PartyPolicy standard() {
        return new PartyPolicy(Tier.AFFIRMING, false, Set.of(), Set.of(DeviceState.ACTIVE), Duration.ofMinutes(5));
    }
}
