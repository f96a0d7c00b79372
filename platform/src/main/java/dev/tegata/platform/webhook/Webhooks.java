// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.webhook;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.event.Event;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.seal.TenantSeals;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Json;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.regex.Pattern;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// A tenant's webhooks, as people manage them. [WebhookWorkers] makes them run.
public final class Webhooks {
    private static final int MOST = 20;
    private static final int MOST_TYPES = 20;
    private static final int LONGEST_URL = 2_000;
    private static final int REMOVED_AT_ONCE = 5_000;
    private static final int REDELIVERED_AT_ONCE = 1_000;
    private static final Pattern TYPE = Pattern.compile("dev\\.tegata(\\.[a-z][a-z0-9-]{0,63}){0,4}");
    private static final String COLUMNS = "webhook_id, name, url, types, state, reason, failing_since, created_at";

    private final Database database;
    private final AuditLog auditLog;
    private final Outbox outbox;
    private final TenantSeals seals;
    private final Messenger messenger;
    private final InstantSource clock;
    private final SecureRandom random;

    /// What webhooks stand on.
    public record Ground(Database database, AuditLog auditLog, Outbox outbox, TenantSeals seals) {}

    public Webhooks(Ground ground, Messenger messenger, InstantSource clock, SecureRandom random) {
        this.database = ground.database();
        this.auditLog = ground.auditLog();
        this.outbox = ground.outbox();
        this.seals = ground.seals();
        this.messenger = messenger;
        this.clock = clock;
        this.random = random;
    }

    /// Makes a webhook. It gets what happens from now on.
    ///
    /// @param types types of events, or their beginnings up to a dot; none for all
    /// @throws RefusedException where the address or a type is not acceptable, or there are too many
    /// webhooks
    public Webhook.Created create(TenantId tenant, Actor actor, String name, String url, List<String> types) {
        String label = Fields.name("name", name);
        URI target = target(url);
        messenger.requireAcceptable(target);
        requireTypes(types);
        TenantSeals.Seal seal = seals.of(tenant);
        byte[] key = new byte[32];
        random.nextBytes(key);
        String secret = "whsec_" + Bytes.of(key).base64Url();
        Instant now = clock.instant().truncatedTo(ChronoUnit.MICROS);
        WebhookId id = new WebhookId(TimeOrderedIds.next(now, random));
        return database.inTenant(tenant, tx -> {
            auditLog.takeTurn(tx, tenant);
            int made = tx.createUpdate("""
                            INSERT INTO webhook (tenant_id, webhook_id, name, url, types, sealed, state, created_at)
                            SELECT :tenant, :id, :name, :url, :types, :sealed, 'ACTIVE', :now
                            WHERE (SELECT count(*) FROM webhook WHERE tenant_id = :tenant) < :most""")
                    .bind("tenant", tenant)
                    .bind("id", id.value())
                    .bind("name", label)
                    .bind("url", target.toString())
                    .bindArray("types", String.class, types)
                    .bind("sealed", seal.seal(id.sealName(), secret.getBytes(StandardCharsets.US_ASCII)))
                    .bind("now", now)
                    .bind("most", MOST)
                    .execute();
            if (made == 0) {
                throw new RefusedException(ErrorCode.CONFLICT, "a tenant has " + MOST + " webhooks at the most");
            }
            audit(tx, tenant, actor, id, "created", Map.of("name", label, "host", target.getHost(), "types", types));
            // Under the lock that the audit chain holds: what is committed before is older, the rest comes.
            tx.createUpdate("""
                            INSERT INTO event_reader (tenant_id, reader, sequence, due_at)
                            SELECT tenant_id, :reader, event_sequence, 'infinity' FROM audit_head
                            WHERE tenant_id = :tenant""")
                    .bind("tenant", tenant)
                    .bind("reader", id.reader())
                    .execute();
            return new Webhook.Created(find(tx, tenant, id), secret);
        });
    }

    private static URI target(String text) {
        if (text.length() > LONGEST_URL) {
            throw Fields.invalid("url", "must have " + LONGEST_URL + " characters at the most");
        }
        try {
            URI uri = new URI(text.strip()).parseServerAuthority();
            if (uri.getHost() == null || uri.getRawUserInfo() != null || uri.getRawFragment() != null) {
                throw Fields.invalid("url", "must have a host, and neither a user nor a fragment");
            }
            return new URI(uri.toASCIIString());
        } catch (URISyntaxException e) {
            throw Fields.invalid("url", "must be a URL such as https://example.com/events");
        }
    }

