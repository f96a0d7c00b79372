// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.platform.testing.TestClock;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("Recent values")
final class RecentValuesTest {
    private final TestClock clock = TestClock.create();
    private final AtomicInteger loads = new AtomicInteger();
    private final RecentValues<Integer, Integer> values =
            new RecentValues<>(clock, Duration.ofSeconds(2), 100, key -> key * 1000 + loads.incrementAndGet());

    @Test
    void areLoadedAgainWhenTheirTimeIsOver() {
        assertThat(values.get(1)).isEqualTo(1001);
        clock.advance(Duration.ofMillis(1999));
        assertThat(values.get(1)).isEqualTo(1001);
        assertThat(values.peek(1)).isEqualTo(1001);
        clock.advance(Duration.ofMillis(1));
        assertThat(values.peek(1)).isNull();
        assertThat(values.get(1)).isEqualTo(1002);
    }

    @Test
    void areLoadedAgainWhenTheyAreForgotten() {
        values.get(1);
        values.forget(1);
        assertThat(values.get(1)).isEqualTo(1002);
    }

    @Test
    void doNotOutliveTheirTimeWhenTheClockIsSetBack() {
        values.get(1);
        clock.advance(Duration.ofHours(-1));
        assertThat(values.get(1)).isEqualTo(1002);
    }

    @Test
    void areNeverMoreThanTheirCapacity() {
        for (int key = 0; key < 10_000; key++) {
            values.get(key);
            assertThat(values.size()).isLessThanOrEqualTo(100);
        }
        assertThat(values.size()).isGreaterThan(50);
    }
}
