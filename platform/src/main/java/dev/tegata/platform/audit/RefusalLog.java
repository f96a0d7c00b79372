// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.audit;

import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.PeriodicWork;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.store.Database;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Brings refusals into the audit chains, without letting whoever is refused fill them: refusals of one reason from one
/// source within a minute are two records at the most, of the first one at once and of how many followed.
///
/// Devices that proved who they are count for themselves: behind one router's address there may be thousands, and each
/// one's history shows its own refusals. Strangers cannot make such entries.
///
/// Refusals are written in the background. A crash loses those of the last second; what is refused changes nothing.
public final class RefusalLog implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(RefusalLog.class);
    private static final Duration WINDOW = Duration.ofMinutes(1);
    private static final Duration PAUSE = Duration.ofSeconds(1);
    private static final int MAX_WINDOWS = 10_000;
    private static final int BATCH = 500;
    private static final int MAX_DETAIL = 400;

    private final AuditLog log;
    private final Database database;
    private final InstantSource clock;
    private final PeriodicWork writer;

    // Guarded by this.
    private final Map<Key, Window> windows = new HashMap<>();
    private long uncounted;

    public RefusalLog(AuditLog log, Database database, InstantSource clock) {
        this.log = log;
        this.database = database;
        this.clock = clock;
        this.writer = PeriodicWork.start("refusal-log", PAUSE, this::flush);
    }

    /// A refusal.
    ///
    /// @param actor who was refused, as far as is known
    /// @param source where the request came from: an address
    /// @param subject what was asked for, as `kind:id`
    /// @param detail the sentence that the operator sees; more than the sender may be told, never a secret
    public record Refusal(Actor actor, String source, ErrorCode code, String subject, String detail) {
        public Refusal {
            subject = Texts.quoted(subject);
            source = Texts.quoted(source);
            detail = detail.length() > MAX_DETAIL ? detail.substring(0, MAX_DETAIL) + "…" : detail;
        }
    }

    /// @param device that was refused; empty where none is known
    private record Key(TenantId tenant, ErrorCode code, String source, String device) {
        static Key of(TenantId tenant, Refusal refusal) {
            boolean byDevice = refusal.actor().kind() == Actor.Kind.DEVICE;
            return new Key(
                    tenant,
                    refusal.code(),
                    refusal.source(),
                    byDevice ? refusal.actor().id() : "");
        }
    }

    /// The refusals of one key since the first of them. Guarded by the log.
    private static final class Window {
        final Instant end;
        Refusal latest;
        boolean written;
        int count;
        Instant first;
        Instant last;

        Window(Refusal refusal, Instant now) {
            this.end = now.plus(WINDOW);
            this.latest = refusal;
            this.first = now;
            this.last = now;
        }
    }

    private record Due(Key key, Window window, int count, AuditEvent event) {}

    /// Notes a refusal. Never waits.
    public synchronized void add(TenantId tenant, Refusal refusal) {
        Instant now = clock.instant();
        Key key = Key.of(tenant, refusal);
        if (windows.size() >= MAX_WINDOWS && !windows.containsKey(key)) {
            uncounted++;
            return;
        }
        Window window = windows.computeIfAbsent(key, k -> new Window(refusal, now));
        if (window.count == 0) {
            window.first = now;
        }
        window.count++;
        window.last = now;
        window.latest = refusal;
    }

    /// Writes what is due. A failure keeps it for the next time.
    public void flush() {
        write(takeDue(false));
    }

    /// Writes everything that was noted.
    @Override
    public void close() {
        writer.close();
        write(takeDue(true));
    }

    private synchronized Map<TenantId, List<Due>> takeDue(boolean all) {
        Instant now = clock.instant();
        Map<TenantId, List<Due>> due = new HashMap<>();
        for (Iterator<Map.Entry<Key, Window>> each = windows.entrySet().iterator(); each.hasNext(); ) {
            Map.Entry<Key, Window> entry = each.next();
            Window window = entry.getValue();
            boolean over = all || !now.isBefore(window.end);
            if (window.count > 0 && (over || !window.written)) {
                Due taken = new Due(entry.getKey(), window, window.count, event(window));
                due.computeIfAbsent(entry.getKey().tenant(), tenant -> new ArrayList<>())
                        .add(taken);
                window.count = 0;
                window.written = true;
            }
            if (over) {
                each.remove();
            }
        }
        if (uncounted > 0) {
            LOG.warn("{} refusals from too many sources at once were not recorded one by one", uncounted);
            uncounted = 0;
        }
        return due;
    }

    private static AuditEvent event(Window window) {
        Refusal refusal = window.latest;
        return new AuditEvent(
                refusal.actor(),
                "request.refused",
                refusal.subject(),
                Map.of(
                        "code",
                        refusal.code().code(),
                        "source",
                        refusal.source(),
                        "detail",
                        refusal.detail(),
                        "count",
                        window.count,
                        "first",
                        window.first,
                        "last",
                        window.last));
    }

    private void write(Map<TenantId, List<Due>> due) {
        @Nullable RuntimeException failure = null;
        for (Map.Entry<TenantId, List<Due>> entry : due.entrySet()) {
            List<Due> all = entry.getValue();
            for (int from = 0; from < all.size(); from += BATCH) {
                List<Due> batch = all.subList(from, Math.min(from + BATCH, all.size()));
                try {
                    write(entry.getKey(), batch);
                } catch (RuntimeException e) {
                    failure = e;
                    putBack(batch);
                }
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    private void write(TenantId tenant, List<Due> batch) {
        List<AuditEvent> events = batch.stream().map(Due::event).toList();
        database.inTenant(tenant, tx -> {
            // Credentials may name a tenant that does not exist.
            if (log.hasChain(tx, tenant)) {
                log.append(tx, tenant, events);
            }
            return null;
        });
    }

    private synchronized void putBack(List<Due> batch) {
        for (Due lost : batch) {
            Window window = windows.computeIfAbsent(lost.key(), key -> lost.window());
            window.count += lost.count();
            window.written = false;
        }
    }
}
