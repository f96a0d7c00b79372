// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.platform.DeviceId;
import org.jspecify.annotations.Nullable;

/// The code on a device's label, in the moment in which it is set. Only its hash is kept.
public record LabelCode(DeviceId device, String serial, String code) {
    @Override
    public String toString() {
        return "LabelCode[" + device + "]";
    }

    /// A device that is to have one.
    ///
    /// @param name its id, or its chip's serial number
    /// @param code that is printed already; null where one is to be made
    public record Wish(String name, @Nullable String code) {
        @Override
        public String toString() {
            return "Wish[" + name + "]";
        }
    }
}
