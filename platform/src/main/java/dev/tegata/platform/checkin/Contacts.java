// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.checkin;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.enrol.Batches;
import dev.tegata.platform.event.Event;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.order.DeviceOrder;
import dev.tegata.platform.order.OrderId;
import dev.tegata.platform.order.OrderState;
import dev.tegata.platform.order.Orders;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Json;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckInCodec;
import dev.tegata.protocol.CheckInForm;
import dev.tegata.protocol.OrderKind;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.statement.UnableToExecuteStatementException;
import org.jspecify.annotations.Nullable;

/// Notes that devices were here, and finds what they are to do. Concurrent check-ins of a tenant share one
/// transaction ([Batches]), and one that has nothing to store commits nothing to disk.
///
/// Rows are written in the order of device ids, devices before reports before orders, so that batches do
/// not block each other in circles.
final class Contacts {
    /// A device's last sight is stored again after this time, or in another month.
    static final Duration SEEN_AGAIN = CheckInMacs.MARK_PERIOD;

    /// How many orders an answer brings at most, so that a small device has room for it.
    private static final int ORDERS_PER_ANSWER = 4;

    /// A suspicion is not told again for this long.
    private static final Duration QUIET = Duration.ofDays(1);

    /// Whoever was away for longer is told of when it comes back.
    private static final Duration SILENCE = Duration.ofDays(14);

    private static final String NOTE_REPORT = """
            INSERT INTO device_report (tenant_id, device_id, digest, firmware, boot_count, certificates,
                trust_anchors, last_sequence, reported_at, identity, heard_mark, clone_suspected_at, shown_from,
                algorithms)
            VALUES (?, ?, ?, ?::jsonb, ?, ?::jsonb, ?::jsonb, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (tenant_id, device_id) DO UPDATE SET
                reported_at = CASE WHEN device_report.digest = EXCLUDED.digest
                    THEN device_report.reported_at ELSE EXCLUDED.reported_at END,
                digest = EXCLUDED.digest, firmware = EXCLUDED.firmware, boot_count = EXCLUDED.boot_count,
                certificates = EXCLUDED.certificates, trust_anchors = EXCLUDED.trust_anchors,
                last_sequence = EXCLUDED.last_sequence, algorithms = EXCLUDED.algorithms,
                identity = coalesce(EXCLUDED.identity, device_report.identity),
                heard_mark = CASE WHEN EXCLUDED.identity IS NULL THEN device_report.heard_mark
                    ELSE EXCLUDED.heard_mark END,
                clone_suspected_at = coalesce(EXCLUDED.clone_suspected_at, device_report.clone_suspected_at),
                shown_from = coalesce(EXCLUDED.shown_from, device_report.shown_from)""";

    private final Database database;
    private final Orders orders;
    private final AuditLog audit;
    private final Outbox outbox;
    private final SeenListener listener;
    private final InstantSource clock;
    private final Batches<Contact, Met> batches;

    Contacts(
            Database database,
            Orders orders,
            AuditLog audit,
            Outbox outbox,
            SeenListener listener,
            InstantSource clock) {
        this.database = database;
        this.orders = orders;
        this.audit = audit;
        this.outbox = outbox;
        this.listener = listener;
        this.clock = clock;
        this.batches = new Batches<>("check-in", contact -> contact.device().value(), this::carry);
    }

    /// A device that has proven itself.
    ///
    /// @param said what it says; empty where it is shut out and not listened to
    /// @param identity of its operational certificate; empty where it came with its birth identity
    record Contact(DeviceId device, Optional<CheckIn> said, Optional<Identity> identity, Instant now) {}

    /// @param key the fingerprint of the key that it proved
    /// @param current the fingerprint of the key in the certificate that it was given last
    /// @param shownFrom when the certificate that it showed becomes valid
    /// @param mark the one that it showed
    record Identity(Bytes key, Bytes current, Instant shownFrom, Optional<CheckInMacs.Mark> mark) {}

    /// How a device stands now.
    ///
    /// @param cloneSuspected whether this check-in has raised the suspicion
    /// @param orders those that it is to be brought; none where it is not listened to
    record Met(
            DeviceState state,
            String chipSerial,
            @Nullable Instant activatedAt,
            boolean cloneSuspected,
            List<DeviceOrder> orders) {}

    /// Stores what is new, and returns when that is durable.
    Met meet(TenantId tenant, Contact contact) {
        return batches.ask(tenant, contact);
    }

