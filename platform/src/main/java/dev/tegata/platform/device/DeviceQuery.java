// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.device;

import dev.tegata.platform.FleetId;
import org.jspecify.annotations.Nullable;

/// Which devices are wanted. A part that is null does not narrow.
///
/// @param serial the exact serial number of the chip, in either case
/// @param text how a serial number, a device id or a model begins
public record DeviceQuery(
        @Nullable FleetId fleet,
        @Nullable DeviceState state,
        @Nullable String serial,
        @Nullable String text) {
    public static final DeviceQuery ALL = new DeviceQuery(null, null, null, null);
}
