// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.fleet;

import dev.tegata.platform.Fields;
import java.time.Duration;

/// Who may enrol in a fleet, and how.
///
/// @param approvalRequired whether an operator says yes before a device gets its first certificate
/// @param serverKeyGeneration whether keys are made here for devices that cannot make their own
/// @param acceptAnyOfBirthCa whether a certificate of a trusted birth CA is enough to be taken in, without
///     a claim
/// @param graceAfterExpiry how long after its operational certificate has expired a device may still come
///     back with its birth key, up to ten years
/// @param retryAfter when a device that waits for approval asks again: 10 seconds to a week
/// @param checkIn how often devices check in
/// @param transfer what it takes for a device to change owners
/// @param life how certificates give way to others, and who comes back after a refurbishment
/// @param attestation how often devices prove how they are, and what follows where they do not
/// @param evidence what they prove before they get a certificate
public record FleetPolicy(
        boolean approvalRequired,
        boolean serverKeyGeneration,
        boolean acceptAnyOfBirthCa,
        Duration graceAfterExpiry,
        Duration retryAfter,
        CheckInPolicy checkIn,
        TransferPolicy transfer,
        LifePolicy life,
        AttestationPolicy attestation,
        EvidencePolicy evidence) {
    private static final Duration MAX_GRACE = Duration.ofDays(3653);
    private static final Duration MIN_RETRY = Duration.ofSeconds(10);
    private static final Duration MAX_RETRY = Duration.ofDays(7);

    @SuppressWarnings("RedundantNullCheck") // A policy that was stored by an earlier version lacks some.
    public FleetPolicy {
        if (transfer == null) {
            transfer = TransferPolicy.standard();
        }
        if (life == null) {
            life = LifePolicy.standard();
        }
        if (attestation == null) {
            attestation = AttestationPolicy.none();
        }
        if (evidence == null) {
            evidence = EvidencePolicy.none();
        }
        Duration budget = attestation.freshness();
        if (!budget.isZero() && evidence.certificateLife().compareTo(budget) > 0) {
            throw Fields.invalid(
                    "policy.evidence.certificateLife", "must not exceed the freshness, which is " + budget);
        }
        if (graceAfterExpiry.isNegative() || graceAfterExpiry.compareTo(MAX_GRACE) > 0) {
            throw Fields.invalid("policy.graceAfterExpiry", "must be from PT0S to " + MAX_GRACE);
        }
        if (retryAfter.compareTo(MIN_RETRY) < 0 || retryAfter.compareTo(MAX_RETRY) > 0) {
            throw Fields.invalid("policy.retryAfter", "must be from " + MIN_RETRY + " to " + MAX_RETRY);
        }
    }

    /// Devices are not asked for evidence.
    public FleetPolicy(
            boolean approvalRequired,
            boolean serverKeyGeneration,
            boolean acceptAnyOfBirthCa,
            Duration graceAfterExpiry,
            Duration retryAfter,
            CheckInPolicy checkIn,
            TransferPolicy transfer,
            LifePolicy life) {
        this(
                approvalRequired,
                serverKeyGeneration,
                acceptAnyOfBirthCa,
                graceAfterExpiry,
                retryAfter,
                checkIn,
                transfer,
                life,
                AttestationPolicy.none(),
                EvidencePolicy.none());
    }

    /// What a fleet gets that asks for nothing else: claimed devices, their own keys, no approval.
    ///
    /// The grace is 90 days. A device that renews from two thirds of a year on has four months left, and
    /// three more with the grace: seven months in a box or a winter store do no harm, while a device that
    /// was thrown away does not stay a way in for long. A device that waits asks every five minutes, which
    /// is soon for a person and three requests per second for a thousand devices.
    public static FleetPolicy standard() {
        return new FleetPolicy(
                false,
                false,
                false,
                Duration.ofDays(90),
                Duration.ofMinutes(5),
                CheckInPolicy.standard(),
                TransferPolicy.standard(),
                LifePolicy.standard(),
                AttestationPolicy.none(),
                EvidencePolicy.none());
    }

    /// The same with another rule for transfers.
    public FleetPolicy with(TransferPolicy other) {
        return new FleetPolicy(
                approvalRequired,
                serverKeyGeneration,
                acceptAnyOfBirthCa,
                graceAfterExpiry,
                retryAfter,
                checkIn,
                other,
                life,
                attestation,
                evidence);
    }

    /// The same with another life.
    public FleetPolicy with(LifePolicy other) {
        return new FleetPolicy(
                approvalRequired,
                serverKeyGeneration,
                acceptAnyOfBirthCa,
                graceAfterExpiry,
                retryAfter,
                checkIn,
                transfer,
                other,
                attestation,
                evidence);
    }

    /// The same with another rule for attestation.
    public FleetPolicy with(AttestationPolicy other) {
        return new FleetPolicy(
                approvalRequired,
                serverKeyGeneration,
                acceptAnyOfBirthCa,
                graceAfterExpiry,
                retryAfter,
                checkIn,
                transfer,
                life,
                other,
                evidence);
    }
}
