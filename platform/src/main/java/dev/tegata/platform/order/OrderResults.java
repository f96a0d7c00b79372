// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.order;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.OrderContent;
import java.util.Optional;
import org.jdbi.v3.core.Handle;

/// Draws the consequences of an order's result, in the transaction in which the result is stored.
public interface OrderResults {
    /// What a device said of an order. It is told once.
    record Ended(
            DeviceId device,
            OrderId order,
            OrderContent content,
            CheckIn.Status status,
            String detail,
            Optional<Bytes> receipt) {}

    /// Draws the consequences. The device's row is locked.
    ///
    /// @return why the result is not believed, with nothing changed: the order counts as failed then. Empty
    ///     where all is well
    Optional<String> take(Handle tx, TenantId tenant, Ended ended);
}
