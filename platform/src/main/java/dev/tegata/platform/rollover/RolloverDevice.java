// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.rollover;

import dev.tegata.platform.DeviceId;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// A device in a campaign.
///
/// @param detail what the device said of the order that failed last
/// @param renewsBy when its certificate ends; null where it is told when to renew
public record RolloverDevice(
        DeviceId device,
        int wave,
        Rollover.Step step,
        int attempts,
        @Nullable String detail,
        @Nullable Instant renewsBy,
        Instant changedAt) {}
