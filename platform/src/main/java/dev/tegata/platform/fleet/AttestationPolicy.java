// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.fleet;

import dev.tegata.platform.Fields;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/// How often the devices of a fleet prove how they are, and what follows where one is no longer good.
///
/// @param freshness how long evidence counts, a minute to a year; zero where devices are not asked for any
/// @param consequences drawn one after the other, by the time since the device ceased to be good
public record AttestationPolicy(Duration freshness, List<Consequence> consequences) {
    private static final Duration SHORTEST = Duration.ofMinutes(1);
    private static final Duration LONGEST = Duration.ofDays(366);
    private static final int MOST_STEPS = 8;

    public AttestationPolicy {
        if (!freshness.isZero() && (freshness.compareTo(SHORTEST) < 0 || freshness.compareTo(LONGEST) > 0)) {
            throw Fields.invalid(
                    "policy.attestation.freshness", "must be PT0S, or from " + SHORTEST + " to " + LONGEST);
        }
        consequences = List.copyOf(consequences);
        if (consequences.size() > MOST_STEPS) {
            throw Fields.invalid("policy.attestation.consequences", "must be at most " + MOST_STEPS);
        }
        if (freshness.isZero() && consequences.stream().anyMatch(each -> each.action() == Action.SHORTEN_LIFE)) {
            throw Fields.invalid(
                    "policy.attestation.consequences",
                    "can shorten the life of certificates where there is a freshness");
        }
        for (int i = 1; i < consequences.size(); i++) {
            if (consequences.get(i).after().compareTo(consequences.get(i - 1).after()) < 0) {
                throw Fields.invalid("policy.attestation.consequences", "must be in the order of their times");
            }
        }
    }

    /// What is done about a device.
    public enum Action {
        /// An event tells of it.
        NOTIFY,
        /// Its certificates live no longer than evidence counts, from a renewal on that it is told to do
        /// now.
        SHORTEN_LIFE,
        /// It gets no further certificate until it is good again.
        REFUSE_RENEWAL,
        /// Its certificates are put on hold until it is good again.
        SUSPEND,
        /// It is shut out for good: only a refurbishment brings it back.
        REVOKE
    }

    /// What follows.
    ///
    /// @param after the grace: how long after the device ceased to be good, up to a year
    public record Consequence(Action action, Duration after) {
        public Consequence {
            if (after.isNegative() || after.compareTo(LONGEST) > 0) {
                throw Fields.invalid("policy.attestation.consequences.after", "must be from PT0S to " + LONGEST);
            }
        }
    }

    /// Whether a device that has not been good since `since` has come to this consequence.
    public boolean draws(Action action, Instant since, Instant now) {
        return grace(action).filter(grace -> !now.isBefore(since.plus(grace))).isPresent();
    }

    /// When the consequence is drawn first; empty where it never is.
    public Optional<Duration> grace(Action action) {
        return consequences.stream()
                .filter(each -> each.action() == action)
                .map(Consequence::after)
                .findFirst();
    }

    /// Devices are not asked: the policy of a fleet that says nothing about it.
    public static AttestationPolicy none() {
        return new AttestationPolicy(Duration.ZERO, List.of());
    }

    public boolean asksForEvidence() {
        return !freshness.isZero();
    }
}
