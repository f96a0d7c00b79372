// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.checkin;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import java.time.Instant;
import java.util.List;
import org.jdbi.v3.core.Handle;

/// Hears of devices that have proven themselves, in the transaction that notes when.
public interface SeenListener {
    /// @param devices each at most once in ten minutes, and at least once in each UTC month in which it
    ///     checks in
    void seen(Handle tx, TenantId tenant, List<DeviceId> devices, Instant at);
}
