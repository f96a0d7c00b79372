// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.device;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.PeriodicWork;
import dev.tegata.platform.RecentValues;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Database;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// How many devices there are in each state and how many expire when, known without counting them.
///
/// The database keeps the numbers: whatever changes devices leaves the difference in a row of its own, in
/// the same transaction. Here the rows are folded together, and the numbers read.
public final class DeviceCounts implements AutoCloseable {
    /// How many of the devices that expire next are looked at to say who was not heard of.
    static final int LOOKED_AT = 10_000;

    private static final Duration PAUSE = Duration.ofSeconds(5);
    private static final int FOLDED_AT_ONCE = 5_000;
    private static final int LONGEST_HORIZON = 3660;

    /// A device renews when two thirds of its certificate's life are over. One that was not heard of
    /// since then does not know that it should.
    private static final String SILENT = """
            coalesce(d.last_seen_at, d.claimed_at) < c.not_after - (c.not_after - c.not_before) / 3
                AND c.not_after - (c.not_after - c.not_before) / 3 < :now""";

    private final Database database;
    private final InstantSource clock;
    private final PeriodicWork folding;

    /// Of all tenants: whoever asks for one state asks for the others a moment later.
    private final RecentValues<String, Map<String, Long>> everywhere;

    public DeviceCounts(Database database, InstantSource clock) {
        this.database = database;
        this.clock = clock;
        this.everywhere = new RecentValues<>(clock, PAUSE, 1, this::ofAllTenants);
        this.folding = PeriodicWork.start("device-counts", PAUSE, this::foldAll);
    }

    /// What is ahead within so many days.
    ///
    /// @param days from today, in UTC days; 0 is what has expired already
    /// @param expiring devices whose certificate ends by then
    /// @param silent those of them that were not heard of since their renewal was due
    /// @param silentOf how many of the expiring were looked at to say so
    public record Horizon(int days, long expiring, long silent, long silentOf) {}

    /// A device that expires.
    ///
    /// @param silent whether it was not heard of since its renewal was due
    public record Expiring(
            DeviceId id,
            FleetId fleet,
            String serial,
            Instant expiresAt,
            @Nullable Instant lastSeenAt,
            boolean silent) {}

    /// How many devices there are in each state.
    ///
    /// @param fleet null for all fleets
    public Map<DeviceState, Long> byState(TenantId tenant, @Nullable FleetId fleet) {
        Map<DeviceState, Long> counts = new EnumMap<>(DeviceState.class);
        for (DeviceState state : DeviceState.values()) {
            counts.put(state, 0L);
        }
        counters(tenant, fleet, "state:", "state;")
                .forEach((counter, devices) ->
                        counts.put(DeviceState.valueOf(counter.substring(counter.indexOf(':') + 1)), devices));
        return counts;
    }

    /// How many devices of all tenants are in a state, of what has been folded: a few seconds late.
    public long everywhere(DeviceState state) {
        return everywhere.get("state:").getOrDefault("state:" + state.name(), 0L);
    }

    private Map<String, Long> ofAllTenants(String prefix) {
        return database.acrossTenants(tx -> {
            Map<String, Long> counts = new HashMap<>();
            tx.createQuery("""
                            SELECT counter, sum(devices) FROM device_count
                            WHERE starts_with(counter, :prefix) GROUP BY counter""")
                    .bind("prefix", prefix)
                    .map((row, context) -> counts.put(row.getString(1), row.getLong(2)))
                    .list();
            return counts;
        });
    }

    private Map<String, Long> counters(TenantId tenant, @Nullable FleetId fleet, String from, String to) {
        String narrowed = fleet == null ? "" : " AND fleet_id = :fleet";
        return database.inTenant(tenant, tx -> {
            var query = tx.createQuery("""
                            SELECT counter, sum(n) AS n FROM (
                                SELECT counter, devices AS n FROM device_count
                                WHERE tenant_id = :tenant AND counter >= :from AND counter < :to %1$s
                                UNION ALL
                                SELECT counter, difference FROM device_count_change
                                WHERE tenant_id = :tenant AND counter >= :from AND counter < :to %1$s) AS counted
                            GROUP BY counter""".formatted(narrowed))
                    .bind("tenant", tenant)
                    .bind("from", from)
                    .bind("to", to);
            if (fleet != null) {
                query.bind("fleet", fleet);
            }
            Map<String, Long> counts = new HashMap<>();
            query.map((row, context) -> counts.put(row.getString(1), row.getLong(2)))
                    .list();
            return counts;
        });
    }

    /// Who expires within each of `days`, and who of them was not heard of.
    public List<Horizon> forecast(TenantId tenant, @Nullable FleetId fleet, List<Integer> days) {
        Instant now = clock.instant();
        LocalDate today = now.atOffset(ZoneOffset.UTC).toLocalDate();
        for (int day : days) {
            if (day < 0 || day > LONGEST_HORIZON) {
                throw Fields.invalid("days", "must be from 0 to " + LONGEST_HORIZON);
            }
        }
        // In the order of their ends: those of a nearer horizon come first.
        int furthest = days.stream().mapToInt(day -> day).max().orElse(0);
        List<Expiring> soonest = database.inTenant(
                tenant, tx -> next(tx, tenant, fleet, Position.FIRST, until(now, furthest), LOOKED_AT));
        List<Horizon> horizons = new ArrayList<>();
        for (int day : days) {
            String end = "expires:" + (day == 0 ? today : today.plusDays(day + 1L));
            long expiring = counters(tenant, fleet, "expires:", end).values().stream()
                    .mapToLong(Long::longValue)
                    .sum();
            Instant until = until(now, day);
            List<Expiring> looked = soonest.stream()
                    .filter(each -> each.expiresAt().isBefore(until))
                    .toList();
            horizons.add(new Horizon(
                    day, expiring, looked.stream().filter(Expiring::silent).count(), looked.size()));
        }
        return horizons;
    }

