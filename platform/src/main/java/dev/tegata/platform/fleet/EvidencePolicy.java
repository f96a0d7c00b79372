// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.fleet;

import dev.tegata.platform.Fields;
import java.time.Duration;

/// Whether devices of a fleet must prove what they are before they get a certificate.
///
/// @param atEnrolment whether evidence is asked for with the first certificate
/// @param atRenewal whether it is asked for with each further one
/// @param acceptWarnings whether a result of the tier "warning" is enough; otherwise it must be "affirming"
/// @param certificateLife how long a certificate lives at most: then the device proves itself anew, or is
///     out. Zero leaves it to the profile; else from ten minutes to ten years
public record EvidencePolicy(boolean atEnrolment, boolean atRenewal, boolean acceptWarnings, Duration certificateLife) {
    private static final Duration SHORTEST = Duration.ofMinutes(10);
    private static final Duration LONGEST = Duration.ofDays(3653);

    public EvidencePolicy {
        if (!certificateLife.isZero()
                && (certificateLife.compareTo(SHORTEST) < 0 || certificateLife.compareTo(LONGEST) > 0)) {
            throw Fields.invalid(
                    "policy.evidence.certificateLife", "must be PT0S, or from " + SHORTEST + " to " + LONGEST);
        }
    }

    /// Nobody is asked: a fleet has no reference values of its own accord.
    public static EvidencePolicy none() {
        return new EvidencePolicy(false, false, false, Duration.ZERO);
    }
}
