// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Database;
import java.time.InstantSource;
import java.util.UUID;

/// Finds the device that shows an operational certificate of ours.
public final class DeviceCertificates {
    private final Database database;
    private final InstantSource clock;

    public DeviceCertificates(Database database, InstantSource clock) {
        this.database = database;
        this.clock = clock;
    }

    private record Issued(DeviceId device, Bytes encoded, boolean revoked, boolean active) {}

    /// The device with this certificate.
    ///
    /// @param encoded the certificate whose key TLS has proven
    /// @throws RefusedException where we did not issue it, it is over or revoked, or the device is not
    ///     active
    public DeviceId device(TenantId tenant, Bytes encoded) {
        Certificate certificate;
        try {
            certificate = Certificate.parse(encoded);
        } catch (InvalidCertificateException e) {
            throw new RefusedException(ErrorCode.DEVICE_UNKNOWN, "the certificate cannot be read");
        }
        Issued issued = database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                        SELECT c.device_id, c.encoded, c.revoked_at IS NOT NULL AS revoked, d.state = 'ACTIVE' AS active
                        FROM certificate c
                        JOIN device d ON d.tenant_id = c.tenant_id AND d.device_id = c.device_id
                        WHERE c.tenant_id = :tenant AND c.serial_number = :serial""")
                        .bind("tenant", tenant)
                        .bind("serial", certificate.serial().content())
                        .map((row, context) -> new Issued(
                                new DeviceId(row.getObject("device_id", UUID.class)),
                                Bytes.of(row.getBytes("encoded")),
                                row.getBoolean("revoked"),
                                row.getBoolean("active")))
                        .findOne()
                        .filter(found -> found.encoded.equals(encoded))
                        .orElseThrow(() -> new RefusedException(
                                ErrorCode.DEVICE_UNKNOWN, "the certificate is none that was issued to a device here")));
        if (issued.revoked) {
            throw new RefusedException(ErrorCode.CERTIFICATE_REVOKED, "");
        }
        if (!certificate.validity().contains(clock.instant())) {
            throw new RefusedException(ErrorCode.CERTIFICATE_EXPIRED, "");
        }
        if (!issued.active) {
            throw new RefusedException(ErrorCode.DEVICE_NOT_ACTIVE, "");
        }
        return issued.device;
    }
}
