// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.device.Device;
import dev.tegata.platform.device.DeviceData;
import dev.tegata.platform.device.Devices;
import dev.tegata.platform.event.Event;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.store.Database;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.random.RandomGenerator;
import org.jdbi.v3.core.Handle;

/// Temporary use of devices by other tenants, as when a flat with a lock is let. Never moves ownership: the
/// holder sees how the device is and asks at the door whether it may come in ([Loans]), and can neither
/// enrol, order nor hand it on.
///
/// The owner's row decides, at each look: a grant ends by the clock and needs nobody to end it.
public final class Grants {
    private static final Duration LONGEST = Duration.ofDays(3653);

    private final Database database;
    private final Devices devices;
    private final Loans loans;
    private final AuditLog audit;
    private final Outbox outbox;
    private final InstantSource clock;
    private final RandomGenerator random;

    public Grants(
            Database database,
            Devices devices,
            AuditLog audit,
            Outbox outbox,
            InstantSource clock,
            RandomGenerator random) {
        this.database = database;
        this.devices = devices;
        this.loans = new Loans(database, clock);
        this.audit = audit;
        this.outbox = outbox;
        this.clock = clock;
        this.random = random;
    }

    /// A grant as its owner sees it.
    ///
    /// @param endsAt brought forward when it is revoked
    public record Given(UUID id, DeviceId device, TenantId holder, Instant createdAt, Instant endsAt) {}

    /// A grant as its holder sees it.
    public record Held(UUID id, DeviceId device, TenantId owner, Instant endsAt) {}

    /// Lets another tenant use a device until a date.
    ///
    /// @throws RefusedException where there is no such device or tenant, or the date is not ahead
    public Given grant(TenantId owner, Actor actor, DeviceId device, TenantId holder, Instant endsAt) {
        database.inTenant(owner, tx -> {
            requireDevice(tx, owner, device);
            return true;
        });
        Instant now = clock.instant();
        if (!endsAt.isAfter(now) || endsAt.isAfter(now.plus(LONGEST))) {
            throw Fields.invalid("until", "must be ahead, and by ten years at the most");
        }
        if (holder.equals(owner) || Mover.nameOf(database, holder).isEmpty()) {
            throw Fields.invalid("to", "names no other tenant");
        }
        UUID id = TimeOrderedIds.next(now, random);
        Given given = database.inTenant(owner, tx -> {
            requireDevice(tx, owner, device);
            tx.createUpdate("""
                            INSERT INTO device_grant (tenant_id, grant_id, device_id, holder_id, created_at, ends_at)
                            VALUES (:tenant, :grant, :device, :holder, :now, :ends)""")
                    .bind("tenant", owner)
                    .bind("grant", id)
                    .bind("device", device)
                    .bind("holder", holder)
                    .bind("now", now)
                    .bind("ends", endsAt)
                    .execute();
            record(tx, owner, actor, "grant.given", device, Map.of("to", holder.value(), "until", endsAt.toString()));
            return new Given(id, device, holder, now, endsAt);
        });
        // Lost in a crash, it is given once more: the owner's list shows it, the holder's does not.
        database.inTenant(holder, tx -> {
            tx.createUpdate("""
                            INSERT INTO held_grant (tenant_id, grant_id, owner_id, device_id, ends_at)
                            VALUES (:tenant, :grant, :owner, :device, :ends) ON CONFLICT DO NOTHING""")
                    .bind("tenant", holder)
                    .bind("grant", id)
                    .bind("owner", owner)
                    .bind("device", device)
                    .bind("ends", endsAt)
                    .execute();
            record(tx, holder, Actor.system("grant"), "grant.held", device, Map.of("from", owner.value()));
            return true;
        });
        return given;
    }

    /// Forgets to whom devices were lent, as part of the transaction `tx`. What is lent ends.
    public static void forget(Handle tx, TenantId owner, List<DeviceId> devices) {
        DeviceData.eraseRows(tx, "device_grant", owner, devices);
    }

