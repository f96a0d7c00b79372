// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.order;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.device.DeviceData;
import dev.tegata.platform.event.Event;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.order.OrderResults.Ended;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.OrderContent;
import dev.tegata.protocol.OrderKind;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Predicate;
import java.util.random.RandomGenerator;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.generic.GenericType;
import org.jdbi.v3.core.qualifier.QualifiedType;
import org.jdbi.v3.core.statement.PreparedBatch;
import org.jdbi.v3.core.statement.SqlStatement;
import org.jdbi.v3.core.statement.UnableToExecuteStatementException;
import org.jspecify.annotations.Nullable;

/// Orders for devices: placed, delivered at each check-in until their result is seen, and ended.
///
/// A device has one open order of a kind (of an object's name, for STORE): the next one supersedes it. Who
/// changes orders of a device locks the device's row first.
public final class Orders {
    /// Between a minute, which a device that polls every ten seconds can make, and a year.
    private static final Duration SHORTEST = Duration.ofMinutes(1);

    private static final Duration LONGEST = Duration.ofDays(366);
    private static final int MAX_OPEN = 16;
    private static final CborLimits LIMITS = new CborLimits(64 * 1024, 8, 128, false);
    private static final QualifiedType<List<Bytes>> LIST_OF_BYTES = QualifiedType.of(new GenericType<List<Bytes>>() {});
    private static final String COLUMNS = """
            order_id, device_id, sequence, kind, content,
            CASE WHEN state IN ('PLACED', 'DELIVERED') AND expires_at <= :now THEN 'EXPIRED' ELSE state END AS state,
            placed_at, placed_by, expires_at, delivered_at, ended_at, detail, receipt
            """;

    private static final String END = """
            UPDATE device_order SET state = :state, ended_at = :now, detail = :detail, receipt = :receipt
            WHERE tenant_id = :tenant AND order_id = :id""";

    /// The orders of a device `d` that are open at the time of the parameter, to be joined. [#order] reads
    /// them.
    public static final String OPEN = """
            SELECT order_id, device_id, sequence, kind, content, state, placed_at, placed_by, expires_at, delivered_at,
                ended_at, detail, receipt
            FROM device_order
            WHERE tenant_id = d.tenant_id AND device_id = d.device_id AND state IN ('PLACED', 'DELIVERED')
                AND expires_at > ?""";

    private final Database database;
    private final AuditLog audit;
    private final Outbox outbox;
    private final InstantSource clock;
    private final RandomGenerator random;

    public Orders(Database database, AuditLog audit, Outbox outbox, InstantSource clock, RandomGenerator random) {
        this.database = database;
        this.audit = audit;
        this.outbox = outbox;
        this.clock = clock;
        this.random = random;
    }

    /// Places an order in a transaction of its own.
    ///
    /// @throws RefusedException where there is no such device, or the order's life is too short or too long
    public DeviceOrder place(TenantId tenant, DeviceId device, OrderContent content, Duration life, Actor actor) {
        return database.inTenant(tenant, tx -> {
            OrderId id = place(tx, tenant, device, content, life, actor);
            return find(tx, tenant, id);
        });
    }

    /// Places an order as part of a larger change. An open order on the same topic is superseded, and all
    /// of them by one that wipes the device, which takes none with a smaller number afterwards.
    ///
    /// @throws RefusedException where there is no such device, or the order's life is too short or too long
    public OrderId place(
            Handle tx, TenantId tenant, DeviceId device, OrderContent content, Duration life, Actor actor) {
        OrderId placed =
                place(tx, tenant, List.of(device), content, life, actor).get(device);
        if (placed == null) {
            require(tx, tenant, device);
            throw new RefusedException(
                    ErrorCode.CONFLICT, "the device has " + MAX_OPEN + " open orders; wait or withdraw some");
        }
        return placed;
    }

    /// Places the same order for each of several devices, as part of a larger change. Open orders on the
    /// same topic are superseded.
    ///
    /// @return the orders, by device; devices that do not exist or have too many open orders get none
    /// @throws RefusedException where the order's life is too short or too long
    public Map<DeviceId, OrderId> place(
            Handle tx, TenantId tenant, List<DeviceId> devices, OrderContent content, Duration life, Actor actor) {
        Placement placement = new Placement(content, life);
        Map<DeviceId, Placement> all = new LinkedHashMap<>();
        devices.forEach(device -> all.put(device, placement));
        return place(tx, tenant, all, actor);
    }

