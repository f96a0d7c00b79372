// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.fleet;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;

/// Says which authority issues for a device while the devices of a fleet move from one to another.
public interface IssuerChoice {
    /// The fleet's own authority, for each device.
    IssuerChoice FLEET = new IssuerChoice() {
        @Override
        public IssuingFleet of(IssuingFleet fleet, DeviceId device) {
            return fleet;
        }

        @Override
        public boolean readmits(IssuingFleet fleet, DeviceId device, Bytes serialNumber) {
            return false;
        }
    };

    /// The fleet, under the authority that issues for this device now. Not to be called inside a
    /// transaction.
    IssuingFleet of(IssuingFleet fleet, DeviceId device);

    /// Whether a certificate that was revoked with its authority, not for the device's own sake, still lets
    /// the device renew.
    boolean readmits(IssuingFleet fleet, DeviceId device, Bytes serialNumber);
}