    /// Ends a grant now. Does nothing where it is over.
    ///
    /// @throws RefusedException [ErrorCode#NOT_FOUND]
    public void revoke(TenantId owner, Actor actor, DeviceId device, UUID grant) {
        Instant now = clock.instant();
        database.inTenant(owner, tx -> {
            requireDevice(tx, owner, device);
            int known = tx.createUpdate("""
                            UPDATE device_grant SET ends_at = least(ends_at, :now)
                            WHERE tenant_id = :tenant AND grant_id = :grant AND device_id = :device""")
                    .bind("now", now)
                    .bind("tenant", owner)
                    .bind("grant", grant)
                    .bind("device", device)
                    .execute();
            if (known == 0) {
                throw new RefusedException(ErrorCode.NOT_FOUND, "there is no grant " + grant);
            }
            record(tx, owner, actor, "grant.revoked", device, Map.of("grant", grant.toString()));
            return true;
        });
    }

    /// The grants of a device, oldest first.
    public List<Given> of(TenantId owner, DeviceId device) {
        return database.inTenant(owner, tx -> {
            requireDevice(tx, owner, device);
            return tx.createQuery("""
                            SELECT grant_id, device_id, holder_id, created_at, ends_at FROM device_grant
                            WHERE tenant_id = :tenant AND device_id = :device ORDER BY grant_id LIMIT 1000""")
                    .bind("tenant", owner)
                    .bind("device", device)
                    .map((row, context) -> new Given(
                            row.getObject(1, UUID.class),
                            new DeviceId(row.getObject(2, UUID.class)),
                            new TenantId(row.getString(3)),
                            row.getTimestamp(4).toInstant(),
                            row.getTimestamp(5).toInstant()))
                    .list();
        });
    }

    /// What this tenant may use now, in the order in which it was granted. One that its owner revoked
    /// is still listed until its date, and opens nothing.
    public Page<Held> held(TenantId holder, Page.Request page) {
        List<Held> rows = database.inTenant(
                holder,
                tx -> tx.createQuery("""
                                SELECT grant_id, device_id, owner_id, ends_at FROM held_grant
                                WHERE tenant_id = :tenant AND grant_id > :after AND ends_at > :now
                                ORDER BY grant_id LIMIT :limit""")
                        .bind("tenant", holder)
                        .bind("after", page.after(UUID::fromString, new UUID(0, 0)))
                        .bind("now", clock.instant())
                        .bind("limit", page.limit() + 1)
                        .map((row, context) -> held(row))
                        .list());
        return Page.of(rows, page, grant -> grant.id().toString());
    }

    private static Held held(ResultSet row) throws SQLException {
        return new Held(
                row.getObject("grant_id", UUID.class),
                new DeviceId(row.getObject("device_id", UUID.class)),
                new TenantId(row.getString("owner_id")),
                row.getTimestamp("ends_at").toInstant());
    }

    /// How a device is that this tenant may use.
    ///
    /// @throws RefusedException [ErrorCode#NOT_FOUND] where it may not, or not any more: the answer is
    ///     the same
    public Device device(TenantId holder, DeviceId device) {
        return loans.find(holder, device)
                .map(loan -> devices.get(loan.owner(), device))
                .orElseThrow(() -> noDevice(device));
    }

    private static void requireDevice(Handle tx, TenantId owner, DeviceId device) {
        boolean there = tx.createQuery("SELECT count(*) FROM device WHERE tenant_id = :tenant AND device_id = :device")
                        .bind("tenant", owner)
                        .bind("device", device)
                        .mapTo(Integer.class)
                        .one()
                > 0;
        if (!there) {
            throw noDevice(device);
        }
    }

    private static RefusedException noDevice(DeviceId device) {
        return new RefusedException(ErrorCode.NOT_FOUND, "there is no device " + device);
    }

    private void record(
            Handle tx, TenantId tenant, Actor actor, String action, DeviceId device, Map<String, String> detail) {
        audit.append(tx, tenant, List.of(new AuditEvent(actor, action, "device:" + device, detail)));
        outbox.append(tx, tenant, new Event("dev.tegata." + action, "device:" + device, detail));
    }
}
