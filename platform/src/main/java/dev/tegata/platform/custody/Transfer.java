// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// A transfer as its seller sees it.
///
/// @param buyer whom it is for; null while a one-time code waits for whoever has it
/// @param buyerFleet where the devices go, once that is decided
/// @param history whether the devices' history goes with them
/// @param expiresAt of an offer; of a claim by possession, when the cool-down ends
public record Transfer(
        TransferId id,
        Basis basis,
        State state,
        @Nullable TenantId buyer,
        @Nullable FleetId buyerFleet,
        boolean history,
        String message,
        Instant createdAt,
        Instant expiresAt,
        @Nullable Instant endedAt) {
    /// What a transfer rests on.
    public enum Basis {
        /// The seller offered it.
        OFFER,
        /// The buyer proved that it has the device.
        POSSESSION
    }

    /// Where a transfer is.
    public enum State {
        /// Devices are being put into it; the buyer does not see it yet.
        PREPARING,
        /// The buyer may accept it.
        OFFERED,
        /// The owner may object until the cool-down ends.
        COOLING,
        /// Devices are on their way.
        ACCEPTED,
        /// Every device has arrived, or was refused for a reason that is told.
        COMPLETED,
        /// The seller took it back or objected.
        CANCELLED,
        /// Nobody accepted in time.
        EXPIRED;

        boolean isOver() {
            return this == COMPLETED || this == CANCELLED || this == EXPIRED;
        }
    }

    /// A transfer as its buyer sees it: not which devices it is about, before they are its own.
    public record Incoming(
            TransferId id,
            TenantId seller,
            String sellerName,
            Basis basis,
            State state,
            long devices,
            @Nullable FleetId fleet,
            String message,
            Instant expiresAt,
            Instant createdAt) {}

    /// How many devices are in which state.
    public record Counts(long offered, long released, long arrived, long refused) {}

    /// One device of a transfer.
    ///
    /// @param state OFFERED, RELEASED, ARRIVED, REFUSED or CLOSED
    /// @param reason why it was refused
    public record Unit(
            dev.tegata.platform.DeviceId device,
            String state,
            @Nullable String reason) {}
}
