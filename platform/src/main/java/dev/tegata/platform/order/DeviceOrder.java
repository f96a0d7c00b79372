// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.order;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.protocol.OrderContent;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// An order with its fate.
///
/// @param placedBy an actor, in its text form
/// @param deliveredAt when the device was told for the first time
/// @param detail what the device said of the end, or why it ended without it
/// @param receipt the device's signed proof, where it gave one
public record DeviceOrder(
        OrderId id,
        DeviceId device,
        long sequence,
        OrderContent content,
        OrderState state,
        Instant placedAt,
        String placedBy,
        Instant expiresAt,
        @Nullable Instant deliveredAt,
        @Nullable Instant endedAt,
        @Nullable String detail,
        @Nullable Bytes receipt) {}