    private static void requireTypes(List<String> types) {
        if (types.size() > MOST_TYPES) {
            throw Fields.invalid("types", "must be " + MOST_TYPES + " at the most");
        }
        for (String type : types) {
            if (!TYPE.matcher(type).matches()) {
                throw Fields.invalid("types", "must be types of events or their beginnings, as dev.tegata.device");
            }
        }
    }

    /// All of them, oldest first.
    public List<Webhook> list(TenantId tenant) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery(
                                "SELECT " + COLUMNS + " FROM webhook WHERE tenant_id = :tenant ORDER BY webhook_id")
                        .bind("tenant", tenant)
                        .map((row, context) -> webhook(row))
                        .list());
    }

    /// @throws RefusedException [ErrorCode#NOT_FOUND]
    public Webhook get(TenantId tenant, WebhookId id) {
        return database.inTenant(tenant, tx -> find(tx, tenant, id));
    }

    static Webhook find(Handle tx, TenantId tenant, WebhookId id) {
        return tx.createQuery("SELECT " + COLUMNS + " FROM webhook WHERE tenant_id = :tenant AND webhook_id = :id")
                .bind("tenant", tenant)
                .bind("id", id.value())
                .map((row, context) -> webhook(row))
                .findOne()
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no webhook " + id));
    }

    private static Webhook webhook(ResultSet row) throws SQLException {
        return new Webhook(
                new WebhookId(row.getObject("webhook_id", UUID.class)),
                row.getString("name"),
                URI.create(row.getString("url")),
                List.of((String[]) row.getArray("types").getArray()),
                Webhook.State.valueOf(row.getString("state")),
                row.getString("reason"),
                Columns.instant(row, "failing_since"),
                row.getTimestamp("created_at").toInstant());
    }

    /// Removes a webhook with all that was on its way. Asked again, it finishes what was broken off.
    public void delete(TenantId tenant, Actor actor, WebhookId id) {
        database.inTenant(tenant, tx -> {
            Webhook webhook = find(tx, tenant, id);
            int stopped = tx.createUpdate("DELETE FROM event_reader WHERE tenant_id = :tenant AND reader = :reader")
                    .bind("tenant", tenant)
                    .bind("reader", id.reader())
                    .execute();
            if (stopped > 0) {
                audit(tx, tenant, actor, id, "deleted", Map.of("name", webhook.name()));
            }
            return null;
        });
        while (removeDeliveries(tenant, id) == REMOVED_AT_ONCE) {
            // There are more.
        }
        database.inTenant(
                tenant,
                tx -> tx.createUpdate("DELETE FROM webhook WHERE tenant_id = :tenant AND webhook_id = :id")
                        .bind("tenant", tenant)
                        .bind("id", id.value())
                        .execute());
    }

    private int removeDeliveries(TenantId tenant, WebhookId id) {
        return database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                                DELETE FROM webhook_delivery
                                WHERE tenant_id = :tenant AND webhook_id = :id AND sequence = ANY (ARRAY(
                                    SELECT sequence FROM webhook_delivery
                                    WHERE tenant_id = :tenant AND webhook_id = :id LIMIT :limit))""")
                        .bind("tenant", tenant)
                        .bind("id", id.value())
                        .bind("limit", REMOVED_AT_ONCE)
                        .execute());
    }

    /// Lets nothing out until it is resumed. What happens meanwhile waits, for [Outbox#PATIENCE] at the
    /// most.
    public Webhook pause(TenantId tenant, Actor actor, WebhookId id) {
        return database.inTenant(tenant, tx -> {
            find(tx, tenant, id);
            pause(tx, tenant, actor, id, "paused by hand");
            return find(tx, tenant, id);
        });
    }

    /// As part of the transaction `tx`. One that is paused stays as it is.
    void pause(Handle tx, TenantId tenant, Actor actor, WebhookId id, String reason) {
        lockReader(tx, tenant, id);
        int paused = tx.createUpdate("""
                        UPDATE webhook SET state = 'PAUSED', reason = :reason
                        WHERE tenant_id = :tenant AND webhook_id = :id AND state = 'ACTIVE'""")
                .bind("tenant", tenant)
                .bind("id", id.value())
                .bind("reason", reason)
                .execute();
        if (paused == 0) {
            return;
        }
        // With failures counted, new events do not wake it either.
        wake(tx, tenant, id, "due_at = 'infinity', attempts = 1");
        audit(tx, tenant, actor, id, "paused", Map.of("reason", reason));
        outbox.append(tx, tenant, new Event("dev.tegata.webhook.paused", "webhook:" + id, Map.of("reason", reason)));
    }

    /// Goes on where it was paused.
    public Webhook resume(TenantId tenant, Actor actor, WebhookId id) {
        return database.inTenant(tenant, tx -> {
            lockReader(tx, tenant, id);
            find(tx, tenant, id);
            int resumed = tx.createUpdate("""
                            UPDATE webhook SET state = 'ACTIVE', reason = NULL, failing_since = NULL
                            WHERE tenant_id = :tenant AND webhook_id = :id AND state = 'PAUSED'""")
                    .bind("tenant", tenant)
                    .bind("id", id.value())
                    .execute();
            if (resumed > 0) {
                wake(tx, tenant, id, "due_at = now(), attempts = 0");
                audit(tx, tenant, actor, id, "resumed", Map.of());
                outbox.append(tx, tenant, new Event("dev.tegata.webhook.resumed", "webhook:" + id, Map.of()));
            }
            return find(tx, tenant, id);
        });
    }

    /// First of all, as those who deliver do: so what each of them decides rests on what the one before has
    /// left.
    private static void lockReader(Handle tx, TenantId tenant, WebhookId id) {
        tx.createQuery("SELECT 1 FROM event_reader WHERE tenant_id = :tenant AND reader = :reader FOR UPDATE")
                .bind("tenant", tenant)
                .bind("reader", id.reader())
                .mapTo(Integer.class)
                .findOne();
    }

    private static void wake(Handle tx, TenantId tenant, WebhookId id, String how) {
        tx.createUpdate("UPDATE event_reader SET " + how + " WHERE tenant_id = :tenant AND reader = :reader")
                .bind("tenant", tenant)
                .bind("reader", id.reader())
                .execute();
    }

    /// What went through a webhook, newest event first.
    ///
    /// @param state null for all
    public Page<Delivery> deliveries(TenantId tenant, WebhookId id, Delivery.@Nullable State state, Page.Request page) {
        long before = page.after(Long::parseLong, Long.MAX_VALUE);
        List<Delivery> rows = database.inTenant(tenant, tx -> {
            find(tx, tenant, id);
            var query = tx.createQuery("""
                            SELECT delivery_id, sequence, type, subject, state, attempts, due_at, ended_at, status, problem
                            FROM webhook_delivery
                            WHERE tenant_id = :tenant AND webhook_id = :id AND sequence < :before %s
                            ORDER BY sequence DESC LIMIT :limit""".formatted(state == null ? "" : "AND state = :state"))
                    .bind("tenant", tenant)
                    .bind("id", id.value())
                    .bind("before", before)
                    .bind("limit", page.limit() + 1);
            if (state != null) {
                query.bind("state", state.name());
            }
            return query.map((row, context) -> delivery(row)).list();
        });
        return Page.of(rows, page, delivery -> Long.toString(delivery.sequence()));
    }

    private static Delivery delivery(ResultSet row) throws SQLException {
        Delivery.State state = Delivery.State.valueOf(row.getString("state"));
        return new Delivery(
                row.getObject("delivery_id", UUID.class),
                row.getLong("sequence"),
                row.getString("type"),
                row.getString("subject"),
                state,
                row.getInt("attempts"),
                state == Delivery.State.PENDING ? Columns.instant(row, "due_at") : null,
                Columns.instant(row, "ended_at"),
                row.getObject("status", Integer.class),
                row.getString("problem"));
    }

    /// Sends again what was given up, or one delivery that is over. It goes out of its order: `sequence`
    /// tells.
    ///
    /// @param delivery null for those that were given up, oldest first, at most 1000 at once
    /// @return how many
    /// @throws RefusedException where there is no such delivery, or it is not over
    public int redeliver(TenantId tenant, Actor actor, WebhookId id, @Nullable UUID delivery) {
        String which = delivery == null
                ? "state = 'DEAD' ORDER BY sequence LIMIT " + REDELIVERED_AT_ONCE
                : "delivery_id = :delivery AND state IN ('DEAD', 'DELIVERED')";
        return database.inTenant(tenant, tx -> {
            lockReader(tx, tenant, id);
            find(tx, tenant, id);
            var update =
                    tx.createUpdate("""
                            UPDATE webhook_delivery SET state = 'PENDING', attempts = 0, due_at = now(), begun_at = NULL,
                                ended_at = NULL, status = NULL, problem = NULL
                            WHERE tenant_id = :tenant AND webhook_id = :id AND sequence = ANY (ARRAY(
                                SELECT sequence FROM webhook_delivery
                                WHERE tenant_id = :tenant AND webhook_id = :id AND %s))""".formatted(which)).bind("tenant", tenant).bind("id", id.value());
            if (delivery != null) {
                update.bind("delivery", delivery);
            }
            int again = update.execute();
            if (again == 0 && delivery != null) {
                throw new RefusedException(ErrorCode.NOT_FOUND, "there is no delivery " + delivery + " that is over");
            }
            if (again > 0) {
                // A paused one stays so: it is sent when it is resumed.
                tx.createUpdate("""
                                UPDATE event_reader SET due_at = now() WHERE tenant_id = :tenant AND reader = :reader
                                    AND EXISTS (SELECT 1 FROM webhook WHERE tenant_id = :tenant AND webhook_id = :id
                                        AND state = 'ACTIVE')""")
                        .bind("tenant", tenant)
                        .bind("reader", id.reader())
                        .bind("id", id.value())
                        .execute();
                audit(tx, tenant, actor, id, "redelivered", Map.of("deliveries", again));
            }
            return again;
        });
    }

    /// Posts an event of type `dev.tegata.webhook.test` at once, beside all order, and waits for the
    /// answer.
    public Messenger.Answer test(TenantId tenant, WebhookId id) {
        Opened opened = open(tenant, id);
        Instant now = clock.instant();
        Map<String, Object> event = new LinkedHashMap<>();
        event.put("specversion", "1.0");
        event.put("id", TimeOrderedIds.next(now, random).toString());
        event.put("source", "/tenants/" + tenant);
        event.put("type", "dev.tegata.webhook.test");
        event.put("subject", "webhook:" + id);
        event.put("time", now.truncatedTo(ChronoUnit.MILLIS).toString());
        event.put("datacontenttype", "application/json");
        event.put("data", Map.of());
        return post(opened, TimeOrderedIds.next(now, random), Json.write(event));
    }

    /// A webhook with its secret. Not inside a transaction.
    Opened open(TenantId tenant, WebhookId id) {
        record Row(Webhook webhook, Bytes sealed) {}
        Row row = database.inTenant(
                tenant,
                tx -> new Row(
                        find(tx, tenant, id),
                        tx.createQuery("SELECT sealed FROM webhook WHERE tenant_id = :tenant AND webhook_id = :id")
                                .bind("tenant", tenant)
                                .bind("id", id.value())
                                .map((found, context) -> Bytes.of(found.getBytes(1)))
                                .one()));
        return new Opened(row.webhook(), seals.of(tenant).open(id.sealName(), row.sealed()));
    }

    Messenger.Answer post(Opened opened, UUID delivery, String content) {
        byte[] body = content.getBytes(StandardCharsets.UTF_8);
        return messenger.post(
                opened.webhook().url(),
                WebhookSignature.headers(opened.secret(), delivery, clock.instant(), body),
                body);
    }

    /// A webhook and its secret.
    record Opened(Webhook webhook, byte[] secret) {
        @Override
        public String toString() {
            return "Opened[" + webhook.id() + "]";
        }
    }

    private void audit(Handle tx, TenantId tenant, Actor actor, WebhookId id, String what, Map<String, ?> detail) {
        auditLog.append(tx, tenant, List.of(new AuditEvent(actor, "webhook." + what, "webhook:" + id, detail)));
    }
}
