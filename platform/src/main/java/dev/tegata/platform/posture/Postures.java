// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.posture;

import dev.tegata.attestation.result.Tier;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.appraisal.AppraisalId;
import dev.tegata.platform.appraisal.Appraised;
import dev.tegata.platform.appraisal.StoredAppraisal;
import dev.tegata.platform.device.DeviceData;
import dev.tegata.platform.enrol.Standing;
import dev.tegata.platform.event.Event;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.fleet.AttestationPolicy;
import dev.tegata.platform.fleet.Fleets;
import dev.tegata.platform.order.OrderId;
import dev.tegata.platform.posture.Posture.Reason;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Json;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.InstantSource;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// The postures of a tenant's devices.
///
/// Implementation notes:
/// - A row follows the newest appraisal of its device. Writers lock the row; of two at once the later
///   evidence wins.
/// - An event is sent where what others see has changed: from affirming, warning, contraindicated, none
///   or stale to
///   another of them. All of it happens in the transaction of the appraisal.
public final class Postures implements Standing {
    private final Database database;
    private final Outbox outbox;
    private final InstantSource clock;

    public Postures(Database database, Outbox outbox, InstantSource clock) {
        this.database = database;
        this.outbox = outbox;
        this.clock = clock;
    }

    record Reasons(List<Reason> list) {}

    record Vector(Map<String, Integer> values) {}

    /// Forgets what is known of devices, as part of the transaction `tx`.
    public void forget(Handle tx, TenantId tenant, List<DeviceId> devices) {
        DeviceData.eraseRows(tx, "device_posture", tenant, devices);
    }

    /// Takes note of an appraisal, as part of the transaction `tx` that keeps it. Evidence of no device of
    /// ours changes nothing.
    public void note(Handle tx, TenantId tenant, Appraised appraised) {
        StoredAppraisal stored = appraised.stored();
        DeviceId device = stored.device();
        if (device == null) {
            return;
        }
        // Locks the device: evidence of one device is noted in one order.
        Optional<FleetId> fleet = tx.createQuery("""
                        SELECT fleet_id FROM device WHERE tenant_id = :tenant AND device_id = :device FOR NO KEY UPDATE""")
                .bind("tenant", tenant)
                .bind("device", device)
                .mapTo(String.class)
                .findOne()
                .map(FleetId::new);
        if (fleet.isEmpty()) {
            return;
        }
        Optional<Posture> before = find(tx, tenant, device);
        AppraisalId last = before.map(Posture::appraisal).orElse(null);
        if (last != null && last.value().compareTo(stored.id().value()) >= 0) {
            return;
        }
        AttestationPolicy policy = Fleets.attestation(tx, tenant, fleet.get());
        Judgement judgement = Judgement.of(appraised.verdict(), stored.outcomes());
        Instant now = stored.at();
        Tier previous = before.map(Posture::status).orElse(null);
        boolean changed = previous != judgement.status();
        boolean good = judgement.status() == Tier.AFFIRMING;
        String seen = before.map(posture -> word(posture, now)).orElse("");
        tx.createUpdate("""
                        INSERT INTO device_posture AS p (tenant_id, device_id, fleet_id, appraisal_id, status, vector,
                            reasons, release, boot_epoch, boot_count, appraised_at, judged_at, changed_at, stale_at,
                            bad_since, step_due)
                        VALUES (:tenant, :device, :fleet, :appraisal, :status, :vector::jsonb, :reasons::jsonb, :release,
                            :epoch, (SELECT boot_count FROM device_report
                                WHERE tenant_id = :tenant AND device_id = :device),
                            :now, :now, :now, :stale, :bad, :due)
                        ON CONFLICT (tenant_id, device_id) DO UPDATE SET fleet_id = excluded.fleet_id,
                            appraisal_id = excluded.appraisal_id, order_id = NULL, status = excluded.status,
                            previous = CASE WHEN p.appraisal_id IS NOT NULL THEN p.status END, vector = excluded.vector, reasons = excluded.reasons,
                            release = excluded.release, boot_epoch = excluded.boot_epoch,
                            boot_count = excluded.boot_count, appraised_at = excluded.appraised_at,
                            judged_at = excluded.judged_at,
                            changed_at = CASE WHEN :changed THEN excluded.changed_at ELSE p.changed_at END,
                            stale_at = excluded.stale_at, stale_told = false,
                            bad_since = CASE WHEN :good THEN NULL ELSE coalesce(p.bad_since, :now) END,
                            step_due = CASE WHEN :good THEN (CASE WHEN p.suspended THEN :now END)
                                WHEN p.bad_since IS NULL THEN excluded.step_due ELSE p.step_due END,
                            steps_taken = CASE WHEN :good THEN 0 ELSE p.steps_taken END""")
                .bind("tenant", tenant)
                .bind("device", device)
                .bind("fleet", fleet.get().value())
                .bind("appraisal", stored.id().value())
                .bind("status", judgement.status().name())
                .bind("vector", Json.write(judgement.vector()))
                .bind("reasons", Json.write(new Reasons(judgement.reasons())))
                .bind("release", judgement.release())
                .bind("epoch", Judgement.bootEpoch(stored.outcomes()))
                .bind("now", now)
                .bind("stale", policy.asksForEvidence() ? now.plus(policy.freshness()) : null)
                .bind("bad", good ? null : now)
                .bind("due", good ? null : firstStep(policy, now))
                .bind("changed", changed)
                .bind("good", good)
                .execute();
        if (!seen.equals(judgement.status().word())) {
            outbox.append(
                    tx, tenant, changed(device, seen, judgement, stored.id().toString()));
        }
    }