    private List<Met> carry(TenantId tenant, List<Contact> contacts) {
        return database.inTenant(tenant, tx -> {
            try {
                return new Round(tx, tenant, contacts).run();
            } catch (SQLException e) {
                throw new UnableToExecuteStatementException(e, null);
            }
        });
    }

    private record Stored(
            DeviceState state,
            String chipSerial,
            @Nullable Instant activatedAt,
            @Nullable Instant lastSeenAt,
            @Nullable Bytes digest,
            @Nullable Bytes identity,
            @Nullable Long heardMark,
            @Nullable Instant cloneSuspectedAt,
            @Nullable Instant shownFrom,
            long bootCount,
            long lastSequence) {}

    /// One transaction.
    private final class Round {
        private final Handle tx;
        private final Connection connection;
        private final TenantId tenant;
        private final List<Contact> contacts;
        private final Map<UUID, Stored> stored = new HashMap<>();
        private final Map<UUID, List<DeviceOrder>> open = new HashMap<>();
        private final Map<UUID, String> suspicions = new HashMap<>();
        private final List<Event> events = new ArrayList<>();

        Round(Handle tx, TenantId tenant, List<Contact> contacts) {
            this.tx = tx;
            this.connection = tx.getConnection();
            this.tenant = tenant;
            this.contacts = contacts;
        }

        List<Met> run() throws SQLException {
            load();
            List<Contact> sorted = contacts.stream()
                    .filter(contact -> stored.containsKey(contact.device().value()))
                    .sorted(Comparator.comparing(contact -> contact.device().value()))
                    .toList();
            noteSeen(sorted);
            noteReports(sorted);
            noteDelivered();
            outbox.append(tx, tenant, events);
            return contacts.stream().map(this::met).toList();
        }

        private Met met(Contact contact) {
            UUID id = contact.device().value();
            Stored device = stored.get(id);
            if (device == null) {
                // It went to another tenant between two transactions.
                return new Met(DeviceState.RETIRED, "", null, false, List.of());
            }
            return new Met(
                    device.state(),
                    device.chipSerial(),
                    device.activatedAt(),
                    suspicions.containsKey(id),
                    open.getOrDefault(id, List.of()));
        }

        /// The fences (OFFSET) have reports and orders looked up device by device. Plans are kept, and one
        /// that was made beside few of them would read all of a tenant's instead.
        private void load() throws SQLException {
            Map<UUID, Boolean> listened = new HashMap<>();
            contacts.forEach(contact ->
                    listened.put(contact.device().value(), contact.said().isPresent()));
            try (PreparedStatement statement = connection.prepareStatement("""
                    SELECT d.device_id AS id, d.state AS device_state, d.serial, d.activated_at, d.last_seen_at, r.digest, r.identity,
                        r.heard_mark, r.clone_suspected_at, r.shown_from, r.boot_count, r.last_sequence, o.*
                    FROM device d
                    LEFT JOIN LATERAL (SELECT * FROM device_report n
                        WHERE n.tenant_id = d.tenant_id AND n.device_id = d.device_id OFFSET 0) r ON true
                    LEFT JOIN LATERAL (""" + Orders.OPEN + """
                         OFFSET 0) o ON true
                    WHERE d.tenant_id = ? AND d.device_id = ANY (?)
                    ORDER BY o.sequence""")) {
                statement.setTimestamp(1, Timestamp.from(clock.instant()));
                statement.setString(2, tenant.value());
                statement.setArray(
                        3, connection.createArrayOf("uuid", listened.keySet().toArray()));
                try (ResultSet rows = statement.executeQuery()) {
                    while (rows.next()) {
                        UUID device = rows.getObject("id", UUID.class);
                        if (!stored.containsKey(device)) {
                            stored.put(device, stored(rows));
                        }
                        if (rows.getString("kind") != null && listened.getOrDefault(device, false)) {
                            bring(device, Orders.order(rows));
                        }
                    }
                }
            }
        }

        private void bring(UUID device, DeviceOrder order) {
            List<DeviceOrder> brought = open.computeIfAbsent(device, _ -> new ArrayList<>());
            DeviceState state = Objects.requireNonNull(stored.get(device)).state();
            if (brought.size() < ORDERS_PER_ANSWER
                    && isFor(state, order.content().kind())) {
                brought.add(order);
            }
        }

