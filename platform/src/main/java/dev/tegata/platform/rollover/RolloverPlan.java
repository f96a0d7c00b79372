// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.rollover;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.Fields;
import dev.tegata.platform.rollover.Rollover.Waves;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a campaign is to be.
///
/// @param authority to be replaced: one that issues for devices, or a root with all that is below it
/// @param replacement that was made ahead and takes its place; null to make one like it
/// @param algorithm of the new key; null for that of the old one
/// @param furtherAnchors what devices must trust beside the roots, such as the CA of this server's TLS
/// certificate
public record RolloverPlan(
        AuthorityId authority,
        @Nullable AuthorityId replacement,
        @Nullable KeyAlgorithm algorithm,
        List<Certificate> furtherAnchors,
        Waves waves) {
    private static final int MOST_ANCHORS = 6;

    public RolloverPlan {
        furtherAnchors = List.copyOf(furtherAnchors);
        if (furtherAnchors.size() > MOST_ANCHORS) {
            throw Fields.invalid("furtherAnchors", "may be " + MOST_ANCHORS + " at the most");
        }
        if (replacement != null && algorithm != null) {
            throw Fields.invalid("algorithm", "is that of the replacement, which is there already");
        }
        between("waveSize", waves.size(), 1, 1_000_000);
        between("waveShare", waves.share(), 0, 100);
        between("failureLimit", waves.failureLimit(), 0, 100);
        if (waves.longest().isNegative() || waves.longest().compareTo(Duration.ofDays(366)) > 0) {
            throw Fields.invalid("waveLongest", "must be from PT0S to P366D");
        }
    }

    private static void between(String field, int value, int least, int most) {
        if (value < least || value > most) {
            throw Fields.invalid(field, "must be from " + least + " to " + most);
        }
    }

    public static RolloverPlan of(AuthorityId authority) {
        return new RolloverPlan(authority, null, null, List.of(), Waves.standard());
    }

    public RolloverPlan with(Waves others) {
        return new RolloverPlan(authority, replacement, algorithm, furtherAnchors, others);
    }
}
