// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Database;
import java.time.Instant;
import java.util.Optional;
import java.util.UUID;

/// A device that a tenant has handed over and that may not know it yet. All that it is told at its old
/// fleet is where it belongs now.
///
/// @param newFleet where it enrols, with its birth key and a new operational key
public record HandedOver(
        DeviceId device, FleetId oldFleet, FleetId newFleet, String chip, String serial, Instant releasedAt) {

    /// The device behind a certificate whose key was proven: by the operational certificate that the
    /// tenant gave it, byte by byte and even where it is revoked, or by its birth key. To be asked
    /// where no device of the tenant's own has it.
    public static Optional<HandedOver> find(Database database, TenantId tenant, Certificate shown) {
        Bytes key = shown.publicKeyEncoded().sha256();
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                SELECT device_id, fleet_id, new_fleet, chip, serial, released_at FROM handed_over
                                WHERE tenant_id = :tenant AND device_id IN (
                                    SELECT c.device_id FROM certificate c
                                    WHERE c.tenant_id = :tenant AND c.serial_number = :serial AND c.encoded = :encoded
                                    UNION ALL
                                    SELECT a.device_id FROM certificate_archive a
                                    WHERE a.tenant_id = :tenant AND a.serial_number = :serial
                                        AND a.fingerprint = sha256(:encoded)
                                    UNION ALL
                                    SELECT k.device_id FROM handed_over_key k
                                    WHERE k.tenant_id = :tenant AND k.fingerprint = :key)
                                LIMIT 1""")
                        .bind("tenant", tenant)
                        .bind("serial", shown.serial().content())
                        .bind("encoded", shown.encoded())
                        .bind("key", key)
                        .map((row, context) -> new HandedOver(
                                new DeviceId(row.getObject("device_id", UUID.class)),
                                new FleetId(row.getString("fleet_id")),
                                new FleetId(row.getString("new_fleet")),
                                row.getString("chip"),
                                row.getString("serial"),
                                row.getTimestamp("released_at").toInstant()))
                        .findOne());
    }
}