    static @Nullable Instant firstStep(AttestationPolicy policy, Instant since) {
        return policy.consequences().isEmpty()
                ? null
                : since.plus(policy.consequences().getFirst().after());
    }

    static Event changed(DeviceId device, String from, Judgement to, String appraisal) {
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("device", device.toString());
        data.put("from", from);
        data.put("to", to.status().word());
        data.put("release", to.release());
        data.put("appraisal", appraisal);
        if (!to.reasons().isEmpty()) {
            data.put("reason", to.reasons().getFirst().sentence());
            data.put("remedy", to.reasons().getFirst().remedy());
        }
        return new Event("dev.tegata.posture.changed", "device:" + device, data);
    }

    /// What others see of a posture: its status, or that it is stale.
    public static String word(Posture posture, Instant now) {
        return posture.status() == Tier.AFFIRMING && posture.isStale(now)
                ? "stale"
                : posture.status().word();
    }

    /// Notes which order asked for the evidence that a device's posture rests on.
    void noteOrder(Handle tx, TenantId tenant, DeviceId device, AppraisalId appraisal, OrderId order) {
        tx.createUpdate("""
                        UPDATE device_posture SET order_id = :order
                        WHERE tenant_id = :tenant AND device_id = :device AND appraisal_id = :appraisal""")
                .bind("order", order.value())
                .bind("tenant", tenant)
                .bind("device", device)
                .bind("appraisal", appraisal.value())
                .execute();
    }

    /// Whether the evidence that `order` asked for has been appraised.
    static boolean isAnswered(Handle tx, TenantId tenant, DeviceId device, OrderId order) {
        return tx.createQuery("""
                        SELECT EXISTS (SELECT FROM device_posture
                            WHERE tenant_id = :tenant AND device_id = :device AND order_id = :order)""")
                .bind("tenant", tenant)
                .bind("device", device)
                .bind("order", order.value())
                .mapTo(Boolean.class)
                .one();
    }

    /// The posture of a device; empty where none of its evidence was ever appraised, and its fleet draws no
    /// consequences from that.
    public static Optional<Posture> find(Handle tx, TenantId tenant, DeviceId device) {
        return tx.createQuery("SELECT * FROM device_posture WHERE tenant_id = :tenant AND device_id = :device")
                .bind("tenant", tenant)
                .bind("device", device)
                .map((row, context) -> posture(row))
                .findOne();
    }