    private static Instant until(Instant now, int days) {
        return now.plus(Duration.ofDays(days));
    }

    /// Devices by the end of their certificate, soonest first.
    ///
    /// @param silentOnly whether only those are wanted that were not heard of: a page may then have few
    ///     of them, or none
    public Page<Expiring> expiring(
            TenantId tenant, @Nullable FleetId fleet, int days, boolean silentOnly, Page.Request page) {
        Instant until = clock.instant().plus(Duration.ofDays(Math.clamp(days, 0, LONGEST_HORIZON)));
        Position after = page.after(Position::parse, Position.FIRST);
        List<Expiring> rows = database.inTenant(tenant, tx -> next(tx, tenant, fleet, after, until, page.limit() + 1));
        Page<Expiring> all = Page.of(rows, page, row -> row.expiresAt() + "/" + row.id());
        return silentOnly
                ? new Page<>(all.items().stream().filter(Expiring::silent).toList(), all.next())
                : all;
    }

    private List<Expiring> next(
            Handle tx, TenantId tenant, @Nullable FleetId fleet, Position after, Instant until, int limit) {
        String narrowed = fleet == null ? "" : " AND d.fleet_id = :fleet";
        var query = tx.createQuery("""
                        SELECT d.device_id, d.fleet_id, d.serial, d.expires_at, d.last_seen_at, %s AS silent
                        FROM device d JOIN certificate c
                            ON c.tenant_id = d.tenant_id AND c.serial_number = d.certificate
                        WHERE d.tenant_id = :tenant AND d.expires_at < :until
                            AND (d.expires_at, d.device_id) > (:afterTime, :afterId) %s
                        ORDER BY d.expires_at, d.device_id LIMIT :limit""".formatted(SILENT, narrowed))
                .bind("tenant", tenant)
                .bind("until", until)
                .bind("afterTime", after.expiresAt())
                .bind("afterId", after.device())
                .bind("now", clock.instant())
                .bind("limit", limit);
        if (fleet != null) {
            query.bind("fleet", fleet);
        }
        return query.reduceRows(new ArrayList<>(), (list, row) -> {
            list.add(new Expiring(
                    new DeviceId(row.getColumn("device_id", UUID.class)),
                    new FleetId(row.getColumn("fleet_id", String.class)),
                    row.getColumn("serial", String.class),
                    row.getColumn("expires_at", Instant.class),
                    row.getColumn("last_seen_at", Instant.class),
                    row.getColumn("silent", Boolean.class)));
            return list;
        });
    }

    /// Where a listing by the ends of certificates stands.
    private record Position(Instant expiresAt, UUID device) {
        static final Position FIRST = new Position(Instant.EPOCH, new UUID(0, 0));

        static Position parse(String text) {
            String[] parts = text.split("/", 2);
            try {
                return new Position(
                        Instant.parse(parts[0]),
                        DeviceId.parse(parts[parts.length - 1]).value());
            } catch (DateTimeException e) {
                throw new IllegalArgumentException(e);
            }
        }
    }

    private void foldAll() {
        List<TenantId> tenants =
                database.acrossTenants(tx -> tx.createQuery("SELECT DISTINCT tenant_id FROM device_count_change")
                        .mapTo(TenantId.class)
                        .list());
        for (TenantId tenant : tenants) {
            while (fold(tenant) == FOLDED_AT_ONCE) {
                // There is more.
            }
        }
    }

    /// Adds differences to the counts.
    ///
    /// @return how many, at most [#FOLDED_AT_ONCE]
    int fold(TenantId tenant) {
        return database.inTenant(tenant, tx -> {
            int folded = tx.createQuery("""
                            WITH taken AS (
                                DELETE FROM device_count_change WHERE tenant_id = :tenant AND change_id = ANY (ARRAY(
                                    SELECT change_id FROM device_count_change WHERE tenant_id = :tenant
                                    LIMIT :limit FOR UPDATE SKIP LOCKED))
                                RETURNING fleet_id, counter, difference),
                            folded AS (
                                INSERT INTO device_count (tenant_id, fleet_id, counter, devices)
                                SELECT :tenant, fleet_id, counter, sum(difference) FROM taken
                                GROUP BY fleet_id, counter ORDER BY fleet_id, counter
                                ON CONFLICT (tenant_id, fleet_id, counter)
                                    DO UPDATE SET devices = device_count.devices + excluded.devices)
                            SELECT count(*) FROM taken""")
                    .bind("tenant", tenant)
                    .bind("limit", FOLDED_AT_ONCE)
                    .mapTo(Integer.class)
                    .one();
            tx.createUpdate("DELETE FROM device_count WHERE tenant_id = :tenant AND devices = 0")
                    .bind("tenant", tenant)
                    .execute();
            return folded;
        });
    }

    @Override
    public void close() {
        folding.close();
    }
}
