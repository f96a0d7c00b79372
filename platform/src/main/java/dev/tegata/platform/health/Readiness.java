// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.health;

import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Database;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Collectors;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Which devices of a fleet can verify which signatures, as far as is known: what they say at check-in, the
/// kinds of the keys that they have had certified, and the trust anchors that they report.
///
/// Written by [HealthSweep], a step of devices at a time, together with the counts; a request reads counts,
/// and pages of an index.
public final class Readiness {
    private final Database database;

    public Readiness(Database database) {
        this.database = database;
    }

    /// @param able devices that can verify it
    /// @param lacking devices of which that is not known
    public record Count(KeyAlgorithm algorithm, long able, long lacking) {}

    /// What is known of one device.
    record Known(UUID device, String fleet, EnumSet<KeyAlgorithm> algorithms) {
        String listed() {
            return algorithms.stream().map(KeyAlgorithm::id).collect(Collectors.joining(",", ",", ","));
        }
    }

    /// The counts of a fleet, for each algorithm.
    public List<Count> counts(TenantId tenant, FleetId fleet) {
        Map<String, Long> devices = database.inTenant(tenant, tx -> groups(tx, tenant, fleet));
        long all = devices.values().stream().mapToLong(Long::longValue).sum();
        return Arrays.stream(KeyAlgorithm.values())
                .map(algorithm -> {
                    long able = devices.entrySet().stream()
                            .filter(group -> group.getKey().contains("," + algorithm.id() + ","))
                            .mapToLong(Map.Entry::getValue)
                            .sum();
                    return new Count(algorithm, able, all - able);
                })
                .toList();
    }

    private static Map<String, Long> groups(Handle tx, TenantId tenant, FleetId fleet) {
        Map<String, Long> groups = new HashMap<>();
        tx.createQuery("""
                        SELECT algorithms, devices FROM fleet_readiness
                        WHERE tenant_id = :tenant AND fleet_id = :fleet AND devices > 0""")
                .bind("tenant", tenant)
                .bind("fleet", fleet)
                .map((row, context) -> Map.entry(row.getString(1), row.getLong(2)))
                .forEach(group -> groups.put(group.getKey(), group.getValue()));
        return groups;
    }

    /// The devices of a fleet of which it is not known that they can verify the algorithm.
    public Page<DeviceId> lacking(TenantId tenant, FleetId fleet, KeyAlgorithm algorithm, Page.Request page) {
        UUID after = page.after(id -> DeviceId.parse(id).value(), new UUID(0, 0));
        List<DeviceId> rows = database.inTenant(tenant, tx -> {
            List<UUID> found = new ArrayList<>();
            // A page of each group that lacks it: groups are few, and each is read in the order of its index.
            for (String group : groups(tx, tenant, fleet).keySet()) {
                if (!group.contains("," + algorithm.id() + ",")) {
                    found.addAll(tx.createQuery("""
                                    SELECT device_id FROM device_readiness WHERE tenant_id = :tenant AND fleet_id = :fleet
                                        AND algorithms = :group AND device_id > :after
                                    ORDER BY device_id LIMIT :limit""")
                            .bind("tenant", tenant)
                            .bind("fleet", fleet)
                            .bind("group", group)
                            .bind("after", after)
                            .bind("limit", page.limit() + 1)
                            .mapTo(UUID.class)
                            .list());
                }
            }
            return found.stream()
                    .map(DeviceId::new)
                    .sorted(java.util.Comparator.comparing(DeviceId::toString))
                    .limit(page.limit() + 1L)
                    .toList();
        });
        return Page.of(rows, page, DeviceId::toString);
    }

    /// Stores what is known of the devices from one id to another: all that are there, and no others.
    ///
    /// @param last null for all that follow
    static void store(Handle tx, TenantId tenant, Collection<Known> known, UUID after, @Nullable UUID last) {
        List<UUID> devices = known.stream().map(Known::device).toList();
        List<String> fleets = known.stream().map(Known::fleet).toList();
        List<String> algorithms = known.stream().map(Known::listed).toList();
        tx.createUpdate("""
                        WITH gone AS (
                            DELETE FROM device_readiness r WHERE r.tenant_id = :tenant AND r.device_id > :after
                                AND (:last::uuid IS NULL OR r.device_id <= :last::uuid)
                                AND NOT EXISTS (SELECT FROM unnest(:devices, :fleets, :algorithms)
                                        AS i (device_id, fleet_id, algorithms)
                                    WHERE i.device_id = r.device_id AND i.fleet_id = r.fleet_id
                                        AND i.algorithms = r.algorithms)
                            RETURNING r.fleet_id, r.algorithms)
                        UPDATE fleet_readiness f SET devices = f.devices - g.devices
                        FROM (SELECT fleet_id, algorithms, count(*) AS devices FROM gone GROUP BY 1, 2) g
                        WHERE f.tenant_id = :tenant AND f.fleet_id = g.fleet_id AND f.algorithms = g.algorithms""")
                .bind("tenant", tenant)
                .bind("after", after)
                .bind("last", last)
                .bindArray("devices", UUID.class, devices)
                .bindArray("fleets", String.class, fleets)
                .bindArray("algorithms", String.class, algorithms)
                .execute();
        tx.createUpdate("""
                        WITH added AS (
                            INSERT INTO device_readiness (tenant_id, device_id, fleet_id, algorithms)
                            SELECT :tenant, i.device_id, i.fleet_id, i.algorithms
                            FROM unnest(:devices, :fleets, :algorithms) AS i (device_id, fleet_id, algorithms)
                            ON CONFLICT DO NOTHING
                            RETURNING fleet_id, algorithms)
                        INSERT INTO fleet_readiness (tenant_id, fleet_id, algorithms, devices)
                        SELECT :tenant, fleet_id, algorithms, count(*) FROM added GROUP BY fleet_id, algorithms
                        ON CONFLICT (tenant_id, fleet_id, algorithms)
                            DO UPDATE SET devices = fleet_readiness.devices + EXCLUDED.devices""")
                .bind("tenant", tenant)
                .bindArray("devices", UUID.class, devices)
                .bindArray("fleets", String.class, fleets)
                .bindArray("algorithms", String.class, algorithms)
                .execute();
    }

    /// Names that a device said; those that nobody knows are passed over.
    static EnumSet<KeyAlgorithm> named(@Nullable String text) {
        EnumSet<KeyAlgorithm> algorithms = EnumSet.noneOf(KeyAlgorithm.class);
        for (String name : Optional.ofNullable(text).orElse("").split(",")) {
            Arrays.stream(KeyAlgorithm.values())
                    .filter(algorithm -> algorithm.id().equals(name.strip()))
                    .forEach(algorithms::add);
        }
        return algorithms;
    }
}
