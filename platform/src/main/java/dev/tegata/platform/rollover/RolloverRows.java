// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.rollover;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.JobId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.rollover.Rollover.Cause;
import dev.tegata.platform.rollover.Rollover.Readmission;
import dev.tegata.platform.rollover.Rollover.Step;
import dev.tegata.platform.rollover.Rollover.Waves;
import dev.tegata.platform.store.Columns;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.Collection;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.argument.Argument;
import org.jspecify.annotations.Nullable;

/// The tables of campaigns.
final class RolloverRows {
    private RolloverRows() {}

    static void insert(Handle tx, TenantId tenant, Rollover rollover) {
        tx.createUpdate("""
                        INSERT INTO rollover (tenant_id, rollover_id, cause, state, old_authority, new_authority,
                            new_anchor, anchors, readmission, wave_size, wave_share, wave_longest, failure_limit,
                            created_by, created_at, updated_at)
                        VALUES (:tenant, :id, :cause, :state, :old, :new, :anchor, :anchors, :readmission, :size, :share,
                            :longest, :limit, :actor, :now, :now)""")
                .bind("tenant", tenant)
                .bind("id", rollover.id().value())
                .bind("cause", rollover.cause())
                .bind("state", rollover.state())
                .bind("old", rollover.oldAuthority())
                .bind("new", rollover.newAuthority())
                .bindByType("anchor", rollover.newAnchor(), Bytes.class)
                .bind("anchors", array(rollover.anchors()))
                .bind("readmission", rollover.readmission())
                .bind("size", rollover.waves().size())
                .bind("share", rollover.waves().share())
                .bind("longest", rollover.waves().longest().toSeconds())
                .bind("limit", rollover.waves().failureLimit())
                .bind("actor", rollover.createdBy())
                .bind("now", rollover.createdAt())
                .execute();
        rollover.authorities()
                .forEach((from, to) -> tx.createUpdate("""
                                INSERT INTO rollover_authority (tenant_id, rollover_id, old_authority, new_authority)
                                VALUES (:tenant, :id, :old, :new)""")
                        .bind("tenant", tenant)
                        .bind("id", rollover.id().value())
                        .bind("old", from)
                        .bind("new", to)
                        .execute());
    }

    static Argument array(List<Bytes> values) {
        byte[][] all = values.stream().map(Bytes::toArray).toArray(byte[][]::new);
        return (position, statement, context) ->
                statement.setArray(position, statement.getConnection().createArrayOf("bytea", all));
    }

    static Rollover find(Handle tx, TenantId tenant, RolloverId id) {
        return find(tx, tenant, id, "");
    }

    static Rollover lock(Handle tx, TenantId tenant, RolloverId id) {
        return find(tx, tenant, id, " FOR UPDATE");
    }

    private static Rollover find(Handle tx, TenantId tenant, RolloverId id, String locking) {
        return tx.createQuery("SELECT * FROM rollover WHERE tenant_id = :tenant AND rollover_id = :id" + locking)
                .bind("tenant", tenant)
                .bind("id", id.value())
                .map((row, context) -> rollover(tx, tenant, row))
                .findOne()
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no rollover " + id));
    }

    static List<Rollover> list(Handle tx, TenantId tenant, Page.Request page) {
        return tx
                .createQuery("""
                        SELECT rollover_id FROM rollover
                        WHERE tenant_id = :tenant AND rollover_id < :before
                        ORDER BY rollover_id DESC LIMIT :limit""")
                .bind("tenant", tenant)
                .bind("before", page.after(id -> RolloverId.parse(id).value(), new UUID(-1, -1)))
                .bind("limit", page.limit() + 1)
                .mapTo(UUID.class)
                .list()
                .stream()
                .map(id -> find(tx, tenant, new RolloverId(id)))
                .toList();
    }

