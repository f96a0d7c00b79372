// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.device;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import java.util.List;
import java.util.UUID;
import org.jdbi.v3.core.Handle;

/// Data around devices that may tell something of the people who use them, and that is erased with a
/// retired device.
@FunctionalInterface
public interface DeviceData {
    void erase(Handle tx, TenantId tenant, List<DeviceId> devices);

    /// Deletes the rows of devices from a table that names them in `device_id`.
    static void eraseRows(Handle tx, String table, TenantId tenant, List<DeviceId> devices) {
        tx.createUpdate("DELETE FROM " + table + " WHERE tenant_id = :tenant AND device_id = ANY (:devices)")
                .bind("tenant", tenant)
                .bindArray(
                        "devices",
                        UUID.class,
                        devices.stream().map(DeviceId::value).toArray())
                .execute();
    }
}
