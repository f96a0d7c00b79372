// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.protocol;

import dev.tegata.pki.Bytes;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/// What the server answers a check-in with.
///
/// @param time of the server, whole seconds; good to judge the orders by
/// @param device the id of the device, for life
/// @param next in how many seconds the device comes back
/// @param state of the device; where it is REVOKED or RETIRED there are no orders, where it is SUSPENDED at
///     most one to attest
/// @param mark what the device says in its next check-in
/// @param orders signed, in the order in which they are to be carried out
public record CheckInAnswer(
        Instant time, UUID device, int next, State state, Optional<Bytes> mark, List<Bytes> orders) {
    public CheckInAnswer {
        time = Instant.ofEpochSecond(time.getEpochSecond());
        orders = List.copyOf(orders);
        CheckInCodec.requireSize("orders", orders);
        CheckInCodec.require(next > 0, "next must be positive");
    }

    /// What the server takes the device for.
    public enum State {
        /// It is known, and has no operational identity: it may enrol.
        CLAIMED,
        ACTIVE,
        SUSPENDED,
        REVOKED,
        /// It is to wipe itself and prove it.
        REFURBISHING,
        RETIRED
    }
}