    private static Rollover rollover(Handle tx, TenantId tenant, ResultSet row) throws SQLException {
        RolloverId id = new RolloverId(row.getObject("rollover_id", UUID.class));
        String readmission = row.getString("readmission");
        UUID job = row.getObject("job_id", UUID.class);
        return new Rollover(
                id,
                Cause.valueOf(row.getString("cause")),
                RolloverState.valueOf(row.getString("state")),
                new AuthorityId(row.getObject("old_authority", UUID.class)),
                new AuthorityId(row.getObject("new_authority", UUID.class)),
                authorities(tx, tenant, id),
                Columns.bytes(row, "new_anchor"),
                Arrays.stream((byte[][]) row.getArray("anchors").getArray())
                        .map(Bytes::of)
                        .toList(),
                readmission == null ? null : Readmission.valueOf(readmission),
                new Waves(
                        row.getInt("wave_size"),
                        row.getInt("wave_share"),
                        Duration.ofSeconds(row.getLong("wave_longest")),
                        row.getInt("failure_limit")),
                row.getInt("wave"),
                Columns.instant(row, "wave_opened_at"),
                row.getLong("listed"),
                row.getBoolean("settled"),
                row.getString("note"),
                job == null ? null : new JobId(job),
                row.getString("created_by"),
                row.getObject("created_at", OffsetDateTime.class).toInstant(),
                row.getObject("updated_at", OffsetDateTime.class).toInstant(),
                progress(tx, tenant, id),
                ownRenewalsBy(tx, tenant, id));
    }

    private static Map<AuthorityId, AuthorityId> authorities(Handle tx, TenantId tenant, RolloverId id) {
        Map<AuthorityId, AuthorityId> authorities = new HashMap<>();
        tx.createQuery("""
                        SELECT old_authority, new_authority FROM rollover_authority
                        WHERE tenant_id = :tenant AND rollover_id = :id""")
                .bind("tenant", tenant)
                .bind("id", id.value())
                .map((row, context) -> Map.entry(row.getObject(1, UUID.class), row.getObject(2, UUID.class)))
                .forEach(pair -> authorities.put(new AuthorityId(pair.getKey()), new AuthorityId(pair.getValue())));
        return authorities;
    }

    private static Map<Step, Long> progress(Handle tx, TenantId tenant, RolloverId id) {
        Map<Step, Long> progress = new EnumMap<>(Step.class);
        tx.createQuery("""
                        SELECT step, sum(devices) FROM rollover_count
                        WHERE tenant_id = :tenant AND rollover_id = :id GROUP BY step HAVING sum(devices) > 0""")
                .bind("tenant", tenant)
                .bind("id", id.value())
                .map((row, context) -> Map.entry(Step.valueOf(row.getString(1)), row.getLong(2)))
                .forEach(count -> progress.put(count.getKey(), count.getValue()));
        return progress;
    }

    private static @Nullable Instant ownRenewalsBy(Handle tx, TenantId tenant, RolloverId id) {
        return tx.createQuery(
                        "SELECT max(renews_by) FROM rollover_device WHERE tenant_id = :tenant AND rollover_id = :id")
                .bind("tenant", tenant)
                .bind("id", id.value())
                .map((row, context) -> Columns.instant(row, "max"))
                .one();
    }

    static List<RolloverDevice> devices(
            Handle tx, TenantId tenant, RolloverId id, @Nullable Step step, Page.Request page) {
        find(tx, tenant, id);
        return tx.createQuery("""
                        SELECT device_id, wave, step, attempts, detail, renews_by, changed_at FROM rollover_device
                        WHERE tenant_id = :tenant AND rollover_id = :id %s AND device_id > :after
                        ORDER BY device_id LIMIT :limit""".formatted(step == null ? "" : "AND step = '" + step.name() + "'"))
                .bind("tenant", tenant)
                .bind("id", id.value())
                .bind("after", page.after(device -> DeviceId.parse(device).value(), new UUID(0, 0)))
                .bind("limit", page.limit() + 1)
                .map((row, context) -> new RolloverDevice(
                        new DeviceId(row.getObject(1, UUID.class)),
                        row.getInt(2),
                        Step.valueOf(row.getString(3)),
                        row.getInt(4),
                        row.getString(5),
                        Columns.instant(row, "renews_by"),
                        row.getObject("changed_at", OffsetDateTime.class).toInstant()))
                .list();
    }

