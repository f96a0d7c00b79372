// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

import java.time.Duration;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Looks for pieces of work that are due, each second and whenever it is woken, and does so many of them at
/// once. Nodes that look for the same work share it by leases of their own making.
///
/// @param <T> names a piece of work
public final class DueWork<T> implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(DueWork.class);
    private static final Duration POLL = Duration.ofSeconds(1);

    private final String name;
    private final int atOnce;
    private final Rules<T> rules;
    private final Semaphore idle;
    private final Semaphore signal = new Semaphore(0);
    private final Set<T> running = ConcurrentHashMap.newKeySet();
    private final Thread dispatcher;
    private volatile boolean closing;

    private DueWork(String name, int atOnce, Rules<T> rules) {
        this.name = name;
        this.atOnce = atOnce;
        this.rules = rules;
        this.idle = new Semaphore(atOnce);
        this.dispatcher = Thread.ofVirtual().name(name + "-dispatcher").unstarted(this::dispatch);
    }

    /// What the work is.
    public interface Rules<T> {
        /// Pieces that are due, the first ones first.
        List<T> due();

        /// Whether a piece may be begun beside those that are being done.
        default boolean mayBegin(T piece, Collection<T> running) {
            return true;
        }

        /// Works on a piece for a while.
        ///
        /// @return whether something else may be due at once
        boolean work(T piece);
    }

    /// @param name what the log calls a piece
    public static <T> DueWork<T> of(String name, int atOnce, Rules<T> rules) {
        return new DueWork<>(name, atOnce, rules);
    }

    /// Begins.
    public void start() {
        dispatcher.start();
    }

    /// Looks at once.
    public void wake() {
        signal.release();
    }

    /// What this node works on now.
    public Set<T> running() {
        return Collections.unmodifiableSet(running);
    }

    /// Whether work should come to its end.
    public boolean isClosing() {
        return closing;
    }

    private void dispatch() {
        while (!closing) {
            try {
                for (T piece : rules.due()) {
                    begin(piece);
                }
                if (signal.tryAcquire(POLL.toMillis(), TimeUnit.MILLISECONDS)) {
                    signal.drainPermits();
                }
            } catch (InterruptedException e) {
                return;
            } catch (UnavailableException e) {
                LOG.warn("{}: {}, will try again", name, e.getMessage());
                pause();
            } catch (RuntimeException e) {
                LOG.error("{}: what is due cannot be found, will try again", name, e);
                pause();
            }
        }
    }

    private void pause() {
        try {
            Thread.sleep(POLL);
        } catch (InterruptedException e) {
            closing = true;
        }
    }

    private void begin(T piece) throws InterruptedException {
        if (!rules.mayBegin(piece, running)) {
            return;
        }
        idle.acquire();
        if (closing || !running.add(piece)) {
            idle.release();
            return;
        }
        Thread.ofVirtual().name(name).start(() -> {
            boolean more = false;
            try {
                more = rules.work(piece);
            } catch (UnavailableException e) {
                LOG.warn("{}: {}, will try again", piece, e.getMessage());
            } catch (RuntimeException e) {
                LOG.error("{} cannot be worked on", piece, e);
            } finally {
                running.remove(piece);
                idle.release();
                if (more) {
                    signal.release();
                }
            }
        });
    }

    /// Lets what is under way end.
    @Override
    public void close() {
        closing = true;
        signal.release();
        try {
            dispatcher.join();
            idle.acquire(atOnce);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
