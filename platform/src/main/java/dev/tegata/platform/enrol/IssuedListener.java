// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import java.time.Instant;
import java.util.List;
import org.jdbi.v3.core.Handle;

/// Hears of devices that were given certificates, in the transaction that stores them.
@FunctionalInterface
public interface IssuedListener {
    /// @param renewed whether they had one before
    void issued(Handle tx, TenantId tenant, List<DeviceId> devices, boolean renewed, Instant at);
}
