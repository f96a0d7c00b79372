// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.metering;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.JobId;
import dev.tegata.platform.Page;
import dev.tegata.platform.PeriodicWork;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.event.Event;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.job.Advance;
import dev.tegata.platform.job.JobHandler;
import dev.tegata.platform.job.JobStep;
import dev.tegata.platform.job.Jobs;
import dev.tegata.platform.metering.UsageRow.Operation;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Json;
import java.io.IOException;
import java.io.OutputStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.YearMonth;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Function;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.statement.UnableToExecuteStatementException;
import org.jspecify.annotations.Nullable;

/// Which devices count in which month.
///
/// Implementation notes:
/// - A device counts once for each owner and month because there is one row for it: the primary key says
///   so, not this code. What counted on this node is remembered, so that most operations ask nothing of
///   the database.
/// - A month is closed behind an advisory lock: those who count hold it shared until they commit, who
///   closes takes it alone for a moment. So each row is in before the hash is made, or is an adjustment.
public final class Usage implements AutoCloseable {
    private static final String JOB = "usage.close";
    private static final Actor ACTOR = Actor.system("metering");
    private static final Duration PAUSE = Duration.ofHours(1);
    private static final int PAGE = 2_000;
    private static final int MONTHS_BACK = 12;
    private static final String HEADER = "month,device,fleet,operation,occurred_at,certificate,late";

    /// How long after its end a month stays open: nodes' clocks differ, and requests take their time.
    private static final Duration GRACE = Duration.ofDays(1);

    /// Devices of this node that have counted, in slots by their hash; the newest takes the slot.
    private static final int REMEMBERED = 1 << 17;

    private final Database database;
    private final AuditLog auditLog;
    private final Outbox outbox;
    private final Jobs jobs;
    private final InstantSource clock;
    private final AtomicReferenceArray<@Nullable Counted> counted = new AtomicReferenceArray<>(REMEMBERED);
    private final PeriodicWork closing;

    public Usage(Database database, AuditLog auditLog, Outbox outbox, Jobs jobs, InstantSource clock) {
        this.database = database;
        this.auditLog = auditLog;
        this.outbox = outbox;
        this.jobs = jobs;
        this.clock = clock;
        this.closing = PeriodicWork.start("usage-months", PAUSE, this::closeDue);
    }

    private record Counted(TenantId tenant, YearMonth month, DeviceId device) {
        int slot() {
            return hashCode() & (REMEMBERED - 1);
        }
    }

    public Map<String, JobHandler> handlers() {
        return Map.of(JOB, this::closeStep);
    }

    /// Counts devices that have proven who they are, as part of the transaction in which they did.
    public void count(Handle tx, TenantId tenant, Collection<DeviceId> devices, Operation operation, Instant at) {
        YearMonth month = month(at);
        List<Counted> unknown = devices.stream()
                .map(device -> new Counted(tenant, month, device))
                .filter(each -> !each.equals(counted.get(each.slot())))
                .toList();
        if (unknown.isEmpty()) {
            return;
        }
        adjusted(tx, tenant, month, insert(tx.getConnection(), tenant, month, unknown, operation, at));
        tx.afterCommit(() -> unknown.forEach(each -> counted.set(each.slot(), each)));
    }

    /// One trip to the database, over straight JDBC: this stands on the path of every enrolment. The lock
    /// is a statement of its own, so that the next one sees what was committed while it waited.
    ///
    /// @return those that came when the month was closed
    private static List<UUID> insert(
            Connection connection,
            TenantId tenant,
            YearMonth month,
            List<Counted> devices,
            Operation operation,
            Instant at) {
        LocalDate first = month.atDay(1);
        try (PreparedStatement insert = connection.prepareStatement("""
                SELECT pg_advisory_xact_lock_shared(hashtextextended(?, 0));
                INSERT INTO usage_device (tenant_id, month, device_id, fleet_id, operation, occurred_at,
                    certificate, late)
                SELECT d.tenant_id, ?, d.device_id, d.fleet_id, ?, ?, d.certificate,
                    EXISTS (SELECT FROM usage_month m WHERE m.tenant_id = ? AND m.month = ?)
                FROM device d WHERE d.tenant_id = ? AND d.device_id = ANY(?)
                ORDER BY d.device_id
                ON CONFLICT (tenant_id, month, device_id) DO NOTHING
                RETURNING CASE WHEN late THEN device_id END""")) {
            insert.setString(1, lockName(tenant, month));
            insert.setObject(2, first);
            insert.setString(3, operation.name());
            insert.setTimestamp(4, Timestamp.from(at));
            insert.setString(5, tenant.value());
            insert.setObject(6, first);
            insert.setString(7, tenant.value());
            insert.setArray(
                    8,
                    connection.createArrayOf(
                            "uuid",
                            devices.stream().map(each -> each.device().value()).toArray()));
            insert.execute();
            insert.getMoreResults();
            List<UUID> late = new ArrayList<>();
            try (ResultSet rows = insert.getResultSet()) {
                while (rows.next()) {
                    UUID device = rows.getObject(1, UUID.class);
                    if (device != null) {
                        late.add(device);
                    }
                }
            }
            return late;
        } catch (SQLException e) {
            throw new UnableToExecuteStatementException(e, null);
        }
    }

