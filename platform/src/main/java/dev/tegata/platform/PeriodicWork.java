// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Does something again and again on a thread of its own, and once more when it is closed. A failure is
/// logged, and does not end it.
public final class PeriodicWork implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(PeriodicWork.class);

    private final String name;
    private final Duration pause;
    private final Runnable work;
    private final CountDownLatch closing = new CountDownLatch(1);
    private final Thread thread;

    private PeriodicWork(String name, Duration pause, Runnable work) {
        this.name = name;
        this.pause = pause;
        this.work = work;
        this.thread = Thread.ofVirtual().name(name).unstarted(this::loop);
    }

    /// Begins; the first run comes after the first pause.
    ///
    /// @param name what the log calls it
    public static PeriodicWork start(String name, Duration pause, Runnable work) {
        PeriodicWork periodic = new PeriodicWork(name, pause, work);
        periodic.thread.start();
        return periodic;
    }

    /// Waits until the last run is over.
    @Override
    public void close() {
        closing.countDown();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// What is behind a failure, such as that all connections were in use.
    private static String reason(Throwable failure) {
        Throwable root = failure;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        return root == failure ? "" : ": " + root.getMessage();
    }

    private void loop() {
        boolean last = false;
        while (!last) {
            try {
                last = closing.await(pause.toNanos(), TimeUnit.NANOSECONDS);
                work.run();
            } catch (UnavailableException e) {
                LOG.warn("{}: {}, will try again{}", name, e.getMessage(), reason(e));
            } catch (InterruptedException e) {
                return;
            } catch (RuntimeException e) {
                LOG.error("{} failed, will try again", name, e);
            }
        }
    }
}
