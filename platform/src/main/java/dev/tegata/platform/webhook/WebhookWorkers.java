// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.webhook;

import dev.tegata.platform.DueWork;
import dev.tegata.platform.PeriodicWork;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.webhook.Messenger.Answer;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.locks.ReentrantLock;
import java.util.random.RandomGenerator;
import org.jdbi.v3.core.Handle;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Delivers the events of all tenants to their webhooks, beside other nodes that do the same.
///
/// Implementation notes:
/// - A node leases a webhook (its row in `event_reader`) and works on it for a [#SLICE]. Every change that follows from
///   a delivery begins by renewing the lease, in the same transaction; where that changes no row, another node has the
///   webhook and will send again what is not settled. So each event arrives at least once.
/// - Events are first taken in, as rows of `webhook_delivery`, together with the reader's position. Of each subject the
///   first is PENDING and the later ones HELD; settling one lets the next go. A subject in trouble holds up itself.
/// - Deliveries of one webhook are settled one after the other, under a lock of the slice: else two of one subject (one
///   of them sent again by hand) could each leave it to the other to let the next go.
/// - Memory is bounded: at most [#WEBHOOKS_AT_ONCE] times [#AT_ONCE] events are in hand. The rest waits in the
///   database, at most [#MOST_OPEN] taken in per webhook; further events wait in the outbox.
/// - Where several subjects fail and none succeeds, the receiver is taken to be down, and the webhook waits as a whole.
public final class WebhookWorkers implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(WebhookWorkers.class);
    private static final Duration SLICE = Duration.ofSeconds(5);
    private static final Duration CLEANING_PAUSE = Duration.ofMinutes(10);
    private static final int WEBHOOKS_AT_ONCE = 32;
    private static final int WEBHOOKS_OF_A_TENANT = 8;
    private static final int AT_ONCE = 8;
    private static final int TAKEN_AT_ONCE = 500;
    private static final int MOST_OPEN = 100_000;
    private static final int CLEANED_AT_ONCE = 5_000;
    private static final int LONGEST_PROBLEM = 300;
    private static final String PREFIX = "webhook:";
    private static final Actor ACTOR = Actor.system("webhooks");

    /// How long a node may be silent before its webhooks are taken over; longer than a delivery takes.
    private static final String LEASE = "interval '60 seconds'";

    private final Database database;
    private final Webhooks webhooks;
    private final RetryRules rules;
    private final RandomGenerator random;
    private final UUID node = UUID.randomUUID();
    private final DueWork<Open> dueWebhooks = DueWork.of("webhook", WEBHOOKS_AT_ONCE, new OpenWebhooks());
    /// Tenants whose webhooks this node has worked on since they were cleaned last.
    private final Set<TenantId> touched = ConcurrentHashMap.newKeySet();
    private final PeriodicWork cleaner;

    private WebhookWorkers(Database database, Webhooks webhooks, RetryRules rules, RandomGenerator random) {
        this.database = database;
        this.webhooks = webhooks;
        this.rules = rules;
        this.random = random;
        this.cleaner = PeriodicWork.start("webhook-cleaner", CLEANING_PAUSE, this::cleanAll);
    }

    /// Begins to deliver.
    public static WebhookWorkers start(
            Database database, Outbox outbox, Webhooks webhooks, RetryRules rules, RandomGenerator random) {
        WebhookWorkers workers = new WebhookWorkers(database, webhooks, rules, random);
        outbox.whenAppended(workers.dueWebhooks::wake);
        workers.dueWebhooks.start();
        return workers;
    }

    private record Open(TenantId tenant, WebhookId webhook) {}

    /// An event that is due.
    private record Due(long sequence, UUID delivery, String subject, String content) {}

    private final class OpenWebhooks implements DueWork.Rules<Open> {
        /// Webhooks with something to do; those that waited longest first.
        @Override
        public List<Open> due() {
            return database.acrossTenants(tx -> tx.createQuery("""
                            SELECT tenant_id, reader FROM event_reader r JOIN audit_head h USING (tenant_id)
                            WHERE r.reader LIKE 'webhook:%' AND r.leased_until < now()
                                AND (r.due_at <= now() OR (r.attempts = 0 AND r.sequence < h.event_sequence))
                            ORDER BY r.leased_until LIMIT :limit""")
                    .bind("limit", 4 * WEBHOOKS_AT_ONCE)
                    .map((row, context) -> new Open(
                            new TenantId(row.getString(1)),
                            WebhookId.parse(row.getString(2).substring(PREFIX.length()))))
                    .list());
        }

        @Override
        public boolean mayBegin(Open open, Collection<Open> running) {
            return running.stream()
                            .filter(other -> other.tenant().equals(open.tenant()))
                            .count()
                    < WEBHOOKS_OF_A_TENANT;
        }

        @Override
        public boolean work(Open open) {
            try {
                return lease(open) && new Slice(open).work();
            } catch (RefusedException e) {
                LOG.info("webhook {} was deleted meanwhile", open.webhook());
                return false;
            }
        }
    }

    private boolean lease(Open open) {
        return database.inTenant(
                        open.tenant(),
                        tx -> tx.createUpdate("""
                            UPDATE event_reader SET leased_by = :node, leased_until = now() + %s
                            WHERE (tenant_id, reader) IN (
                                SELECT tenant_id, reader FROM event_reader
                                WHERE tenant_id = :tenant AND reader = :reader AND leased_until < now()
                                FOR UPDATE SKIP LOCKED)""".formatted(LEASE))
                                .bind("node", node)
                                .bind("tenant", open.tenant())
                                .bind("reader", open.webhook().reader())
                                .execute())
                > 0;
    }

    /// The work of one lease.
    private final class Slice {
        private final Open open;
        private final TenantId tenant;
        private final UUID id;
        private final Semaphore settled = new Semaphore(0);
        private final ReentrantLock settling = new ReentrantLock();
        /// Numbers of events in hand.
        private final Set<Long> inHand = ConcurrentHashMap.newKeySet();
        /// Subjects that failed.
        private final Set<String> failed = ConcurrentHashMap.newKeySet();
        private volatile boolean succeeded;
        private volatile boolean lost;
        /// Whether the database was away for a moment: the slice ends, and the next one comes soon.
        private volatile boolean broken;

        Slice(Open open) {
            this.open = open;
            this.tenant = open.tenant();
            this.id = open.webhook().value();
        }

        /// @return whether it was ended by time alone
        boolean work() {
            touched.add(tenant);
            Webhooks.Opened opened = webhooks.open(tenant, open.webhook());
            long end = System.nanoTime() + SLICE.toNanos();
            boolean inTime = true;
            try {
                boolean more = true;
                while (more && !dueWebhooks.isClosing() && !lost && !broken && !isDown() && inTime) {
                    more = takeIn() | send(opened);
                    inTime = System.nanoTime() < end;
                }
            } catch (UnavailableException e) {
                interrupted(e);
            } finally {
                while (!inHand.isEmpty()) {
                    settled.acquireUninterruptibly();
                }
            }
            if (!lost) {
                release();
            }
            return !inTime;
        }

        private void interrupted(UnavailableException e) {
            LOG.warn("webhook {}: {}, will send again what was not settled", open.webhook(), e.getMessage());
            broken = true;
        }

        private boolean isDown() {
            return failed.size() > 1 && !succeeded;
        }

        /// Takes in new events.
        ///
        /// @return whether there may be more
        private boolean takeIn() {
            settling.lock();
            try {
                return database.inTenant(tenant, tx -> {
                    if (!renewLease(tx)) {
                        return false;
                    }
                    return takeIn(tx);
                });
            } finally {
                settling.unlock();
            }
        }

        private boolean takeIn(Handle tx) {
            long last = tx.createQuery("""
                            SELECT coalesce(max(sequence), 0) FROM (
                                SELECT e.sequence FROM event e
                                JOIN event_reader r ON r.tenant_id = e.tenant_id AND r.reader = :reader
                                JOIN webhook w ON w.tenant_id = e.tenant_id AND w.webhook_id = :id
                                    AND w.state = 'ACTIVE'
                                WHERE e.tenant_id = :tenant AND e.sequence > r.sequence
                                    AND (SELECT count(*) FROM (SELECT 1 FROM webhook_delivery d
                                        WHERE d.tenant_id = :tenant AND d.webhook_id = :id
                                            AND d.state IN ('PENDING', 'HELD') LIMIT :most) AS open) < :most
                                ORDER BY e.sequence LIMIT :limit) AS batch""")
                    .bind("tenant", tenant)
                    .bind("reader", open.webhook().reader())
                    .bind("id", id)
                    .bind("most", MOST_OPEN)
                    .bind("limit", TAKEN_AT_ONCE)
                    .mapTo(Long.class)
                    .one();
            if (last == 0) {
                return false;
            }
            tx.createUpdate("""
                            INSERT INTO webhook_delivery (tenant_id, webhook_id, sequence, delivery_id, type, subject,
                                content, state, due_at)
                            SELECT e.tenant_id, :id, e.sequence, gen_random_uuid(), e.type, e.subject, e.content,
                                CASE WHEN row_number() OVER (PARTITION BY e.subject ORDER BY e.sequence) = 1
                                    AND NOT EXISTS (SELECT 1 FROM webhook_delivery d
                                        WHERE d.tenant_id = :tenant AND d.webhook_id = :id AND d.subject = e.subject
                                            AND d.state IN ('PENDING', 'HELD'))
                                THEN 'PENDING' ELSE 'HELD' END, now()
                            FROM event e
                            JOIN event_reader r ON r.tenant_id = e.tenant_id AND r.reader = :reader
                            JOIN webhook w ON w.tenant_id = e.tenant_id AND w.webhook_id = :id
                            WHERE e.tenant_id = :tenant AND e.sequence > r.sequence AND e.sequence <= :last
                                AND (cardinality(w.types) = 0 OR EXISTS (SELECT 1 FROM unnest(w.types) AS t (type)
                                    WHERE e.type = t.type OR starts_with(e.type, t.type || '.')))""")
                    .bind("tenant", tenant)
                    .bind("reader", open.webhook().reader())
                    .bind("id", id)
                    .bind("last", last)
                    .execute();
            tx.createUpdate("UPDATE event_reader SET sequence = :last WHERE tenant_id = :tenant AND reader = :reader")
                    .bind("last", last)
                    .bind("tenant", tenant)
                    .bind("reader", open.webhook().reader())
                    .execute();
            return true;
        }

        /// Sends what is due, and waits until one is settled.
        ///
        /// @return whether something was sent or is on its way
        private boolean send(Webhooks.Opened opened) {
            for (Due due : pick(AT_ONCE - inHand.size())) {
                inHand.add(due.sequence());
                Thread.ofVirtual().name("webhook-delivery").start(() -> {
                    try {
                        settle(due, webhooks.post(opened, due.delivery(), due.content()));
                    } catch (UnavailableException e) {
                        interrupted(e);
                    } catch (RuntimeException e) {
                        LOG.error("a delivery of webhook {} cannot be settled", open.webhook(), e);
                        lost = true;
                    } finally {
                        inHand.remove(due.sequence());
                        settled.release();
                    }
                });
            }
            if (inHand.isEmpty()) {
                return settled.drainPermits() > 0;
            }
            settled.acquireUninterruptibly();
            settled.drainPermits();
            return true;
        }

        private List<Due> pick(int free) {
            if (free <= 0) {
                return List.of();
            }
            // Under the lock, nothing is settled between the look at what is in hand and the query.
            settling.lock();
            try {
                return database.inTenant(
                        tenant,
                        tx -> tx.createQuery("""
                                        SELECT d.sequence, d.delivery_id, d.subject, d.content FROM webhook_delivery d
                                        JOIN webhook w ON w.tenant_id = d.tenant_id AND w.webhook_id = d.webhook_id
                                            AND w.state = 'ACTIVE'
                                        WHERE d.tenant_id = :tenant AND d.webhook_id = :id AND d.state = 'PENDING'
                                            AND d.due_at <= now() AND d.sequence <> ALL(:in_hand)
                                        ORDER BY d.due_at LIMIT :limit""")
                                .bind("tenant", tenant)
                                .bind("id", id)
                                .bindArray("in_hand", Long.class, inHand.toArray())
                                .bind("limit", free)
                                .map((row, context) -> new Due(
                                        row.getLong(1),
                                        row.getObject(2, UUID.class),
                                        row.getString(3),
                                        row.getString(4)))
                                .list());
            } finally {
                settling.unlock();
            }
        }

        private void settle(Due due, Answer answer) {
            settling.lock();
            try {
                database.inTenant(tenant, tx -> {
                    if (!renewLease(tx)) {
                        return null;
                    }
                    if (answer.isSuccess()) {
                        delivered(tx, due, answer);
                    } else {
                        failed(tx, due, answer);
                    }
                    return null;
                });
            } finally {
                settling.unlock();
            }
            if (answer.isSuccess()) {
                succeeded = true;
            } else {
                failed.add(due.subject());
            }
        }

        private boolean renewLease(Handle tx) {
            int held = tx.createUpdate("""
                            UPDATE event_reader SET leased_until = now() + %s
                            WHERE tenant_id = :tenant AND reader = :reader AND leased_by = :node""".formatted(LEASE))
                    .bind("tenant", tenant)
                    .bind("reader", open.webhook().reader())
                    .bind("node", node)
                    .execute();
            lost = held == 0;
            return !lost;
        }

        private void delivered(Handle tx, Due due, Answer answer) {
            end(tx, due, "DELIVERED", answer);
            tx.createUpdate("""
                            UPDATE webhook SET failing_since = NULL
                            WHERE tenant_id = :tenant AND webhook_id = :id AND failing_since IS NOT NULL""").bind("tenant", tenant).bind("id", id).execute();
        }

        private void failed(Handle tx, Due due, Answer answer) {
            int attempts = tx.createQuery("""
                            SELECT attempts FROM webhook_delivery
                            WHERE tenant_id = :tenant AND webhook_id = :id AND sequence = :sequence""")
                    .bind("tenant", tenant)
                    .bind("id", id)
                    .bind("sequence", due.sequence())
                    .mapTo(Integer.class)
                    .findOne()
                    .orElse(0);
            Duration pause = rules.pause(attempts + 1, answer.retryAfter(), random);
            int again = tx.createUpdate("""
                            UPDATE webhook_delivery SET attempts = attempts + 1, status = nullif(:status, 0),
                                problem = :problem, begun_at = coalesce(begun_at, now()), due_at = now() + :pause * interval '1 millisecond'
                            WHERE tenant_id = :tenant AND webhook_id = :id AND sequence = :sequence
                                AND state = 'PENDING' AND now() + :pause * interval '1 millisecond'
                                    < coalesce(begun_at, now()) + :given_up * interval '1 millisecond'""")
                    .bind("tenant", tenant)
                    .bind("id", id)
                    .bind("sequence", due.sequence())
                    .bind("status", answer.status())
                    .bind("problem", problem(answer))
                    .bind("pause", pause.toMillis())
                    .bind("given_up", rules.givenUp().toMillis())
                    .execute();
            if (again == 0) {
                end(tx, due, "DEAD", answer);
            }
            boolean tooLong = tx.createQuery("""
                            UPDATE webhook SET failing_since = coalesce(failing_since, now())
                            WHERE tenant_id = :tenant AND webhook_id = :id
                            RETURNING failing_since + :paused * interval '1 millisecond' <= now()""")
                    .bind("tenant", tenant)
                    .bind("id", id)
                    .bind("paused", rules.paused().toMillis())
                    .mapTo(Boolean.class)
                    .findOne()
                    .orElse(false);
            if (answer.isGone()) {
                webhooks.pause(tx, tenant, ACTOR, open.webhook(), "the receiver answered 410 Gone");
            } else if (tooLong) {
                webhooks.pause(
                        tx,
                        tenant,
                        ACTOR,
                        open.webhook(),
                        "nothing has been delivered for too long: " + problem(answer));
            }
        }

        private static String problem(Answer answer) {
            String problem = answer.problem();
            if (problem == null) {
                return "the receiver answered " + answer.status();
            }
            return problem.length() <= LONGEST_PROBLEM ? problem : problem.substring(0, LONGEST_PROBLEM);
        }

        /// Ends a delivery, and lets the next of its subject go.
        private void end(Handle tx, Due due, String state, Answer answer) {
            tx.createUpdate("""
                            UPDATE webhook_delivery SET state = :state, attempts = attempts + 1, ended_at = now(),
                                begun_at = coalesce(begun_at, now()), status = nullif(:status, 0), problem = :problem
                            WHERE tenant_id = :tenant AND webhook_id = :id AND sequence = :sequence""")
                    .bind("tenant", tenant)
                    .bind("id", id)
                    .bind("sequence", due.sequence())
                    .bind("state", state)
                    .bind("status", answer.status())
                    .bindByType("problem", answer.isSuccess() ? null : problem(answer), String.class)
                    .execute();
            tx.createUpdate("""
                            UPDATE webhook_delivery SET state = 'PENDING', due_at = now()
                            WHERE tenant_id = :tenant AND webhook_id = :id AND state = 'HELD' AND sequence = (
                                SELECT sequence FROM webhook_delivery
                                WHERE tenant_id = :tenant AND webhook_id = :id AND subject = :subject
                                    AND state IN ('PENDING', 'HELD')
                                ORDER BY sequence LIMIT 1)""")
                    .bind("tenant", tenant)
                    .bind("id", id)
                    .bind("subject", due.subject())
                    .execute();
        }

        /// Gives the webhook back: until its next retry, or for a while that doubles where its receiver is
        /// down.
        private void release() {
            database.inTenant(tenant, tx -> {
                // First the row, then the look at what is due: one statement for both would not see what somebody who
                // held the row had just made due, and would write over it.
                if (!renewLease(tx)) {
                    return 0;
                }
                return tx.createUpdate("""
                                UPDATE event_reader SET leased_by = NULL, leased_until = now(),
                                    attempts = CASE WHEN paused THEN 1 WHEN :down THEN attempts + 1 ELSE 0 END,
                                    due_at = CASE WHEN paused THEN 'infinity'
                                        WHEN :down THEN now() + least(interval '1 second' * power(2, least(attempts, 10)),
                                            interval '30 seconds')
                                        ELSE coalesce(next, 'infinity') END
                                FROM (SELECT
                                    NOT EXISTS (SELECT 1 FROM webhook WHERE tenant_id = :tenant
                                        AND webhook_id = :id AND state = 'ACTIVE') AS paused,
                                    (SELECT min(due_at) FROM webhook_delivery WHERE tenant_id = :tenant
                                        AND webhook_id = :id AND state = 'PENDING') AS next) AS now_so
                                WHERE tenant_id = :tenant AND reader = :reader""")
                        .bind("tenant", tenant)
                        .bind("id", id)
                        .bind("reader", open.webhook().reader())
                        .bind("down", isDown())
                        .execute();
            });
        }
    }

    private void cleanAll() {
        for (TenantId tenant : List.copyOf(touched)) {
            touched.remove(tenant);
            for (Webhook webhook : webhooks.list(tenant)) {
                while (clean(tenant, webhook.id()) == CLEANED_AT_ONCE) {
                    // There is more.
                }
            }
        }
    }

    /// Removes deliveries that are over: after a week, and after a month where they were given up.
    private int clean(TenantId tenant, WebhookId webhook) {
        return database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                        DELETE FROM webhook_delivery
                        WHERE tenant_id = :tenant AND webhook_id = :id AND sequence = ANY (ARRAY(
                            SELECT sequence FROM webhook_delivery
                            WHERE tenant_id = :tenant AND webhook_id = :id AND (
                                (state = 'DELIVERED' AND ended_at < now() - interval '7 days')
                                OR (state = 'DEAD' AND ended_at < now() - interval '30 days'))
                            LIMIT :limit))""")
                        .bind("tenant", tenant)
                        .bind("id", webhook.value())
                        .bind("limit", CLEANED_AT_ONCE)
                        .execute());
    }

    /// Lets the deliveries that are under way end; other nodes go on.
    @Override
    public void close() {
        dueWebhooks.close();
        cleaner.close();
    }
}
