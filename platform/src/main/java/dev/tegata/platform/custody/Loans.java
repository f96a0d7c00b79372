// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Database;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/// Which devices of others a tenant may use at this moment.
///
/// The holder's rows lead to the owner's, and the owner's decide: nothing here is remembered, so that a
/// grant which is revoked or over opens nothing from that instant on.
public final class Loans {
    /// How many owners are looked for, one after the other.
    private static final int MOST_LENDERS = 1_000;

    private final Database database;
    private final InstantSource clock;

    public Loans(Database database, InstantSource clock) {
        this.database = database;
        this.clock = clock;
    }

    /// A device that another tenant lends.
    ///
    /// @param endsAt of the grant that lasts longest
    public record Loan(TenantId owner, Instant endsAt) {}

    /// By whose grant a tenant may use a device now.
    public Optional<Loan> find(TenantId holder, DeviceId device) {
        List<TenantId> owners = database.inTenant(
                holder,
                tx -> tx.createQuery("""
                                SELECT DISTINCT owner_id FROM held_grant
                                WHERE tenant_id = :tenant AND device_id = :device AND ends_at > :now LIMIT :most""")
                        .bind("tenant", holder)
                        .bind("device", device)
                        .bind("now", clock.instant())
                        .bind("most", MOST_LENDERS)
                        .mapTo(TenantId.class)
                        .list());
        return owners.stream()
                .flatMap(owner -> find(owner, holder, List.of(device)).values().stream())
                .findFirst();
    }

    /// The owner's word on each of these devices that the holder may use now.
    public Map<DeviceId, Loan> find(TenantId owner, TenantId holder, Collection<DeviceId> devices) {
        Map<DeviceId, Loan> loans = new HashMap<>();
        if (devices.isEmpty()) {
            return loans;
        }
        database.inTenant(
                owner,
                tx -> tx.createQuery("""
                                SELECT device_id, max(ends_at) AS ends_at FROM device_grant
                                WHERE tenant_id = :tenant AND device_id = ANY(:devices::uuid[])
                                    AND holder_id = :holder AND ends_at > :now
                                GROUP BY device_id""")
                        .bind("tenant", owner)
                        .bindArray(
                                "devices",
                                UUID.class,
                                devices.stream().map(DeviceId::value).toArray())
                        .bind("holder", holder)
                        .bind("now", clock.instant())
                        .map((row, context) -> loans.put(
                                new DeviceId(row.getObject("device_id", UUID.class)),
                                new Loan(owner, row.getTimestamp("ends_at").toInstant())))
                        .list());
        return loans;
    }

    /// Who may be lending something to a tenant now; a thousand at the most.
    public List<TenantId> lenders(TenantId holder) {
        return database.inTenant(
                holder,
                tx -> tx.createQuery("""
                                WITH RECURSIVE lender (owner_id) AS (
                                    SELECT min(owner_id) FROM held_grant WHERE tenant_id = :tenant
                                    UNION ALL
                                    SELECT (SELECT min(h.owner_id) FROM held_grant h
                                        WHERE h.tenant_id = :tenant AND h.owner_id > lender.owner_id)
                                    FROM lender WHERE lender.owner_id IS NOT NULL)
                                SELECT owner_id FROM lender
                                WHERE EXISTS (SELECT FROM held_grant h WHERE h.tenant_id = :tenant
                                    AND h.owner_id = lender.owner_id AND h.ends_at > :now)
                                LIMIT :most""")
                        .bind("tenant", holder)
                        .bind("now", clock.instant())
                        .bind("most", MOST_LENDERS)
                        .mapTo(TenantId.class)
                        .list());
    }
}
