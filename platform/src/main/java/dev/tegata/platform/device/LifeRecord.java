// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.device;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import java.time.Instant;
import java.util.List;
import org.jdbi.v3.core.Handle;

/// Where those turns of a device's life are put down that its next owner and its auditors may want proof
/// of: the custody chain.
@FunctionalInterface
public interface LifeRecord {
    /// Puts a turn down in the transaction that takes it.
    ///
    /// @param turn [DeviceState.Action#REFURBISHED] or [DeviceState.Action#RETIRE]
    void note(Handle tx, TenantId tenant, List<DeviceId> devices, DeviceState.Action turn, Instant at);
}
