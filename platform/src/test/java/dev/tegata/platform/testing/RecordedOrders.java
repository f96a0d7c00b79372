// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.testing;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.device.DeviceOrders;
import dev.tegata.protocol.OrderContent;
import java.time.Duration;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jdbi.v3.core.Handle;

/// Remembers the orders that devices would have been given.
public final class RecordedOrders implements DeviceOrders {
    public final Queue<Placed> placed = new ConcurrentLinkedQueue<>();

    /// An order that somebody placed.
    public record Placed(DeviceId device, OrderContent content) {}

    @Override
    public void place(Handle tx, TenantId tenant, DeviceId device, OrderContent content, Duration life, Actor actor) {
        placed.add(new Placed(device, content));
    }
}
