// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.metering;

import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import java.time.Instant;
import java.time.YearMonth;
import org.jspecify.annotations.Nullable;

/// A device that counts in a month, and the first thing that it proved itself with.
///
/// @param certificate the serial number of the certificate that it had then
/// @param late whether it came when the month was closed, as an adjustment
public record UsageRow(
        YearMonth month,
        DeviceId device,
        FleetId fleet,
        Operation operation,
        Instant occurredAt,
        @Nullable SerialNumber certificate,
        boolean late) {

    /// What a device did.
    public enum Operation {
        ENROL,
        RENEW,
        CHECK_IN
    }

    /// The line of the CSV export, over which the month's hash is made.
    public String line() {
        return String.join(
                ",",
                month.toString(),
                device.toString(),
                fleet.value(),
                operation.name(),
                occurredAt.toString(),
                certificate == null ? "" : certificate.hex(),
                Boolean.toString(late));
    }
}