        private void noteSeen(List<Contact> sorted) throws SQLException {
            List<Contact> due = sorted.stream().filter(this::isSeenAnew).toList();
            if (due.isEmpty()) {
                return;
            }
            Instant now = due.stream()
                    .map(Contact::now)
                    .max(Comparator.naturalOrder())
                    .orElseThrow();
            try (PreparedStatement batch = connection.prepareStatement("""
                    UPDATE device SET last_seen_at = ?
                    WHERE tenant_id = ? AND device_id = ? AND (last_seen_at IS NULL OR last_seen_at < ?)""")) {
                for (Contact contact : due) {
                    Timestamp seen = Timestamp.from(contact.now());
                    batch.setTimestamp(1, seen);
                    batch.setString(2, tenant.value());
                    batch.setObject(3, contact.device().value());
                    batch.setTimestamp(4, seen);
                    batch.addBatch();
                }
                batch.executeBatch();
            }
            for (Contact contact : due) {
                Instant last = device(contact).lastSeenAt();
                if (last != null && last.plus(SILENCE).isBefore(contact.now())) {
                    events.add(new Event(
                            "dev.tegata.device.returned",
                            "device:" + contact.device(),
                            Map.of("lastSeenAt", last.toString())));
                }
            }
            listener.seen(tx, tenant, due.stream().map(Contact::device).toList(), now);
        }

        private boolean isSeenAnew(Contact contact) {
            Instant last = device(contact).lastSeenAt();
            return last == null
                    || !contact.now().isBefore(last.plus(SEEN_AGAIN))
                    || month(contact.now()) != month(last);
        }

        private void noteReports(List<Contact> sorted) throws SQLException {
            List<AuditEvent> records = new ArrayList<>();
            try (PreparedStatement batch = connection.prepareStatement(NOTE_REPORT)) {
                boolean any = false;
                for (Contact contact : sorted) {
                    any |= contact.said().isPresent()
                            && noteReport(batch, contact, contact.said().get(), records);
                }
                if (any) {
                    batch.executeBatch();
                }
            }
            audit.append(tx, tenant, records);
        }

        /// @return whether there is anything to store
        private boolean noteReport(PreparedStatement batch, Contact contact, CheckIn said, List<AuditEvent> records)
                throws SQLException {
            Stored device = device(contact);
            Bytes digest = digest(said);
            Optional<String> suspicion = contact.identity().flatMap(identity -> suspicion(device, identity, said));
            boolean tell = suspicion.isPresent()
                    && (device.cloneSuspectedAt() == null
                            || device.cloneSuspectedAt().plus(QUIET).isBefore(contact.now()));
            Bytes identity = contact.identity().map(Identity::key).orElse(null);
            Long mark = newestMark(device, contact.identity());
            Instant shownFrom = contact.identity().map(Identity::shownFrom).orElse(null);
            boolean changed = !Objects.equals(digest, device.digest())
                    || shownFrom != null && !shownFrom.equals(device.shownFrom())
                    || identity != null && !Objects.equals(identity, device.identity())
                    || mark != null && !mark.equals(device.heardMark());
            if (!changed && !tell) {
                return false;
            }
            // The newer key stays the one that is known, or its owner would be suspected next.
            Bytes kept = suspicion.isPresent() ? device.identity() : identity;
            batch.setString(1, tenant.value());
            batch.setObject(2, contact.device().value());
            batch.setBytes(3, digest.toArray());
            batch.setString(4, Json.write(firmware(said)));
            batch.setLong(5, said.bootCount());
            batch.setString(
                    6,
                    Json.write(
                            said.certificates().stream().map(each -> each.hex()).toList()));
            batch.setString(
                    7, Json.write(said.trustAnchors().stream().map(Bytes::hex).toList()));
            batch.setLong(8, said.lastSequence());
            batch.setTimestamp(9, Timestamp.from(contact.now()));
            batch.setBytes(10, kept == null ? null : kept.toArray());
            batch.setObject(11, suspicion.isPresent() ? device.heardMark() : mark, Types.BIGINT);
            batch.setTimestamp(12, tell ? Timestamp.from(contact.now()) : null);
            batch.setTimestamp(13, shownFrom == null ? null : Timestamp.from(shownFrom));
            batch.setString(14, said.algorithms().isEmpty() ? null : String.join(",", said.algorithms()));
            batch.addBatch();
            if (tell) {
                suspicions.put(contact.device().value(), suspicion.get());
                events.add(new Event(
                        "dev.tegata.device.clone-suspected",
                        "device:" + contact.device(),
                        Map.of("sign", suspicion.get())));
                records.add(new AuditEvent(
                        Actor.system("check-in"),
                        "device.clone-suspected",
                        "device:" + contact.device(),
                        Map.of("sign", suspicion.get())));
            }
            return true;
        }