    private record Placement(OrderContent content, Duration life) {
        Placement {
            if (life.compareTo(SHORTEST) < 0 || life.compareTo(LONGEST) > 0) {
                throw Fields.invalid("life", "must be from " + SHORTEST + " to " + LONGEST);
            }
        }
    }

    private Map<DeviceId, OrderId> place(Handle tx, TenantId tenant, Map<DeviceId, Placement> wanted, Actor actor) {
        Instant now = clock.instant();
        Map<UUID, OrderId> ids = new LinkedHashMap<>();
        lock(tx, tenant, wanted.keySet())
                .forEach(device -> ids.put(device, new OrderId(TimeOrderedIds.next(now, random))));
        // What is the same for many devices is sent once.
        List<Placement> placements = wanted.values().stream().distinct().toList();
        List<Integer> which = ids.keySet().stream()
                .map(device -> 1 + placements.indexOf(Objects.requireNonNull(wanted.get(new DeviceId(device)))))
                .toList();
        List<String> topics =
                placements.stream().map(placement -> topic(placement.content)).toList();
        List<String> kinds = placements.stream()
                .map(placement -> placement.content.kind().name())
                .toList();
        tx.createUpdate("""
                        UPDATE device_order o
                        SET state = CASE WHEN o.expires_at <= :now THEN 'EXPIRED' ELSE 'WITHDRAWN' END,
                            ended_at = least(:now, o.expires_at),
                            detail = CASE WHEN o.expires_at <= :now THEN NULL ELSE 'superseded by order ' || i.id END
                        FROM unnest(:ids, :devices, :which) AS i (id, device, which)
                        WHERE o.tenant_id = :tenant AND o.device_id = i.device AND o.state IN ('PLACED', 'DELIVERED')
                            AND (o.topic = (:topics)[i.which] OR (:kinds)[i.which] = 'REFURBISH' OR o.expires_at <= :now)""")
                .bind("now", now)
                .bindArray(
                        "ids",
                        UUID.class,
                        ids.values().stream().map(OrderId::value).toList())
                .bindArray("devices", UUID.class, List.copyOf(ids.keySet()))
                .bindArray("which", Integer.class, which)
                .bind("tenant", tenant)
                .bindArray("topics", String.class, topics)
                .bindArray("kinds", String.class, kinds)
                .execute();
        // Numbers follow the clock, so that a device that changes owners finds those of the next one larger.
        List<DeviceId> placed = tx.createQuery("""
                        INSERT INTO device_order (tenant_id, order_id, device_id, sequence, kind, topic, content, state,
                            placed_at, placed_by, expires_at)
                        SELECT :tenant, i.id, i.device, greatest(:millis, coalesce(known.last + 1, 1)),
                            (:kinds)[i.which], (:topics)[i.which], (:contents::bytea[])[i.which], 'PLACED', :now, :actor,
                            :now::timestamptz + (:lives)[i.which] * interval '1 millisecond'
                        FROM unnest(:ids, :devices, :which) AS i (id, device, which) CROSS JOIN LATERAL (
                            SELECT max(o.sequence) AS last,
                                count(*) FILTER (WHERE o.state IN ('PLACED', 'DELIVERED')) AS open
                            FROM device_order o WHERE o.tenant_id = :tenant AND o.device_id = i.device) known
                        WHERE known.open < :limit
                        RETURNING device_id""")
                .bind("tenant", tenant)
                .bindArray(
                        "ids",
                        UUID.class,
                        ids.values().stream().map(OrderId::value).toList())
                .bindArray("devices", UUID.class, List.copyOf(ids.keySet()))
                .bindArray("which", Integer.class, which)
                .bind("millis", now.toEpochMilli())
                .bindArray("kinds", String.class, kinds)
                .bindArray("topics", String.class, topics)
                .bindByType(
                        "contents",
                        placements.stream()
                                .map(placement -> placement.content.toCbor().encode())
                                .toList(),
                        LIST_OF_BYTES)
                .bind("now", now)
                .bind("actor", actor.toString())
                .bindArray(
                        "lives",
                        Long.class,
                        placements.stream()
                                .map(placement -> placement.life.toMillis())
                                .toList())
                .bind("limit", MAX_OPEN)
                .mapTo(DeviceId.class)
                .list();
        Map<DeviceId, OrderId> orders = new LinkedHashMap<>();
        placed.forEach(device -> orders.put(device, Objects.requireNonNull(ids.get(device.value()))));
        List<AuditEvent> records = new ArrayList<>();
        orders.forEach((device, order) -> {
            Placement placement = Objects.requireNonNull(wanted.get(device));
            records.add(new AuditEvent(
                    actor,
                    "order.placed",
                    "device:" + device,
                    Map.of("order", order, "topic", topic(placement.content), "expiresAt", now.plus(placement.life))));
        });
        audit.append(tx, tenant, records);
        return orders;
    }

