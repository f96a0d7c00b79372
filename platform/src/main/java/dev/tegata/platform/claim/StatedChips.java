// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.device.DeviceChange;
import dev.tegata.platform.device.Devices;
import dev.tegata.platform.event.Event;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.store.Database;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.jdbi.v3.core.Handle;

/// Chips that a tenant has claimed by nothing but its own statement: a list that one of the vendors we know
/// has signed takes them away, unless the device has been active.
///
/// No transaction spans two tenants. In one of the loser's, its device retires and the chip is promised to
/// the winner; in one of the winner's, which also claims it, the chip is taken. If the second never comes,
/// because the process died, importing the list again goes on from there.
public final class StatedChips {
    private static final Actor ACTOR = Actor.system("claims");

    private final Database database;
    private final Devices devices;
    private final AuditLog audit;
    private final Outbox outbox;

    public StatedChips(Database database, Devices devices, AuditLog audit, Outbox outbox) {
        this.database = database;
        this.devices = devices;
        this.audit = audit;
        this.outbox = outbox;
    }

    /// Which tenant has the chip. Row-level security shows the one row that is named, to a transaction that
    /// names it.
    ///
    /// @param chip kind and serial number, as `microchip/0123…`
    public static Optional<TenantId> holder(Database database, String chip) {
        return database.installation(tx -> {
            tx.createQuery("SELECT set_config('tegata.named_chip', :chip, true)")
                    .bind("chip", chip)
                    .mapTo(String.class)
                    .one();
            int slash = chip.indexOf('/');
            return tx.createQuery("SELECT tenant_id FROM chip_owner WHERE chip = :chip AND serial = :serial")
                    .bind("chip", chip.substring(0, slash))
                    .bind("serial", chip.substring(slash + 1))
                    .mapTo(TenantId.class)
                    .findOne();
        });
    }

    /// Has those of the chips given up that others hold by statement alone, and tells which these were.
    Set<OwnedChip> release(TenantId winner, Collection<OwnedChip> chips) {
        Set<OwnedChip> released = new HashSet<>();
        for (OwnedChip chip : chips) {
            Optional<TenantId> loser =
                    holder(database, chip.chip() + "/" + chip.serial()).filter(holder -> !holder.equals(winner));
            if (loser.isPresent() && database.inTenant(loser.get(), tx -> release(tx, loser.get(), winner, chip))) {
                released.add(chip);
            }
        }
        return released;
    }

    private record Stated(DeviceId device, boolean claimed) {}

    private boolean release(Handle tx, TenantId loser, TenantId winner, OwnedChip chip) {
        Optional<Stated> stated = tx.createQuery("""
                        SELECT d.device_id, d.state FROM device d
                        JOIN chip_owner o ON o.tenant_id = d.tenant_id AND o.chip = d.chip AND o.serial = d.serial
                        WHERE d.tenant_id = :loser AND d.chip = :chip AND d.serial = :serial
                          AND d.proof = 'STATEMENT' AND d.activated_at IS NULL
                          AND (d.state = 'CLAIMED' AND o.promised_to IS NULL
                               OR d.state = 'RETIRED' AND o.promised_to = :winner)
                        FOR UPDATE""")
                .bind("loser", loser)
                .bind("winner", winner)
                .bind("chip", chip.chip())
                .bind("serial", chip.serial())
                .map((row, context) -> new Stated(
                        new DeviceId(row.getObject(1, UUID.class)),
                        row.getString(2).equals("CLAIMED")))
                .findOne();
        if (stated.isEmpty() || !stated.get().claimed()) {
            return stated.isPresent();
        }
        DeviceId device = stated.get().device();
        DeviceChange change =
                DeviceChange.of(DeviceChange.Kind.RETIRE, "a list that the vendor signed names another owner");
        devices.change(tx, loser, device, change, ACTOR);
        tx.createUpdate("""
                        UPDATE chip_owner SET promised_to = :winner
                        WHERE tenant_id = :loser AND chip = :chip AND serial = :serial""")
                .bind("winner", winner)
                .bind("loser", loser)
                .bind("chip", chip.chip())
                .bind("serial", chip.serial())
                .execute();
        note(tx, loser, List.of(event("lost", "device:" + device, chip)));
        return true;
    }

    /// Takes chips that were released, in the transaction that claims them, and tells which these were.
    static Set<OwnedChip> take(Handle tx, TenantId winner, Set<OwnedChip> released) throws SQLException {
        List<OwnedChip> ordered = released.stream().sorted().toList();
        Set<OwnedChip> taken = new HashSet<>();
        try (PreparedStatement update = tx.getConnection().prepareStatement("""
                UPDATE chip_owner o SET tenant_id = ?, promised_to = NULL
                FROM unnest(?::text[], ?::text[]) AS released (chip, serial)
                WHERE o.chip = released.chip AND o.serial = released.serial AND o.promised_to = ?
                RETURNING o.chip, o.serial""")) {
            update.setString(1, winner.value());
            update.setArray(2, texts(tx, ordered.stream().map(OwnedChip::chip).toArray()));
            update.setArray(3, texts(tx, ordered.stream().map(OwnedChip::serial).toArray()));
            update.setString(4, winner.value());
            try (ResultSet row = update.executeQuery()) {
                while (row.next()) {
                    taken.add(new OwnedChip(row.getString(1), row.getString(2)));
                }
            }
        }
        return taken;
    }

    /// Tells the winner.
    void noteWon(Handle tx, ClaimWriter.Target target, Collection<OwnedChip> chips) {
        List<Event> events = new ArrayList<>();
        for (OwnedChip chip : chips) {
            events.add(event("won", "manifest:" + target.manifest(), chip));
        }
        note(tx, target.tenant(), events);
    }

    private static Event event(String what, String subject, OwnedChip chip) {
        return new Event(
                "dev.tegata.claim." + what, subject, Map.of("chip", chip.chip(), "serialNumber", chip.serial()));
    }

    private void note(Handle tx, TenantId tenant, List<Event> events) {
        events.forEach(event -> outbox.append(tx, tenant, event));
        audit.append(
                tx,
                tenant,
                events.stream()
                        .map(event -> new AuditEvent(
                                ACTOR, event.type().substring("dev.tegata.".length()), event.subject(), event.data()))
                        .toList());
    }

    private static java.sql.Array texts(Handle tx, Object[] texts) throws SQLException {
        return tx.getConnection().createArrayOf("text", texts);
    }
}
