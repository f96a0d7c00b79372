// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.platform.PeriodicWork;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.tenant.Tenants;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Work that waits for other people's servers: each tenant has its turn every ten seconds, beside the
/// others and not after them. A tenant has one turn at a time, and a limited number of tenants have theirs
/// at once, in the order in which they came.
final class TenantTurns implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(TenantTurns.class);
    private static final Duration PAUSE = Duration.ofSeconds(10);
    private static final int MAX_WAITING = 32;

    /// After how long no further round of a tenant's turn begins: others wait.
    private static final Duration TURN = Duration.ofSeconds(15);

    private final String name;
    private final Consumer<TenantId> work;
    private final Semaphore free;
    private final Map<TenantId, CompletableFuture<Void>> running = new ConcurrentHashMap<>();
    private final Map<TenantId, Integer> waiting = new ConcurrentHashMap<>();
    private final ExecutorService threads;
    private final PeriodicWork rounds;

    /// Begins; the first turns come after the first pause.
    ///
    /// @param atOnce how many tenants have their turn at once
    /// @param work a turn, which ends in bounded time
    TenantTurns(String name, int atOnce, Tenants tenants, Consumer<TenantId> work) {
        this.name = name;
        this.work = work;
        this.free = new Semaphore(atOnce, true);
        this.threads = Executors.newThreadPerTaskExecutor(
                Thread.ofVirtual().name(name + "-", 0).factory());
        this.rounds = PeriodicWork.start(name, PAUSE, () -> tenants.forEachId(this::begin));
    }

    /// Spends a turn: works on what is due, round by round, until less is due than fits into one.
    ///
    /// @param round how many pieces `take` takes at most, which are then worked on at once
    static <D> void workOff(int round, Supplier<List<D>> take, Consumer<D> work) {
        long end = System.nanoTime() + TURN.toNanos();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<D> due;
            do {
                due = take.get();
                CompletableFuture.allOf(due.stream()
                                .map(each -> CompletableFuture.runAsync(() -> work.accept(each), threads))
                                .toArray(CompletableFuture<?>[]::new))
                        .join();
            } while (due.size() == round && System.nanoTime() < end);
        }
    }

    private CompletableFuture<Void> begin(TenantId tenant) {
        CompletableFuture<Void> turn = new CompletableFuture<>();
        CompletableFuture<Void> other = running.putIfAbsent(tenant, turn);
        if (other != null) {
            return other;
        }
        threads.execute(() -> {
            free.acquireUninterruptibly();
            try {
                work.accept(tenant);
            } catch (UnavailableException e) {
                LOG.warn("{}: {}, will try again", name, e.getMessage());
            } catch (RuntimeException e) {
                LOG.error("{} failed for {}, will try again", name, tenant, e);
            } finally {
                free.release();
                running.remove(tenant);
                turn.complete(null);
            }
        });
        return turn;
    }

    /// Gives a tenant a turn now, and waits for its end, but not longer than `patience`, and not behind too
    /// many who wait already.
    void takeNow(TenantId tenant, Duration patience) {
        try {
            if (waiting.merge(tenant, 1, Integer::sum) <= MAX_WAITING) {
                takeAndWait(tenant, System.nanoTime() + patience.toNanos());
            }
        } finally {
            waiting.computeIfPresent(tenant, (_, count) -> count == 1 ? null : count - 1);
        }
    }

    private void takeAndWait(TenantId tenant, long end) {
        boolean underWay = running.containsKey(tenant);
        // A turn that is under way may have looked for what is due before it was.
        if (await(begin(tenant), end) && underWay) {
            await(begin(tenant), end);
        }
    }

    private static boolean await(CompletableFuture<Void> turn, long end) {
        try {
            turn.get(end - System.nanoTime(), TimeUnit.NANOSECONDS);
            return true;
        } catch (TimeoutException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        } catch (ExecutionException e) {
            throw new IllegalStateException("turns end well", e);
        }
    }

    /// Waits until the last turns are over.
    @Override
    public void close() {
        rounds.close();
        threads.close();
    }
}
