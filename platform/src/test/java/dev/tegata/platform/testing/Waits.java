// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.testing;

import dev.tegata.platform.store.Database;
import java.time.Duration;

/// Waits for things that come by themselves.
public final class Waits {
    private static final Duration LONGEST = Duration.ofSeconds(60);

    private Waits() {}

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