        private void noteDelivered() {
            List<OrderId> first = open.values().stream()
                    .flatMap(List::stream)
                    .filter(order -> order.state() == OrderState.PLACED)
                    .map(DeviceOrder::id)
                    .toList();
            if (!first.isEmpty()) {
                orders.delivered(tx, tenant, first);
            }
        }

        @SuppressWarnings("NullAway") // contacts whose device is not stored are sorted out at the beginning
        private Stored device(Contact contact) {
            return stored.get(contact.device().value());
        }
    }

    /// What a device in this state is told to do.
    private static boolean isFor(DeviceState state, OrderKind kind) {
        return switch (state) {
            // One that its birth key has brought back is not wiped again.
            case CLAIMED, ACTIVE -> kind != OrderKind.REFURBISH;
            case SUSPENDED -> kind == OrderKind.ATTEST;
            case REFURBISHING -> kind == OrderKind.REFURBISH || kind == OrderKind.RELEASE;
            case REVOKED, RETIRED -> false;
        };
    }

    /// The sign by which two devices seem to have the identity, where there is one.
    ///
    /// A device shows the newest mark that it has heard. That is the one which it showed last, where it has
    /// heard no answer since, or the one that it got for showing that. One that shows any other, or none,
    /// is not the same device, or one that was set back. So is one that comes with an older key once the
    /// newer one was used.
    ///
    /// The same key with an earlier certificate, a smaller boot count or an earlier order than it had
    /// before is one that was set back, or another one with a copy of its memory.
    private static Optional<String> suspicion(Stored device, Identity shown, CheckIn said) {
        if (device.identity() == null) {
            return Optional.empty();
        }
        if (!shown.key().equals(device.identity())) {
            return device.identity().equals(shown.current())
                    ? Optional.of("an earlier key is used beside the current one")
                    : Optional.empty();
        }
        Long heard = device.heardMark();
        boolean follows = heard == null
                || shown.mark()
                        .filter(mark -> mark.number() == heard || mark.previous() == heard)
                        .isPresent();
        if (!follows) {
            return Optional.of("the mark that is shown does not follow the one before");
        }
        if (device.shownFrom() != null && shown.shownFrom().isBefore(device.shownFrom())) {
            return Optional.of("an earlier certificate is shown after a later one");
        }
        if (said.bootCount() < device.bootCount()) {
            return Optional.of("it has started less often than it said before");
        }
        return said.lastSequence() < device.lastSequence()
                ? Optional.of("it has seen fewer orders than it said before")
                : Optional.empty();
    }

    private static @Nullable Long newestMark(Stored device, Optional<Identity> shown) {
        if (shown.isEmpty()) {
            return device.heardMark();
        }
        Identity identity = shown.get();
        Long said = identity.mark().map(CheckInMacs.Mark::number).orElse(null);
        boolean sameKey = Objects.equals(identity.key(), device.identity());
        return said == null && sameKey ? device.heardMark() : said;
    }

    /// Over what a report consists of.
    private static Bytes digest(CheckIn said) {
        CheckIn report = new CheckIn(
                said.fleet(),
                said.firmware(),
                said.bootCount(),
                said.certificates(),
                said.trustAnchors(),
                said.lastSequence(),
                Optional.empty(),
                List.of(),
                Optional.empty(),
                said.algorithms());
        return CheckInCodec.encode(report, CheckInForm.CBOR).sha256();
    }

    private static List<Map<String, String>> firmware(CheckIn said) {
        List<Map<String, String>> components = new ArrayList<>();
        for (CheckIn.Component component : said.firmware()) {
            Map<String, String> members = new LinkedHashMap<>();
            members.put("component", component.component());
            members.put("version", component.version());
            component.digest().ifPresent(digest -> members.put("digest", digest.hex()));
            components.add(members);
        }
        return components;
    }

    private static Stored stored(ResultSet row) throws SQLException {
        long heardMark = row.getLong("heard_mark");
        boolean heard = !row.wasNull();
        return new Stored(
                DeviceState.valueOf(row.getString("device_state")),
                row.getString("serial"),
                Columns.instant(row, "activated_at"),
                Columns.instant(row, "last_seen_at"),
                Columns.bytes(row, "digest"),
                Columns.bytes(row, "identity"),
                heard ? heardMark : null,
                Columns.instant(row, "clone_suspected_at"),
                Columns.instant(row, "shown_from"),
                row.getLong("boot_count"),
                row.getLong("last_sequence"));
    }

    private static int month(Instant time) {
        var date = time.atZone(ZoneOffset.UTC);
        return date.getYear() * 12 + date.getMonthValue();
    }
}
