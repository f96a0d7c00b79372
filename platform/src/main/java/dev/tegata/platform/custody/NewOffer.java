// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.platform.Fields;
import dev.tegata.platform.TenantId;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// What a seller says about an offer, beside which devices it is about.
///
/// @param buyer whom it is for; null makes a one-time code for whoever gets it
/// @param validity how long it stands: a minute to a year
/// @param history whether the devices' history goes with them
public record NewOffer(@Nullable TenantId buyer, Duration validity, boolean history, String message) {
    private static final Duration SHORTEST = Duration.ofMinutes(1);
    private static final Duration LONGEST = Duration.ofDays(366);
    private static final int LONGEST_MESSAGE = 200;

    public NewOffer {
        if (validity.compareTo(SHORTEST) < 0 || validity.compareTo(LONGEST) > 0) {
            throw Fields.invalid("validity", "must be from " + SHORTEST + " to " + LONGEST);
        }
        if (message.length() > LONGEST_MESSAGE) {
            throw Fields.invalid("message", "must have " + LONGEST_MESSAGE + " characters at the most");
        }
    }
}