    /// Takes back what devices were told to keep or do: they have come to the end of their lives.
    public void forget(Handle tx, TenantId tenant, List<DeviceId> devices) {
        DeviceData.eraseRows(tx, "device_order", tenant, devices);
        DeviceData.eraseRows(tx, "device_report", tenant, devices);
    }

    /// How long policy waits with the next order on a topic after one that the device could not carry out:
    /// twice as long after each, until it has carried one out or is refurbished.
    public record Pause(Duration first, Duration longest) {
        Duration after(long failures) {
            Duration pause = first;
            for (long i = 1; i < failures && pause.compareTo(longest) < 0; i++) {
                pause = pause.multipliedBy(2);
            }
            return pause.compareTo(longest) < 0 ? pause : longest;
        }
    }

    /// What policy wants of a device.
    public record Due(DeviceId device, OrderContent content, Duration life, Pause pause) {}

    /// Places what policy wants of several devices: not while an order on the same topic is open, and not
    /// soon after one that failed or was withdrawn. Devices that do not exist or have too many open orders
    /// get none.
    ///
    /// @return in their order, when those may be placed that are not yet; empty for one that is placed or
    /// open
    public List<Optional<Instant>> placeDue(Handle tx, TenantId tenant, List<Due> wanted, Actor actor) {
        Instant now = clock.instant();
        Predicate<Optional<Instant>> isTime =
                from -> from.filter(time -> !now.isBefore(time)).isPresent();
        List<Optional<Instant>> before = mayPlaceFrom(tx, tenant, wanted);
        if (before.stream().noneMatch(isTime)) {
            return before;
        }
        lock(tx, tenant, wanted.stream().map(Due::device).collect(Collectors.toSet()));
        // Another node may have been quicker.
        List<Optional<Instant>> from = mayPlaceFrom(tx, tenant, wanted);
        // One order of each device at a time, for each has its number.
        List<Map<DeviceId, Placement>> rounds = new ArrayList<>();
        for (int i = 0; i < wanted.size(); i++) {
            if (isTime.test(from.get(i))) {
                add(rounds, wanted.get(i));
            }
        }
        rounds.forEach(round -> place(tx, tenant, round, actor));
        return from.stream().map(time -> time.filter(_ -> !isTime.test(time))).toList();
    }

    private static void add(List<Map<DeviceId, Placement>> rounds, Due due) {
        Placement placement = new Placement(due.content, due.life);
        for (Map<DeviceId, Placement> round : rounds) {
            if (round.putIfAbsent(due.device, placement) == null) {
                return;
            }
        }
        rounds.add(new LinkedHashMap<>(Map.of(due.device, placement)));
    }

