// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.checkin;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.order.OrderId;
import dev.tegata.protocol.CheckIn;

/// Appraises evidence that a device was asked for.
public interface EvidenceSink {
    /// Takes evidence whose nonce is the one of an order that the device was given and has not ended. It is
    /// called before the order's result is stored, and again where the server fell in between: taking it
    /// twice does no harm. No transaction is open.
    void take(TenantId tenant, FleetId fleet, DeviceId device, OrderId order, CheckIn.Evidence evidence);
}
