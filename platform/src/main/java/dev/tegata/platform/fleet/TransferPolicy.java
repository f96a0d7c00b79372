// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.fleet;

import dev.tegata.platform.Fields;
import java.time.Duration;

/// What it takes for a device of a fleet to change owners.
///
/// @param coolDown how long the owner may object to a claim by possession, from nothing to 90 days
public record TransferPolicy(Consent consent, Duration coolDown) {
    private static final Duration MAX_COOL_DOWN = Duration.ofDays(90);

    public TransferPolicy {
        if (coolDown.isNegative() || coolDown.compareTo(MAX_COOL_DOWN) > 0) {
            throw Fields.invalid("policy.transfer.coolDown", "must be from PT0S to " + MAX_COOL_DOWN);
        }
    }

    /// Who has to say yes.
    public enum Consent {
        /// The seller offers, the buyer accepts.
        SELLER,
        /// Either that; or the buyer proves that it has the device, and the owner does not object in time.
        POSSESSION,
        /// The seller offers, and the buyer proves that it has the device.
        BOTH
    }

    /// The seller's consent. Where possession is allowed, the owner has a week to object.
    public static TransferPolicy standard() {
        return new TransferPolicy(Consent.SELLER, Duration.ofDays(7));
    }
}