    private List<Optional<Instant>> mayPlaceFrom(Handle tx, TenantId tenant, List<Due> wanted) {
        return tx.createQuery("""
                        SELECT i.at, known.* FROM unnest(:devices, :topics) WITH ORDINALITY AS i (device, topic, at)
                        CROSS JOIN LATERAL (
                            SELECT coalesce(bool_or(state IN ('PLACED', 'DELIVERED') AND expires_at > :now), false)
                                    AS open,
                                max(ended_at) FILTER (WHERE state = 'WITHDRAWN') AS withdrawn,
                                max(ended_at) FILTER (WHERE state = 'FAILED') AS failed,
                                count(*) FILTER (WHERE state = 'FAILED') AS failures
                            FROM device_order o
                            WHERE tenant_id = :tenant AND device_id = i.device AND topic = i.topic
                                AND sequence > (SELECT coalesce(max(done.sequence), -1) FROM device_order done
                                    WHERE done.tenant_id = :tenant AND done.device_id = i.device
                                        AND (done.topic = i.topic AND done.state = 'DONE' OR done.kind = 'REFURBISH'))) known
                        ORDER BY i.at""")
                .bind("tenant", tenant)
                .bindArray(
                        "devices",
                        UUID.class,
                        wanted.stream().map(due -> due.device.value()).toList())
                .bindArray(
                        "topics",
                        String.class,
                        wanted.stream().map(due -> topic(due.content)).toList())
                .bind("now", clock.instant())
                .map((row, context) -> row.getBoolean("open")
                        ? Optional.<Instant>empty()
                        : Optional.of(mayPlaceFrom(
                                wanted.get(row.getInt("at") - 1).pause,
                                Columns.instant(row, "withdrawn"),
                                Columns.instant(row, "failed"),
                                row.getLong("failures"))))
                .list();
    }

    private static Instant mayPlaceFrom(
            Pause pause, @Nullable Instant withdrawn, @Nullable Instant failed, long failures) {
        Instant afterFailure = failed == null ? Instant.EPOCH : failed.plus(pause.after(failures));
        Instant afterWithdrawal = withdrawn == null ? Instant.EPOCH : withdrawn.plus(pause.longest);
        return afterFailure.isAfter(afterWithdrawal) ? afterFailure : afterWithdrawal;
    }

    /// Takes an order back. A device that has it already may still carry it out.
    ///
    /// @throws RefusedException where there is no such order, or it has ended
    public DeviceOrder withdraw(TenantId tenant, OrderId id, Actor actor) {
        return database.inTenant(tenant, tx -> {
            DeviceId device = find(tx, tenant, id).device();
            lock(tx, tenant, List.of(device));
            DeviceOrder order = find(tx, tenant, id);
            if (!order.state().isOpen()) {
                throw new RefusedException(
                        ErrorCode.CONFLICT, "the order is " + Texts.word(order.state()) + " already");
            }
            bindEnd(tx.createUpdate(END), tenant, id, OrderState.WITHDRAWN, "withdrawn by " + actor)
                    .bind("receipt", (byte[]) null)
                    .execute();
            audit.append(
                    tx,
                    tenant,
                    List.of(new AuditEvent(
                            actor,
                            "order.withdrawn",
                            "device:" + device,
                            Map.of("order", id, "topic", topic(order.content())))));
            return find(tx, tenant, id);
        });
    }

    /// @throws RefusedException where the tenant has no such order
    public DeviceOrder get(TenantId tenant, OrderId id) {
        return database.inTenant(tenant, tx -> find(tx, tenant, id));
    }

    /// Orders, oldest first.
    ///
    /// @throws RefusedException where they are to be of a device that the tenant does not have
    public Page<DeviceOrder> list(TenantId tenant, OrderQuery query, Page.Request page) {
        StringBuilder sql = new StringBuilder("SELECT " + COLUMNS + " FROM device_order WHERE tenant_id = :tenant");
        Map<String, Object> bindings = new HashMap<>();
        bindings.put("tenant", tenant);
        bindings.put("now", clock.instant());
        if (query.device() != null) {
            sql.append(" AND device_id = :device");
            bindings.put("device", query.device());
        }
        if (query.state() != null) {
            sql.append(
                    switch (query.state()) {
                        case PLACED, DELIVERED -> " AND state = :state AND expires_at > :now";
                        case EXPIRED ->
                            " AND (state = 'EXPIRED' OR state IN ('PLACED', 'DELIVERED') AND expires_at <= :now)";
                        case DONE, FAILED, WITHDRAWN -> " AND state = :state";
                    });
            if (query.state() != OrderState.EXPIRED) {
                bindings.put("state", query.state().name());
            }
        }
        sql.append(" AND order_id > :after ORDER BY order_id LIMIT :limit");
        bindings.put("after", page.after(id -> OrderId.parse(id).value(), new UUID(0, 0)));
        bindings.put("limit", page.limit() + 1);
        List<DeviceOrder> rows = database.inTenant(tenant, tx -> {
            if (query.device() != null) {
                require(tx, tenant, query.device());
            }
            return tx.createQuery(sql)
                    .bindMap(bindings)
                    .map((row, _) -> order(row))
                    .list();
        });
        return Page.of(rows, page, order -> order.id().toString());
    }

