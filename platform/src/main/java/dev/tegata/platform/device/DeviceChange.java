// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.device;

import dev.tegata.platform.Fields;
import org.jspecify.annotations.Nullable;

/// What an operator does to one device or to many.
///
/// @param reason why, for the history; a decision about an enrolment needs none
/// @param revocation the code that certificates are revoked with; null where `kind` is another change
///     than REVOKE
/// @param newKey whether a renewal is for a new key too
/// @param erase whether a retirement takes with it what may tell something of people; a device that is
///     retired already can still be erased so
/// @param untilGood whether a suspension ends by itself when the device proves that it is good
public record DeviceChange(
        Kind kind,
        String reason,
        @Nullable RevocationReason revocation,
        boolean newKey,
        boolean erase,
        boolean untilGood) {
    private static final int LONGEST_REASON = 200;

    /// A kind of change.
    public enum Kind {
        APPROVE("approved"),
        REJECT("rejected"),
        RENEW("renewed"),
        SUSPEND("suspended"),
        RESUME("resumed"),
        REVOKE("revoked"),
        REFURBISH("refurbished"),
        RETIRE("retired");

        private final String participle;

        Kind(String participle) {
            this.participle = participle;
        }

        /// What it does to a device, for sentences.
        String participle() {
            return participle;
        }

        /// Whether it decides about an enrolment that waits; else it is a step in the device's life.
        boolean isDecision() {
            return this == APPROVE || this == REJECT;
        }
    }

    public DeviceChange {
        reason = reason.strip();
        boolean missing = reason.isEmpty() && !kind.isDecision();
        if (missing || reason.length() > LONGEST_REASON || reason.chars().anyMatch(Character::isISOControl)) {
            throw Fields.invalid("reason", "must have 1 to " + LONGEST_REASON + " characters, no control characters");
        }
        if (revocation != null && kind != Kind.REVOKE) {
            throw Fields.invalid("revocationReason", "is for revocations only");
        }
        if (revocation != null && !revocation.isForDevices()) {
            throw Fields.invalid(
                    "revocationReason",
                    revocation == RevocationReason.CERTIFICATE_HOLD
                            ? "must not be certificateHold: suspend the device"
                            : "is one for authorities, not for devices");
        }
        if (newKey && kind != Kind.RENEW) {
            throw Fields.invalid("newKey", "is for renewals only");
        }
        if (erase && kind != Kind.RETIRE) {
            throw Fields.invalid("erase", "is for retirements only");
        }
        if (untilGood && kind != Kind.SUSPEND) {
            throw Fields.invalid("untilGood", "is for suspensions only");
        }
    }

    /// A change that an operator may want: a suspension lasts until somebody resumes the device.
    public DeviceChange(
            Kind kind, String reason, @Nullable RevocationReason revocation, boolean newKey, boolean erase) {
        this(kind, reason, revocation, newKey, erase, false);
    }

    public static DeviceChange of(Kind kind, String reason) {
        return new DeviceChange(kind, reason, null, false, false);
    }

    /// A suspension that ends when the device proves that it is good.
    public static DeviceChange suspendUntilGood(String reason) {
        return new DeviceChange(Kind.SUSPEND, reason, null, false, false, true);
    }

    public static DeviceChange revoke(RevocationReason code, String reason) {
        return new DeviceChange(Kind.REVOKE, reason, code, false, false);
    }

    /// The step that it is in the device's life.
    DeviceState.Action action() {
        return switch (kind) {
            case RENEW -> DeviceState.Action.RENEW;
            case SUSPEND -> DeviceState.Action.SUSPEND;
            case RESUME -> DeviceState.Action.RESUME;
            case REVOKE -> DeviceState.Action.REVOKE;
            case REFURBISH -> DeviceState.Action.REFURBISH;
            case RETIRE -> DeviceState.Action.RETIRE;
            case APPROVE, REJECT -> throw new IllegalStateException(kind + " is no step");
        };
    }
}
