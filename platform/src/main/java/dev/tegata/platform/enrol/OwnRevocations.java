// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.store.Database;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/// Revokes certificates at the wish of the devices that hold them. The device's state stays: it may
/// enrol again.
final class OwnRevocations {
    private static final int CERTIFICATE_HOLD = 6;

    private final Database database;
    private final AuditLog auditLog;

    OwnRevocations(Database database, AuditLog auditLog) {
        this.database = database;
        this.auditLog = auditLog;
    }

    enum Outcome {
        DONE,
        ALREADY,
        NOT_ITS_OWN
    }

    Outcome revoke(TenantId tenant, DeviceId device, SerialNumber serial, int reason, String source, Instant now) {
        return database.inTenant(tenant, tx -> {
            int updated = tx.createUpdate("""
                            UPDATE certificate SET revoked_at = :now, revocation_reason = :reason
                            WHERE tenant_id = :tenant AND serial_number = :serial AND device_id = :device
                                AND (revoked_at IS NULL OR revocation_reason = :hold)""")
                    .bind("now", now)
                    .bind("reason", reason)
                    .bind("tenant", tenant)
                    .bind("serial", serial.content())
                    .bind("device", device)
                    .bind("hold", CERTIFICATE_HOLD)
                    .execute();
            if (updated == 0) {
                boolean known = tx.createQuery("""
                                SELECT 1 FROM certificate
                                WHERE tenant_id = :tenant AND serial_number = :serial AND device_id = :device""")
                        .bind("tenant", tenant)
                        .bind("serial", serial.content())
                        .bind("device", device)
                        .mapTo(Integer.class)
                        .findOne()
                        .isPresent();
                return known ? Outcome.ALREADY : Outcome.NOT_ITS_OWN;
            }
            auditLog.append(
                    tx,
                    tenant,
                    List.of(new AuditEvent(
                            Actor.device(device),
                            "certificate.revoked",
                            "device:" + device,
                            Map.of("serialNumber", serial.hex(), "reason", reason, "source", source))));
            return Outcome.DONE;
        });
    }
}
