// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.device;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.protocol.OrderContent;
import java.time.Duration;
import org.jdbi.v3.core.Handle;

/// How a device is told to do something, as part of a change of it.
@FunctionalInterface
public interface DeviceOrders {
    /// Places an order that lives for `life`. An open one of the same kind is superseded.
    ///
    /// @throws dev.tegata.platform.RefusedException where the device can be given no order now
    void place(Handle tx, TenantId tenant, DeviceId device, OrderContent content, Duration life, Actor actor);
}
