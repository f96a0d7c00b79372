// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import java.security.SecureRandom;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;
import javax.sql.DataSource;
import org.postgresql.PGNotification;
import org.postgresql.core.BaseConnection;
import org.postgresql.core.QueryExecutor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Knows what was changed in the database, by whatever node, so that what was read can be used again for as
/// long as it holds: see [Remembered].
///
/// Implementation notes:
/// - Triggers tell the topic of a change (`pg_notify`) in its own transaction. PostgreSQL hands topics out
///   to every session that listens before it answers the commit.
/// - Whoever wants to use what is remembered waits for an empty statement on the listening connection: with
///   its answer comes every topic that was told before it. So nothing remembered is older than the question
///   for it, and no clock and no time to live are part of that. All who ask at one moment share one such
///   statement; those who come while it is under way, or within [#PACE] of its start, share the next.
/// - Without the connection nothing counts as heard, and what was read before the next one counts as
///   changed.
/// - Topics are kept as the number of their last change, in a fixed number of slots: two that share a slot
///   outdate each other, which costs a look into the database and nothing else.
/// - The connection is opened when somebody first asks.
/// - Those who wait for news instead of asking get them [#ATTENTIVE] late at the most. The last topics are kept for
///   them, [#KEPT] of all tenants together.
public final class Changes implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Changes.class);
    private static final String CHANNEL = "tegata_change";
    /// Says of authorities that their status has changed.
    public static final String STATUS_CHANNEL = "tegata_status";
    private static final CompletableFuture<Boolean> HEARD = CompletableFuture.completedFuture(true);
    private static final CompletableFuture<Boolean> UNHEARD = CompletableFuture.completedFuture(false);
    private static final int SLOTS = 1 << 14;
    private static final Duration PAUSE = Duration.ofMillis(500);
    /// Statements do not follow each other faster, so that under load many share one.
    private static final Duration PACE = Duration.of(300, ChronoUnit.MICROS);
    private static final Duration ATTENTIVE = Duration.ofMillis(50);
    private static final int KEPT = 10_000;
    private static final int MOST_WAITING = 64;
    /// What is told must be fetched now and then, for PostgreSQL keeps it until all have heard it.
    private static final Duration IDLE = Duration.ofMillis(500);
    /// A connection that does not answer for so long is given up, and with it whoever waits.
    private static final int ANSWER_MILLIS = 3_000;

    private final DataSource source;
    private final Thread thread = Thread.ofPlatform().daemon().name("changes").unstarted(this::run);
    private final AtomicBoolean started = new AtomicBoolean();
    private final AtomicBoolean asked = new AtomicBoolean();
    /// Whether the next statement was answered. A future wakes all who wait for it at once; with a latch
    /// each would wake the next, and there would never be work for more than a core or two.
    private final AtomicReference<CompletableFuture<Boolean>> next = new AtomicReference<>(new CompletableFuture<>());
    private final AtomicLongArray slots = new AtomicLongArray(SLOTS);
    private final String node = Long.toHexString(new SecureRandom().nextLong());
    private final AtomicInteger waiting = new AtomicInteger();
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition told = lock.newCondition();
    /// The last topics. Guarded by the lock.
    private final ArrayDeque<Topic> kept = new ArrayDeque<>();

    private volatile boolean closed;
    private volatile boolean connected;
    private volatile long heardAt;

    // Written by the thread only, under the lock.
    private volatile long number;
    private volatile long floor;

    Changes(DataSource source) {
        this.source = source;
    }

    private record Topic(long number, String text) {}

    /// What was told since a position.
    ///
    /// @param position from which to go on
    /// @param complete whether nothing is missing before it
    public record News(String position, boolean complete, List<String> topics) {}

    /// Returns when everything is heard that was committed before `moment`.
    ///
    /// @param moment of [System#nanoTime], not later than now
    /// @return whether it is; otherwise the database must be asked
    public boolean heardUntil(long moment) {
        return ask(moment).join();
    }

    /// As [#heardUntil], for whoever has something to do until it is known.
    public CompletableFuture<Boolean> ask(long moment) {
        if (connected && heardAt - moment >= 0) {
            return HEARD;
        }
        if (started.compareAndSet(false, true)) {
            thread.start();
        }
        CompletableFuture<Boolean> round = next.get();
        if (!connected) {
            return UNHEARD;
        }
        if (asked.compareAndSet(false, true)) {
            LockSupport.unpark(thread);
        }
        return round;
    }

    /// The topic of what is told over [#STATUS_CHANNEL].
    public static String statusTopic(String word) {
        return "status " + word;
    }

    /// Where things stand. To be asked for before something is read.
    public long reading() {
        return number;
    }

    /// Whether nothing was told of a topic since a [#reading], as far as is heard.
    public boolean isUnchanged(String topic, long reading) {
        return slots.get(slot(topic)) <= reading && floor <= reading;
    }

    /// What was told since a position of this node. Waits for the first of it, unless too many do so
    /// already or what came before is not known any more.
    ///
    /// @param after a position; any other text where none is known
    /// @param wanted which topics are wanted
    public News await(String after, Predicate<String> wanted, Duration longest) {
        long begun = System.nanoTime();
        if (!heardUntil(begun)) {
            return new News("", false, List.of());
        }
        boolean mayWait = waiting.incrementAndGet() <= MOST_WAITING;
        lock.lock();
        try {
            long left = mayWait ? longest.toNanos() : 0;
            News news = since(after, wanted);
            while (news.complete && news.topics.isEmpty() && left > 0 && connected && !closed) {
                left = told.awaitNanos(left);
                news = since(after, wanted);
            }
            return news;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return new News("", false, List.of());
        } finally {
            lock.unlock();
            waiting.decrementAndGet();
        }
    }

    private News since(String after, Predicate<String> wanted) {
        String position = node + "-" + number;
        String prefix = node + "-";
        if (!after.startsWith(prefix)) {
            return new News(position, false, List.of());
        }
        long from;
        try {
            from = Long.parseLong(after.substring(prefix.length()));
        } catch (NumberFormatException e) {
            return new News(position, false, List.of());
        }
        long first = kept.isEmpty() ? number + 1 : kept.getFirst().number;
        if (from < floor || from < first - 1 || from > number) {
            return new News(position, false, List.of());
        }
        return new News(
                position,
                true,
                kept.stream()
                        .filter(topic -> topic.number > from)
                        .map(Topic::text)
                        .filter(wanted)
                        .distinct()
                        .toList());
    }

    private static int slot(String topic) {
        int hash = topic.hashCode() * 0x9E3779B9;
        return hash >>> 18;
    }

    @Override
    public void close() {
        closed = true;
        LockSupport.unpark(thread);
        if (started.getAndSet(true)) {
            try {
                thread.join(Duration.ofSeconds(5));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private void run() {
        while (!closed) {
            try {
                hear();
            } catch (SQLException e) {
                if (!closed) {
                    LOG.warn("Nothing is heard of changes, so the database is asked each time: {}", e.getMessage());
                }
            } catch (RuntimeException e) {
                LOG.error("What was told of changes could not be worked with, will go on.", e);
            } finally {
                connected = false;
                next.getAndSet(new CompletableFuture<>()).complete(false);
                lock.lock();
                told.signalAll();
                lock.unlock();
            }
            if (!closed) {
                LockSupport.parkNanos(PAUSE.toNanos());
            }
        }
    }

    private void hear() throws SQLException {
        try (Connection connection = source.getConnection();
                Statement statement = connection.createStatement()) {
            connection.setNetworkTimeout(Runnable::run, ANSWER_MILLIS);
            statement.execute("LISTEN " + CHANNEL);
            statement.execute("LISTEN " + STATUS_CHANNEL);
            lock.lock();
            try {
                kept.clear();
                floor = number + 1;
                number = floor;
                told.signalAll();
            } finally {
                lock.unlock();
            }
            connected = true;
            long begun = System.nanoTime() - PACE.toNanos();
            while (!closed) {
                awaitDemand(begun);
                begun = System.nanoTime();
                CompletableFuture<Boolean> round = next.getAndSet(new CompletableFuture<>());
                boolean heard = false;
                try {
                    hear(connection.unwrap(BaseConnection.class).getQueryExecutor(), statement);
                    heardAt = begun;
                    heard = true;
                } finally {
                    connected = heard;
                    boolean outcome = heard;
                    // By another thread: to wake hundreds takes as long as the next statement.
                    Thread.startVirtualThread(() -> round.complete(outcome));
                }
            }
        }
    }

    private void awaitDemand(long lastBegun) {
        Duration pause = waiting.get() > 0 ? ATTENTIVE : IDLE;
        long until = System.nanoTime() + pause.toNanos();
        while (!asked.get() && !closed && System.nanoTime() < until) {
            LockSupport.parkNanos(until - System.nanoTime());
        }
        long earliest = lastBegun + PACE.toNanos();
        while (!closed && System.nanoTime() < earliest) {
            LockSupport.parkNanos(earliest - System.nanoTime());
        }
        // Whoever asks from here on has the round that is about to begin, or asks for another.
        asked.set(false);
    }

    private void hear(QueryExecutor executor, Statement statement) throws SQLException {
        statement.execute("");
        // What came with the answer. PGConnection would wait a millisecond for more, and everybody with it.
        PGNotification[] notifications = executor.getNotifications();
        if (notifications.length == 0) {
            return;
        }
        lock.lock();
        try {
            for (PGNotification notification : notifications) {
                String word = notification.getParameter();
                String topic = notification.getName().equals(STATUS_CHANNEL) ? statusTopic(word) : word;
                long changed = number + 1;
                slots.set(slot(topic), changed);
                number = changed;
                kept.add(new Topic(changed, topic));
                if (kept.size() > KEPT) {
                    kept.remove();
                }
            }
            told.signalAll();
        } finally {
            lock.unlock();
        }
    }
}
