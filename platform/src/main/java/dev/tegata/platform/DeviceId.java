// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

import java.util.UUID;

/// Names a device, for life, whoever owns it.
public record DeviceId(UUID value) {
    /// Reads the usual text form of a UUID.
    ///
    /// @throws RefusedException where the text is something else
    public static DeviceId parse(String text) {
        return new DeviceId(TimeOrderedIds.parse("device id", text));
    }

    @Override
    public String toString() {
        return value.toString();
    }
}