    /// Devices that were not in operation when the campaign looked at them, or whose certificate had ended,
    /// that are in one of these states now and hold a certificate of one of these authorities.
    static List<UUID> gone(
            Handle tx,
            TenantId tenant,
            RolloverId id,
            Set<DeviceState> states,
            Collection<AuthorityId> authorities,
            Instant now,
            int limit) {
        return tx.createQuery("""
                        SELECT r.device_id FROM rollover_device r JOIN device d ON d.tenant_id = r.tenant_id
                            AND d.device_id = r.device_id AND d.state = ANY (:states)
                        WHERE r.tenant_id = :tenant AND r.rollover_id = :id AND r.step IN ('GONE', 'ENDED')
                            AND EXISTS (SELECT FROM certificate c WHERE c.tenant_id = d.tenant_id
                                AND c.serial_number IN (d.certificate, d.parallel_certificate)
                                AND c.authority_id = ANY (:authorities) AND c.not_after > :now)
                        ORDER BY r.device_id LIMIT :limit""")
                .bindArray(
                        "states",
                        String.class,
                        states.stream().map(DeviceState::name).toList())
                .bind("tenant", tenant)
                .bind("id", id.value())
                .bindArray(
                        "authorities",
                        UUID.class,
                        authorities.stream().map(AuthorityId::value).toList())
                .bind("now", now)
                .bind("limit", limit)
                .mapTo(UUID.class)
                .list();
    }

    /// Puts devices on another step, and keeps the counts. Nobody else writes them meanwhile, and nothing
    /// is joined: a plan that was made while the campaign was small would go through all of it for each
    /// device.
    ///
    /// @param failed whether an order of theirs has failed
    static void put(
            Handle tx,
            TenantId tenant,
            RolloverId id,
            List<UUID> devices,
            Step step,
            boolean failed,
            @Nullable String detail,
            Instant now) {
        if (devices.isEmpty()) {
            return;
        }
        tx.createUpdate("""
                        WITH before AS (
                            SELECT wave, step, count(*) AS devices FROM rollover_device
                            WHERE tenant_id = :tenant AND rollover_id = :id AND device_id = ANY (:devices)
                            GROUP BY wave, step),
                        moved AS (
                            UPDATE rollover_device SET step = :step, changed_at = :now, detail = :detail, renews_by = NULL,
                                attempts = CASE WHEN :failed THEN attempts + 1
                                    WHEN step = :step THEN attempts ELSE 0 END
                            WHERE tenant_id = :tenant AND rollover_id = :id AND device_id = ANY (:devices))
                        INSERT INTO rollover_count (tenant_id, rollover_id, wave, step, devices)
                        SELECT :tenant, :id, wave, step, sum(n) FROM (
                            SELECT wave, step, -devices AS n FROM before
                            UNION ALL SELECT wave, :step, devices FROM before) AS changes
                        GROUP BY wave, step
                        ON CONFLICT (tenant_id, rollover_id, wave, step)
                            DO UPDATE SET devices = rollover_count.devices + EXCLUDED.devices""")
                .bind("tenant", tenant)
                .bind("id", id.value())
                .bindArray("devices", UUID.class, devices)
                .bind("step", step.name())
                .bind("failed", failed)
                .bind("detail", detail)
                .bind("now", now)
                .execute();
    }

