// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.event;

import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.PeriodicWork;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Json;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.random.RandomGenerator;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.statement.UnableToExecuteStatementException;

/// The events of all tenants, from the transaction that makes them until everybody has read them.
///
/// Implementation notes:
/// - Numbers are given under the lock on the tenant's audit chain, which a change of trust takes anyway. They follow
///   the order of commits: a reader that goes by number cannot overtake a transaction that is still open.
/// - Rows are removed by the node that wrote some: a tenant without new events keeps its last ones a little longer.
public final class Outbox implements AutoCloseable {
    /// How long an event stays, so that a new reader or a repetition finds it.
    public static final Duration RETENTION = Duration.ofDays(7);

    /// How long an event waits for a reader that does not take it.
    public static final Duration PATIENCE = Duration.ofDays(30);

    private static final Duration CLEANING_PAUSE = Duration.ofMinutes(10);
    private static final int CLEANED_AT_ONCE = 5_000;

    private final Database database;
    private final InstantSource clock;
    private final RandomGenerator random;
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
    /// Tenants with events of this node since they were cleaned last.
    private final Set<TenantId> written = ConcurrentHashMap.newKeySet();
    private final PeriodicWork cleaner;

    public Outbox(Database database, InstantSource clock, RandomGenerator random) {
        this.database = database;
        this.clock = clock;
        this.random = random;
        this.cleaner = PeriodicWork.start("event-cleaner", CLEANING_PAUSE, this::cleanAll);
    }

    /// Writes an event as part of the transaction `tx`.
    public void append(Handle tx, TenantId tenant, Event event) {
        append(tx, tenant, List.of(event));
    }

    /// Writes events as part of the transaction `tx`, in their order.
    ///
    /// Locks the head of the tenant's audit chain until that transaction ends: append last, commit soon.
    public void append(Handle tx, TenantId tenant, List<Event> events) {
        if (events.isEmpty()) {
            return;
        }
        long last = tx.createQuery("""
                        UPDATE audit_head SET event_sequence = event_sequence + :count WHERE tenant_id = :tenant
                        RETURNING event_sequence""")
                .bind("count", events.size())
                .bind("tenant", tenant)
                .mapTo(Long.class)
                .findOne()
                .orElseThrow(() -> new IntegrityException("tenant " + tenant + " has no audit chain"));
        append(tx, tenant, events, last);
    }

    /// Writes events as the others do, under numbers that were taken already
    /// ([dev.tegata.platform.audit.AuditLog#appendNumbered]): a batch changes the head of the chain once.
    ///
    /// @param last of the numbers, as many as there are events
    public void append(Handle tx, TenantId tenant, List<Event> events, long last) {
        if (events.isEmpty()) {
            return;
        }
        Instant now = clock.instant().truncatedTo(ChronoUnit.MICROS);
        long first = last - events.size() + 1;
        String[] types = new String[events.size()];
        String[] subjects = new String[events.size()];
        String[] contents = new String[events.size()];
        for (int i = 0; i < events.size(); i++) {
            types[i] = events.get(i).type();
            subjects[i] = events.get(i).subject();
            contents[i] = content(tenant, first + i, now, events.get(i));
        }
        // Straight JDBC: this stands on the path of every enrolment.
        Connection connection = tx.getConnection();
        try (PreparedStatement insert = connection.prepareStatement("""
                INSERT INTO event (tenant_id, sequence, type, subject, recorded_at, content)
                SELECT ?, ? + i.position - 1, i.type, i.subject, ?, i.content
                FROM unnest(?::text[], ?::text[], ?::text[])
                    WITH ORDINALITY AS i (type, subject, content, position)""")) {
            insert.setString(1, tenant.value());
            insert.setLong(2, first);
            insert.setTimestamp(3, Timestamp.from(now));
            insert.setArray(4, connection.createArrayOf("text", types));
            insert.setArray(5, connection.createArrayOf("text", subjects));
            insert.setArray(6, connection.createArrayOf("text", contents));
            insert.executeUpdate();
        } catch (SQLException e) {
            throw new UnableToExecuteStatementException(e, null);
        }
        tx.afterCommit(() -> {
            written.add(tenant);
            listeners.forEach(Runnable::run);
        });
    }

    /// What CloudEvents 1.0 calls structured mode; `sequence` is its extension of that name.
    private String content(TenantId tenant, long sequence, Instant now, Event event) {
        Map<String, Object> content = new LinkedHashMap<>();
        content.put("specversion", "1.0");
        content.put("id", TimeOrderedIds.next(now, random).toString());
        content.put("source", "/tenants/" + tenant);
        content.put("type", event.type());
        content.put("subject", event.subject());
        content.put("time", now.toString());
        content.put("sequence", "%019d".formatted(sequence));
        content.put("datacontenttype", "application/json");
        content.put("data", event.data());
        return Json.write(content);
    }

    /// Has `listener` run each time when events of this node have been committed. It must be quick: it
    /// wakes somebody.
    public void whenAppended(Runnable listener) {
        listeners.add(listener);
    }

    /// The tenant's events after number `after`, in their order.
    public List<RecordedEvent> after(TenantId tenant, long after, int limit) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                SELECT sequence, type, subject, content FROM event
                                WHERE tenant_id = :tenant AND sequence > :after ORDER BY sequence LIMIT :limit""")
                        .bind("tenant", tenant)
                        .bind("after", after)
                        .bind("limit", limit)
                        .map((row, context) ->
                                new RecordedEvent(row.getLong(1), row.getString(2), row.getString(3), row.getString(4)))
                        .list());
    }

    private void cleanAll() {
        for (TenantId tenant : List.copyOf(written)) {
            written.remove(tenant);
            while (clean(tenant) == CLEANED_AT_ONCE) {
                // There is more.
            }
        }
    }

    /// Removes events that nobody needs any more.
    ///
    /// @return how many, at most [#CLEANED_AT_ONCE]
    int clean(TenantId tenant) {
        Instant now = clock.instant();
        return database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                        DELETE FROM event WHERE tenant_id = :tenant AND sequence = ANY (ARRAY(
                            SELECT sequence FROM event
                            WHERE tenant_id = :tenant
                            ORDER BY sequence LIMIT :limit))
                        AND (recorded_at < :given_up OR (recorded_at < :over AND sequence <= (
                            SELECT coalesce(min(r.sequence), 9223372036854775807) FROM event_reader r
                            WHERE r.tenant_id = :tenant)))""")
                        .bind("tenant", tenant)
                        .bind("limit", CLEANED_AT_ONCE)
                        .bind("given_up", now.minus(PATIENCE))
                        .bind("over", now.minus(RETENTION))
                        .execute());
    }

    @Override
    public void close() {
        cleaner.close();
    }
}