    @Override
    public Optional<NotGood> of(TenantId tenant, DeviceId device) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                        SELECT status, bad_since FROM device_posture
                        WHERE tenant_id = :tenant AND device_id = :device AND bad_since IS NOT NULL""")
                        .bind("tenant", tenant)
                        .bind("device", device)
                        .map((row, context) -> {
                            Tier status = Tier.valueOf(row.getString("status"));
                            return new NotGood(
                                    status == Tier.AFFIRMING ? "stale" : status.word(),
                                    row.getTimestamp("bad_since").toInstant());
                        })
                        .findOne());
    }

    public Optional<Posture> find(TenantId tenant, DeviceId device) {
        return database.inTenant(tenant, tx -> find(tx, tenant, device));
    }

    /// @throws RefusedException where there is no such device, or nothing is known of its posture
    public Posture get(TenantId tenant, DeviceId device) {
        return find(tenant, device)
                .orElseThrow(() -> new RefusedException(
                        ErrorCode.NOT_FOUND, "there is no device " + device + " whose evidence was appraised"));
    }

    /// Postures in the order of their devices.
    ///
    /// @param status those of this status only; null for all
    public Page<Posture> list(TenantId tenant, @Nullable Tier status, Page.Request page) {
        Map<String, Object> bindings = new HashMap<>();
        bindings.put("tenant", tenant);
        bindings.put("limit", page.limit() + 1);
        String filter = "";
        if (status != null) {
            filter += " AND status = :status";
            bindings.put("status", status.name());
        }
        bindings.put("after", page.after(id -> DeviceId.parse(id).value(), new UUID(0, 0)));
        String sql = "SELECT * FROM device_posture WHERE tenant_id = :tenant AND device_id > :after" + filter
                + " ORDER BY device_id LIMIT :limit";
        List<Posture> rows = database.inTenant(
                tenant,
                tx -> tx.createQuery(sql)
                        .bindMap(bindings)
                        .map((row, context) -> posture(row))
                        .list());
        return Page.of(rows, page, posture -> posture.device().toString());
    }

    /// How many devices run a release with a verdict by evidence of an age.
    ///
    /// @param age of the evidence in whole UTC days: `today`, `week`, `month` or `older`; `never` where
    /// there was
    ///     none
    public record Count(String release, Tier status, String age, long devices) {}

    /// The matrix of release, verdict and age, the most devices first.
    ///
    /// @param fleet of this fleet only; null for all
    public List<Count> summary(TenantId tenant, @Nullable FleetId fleet) {
        LocalDate today = LocalDate.ofInstant(clock.instant(), ZoneOffset.UTC);
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                        SELECT release, status, age, sum(devices) AS n FROM (
                            SELECT release, status, devices, CASE WHEN day = '-infinity' THEN 'never'
                                WHEN day >= :today THEN 'today'
                                WHEN day > :today - 7 THEN 'week' WHEN day > :today - 30 THEN 'month'
                                ELSE 'older' END AS age
                            FROM posture_count
                            WHERE tenant_id = :tenant AND (:fleet::text IS NULL OR fleet_id = :fleet)) AS counted
                        GROUP BY release, status, age HAVING sum(devices) > 0
                        ORDER BY sum(devices) DESC, release, status, age LIMIT 1000""")
                        .bind("tenant", tenant)
                        .bind("fleet", fleet == null ? null : fleet.value())
                        .bind("today", today)
                        .map((row, context) -> new Count(
                                row.getString("release"),
                                Tier.valueOf(row.getString("status")),
                                row.getString("age"),
                                row.getLong("n")))
                        .list());
    }

    /// Reads a stored row, for those who join it to others.
    public static Posture posture(ResultSet row) throws SQLException {
        String previous = row.getString("previous");
        UUID appraisal = row.getObject("appraisal_id", UUID.class);
        long bootCount = row.getLong("boot_count");
        Long knownBootCount = row.wasNull() ? null : bootCount;
        return new Posture(
                new DeviceId(row.getObject("device_id", UUID.class)),
                new FleetId(row.getString("fleet_id")),
                appraisal == null ? null : new AppraisalId(appraisal),
                Tier.valueOf(row.getString("status")),
                previous == null ? null : Tier.valueOf(previous),
                new TreeMap<>(Json.read("{\"values\":" + row.getString("vector") + "}", Vector.class)
                        .values()),
                Json.read(row.getString("reasons"), Reasons.class).list(),
                row.getString("release"),
                row.getString("boot_epoch"),
                knownBootCount,
                Columns.instant(row, "appraised_at"),
                row.getTimestamp("judged_at").toInstant(),
                row.getTimestamp("changed_at").toInstant(),
                Columns.instant(row, "stale_at"),
                row.getBoolean("suspended"));
    }
}