    private void adjusted(Handle tx, TenantId tenant, YearMonth month, List<UUID> late) {
        auditLog.append(
                tx,
                tenant,
                late.stream()
                        .map(device -> new AuditEvent(
                                ACTOR, "usage.adjusted", "device:" + device, Map.of("month", month.toString())))
                        .toList());
        outbox.append(
                tx,
                tenant,
                late.stream()
                        .map(device -> new Event(
                                "dev.tegata.usage.adjusted", "device:" + device, Map.of("month", month.toString())))
                        .toList());
    }

    private static String lockName(TenantId tenant, YearMonth month) {
        return "usage " + tenant + " " + month;
    }

    static YearMonth month(Instant at) {
        return YearMonth.from(at.atOffset(ZoneOffset.UTC));
    }

    /// The months in which something counted, and those that were closed without, newest first.
    public List<UsageMonth> months(TenantId tenant) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                SELECT coalesce(c.month, to_char(m.month, 'YYYY-MM')) AS month, m.month AS gate,
                                    m.closed_at, m.digest, c.usage, c.late FROM (
                                    SELECT right(counter, 7) AS month,
                                        sum(n) FILTER (WHERE counter LIKE 'usage:%') AS usage,
                                        sum(n) FILTER (WHERE counter LIKE 'late:%') AS late
                                    FROM (SELECT counter, devices AS n FROM device_count WHERE tenant_id = :tenant
                                        UNION ALL SELECT counter, difference FROM device_count_change
                                        WHERE tenant_id = :tenant) AS all_counters
                                    WHERE counter LIKE 'usage:%' OR counter LIKE 'late:%'
                                    GROUP BY 1) AS c
                                FULL JOIN (SELECT * FROM usage_month WHERE tenant_id = :tenant) AS m
                                    ON m.month = to_date(c.month, 'YYYY-MM')
                                ORDER BY 1 DESC""")
                        .bind("tenant", tenant)
                        .map((row, context) -> new UsageMonth(
                                YearMonth.parse(row.getString("month")),
                                state(row.getObject("gate"), row.getObject("closed_at")),
                                row.getLong("usage"),
                                row.getLong("late"),
                                Columns.instant(row, "closed_at"),
                                Columns.bytes(row, "digest")))
                        .list());
    }

    private static UsageMonth.State state(@Nullable Object gate, @Nullable Object closedAt) {
        return gate == null
                ? UsageMonth.State.OPEN
                : closedAt == null ? UsageMonth.State.CLOSING : UsageMonth.State.CLOSED;
    }

    /// The devices that count in a month, in the order of their ids.
    public Page<UsageRow> devices(TenantId tenant, YearMonth month, Page.Request page) {
        requireMonth(tenant, month);
        UUID after = page.after(id -> DeviceId.parse(id).value(), new UUID(0, 0));
        List<UsageRow> rows = database.inTenant(tenant, tx -> rows(tx, tenant, month, after, page.limit() + 1, ""));
        return Page.of(rows, page, row -> row.device().toString());
    }

    /// A month in which nothing counts is one too, and comes to nothing.
    ///
    /// @throws RefusedException [ErrorCode#NOT_FOUND] where it has not begun, or the tenant came later
    public void requireMonth(TenantId tenant, YearMonth month) {
        boolean known = !month.isAfter(month(clock.instant()))
                && database.inTenant(
                        tenant,
                        tx -> tx.createQuery("""
                                SELECT EXISTS (SELECT FROM tenant WHERE tenant_id = :tenant AND created_at < :end)
                                    OR EXISTS (SELECT FROM usage_device WHERE tenant_id = :tenant AND month = :month)""")
                                .bind("tenant", tenant)
                                .bind("month", month.atDay(1))
                                .bind(
                                        "end",
                                        month.plusMonths(1)
                                                .atDay(1)
                                                .atStartOfDay(ZoneOffset.UTC)
                                                .toInstant())
                                .mapTo(Boolean.class)
                                .one());
        if (!known) {
            throw new RefusedException(
                    ErrorCode.NOT_FOUND, "the month " + month + " has not begun, or was before the tenant's first");
        }
    }

    private static List<UsageRow> rows(
            Handle tx, TenantId tenant, YearMonth month, @Nullable UUID after, int limit, String condition) {
        return tx.createQuery("""
                        SELECT device_id, fleet_id, operation, occurred_at, certificate, late FROM usage_device
                        WHERE tenant_id = :tenant AND month = :month AND device_id > :after %s
                        ORDER BY device_id LIMIT :limit""".formatted(condition))
                .bind("tenant", tenant)
                .bind("month", month.atDay(1))
                .bind("after", after == null ? new UUID(0, 0) : after)
                .bind("limit", limit)
                .map((row, context) -> new UsageRow(
                        month,
                        new DeviceId(row.getObject(1, UUID.class)),
                        new FleetId(row.getString(2)),
                        Operation.valueOf(row.getString(3)),
                        row.getObject(4, OffsetDateTime.class).toInstant(),
                        row.getBytes(5) == null ? null : new SerialNumber(new BigInteger(row.getBytes(5))),
                        row.getBoolean(6)))
                .list();
    }

    /// Writes a month as CSV, in the order in which its hash is made; adjustments are in their places.
    public void writeCsv(TenantId tenant, YearMonth month, OutputStream out) throws IOException {
        write(out, HEADER);
        writeAll(tenant, month, out, UsageRow::line);
    }

    /// Writes a month as CloudEvents, one in each line. Their ids are the same each time.
    public void writeCloudEvents(TenantId tenant, YearMonth month, OutputStream out) throws IOException {
        writeAll(tenant, month, out, row -> cloudEvent(tenant, row));
    }

    private void writeAll(TenantId tenant, YearMonth month, OutputStream out, Function<UsageRow, String> form)
            throws IOException {
        UUID after = null;
        List<UsageRow> rows;
        do {
            UUID from = after;
            rows = database.inTenant(tenant, tx -> rows(tx, tenant, month, from, PAGE, ""));
            for (UsageRow row : rows) {
                write(out, form.apply(row));
                after = row.device().value();
            }
        } while (rows.size() == PAGE);
    }

    private static void write(OutputStream out, String line) throws IOException {
        out.write((line + "\n").getBytes(StandardCharsets.UTF_8));
    }

    private static String cloudEvent(TenantId tenant, UsageRow row) {
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("month", row.month().toString());
        data.put("device", row.device().toString());
        data.put("fleet", row.fleet().value());
        data.put("operation", row.operation().name());
        data.put("occurredAt", row.occurredAt().toString());
        data.put(
                "certificate",
                row.certificate() == null ? "" : row.certificate().hex());
        data.put("late", row.late());
        Map<String, Object> event = new LinkedHashMap<>();
        event.put("specversion", "1.0");
        event.put("id", tenant + "/" + row.month() + "/" + row.device());
        event.put("source", "/tenants/" + tenant);
        event.put("type", "dev.tegata.usage.counted");
        event.put("subject", "device:" + row.device());
        event.put("time", row.occurredAt().toString());
        event.put("datacontenttype", "application/json");
        event.put("data", data);
        return Json.write(event);
    }

    /// What is to be closed.
    record Parameters(String month) {}

    /// Starts to close a month that is over.
    ///
    /// @throws RefusedException where it is not over, or closed already
    public JobId close(TenantId tenant, YearMonth month, Actor actor) {
        requireMonth(tenant, month);
        if (!month.isBefore(month(clock.instant()))) {
            throw new RefusedException(ErrorCode.CONFLICT, "the month " + month + " is not over");
        }
        return database.inTenant(tenant, tx -> begin(tx, tenant, month, actor));
    }

    private JobId begin(Handle tx, TenantId tenant, YearMonth month, Actor actor) {
        tx.createQuery("SELECT 1 FROM (SELECT pg_advisory_xact_lock(hashtextextended(:what, 0))) AS locked")
                .bind("what", lockName(tenant, month))
                .mapTo(Integer.class)
                .one();
        int begun = tx.createUpdate("""
                        INSERT INTO usage_month (tenant_id, month) VALUES (:tenant, :month) ON CONFLICT DO NOTHING""")
                .bind("tenant", tenant)
                .bind("month", month.atDay(1))
                .execute();
        if (begun == 0) {
            throw new RefusedException(ErrorCode.CONFLICT, "the month " + month + " is closed, or about to be");
        }
        return jobs.start(tx, tenant, JOB, new Parameters(month.toString()), actor);
    }

    private void closeDue() {
        List<TenantId> tenants = database.acrossTenants(tx -> tx.createQuery("SELECT tenant_id FROM tenant")
                .mapTo(TenantId.class)
                .list());
        Instant now = clock.instant();
        YearMonth current = month(now.minus(GRACE));
        for (TenantId tenant : tenants) {
            for (YearMonth month : open(tenant, current)) {
                try {
                    database.inTenant(tenant, tx -> begin(tx, tenant, month, ACTOR));
                } catch (RefusedException e) {
                    // Another node was quicker.
                }
            }
        }
    }

    private List<YearMonth> open(TenantId tenant, YearMonth current) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                SELECT m::date FROM generate_series(:first::date, :last::date, interval '1 month') AS m
                                WHERE EXISTS (SELECT FROM usage_device d
                                        WHERE d.tenant_id = :tenant AND d.month = m::date)
                                    AND NOT EXISTS (SELECT FROM usage_month c
                                        WHERE c.tenant_id = :tenant AND c.month = m::date)""")
                        .bind("first", current.minusMonths(MONTHS_BACK).atDay(1))
                        .bind("last", current.minusMonths(1).atDay(1))
                        .bind("tenant", tenant)
                        .mapTo(LocalDate.class)
                        .map(YearMonth::from)
                        .list());
    }

    /// The hash of a month goes on from row to row: each is SHA-256 over the one before and the row's line.
    static Bytes firstHash(TenantId tenant, YearMonth month) {
        return Bytes.sha256(("tegata-usage-v1 " + tenant + " " + month).getBytes(StandardCharsets.UTF_8));
    }

    static Bytes nextHash(Bytes before, UsageRow row) {
        return Bytes.sha256(before.toArray(), row.line().getBytes(StandardCharsets.UTF_8));
    }

    private void closeStep(JobStep step) {
        YearMonth month =
                YearMonth.parse(step.job().parameters(Parameters.class).month());
        TenantId tenant = step.tenant();
        String position = step.job().position();
        String[] parts = position == null ? new String[] {"", ""} : position.split("/", 2);
        UUID after = parts[0].isEmpty() ? null : UUID.fromString(parts[0]);
        Bytes before = position == null ? firstHash(tenant, month) : Bytes.ofHex(parts[1]);
        step.commit(tx -> {
            Bytes hash = before;
            List<UsageRow> rows = rows(tx, tenant, month, after, PAGE, "AND NOT late");
            for (UsageRow row : rows) {
                hash = nextHash(hash, row);
            }
            if (rows.size() == PAGE) {
                return Advance.to(rows.getLast().device() + "/" + hash.hex(), rows.size(), List.of());
            }
            long devices = step.job().done() + rows.size();
            finish(tx, tenant, month, devices, hash, step.job().actor());
            return Advance.complete(rows.size(), List.of())
                    .withTotal(devices)
                    .withResult(new Closed(month.toString(), devices, hash.hex()));
        });
    }

    /// What came of closing a month.
    record Closed(String month, long devices, String digest) {}

    private void finish(Handle tx, TenantId tenant, YearMonth month, long devices, Bytes digest, Actor actor) {
        tx.createUpdate("""
                        UPDATE usage_month SET closed_at = :now, devices = :devices, digest = :digest
                        WHERE tenant_id = :tenant AND month = :month""")
                .bind("now", clock.instant())
                .bind("devices", devices)
                .bind("digest", digest)
                .bind("tenant", tenant)
                .bind("month", month.atDay(1))
                .execute();
        Map<String, Object> detail = Map.of("devices", devices, "digest", digest.hex());
        auditLog.append(tx, tenant, List.of(new AuditEvent(actor, "usage.closed", "usage:" + month, detail)));
        outbox.append(tx, tenant, new Event("dev.tegata.usage.closed", "usage:" + month, detail));
    }

    /// How many devices of all tenants count in the present month, of what has been folded: a few seconds
    /// late.
    public long devicesThisMonth() {
        String counter = "usage:" + month(clock.instant());
        return database.acrossTenants(
                tx -> tx.createQuery("SELECT coalesce(sum(devices), 0) FROM device_count WHERE counter = :counter")
                        .bind("counter", counter)
                        .mapTo(Long.class)
                        .one());
    }

    @Override
    public void close() {
        closing.close();
    }
}