    /// Puts devices that are told nothing on a step, and says until when each is waited for.
    static void await(Handle tx, TenantId tenant, RolloverId id, Map<UUID, Instant> devices, Step step, Instant now) {
        List<UUID> ids = List.copyOf(devices.keySet());
        put(tx, tenant, id, ids, step, false, null, now);
        OffsetDateTime[] ends = ids.stream()
                .map(devices::get)
                .map(at -> at.atOffset(ZoneOffset.UTC))
                .toArray(OffsetDateTime[]::new);
        tx.createUpdate("""
                        UPDATE rollover_device
                        SET renews_by = (:ends::timestamptz[])[array_position(:devices::uuid[], device_id)]
                        WHERE tenant_id = :tenant AND rollover_id = :id AND device_id = ANY (:devices)""")
                .bindArray("ends", OffsetDateTime.class, (Object[]) ends)
                .bindArray("devices", UUID.class, ids)
                .bind("tenant", tenant)
                .bind("id", id.value())
                .execute();
    }

    /// Takes devices into the campaign that are not part of it yet.
    ///
    /// @return how many are new
    static int add(
            Handle tx,
            TenantId tenant,
            Rollover rollover,
            List<UUID> devices,
            List<Bytes> held,
            Step step,
            Instant now) {
        if (devices.isEmpty()) {
            return 0;
        }
        int added = tx.createQuery("""
                        WITH fresh AS (
                            SELECT i.device_id, i.held,
                                1 + ((:listed + row_number() OVER (ORDER BY i.device_id) - 1) / :size)::integer AS wave
                            FROM unnest(:devices, :held::bytea[]) AS i (device_id, held)
                            WHERE NOT EXISTS (SELECT FROM rollover_device d
                                WHERE d.tenant_id = :tenant AND d.rollover_id = :id AND d.device_id = i.device_id)),
                        added AS (
                            INSERT INTO rollover_device (tenant_id, rollover_id, device_id, wave, step, held, changed_at)
                            SELECT :tenant, :id, device_id, wave, :step, held, :now FROM fresh
                            RETURNING wave),
                        counted AS (
                            INSERT INTO rollover_count (tenant_id, rollover_id, wave, step, devices)
                            SELECT :tenant, :id, wave, :step, count(*) FROM added GROUP BY wave
                            ON CONFLICT (tenant_id, rollover_id, wave, step)
                                DO UPDATE SET devices = rollover_count.devices + EXCLUDED.devices)
                        SELECT count(*)::integer FROM added""")
                .bind("listed", rollover.listed())
                .bind("size", (long) rollover.waves().size())
                .bindArray("devices", UUID.class, devices)
                .bind("held", array(held))
                .bind("tenant", tenant)
                .bind("id", rollover.id().value())
                .bind("step", step.name())
                .bind("now", now)
                .mapTo(Integer.class)
                .one();
        tx.createUpdate("""
                        UPDATE rollover SET listed = listed + :added, updated_at = :now
                        WHERE tenant_id = :tenant AND rollover_id = :id""")
                .bind("added", added)
                .bind("now", now)
                .bind("tenant", tenant)
                .bind("id", rollover.id().value())
                .execute();
        return added;
    }

    static void state(
            Handle tx, TenantId tenant, RolloverId id, RolloverState state, @Nullable String note, Instant now) {
        tx.createUpdate("""
                        UPDATE rollover SET state = :state, note = :note, settled = false, updated_at = :now
                        WHERE tenant_id = :tenant AND rollover_id = :id""")
                .bind("state", state)
                .bind("note", note)
                .bind("now", now)
                .bind("tenant", tenant)
                .bind("id", id.value())
                .execute();
        boolean open = state != RolloverState.CLOSED && state != RolloverState.ROLLED_BACK;
        tx.createUpdate("""
                        UPDATE rollover_authority SET open = :open WHERE tenant_id = :tenant AND rollover_id = :id""")
                .bind("open", open)
                .bind("tenant", tenant)
                .bind("id", id.value())
                .execute();
    }
}
