// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.checkin;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.device.Device;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.fleet.CheckInPolicy;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Json;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/// What operators are told of devices' check-ins.
public final class DeviceReports {
    private final Database database;

    public DeviceReports(Database database) {
        this.database = database;
    }

    /// What the device said last; empty where it has never checked in.
    public Optional<DeviceReport> find(TenantId tenant, DeviceId device) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                        SELECT firmware, boot_count, certificates, trust_anchors, last_sequence, reported_at,
                            clone_suspected_at
                        FROM device_report WHERE tenant_id = :tenant AND device_id = :device AND digest IS NOT NULL""")
                        .bind("tenant", tenant)
                        .bind("device", device)
                        .map((row, _) -> new DeviceReport(
                                List.of(Json.read(row.getString("firmware"), DeviceReport.Component[].class)),
                                row.getLong("boot_count"),
                                List.of(Json.read(row.getString("certificates"), String[].class)),
                                List.of(Json.read(row.getString("trust_anchors"), String[].class)),
                                row.getLong("last_sequence"),
                                row.getTimestamp("reported_at").toInstant(),
                                Columns.instant(row, "clone_suspected_at")))
                        .findOne());
    }

    /// The time by which the device should be back, where it does as it is told and the server has not
    /// asked it to come less often; empty where it is not waited for.
    public static Optional<Instant> nextExpectedBy(Device device, CheckInPolicy policy) {
        Instant seen = device.lastSeenAt();
        if (seen == null || device.state() != DeviceState.ACTIVE) {
            return Optional.empty();
        }
        // What is stored of the last sight may be a little older than the sight.
        Instant last = seen.plus(Contacts.SEEN_AGAIN);
        double most = policy.interval(seen, device.activatedAt()).toSeconds() * CheckIns.LONGEST_JITTER;
        return Optional.of(last.plusSeconds(Math.round(most)));
    }
}
