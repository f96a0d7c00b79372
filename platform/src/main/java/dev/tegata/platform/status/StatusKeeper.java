// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.status;

import dev.tegata.pki.key.VaultException;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.PeriodicWork;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.platform.status.CrlPublisher.Extent;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Notifications;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jdbi.v3.core.Handle;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Keeps revocation lists, responders and ready answers fresh, in the background of every node.
///
/// What changes is told by the database and worked off at once by one thread; a round through all tenants
/// finds what the clock makes due, and what was missed.
public final class StatusKeeper implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(StatusKeeper.class);
    private static final Duration ROUND = Duration.ofSeconds(30);
    private static final Duration RETENTION = Duration.ofMinutes(1);
    private static final Duration AHEAD = Duration.ofSeconds(10);

    /// Another node makes the lists: what it may not have seen is looked at again after this time.
    private static final Duration AGAIN = Duration.ofSeconds(1);

    private static final int QUEUE = 100_000;

    private final Database database;
    private final Authorities authorities;
    private final CrlPublisher publisher;
    private final Responders responders;
    private final Retention retention;
    private final InstantSource clock;
    private final LinkedBlockingQueue<StatusNews> queue = new LinkedBlockingQueue<>(QUEUE);
    private final Set<StatusNews> queued = ConcurrentHashMap.newKeySet();
    private final CountDownLatch closing = new CountDownLatch(1);
    private final Thread worker;
    private final Notifications notifications;
    private final PeriodicWork rounds;
    private final PeriodicWork ahead;
    private final PeriodicWork moving;

    /// Whether something was told while this node did not hear: before it started, or after its connection
    /// broke.
    private volatile boolean missed = true;

    private volatile Freshness freshness = new Freshness(Optional.empty(), Optional.empty());

    public StatusKeeper(
            Database database,
            Authorities authorities,
            CrlPublisher publisher,
            Responders responders,
            Ocsp ocsp,
            Retention retention,
            InstantSource clock) {
        this.database = database;
        this.authorities = authorities;
        this.publisher = publisher;
        this.responders = responders;
        this.retention = retention;
        this.clock = clock;
        this.worker = Thread.ofPlatform().daemon().name("status-keeper").unstarted(this::work);
        this.notifications = database.listen(StatusNews.CHANNEL, new News());
        this.rounds = PeriodicWork.start("status-round", ROUND, this::round);
        this.ahead = PeriodicWork.start("ocsp-ahead", AHEAD, ocsp::produceAhead);
        this.moving = PeriodicWork.start("certificate-retention", RETENTION, this::move);
        worker.start();
    }

    /// How fresh status is, over all authorities that somebody relies on.
    ///
    /// @param crlEnds when the first of the published lists ends
    /// @param responderEnds when the first of the authorities is without a responder
    private record Freshness(Optional<Instant> crlEnds, Optional<Instant> responderEnds) {}

    /// Seconds until the first revocation list ends; NaN where there is none.
    public double crlSecondsLeft() {
        return left(freshness.crlEnds());
    }

    /// Seconds until the first authority is without a responder; NaN where there is none.
    public double responderSecondsLeft() {
        return left(freshness.responderEnds());
    }

    private double left(Optional<Instant> end) {
        return end.map(at -> (double) Duration.between(clock.instant(), at).toSeconds())
                .orElse(Double.NaN);
    }

    private final class News implements Notifications.Hearer {
        @Override
        public void connected() {
            missed = true;
        }

        @Override
        public void heard(String payload) {
            StatusNews.read(payload).ifPresent(StatusKeeper.this::enqueue);
        }
    }

    /// A full queue drops what comes: the next round finds it.
    private void enqueue(StatusNews news) {
        if (queued.add(news) && !queue.offer(news)) {
            queued.remove(news);
        }
    }

    private void work() {
        while (closing.getCount() > 0) {
            try {
                if (missed) {
                    missed = false;
                    catchUp();
                }
                StatusNews news = queue.poll(500, TimeUnit.MILLISECONDS);
                if (news != null) {
                    queued.remove(news);
                    publish(news);
                }
            } catch (InterruptedException e) {
                return;
            } catch (RuntimeException e) {
                LOG.error("Status could not be refreshed, will try again.", e);
            }
        }
    }

    private void catchUp() throws InterruptedException {
        try {
            round();
        } catch (UnavailableException e) {
            LOG.warn("What was missed will be looked for again: {}", e.getMessage());
            missed = !closing.await(AGAIN.toMillis(), TimeUnit.MILLISECONDS);
        }
    }

    private void publish(StatusNews news) {
        try {
            if (!isPublished(news) && !closing.await(AGAIN.toMillis(), TimeUnit.MILLISECONDS)) {
                enqueue(news);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// @return false where it is to be tried again in a moment
    private boolean isPublished(StatusNews news) {
        try {
            // Whoever else has the lease may have looked before this change.
            return publisher.publish(news.tenant(), news.authority(), Extent.DUE);
        } catch (RefusedException e) {
            LOG.debug("{} gets no lists: {}", news.authority(), e.getMessage());
            return true;
        } catch (UnavailableException e) {
            LOG.warn("The lists of {} will be made in a moment: {}", news.authority(), e.getMessage());
            return false;
        } catch (VaultException e) {
            LOG.warn("The lists of {} will be made later: {}", news.authority(), e.getMessage());
            return true;
        }
    }

    private void round() {
        if (closing.getCount() == 0) {
            return;
        }
        Optional<Instant> crlEnds = Optional.empty();
        Optional<Instant> responderEnds = Optional.empty();
        for (TenantId tenant : tenants()) {
            for (AuthorityId authority : database.inTenant(tenant, tx -> due(tx, tenant))) {
                refresh(tenant, authority);
            }
            Freshness here = database.inTenant(tenant, tx -> freshness(tx, tenant));
            crlEnds = earlier(crlEnds, here.crlEnds());
            responderEnds = earlier(responderEnds, here.responderEnds());
        }
        freshness = new Freshness(crlEnds, responderEnds);
    }

    /// What is broken of one authority is no reason to let the status of others grow old.
    private void refresh(TenantId tenant, AuthorityId authority) {
        try {
            renewResponder(tenant, authority);
            publish(new StatusNews(tenant, authority));
        } catch (RuntimeException e) {
            LOG.error("The status of {} could not be refreshed, will try again.", authority, e);
        }
    }

    private void move() {
        if (closing.getCount() > 0) {
            tenants().forEach(retention::run);
        }
    }

    private static Optional<Instant> earlier(Optional<Instant> one, Optional<Instant> other) {
        return one.isEmpty() || other.isPresent() && other.get().isBefore(one.get()) ? other : one;
    }

    private List<TenantId> tenants() {
        return database.acrossTenants(tx -> tx.createQuery("SELECT tenant_id FROM tenant ORDER BY tenant_id")
                .mapTo(TenantId.class)
                .list());
    }

    /// Authorities whose time or whose responder's has come, whose changes were missed, or that were looked
    /// at by a clock that has been set back since.
    private List<AuthorityId> due(Handle tx, TenantId tenant) {
        return tx.createQuery("""
                        SELECT a.authority_id FROM authority a
                            LEFT JOIN authority_status s USING (tenant_id, authority_id)
                        WHERE a.tenant_id = :tenant AND a.certificate IS NOT NULL
                            AND (s.due_at IS NULL OR s.due_at <= :now OR s.checked_at > :now
                                OR :renewal >= (SELECT max(r.not_after) FROM ocsp_responder r
                                    WHERE r.tenant_id = a.tenant_id AND r.authority_id = a.authority_id)
                                OR s.publish_at_once AND EXISTS (SELECT FROM crl_change c
                                    WHERE c.tenant_id = a.tenant_id AND c.authority_id = a.authority_id))""")
                .bind("tenant", tenant)
                .bind("now", clock.instant())
                .bind("renewal", clock.instant().plus(Responders.LIFETIME.dividedBy(2)))
                .mapTo(AuthorityId.class)
                .list();
    }

    private void renewResponder(TenantId tenant, AuthorityId authority) {
        try {
            responders.removeEnded(tenant, authority);
            responders.ready(tenant, authority);
        } catch (RefusedException e) {
            LOG.debug("{} gets no OCSP responder: {}", authority, e.getMessage());
        } catch (UnavailableException | VaultException e) {
            LOG.warn("The OCSP responder of {} will be renewed later: {}", authority, e.getMessage());
        }
    }

    /// Of authorities that somebody relies on and that have not ended: others have no fresh lists, and need
    /// none.
    private Freshness freshness(Handle tx, TenantId tenant) {
        List<UUID> reliedOn = authorities.reliedOn(tx, tenant).stream()
                .filter(authority -> authority.requireCertificate().validity().contains(clock.instant()))
                .map(authority -> authority.id().value())
                .toList();
        return new Freshness(instant(tx, """
                        SELECT min(next_update) FROM crl
                        WHERE tenant_id = :tenant AND authority_id = ANY(:authorities)""", tenant, reliedOn), instant(tx, """
                        SELECT min(r.ends) FROM (SELECT max(not_after) AS ends FROM ocsp_responder
                            WHERE tenant_id = :tenant AND authority_id = ANY(:authorities)
                            GROUP BY authority_id) r""", tenant, reliedOn));
    }

    private static Optional<Instant> instant(Handle tx, String sql, TenantId tenant, List<UUID> authorities) {
        return tx.createQuery(sql)
                .bind("tenant", tenant)
                .bindArray("authorities", UUID.class, authorities)
                .map((row, context) -> Optional.ofNullable(row.getTimestamp(1)).map(time -> time.toInstant()))
                .one();
    }

    @Override
    public void close() {
        closing.countDown();
        rounds.close();
        ahead.close();
        moving.close();
        notifications.close();
        try {
            worker.join(Duration.ofSeconds(10));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
