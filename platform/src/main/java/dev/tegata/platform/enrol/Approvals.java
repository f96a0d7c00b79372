// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.store.Database;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;

/// The two ways in which a fleet's policy changes who may enrol: it wants an operator's word first, or it
/// takes devices
/// that nobody claimed.
final class Approvals {
    private final Database database;
    private final AuditLog auditLog;
    private final InstantSource clock;
    private final RandomGenerator random;

    Approvals(Database database, AuditLog auditLog, InstantSource clock, RandomGenerator random) {
        this.database = database;
        this.auditLog = auditLog;
        this.clock = clock;
        this.random = random;
    }

    /// Stores that a device waits for approval. Repeating it does nothing.
    void ask(TenantId tenant, DeviceId device, String source) {
        database.inTenant(tenant, tx -> {
            int inserted = tx.createUpdate("""
                            INSERT INTO pending_enrolment (tenant_id, device_id, state, asked_at)
                            VALUES (:tenant, :device, 'PENDING', :now)
                            ON CONFLICT (tenant_id, device_id) DO NOTHING""")
                    .bind("tenant", tenant.value())
                    .bind("device", device.value())
                    .bind("now", clock.instant())
                    .execute();
            if (inserted > 0) {
                auditLog.append(
                        tx,
                        tenant,
                        List.of(new AuditEvent(
                                Actor.device(device),
                                "enrolment.asked",
                                "device:" + device,
                                Map.of("source", source))));
            }
            return null;
        });
    }

    /// Claims the device of a birth certificate whose chain has been checked.
    ///
    /// @return false where the certificate names no serial number, or one that somebody holds already
    boolean adopt(TenantId tenant, FleetId fleet, Certificate birthCertificate) {
        List<String> serials = Identification.serialsIn(birthCertificate);
        if (serials.isEmpty()) {
            return false;
        }
        String serial = serials.getLast();
        Instant now = clock.instant();
        DeviceId device = new DeviceId(TimeOrderedIds.next(now, random));
        return database.inTenant(tenant, tx -> {
            int mine = tx.createUpdate("""
                            INSERT INTO chip_owner (chip, serial, tenant_id) VALUES ('other', :serial, :tenant)
                            ON CONFLICT DO NOTHING""")
                    .bind("serial", serial)
                    .bind("tenant", tenant.value())
                    .execute();
            if (mine == 0) {
                return false;
            }
            tx.createUpdate("""
                            INSERT INTO device (tenant_id, device_id, fleet_id, chip, serial, state, proof, claimed_at)
                            VALUES (:tenant, :device, :fleet, 'other', :serial, 'CLAIMED', 'VENDOR_CERTIFICATE', :now)""")
                    .bind("tenant", tenant.value())
                    .bind("device", device.value())
                    .bind("fleet", fleet.value())
                    .bind("serial", serial)
                    .bind("now", now)
                    .execute();
            tx.createUpdate("""
                            INSERT INTO device_key (tenant_id, fingerprint, device_id, slot, public_key, certificate)
                            VALUES (:tenant, :fingerprint, :device, 0, :key, :certificate)""")
                    .bind("tenant", tenant.value())
                    .bind(
                            "fingerprint",
                            birthCertificate.publicKeyEncoded().sha256().toArray())
                    .bind("device", device.value())
                    .bind("key", birthCertificate.publicKeyEncoded().toArray())
                    .bind("certificate", birthCertificate.encoded().toArray())
                    .execute();
            auditLog.append(
                    tx,
                    tenant,
                    List.of(new AuditEvent(
                            Actor.device(device),
                            "device.claimed",
                            "device:" + device,
                            Map.of("fleet", fleet.value(), "by", "birth CA", "serial", serial))));
            return true;
        });
    }
}
