// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.device;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import java.util.List;
import org.jdbi.v3.core.Handle;

/// Data around devices that may tell something of the people who use them, and that is erased with a
/// retired device.
@FunctionalInterface
public interface DeviceData {
    void erase(Handle tx, TenantId tenant, List<DeviceId> devices);
}