    /// Stores what devices said of their orders. What was told before, or is not of the device, changes
    /// nothing.
    ///
    /// @return the orders that have ended by it
    public List<Ended> take(
            Handle tx,
            TenantId tenant,
            Map<DeviceId, List<CheckIn.Result>> told,
            Map<OrderKind, OrderResults> listeners) {
        Set<UUID> devices = lock(tx, tenant, told.keySet());
        Map<UUID, DeviceOrder> known = new HashMap<>();
        query(tx, tenant, told.values().stream().flatMap(List::stream).map(CheckIn.Result::order))
                .forEach(order -> known.put(order.id().value(), order));
        List<Ended> all = new ArrayList<>();
        told.forEach((device, results) -> {
            for (CheckIn.Result result : devices.contains(device.value()) ? results : List.<CheckIn.Result>of()) {
                DeviceOrder order = known.get(result.order());
                // An order that has expired meanwhile was still carried out: its result counts.
                if (order != null
                        && order.device().equals(device)
                        && (order.state().isOpen() || order.state() == OrderState.EXPIRED)
                        && order.deliveredAt() != null) {
                    known.remove(result.order());
                    all.add(judged(
                            tx,
                            tenant,
                            order,
                            result,
                            listeners.get(order.content().kind())));
                }
            }
        });
        end(tx, tenant, all);
        return all;
    }

    private static Ended judged(
            Handle tx, TenantId tenant, DeviceOrder order, CheckIn.Result result, @Nullable OrderResults listener) {
        Ended ended = new Ended(
                order.device(), order.id(), order.content(), result.status(), result.detail(), result.receipt());
        Optional<String> disbelief = listener == null ? Optional.empty() : listener.take(tx, tenant, ended);
        boolean done = result.status() == CheckIn.Status.DONE && disbelief.isEmpty();
        String said = result.status() == CheckIn.Status.REFUSED
                ? "refused by the device: " + result.detail()
                : result.detail();
        return new Ended(
                order.device(),
                order.id(),
                order.content(),
                done ? CheckIn.Status.DONE : CheckIn.Status.FAILED,
                disbelief.orElse(said),
                result.receipt());
    }

    private void end(Handle tx, TenantId tenant, List<Ended> ended) {
        if (ended.isEmpty()) {
            return;
        }
        List<AuditEvent> records = new ArrayList<>();
        List<Event> events = new ArrayList<>();
        PreparedBatch batch = tx.prepareBatch(END);
        for (Ended one : ended) {
            boolean done = one.status() == CheckIn.Status.DONE;
            bindEnd(batch, tenant, one.order(), done ? OrderState.DONE : OrderState.FAILED, one.detail())
                    .bind("receipt", one.receipt().map(Bytes::toArray).orElse(null))
                    .add();
            Map<String, Object> about = new LinkedHashMap<>();
            about.put("order", one.order());
            about.put("topic", topic(one.content()));
            about.put("detail", one.detail());
            String action = done ? "order.done" : "order.failed";
            String subject = "device:" + one.device();
            records.add(new AuditEvent(Actor.device(one.device()), action, subject, about));
            events.add(new Event(
                    "dev.tegata." + action,
                    subject,
                    Map.of(
                            "order", one.order().toString(),
                            "kind", one.content().kind().name(),
                            "detail", one.detail())));
        }
        batch.execute();
        outbox.append(tx, tenant, events, audit.appendNumbered(tx, tenant, records));
    }

    private <S extends SqlStatement<S>> S bindEnd(
            S statement, TenantId tenant, OrderId id, OrderState state, String detail) {
        return statement
                .bind("state", state.name())
                .bind("now", clock.instant())
                .bind("detail", detail.isEmpty() ? null : detail)
                .bind("tenant", tenant)
                .bind("id", id.value());
    }

