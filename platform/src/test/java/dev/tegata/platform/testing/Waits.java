// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.testing;

import dev.tegata.platform.store.Database;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/// Waits for things that come by themselves.
public final class Waits {
    private static final Duration LONGEST = Duration.ofSeconds(60);

    private Waits() {}

    /// Waits for `wanted`.
    ///
    /// @param what for the message
    public static void until(String what, BooleanSupplier wanted) {
        long end = System.nanoTime() + LONGEST.toNanos();
        while (!wanted.getAsBoolean()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("waited in vain: " + what);
            }
            try {
                Thread.sleep(5);
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }
    }

    /// Waits until so many transactions wait for locks that others hold.
    public static void untilBlocked(Database database, int transactions) {
        until(transactions + " transactions that wait for a lock", () -> blocked(database) >= transactions);
    }

    /// How many transactions wait for locks that others hold. May be asked inside of one.
    public static int blocked(Database database) {
        return beside(() -> database.installation(
                        tx -> tx.createQuery("""
                        SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                        WHERE NOT l.granted AND a.datname = current_database()""").mapTo(Integer.class).one()))
                .join();
    }

    /// Does something on a thread of its own: inside of a transaction, what is beside it.
    public static <T> CompletableFuture<T> beside(Supplier<T> work) {
        return CompletableFuture.supplyAsync(work, Thread::startVirtualThread);
    }

    /// Asks until the database is not read any more for the answer: inside of a transaction it cannot be.
    public static void untilRemembered(Database database, Runnable question) {
        long end = System.nanoTime() + LONGEST.toNanos();
        while (true) {
            question.run();
            try {
                database.installation(_ -> {
                    question.run();
                    return null;
                });
                return;
            } catch (IllegalStateException e) {
                if (System.nanoTime() > end) {
                    throw new AssertionError("the answer is not remembered", e);
                }
                Thread.onSpinWait();
            }
        }
    }
}
