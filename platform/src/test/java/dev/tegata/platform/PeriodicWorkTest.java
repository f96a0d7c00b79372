// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("Periodic work")
final class PeriodicWorkTest {
    @Test
    void goesOnAfterAFailure() throws InterruptedException {
        CountDownLatch runs = new CountDownLatch(3);
        Runnable failing = () -> {
            runs.countDown();
            throw new UnavailableException("away", new IllegalStateException());
        };
        try (PeriodicWork work = PeriodicWork.start("test", Duration.ofMillis(1), failing)) {
            assertThat(runs.await(60, TimeUnit.SECONDS)).isTrue();
        }
    }

    @Test
    void runsOnceMoreWhenItIsClosed() {
        AtomicInteger runs = new AtomicInteger();
        PeriodicWork work = PeriodicWork.start("test", Duration.ofHours(1), runs::incrementAndGet);
        work.close();
        work.close();
        assertThat(runs).hasValue(1);
    }
}