    /// The open orders of a device, in the order of their numbers.
    public List<DeviceOrder> open(Handle tx, TenantId tenant, DeviceId device) {
        try (PreparedStatement statement = tx.getConnection()
                .prepareStatement("SELECT o.* FROM device d CROSS JOIN LATERAL (" + OPEN
                        + ") o WHERE d.tenant_id = ? AND d.device_id = ? ORDER BY o.sequence")) {
            statement.setTimestamp(1, Timestamp.from(clock.instant()));
            statement.setString(2, tenant.value());
            statement.setObject(3, device.value());
            List<DeviceOrder> open = new ArrayList<>();
            try (ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    open.add(order(rows));
                }
            }
            return open;
        } catch (SQLException e) {
            throw new UnableToExecuteStatementException(e, null);
        }
    }

    /// Notes that these orders are on their way for the first time.
    public void delivered(Handle tx, TenantId tenant, List<OrderId> orders) {
        tx.createUpdate("""
                        UPDATE device_order SET state = 'DELIVERED', delivered_at = :now
                        WHERE tenant_id = :tenant AND order_id = ANY (:orders) AND state = 'PLACED'""")
                .bind("now", clock.instant())
                .bind("tenant", tenant)
                .bindArray(
                        "orders",
                        UUID.class,
                        orders.stream().map(OrderId::value).toList())
                .execute();
    }

    /// @return those that are there
    private static Set<UUID> lock(Handle tx, TenantId tenant, Collection<DeviceId> devices) {
        return tx.createQuery("""
                        SELECT device_id FROM device WHERE tenant_id = :tenant AND device_id = ANY (:devices)
                        ORDER BY device_id FOR NO KEY UPDATE""")
                .bind("tenant", tenant)
                .bindArray(
                        "devices",
                        UUID.class,
                        devices.stream().map(DeviceId::value).toList())
                .mapTo(UUID.class)
                .collect(Collectors.toCollection(LinkedHashSet::new));
    }

    private static void require(Handle tx, TenantId tenant, DeviceId device) {
        boolean there = tx.createQuery("SELECT device_id FROM device WHERE tenant_id = :tenant AND device_id = :device")
                .bind("tenant", tenant)
                .bind("device", device)
                .mapTo(UUID.class)
                .findOne()
                .isPresent();
        if (!there) {
            throw new RefusedException(ErrorCode.NOT_FOUND, "there is no device " + device);
        }
    }

    private DeviceOrder find(Handle tx, TenantId tenant, OrderId id) {
        return query(tx, tenant, Stream.of(id.value())).stream()
                .findFirst()
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no order " + id));
    }

    private List<DeviceOrder> query(Handle tx, TenantId tenant, Stream<UUID> ids) {
        return tx.createQuery(
                        "SELECT " + COLUMNS + " FROM device_order WHERE tenant_id = :tenant AND order_id = ANY (:ids)")
                .bind("now", clock.instant())
                .bind("tenant", tenant)
                .bindArray("ids", UUID.class, ids.toList())
                .map((row, _) -> order(row))
                .list();
    }

    /// What an order is about: a later one on the same topic supersedes it.
    private static String topic(OrderContent content) {
        return content instanceof OrderContent.Store store
                ? content.kind() + ":" + store.name()
                : content.kind().name();
    }

    /// An order in a row with the columns of [#OPEN].
    public static DeviceOrder order(ResultSet row) throws SQLException {
        return new DeviceOrder(
                new OrderId(row.getObject("order_id", UUID.class)),
                new DeviceId(row.getObject("device_id", UUID.class)),
                row.getLong("sequence"),
                content(OrderKind.valueOf(row.getString("kind")), Bytes.of(row.getBytes("content"))),
                OrderState.valueOf(row.getString("state")),
                row.getTimestamp("placed_at").toInstant(),
                row.getString("placed_by"),
                row.getTimestamp("expires_at").toInstant(),
                Columns.instant(row, "delivered_at"),
                Columns.instant(row, "ended_at"),
                row.getString("detail"),
                Columns.bytes(row, "receipt"));
    }

    private static OrderContent content(OrderKind kind, Bytes encoded) {
        try {
            return OrderContent.parse(kind, Cbor.read(encoded, LIMITS));
        } catch (MalformedException e) {
            throw new IntegrityException("a stored order cannot be read", e);
        }
    }
}
