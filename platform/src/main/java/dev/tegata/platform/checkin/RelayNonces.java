// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.checkin;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Database;
import java.util.OptionalLong;

/// What keeps messages that somebody else carries from being played twice: a nonce serves a device once,
/// and only in the order in which nonces were given out.
record RelayNonces(Database database, CheckInMacs macs) {
    /// The time in a nonce.
    ///
    /// @throws RefusedException where it is none of ours or too old
    OptionalLong timeOf(FleetId fleet, Bytes nonce) {
        OptionalLong time = macs.timeOf(fleet, nonce);
        if (time.isEmpty()) {
            throw new RefusedException(ErrorCode.NONCE_INVALID, "the nonce is too old, or not from here");
        }
        return time;
    }

    /// @param nonce the time in it; empty where the device came itself and signed none
    void useUp(TenantId tenant, DeviceId device, OptionalLong nonce) {
        if (nonce.isEmpty()) {
            return;
        }
        int used = database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                                INSERT INTO device_report (tenant_id, device_id, relay_nonce)
                                VALUES (:tenant, :device, :nonce)
                                ON CONFLICT (tenant_id, device_id) DO UPDATE SET relay_nonce = EXCLUDED.relay_nonce
                                WHERE coalesce(device_report.relay_nonce, 0) < EXCLUDED.relay_nonce""")
                        .bind("tenant", tenant)
                        .bind("device", device)
                        .bind("nonce", nonce.getAsLong())
                        .execute());
        if (used == 0) {
            throw new RefusedException(
                    ErrorCode.NONCE_INVALID, "the device has signed this nonce, or a later one, before");
        }
    }
}
