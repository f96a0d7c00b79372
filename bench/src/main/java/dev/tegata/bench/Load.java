// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Phaser;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// Does something over and over, and watches the clock.
final class Load {
    private static final long SEED = 80;
    private static final Duration TURN = Duration.ofMillis(250);

    private Load() {}

    /// What is done, for the `i`th time.
    interface Operation {
        void run(int i) throws Exception;
    }

    /// What came of it.
    ///
    /// @param latencies in nanoseconds, sorted
    record Outcome(double seconds, long[] latencies) {
        /// Several of one kind as one.
        static Outcome together(List<Outcome> outcomes) {
            return new Outcome(
                    outcomes.stream().mapToDouble(Outcome::seconds).sum(),
                    outcomes.stream()
                            .flatMapToLong(outcome -> Arrays.stream(outcome.latencies()))
                            .sorted()
                            .toArray());
        }

        int count() {
            return latencies.length;
        }

        double perSecond() {
            return count() / seconds;
        }

        /// The time in milliseconds that `percent` of all took at most.
        double percentile(double percent) {
            int index = (int) Math.ceil(count() * percent / 100) - 1;
            return latencies[Math.clamp(index, 0, count() - 1)] / 1e6;
        }
    }

    /// A few threads of the system, each doing it again and again: for work that only computes.
    static Outcome repeat(int threads, Duration duration, Operation operation) {
        long begun = System.nanoTime();
        long end = begun + duration.toNanos();
        int[] counts = new int[threads];
        together(threads, Thread.ofPlatform().factory(), thread -> {
            int count = 0;
            while (System.nanoTime() < end) {
                operation.run(count * threads + thread);
                count++;
            }
            counts[thread] = count;
        });
        return new Outcome(
                (System.nanoTime() - begun) / 1e9,
                new long[Arrays.stream(counts).sum()]);
    }

    /// As [#repeat], several operations in turns of a quarter of a second, `duration` for each: what else the machine
    /// does weighs on all of them alike.
    static List<Outcome> inTurns(int threads, Duration duration, List<Operation> operations) {
        double[] seconds = new double[operations.size()];
        int[] counts = new int[operations.size()];
        for (long turn = duration.dividedBy(TURN); turn > 0; turn--) {
            for (int i = 0; i < seconds.length; i++) {
                Outcome outcome = repeat(threads, TURN, operations.get(i));
                seconds[i] += outcome.seconds();
                counts[i] += outcome.count();
            }
        }
        List<Outcome> outcomes = new ArrayList<>();
        for (int i = 0; i < seconds.length; i++) {
            outcomes.add(new Outcome(seconds[i], new long[counts[i]]));
        }
        return outcomes;
    }

    /// A closed loop: `clients` at once, each asking again as soon as it has its answer, until the time or the `work`
    /// is over.
    static Outcome closed(int clients, Duration duration, Work work, Operation operation) {
        ConcurrentLinkedQueue<Long> latencies = new ConcurrentLinkedQueue<>();
        long begun = System.nanoTime();
        long end = begun + duration.toNanos();
        together(clients, Thread.ofVirtual().factory(), client -> {
            for (int i = work.take(); i >= 0 && System.nanoTime() < end; i = work.take()) {
                long asked = System.nanoTime();
                operation.run(i);
                latencies.add(System.nanoTime() - asked);
            }
        });
        return outcome(begun, latencies);
    }

    /// An open loop: requests arrive at random moments, `rate` per second on average, whether or not the
    /// ones before them have been answered. A latency counts from the moment of arrival.
    static Outcome open(double rate, Duration duration, Work work, Operation operation) throws InterruptedException {
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            return openAsync(
                    rate,
                    duration,
                    work,
                    (i, end) -> threads.execute(() -> {
                        try {
                            operation.run(i);
                            end.over(null);
                        } catch (Exception e) {
                            end.over(e);
                        }
                    }));
        }
    }

    /// Something that is begun, for the `i`th time, and tells when it is over, or why it failed.
    interface Beginning {
        void begin(int i, End end);

        /// The same for a thread that waits for the end.
        default Operation untilItIsOver() {
            return i -> {
                CompletableFuture<@Nullable Exception> end = new CompletableFuture<>();
                begin(i, end::complete);
                Exception problem = end.get();
                if (problem != null) {
                    throw problem;
                }
            };
        }
    }

    /// Is told once when something is over.
    interface End {
        /// @param problem why it failed; null where it did not
        void over(@Nullable Exception problem);
    }

    /// As [#open], for what needs no thread of its own: one that has to be woken is late, where the machine is busy
    /// by a tick of its clock.
    static Outcome openAsync(double rate, Duration duration, Work work, Beginning operation)
            throws InterruptedException {
        ConcurrentLinkedQueue<Long> latencies = new ConcurrentLinkedQueue<>();
        AtomicReference<@Nullable Exception> failure = new AtomicReference<>();
        Phaser unanswered = new Phaser(1);
        Random random = new Random(SEED);
        long begun = System.nanoTime();
        double arrival = begun;
        int i = work.take();
        while (i >= 0 && arrival < begun + duration.toNanos()) {
            arrival += -Math.log(1 - random.nextDouble()) / rate * 1e9;
            while (System.nanoTime() < arrival) {
                LockSupport.parkNanos((long) arrival - System.nanoTime());
            }
            long arrived = (long) arrival;
            unanswered.register();
            operation.begin(i, problem -> {
                if (problem == null) {
                    latencies.add(System.nanoTime() - arrived);
                } else {
                    failure.compareAndSet(null, problem);
                }
                unanswered.arriveAndDeregister();
            });
            i = work.take();
        }
        unanswered.awaitAdvanceInterruptibly(unanswered.arrive());
        rethrow(failure.get());
        return outcome(begun, latencies);
    }

    /// Prepared work, each piece of which is done once.
    static final class Work {
        private final int end;
        private final AtomicInteger next;

        /// The pieces from `begin` on, before `end`.
        Work(int begin, int end) {
            this.next = new AtomicInteger(begin);
            this.end = end;
        }

        /// The next piece; -1 where all are done.
        int take() {
            int i = next.getAndIncrement();
            return i < end ? i : -1;
        }
    }

    private static Outcome outcome(long begun, ConcurrentLinkedQueue<Long> latencies) {
        double seconds = (System.nanoTime() - begun) / 1e9;
        return new Outcome(
                seconds, latencies.stream().mapToLong(Long::longValue).sorted().toArray());
    }

    private static void together(int count, ThreadFactory factory, Operation operation) {
        AtomicReference<@Nullable Exception> failure = new AtomicReference<>();
        CountDownLatch done = new CountDownLatch(count);
        for (int i = 0; i < count; i++) {
            int mine = i;
            factory.newThread(() -> {
                        try {
                            operation.run(mine);
                        } catch (Exception e) {
                            failure.compareAndSet(null, e);
                        } finally {
                            done.countDown();
                        }
                    })
                    .start();
        }
        try {
            done.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
        rethrow(failure.get());
    }

    private static void rethrow(@Nullable Exception failure) {
        if (failure != null) {
            throw new IllegalStateException("the load failed: " + failure.getMessage(), failure);
        }
    }
}
