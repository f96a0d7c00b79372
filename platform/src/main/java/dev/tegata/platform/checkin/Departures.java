// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.checkin;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import dev.tegata.protocol.OrderContent.NewHome;
import java.util.Optional;

/// Knows the devices that a tenant has handed over and that may not know it yet.
@FunctionalInterface
public interface Departures {
    /// The device behind a certificate whose key was proven, where it is one of these.
    Optional<Departed> find(TenantId tenant, Certificate shown);

    /// @param home where the device belongs now
    record Departed(DeviceId device, String chipSerial, NewHome home) {}
}
