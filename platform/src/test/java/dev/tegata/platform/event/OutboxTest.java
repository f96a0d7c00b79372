// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.event;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Json;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.TestPlatform;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import tools.jackson.databind.JsonNode;

@DisplayName("The outbox")
class OutboxTest {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    private final TestClock clock = TestClock.create();
    private TestPlatform platform;
    private TenantId tenant;

    @BeforeEach
    void setUp() {
        platform = TestPlatform.software(testDatabase.database(), clock);
        tenant = platform.tenant().tenant().id();
    }

    @AfterEach
    void tearDown() {
        platform.close();
    }

    private void append(String subject, Map<String, ?> data) {
        platform.database.inTenant(tenant, tx -> {
            platform.outbox.append(tx, tenant, new Event("dev.tegata.test.happened", subject, data));
            return null;
        });
    }

    @Test
    @DisplayName("writes CloudEvents 1.0 in structured mode")
    void cloudEvents() {
        append("device:1", Map.of("answer", 42));

        RecordedEvent event = platform.outbox.after(tenant, 0, 10).getFirst();
        JsonNode content = Json.mapper().readTree(event.content());

        assertThat(content.path("specversion").asString()).isEqualTo("1.0");
        assertThat(content.path("source").asString()).isEqualTo("/tenants/" + tenant);
        assertThat(content.path("type").asString()).isEqualTo("dev.tegata.test.happened");
        assertThat(content.path("subject").asString()).isEqualTo("device:1");
        assertThat(content.path("time").asString()).isEqualTo(clock.instant().toString());
        assertThat(content.path("data").path("answer").asInt()).isEqualTo(42);
    }

    @Test
    @DisplayName("numbers without gaps, and a reader that goes by number misses nothing, whoever commits first")
    void orderUnderConcurrency() throws Exception {
        Set<String> read = new HashSet<>();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<? extends Future<?>> writers = java.util.stream.IntStream.range(0, 6)
                    .mapToObj(writer -> threads.submit(() -> {
                        for (int i = 0; i < 50; i++) {
                            append("device:" + writer, Map.of("number", i));
                        }
                    }))
                    .toList();
            long last = 0;
            while (read.size() < 300) {
                for (RecordedEvent event : platform.outbox.after(tenant, last, 100)) {
                    assertThat(event.sequence()).isEqualTo(last + 1);
                    last = event.sequence();
                    read.add(event.content());
                }
            }
            for (Future<?> writer : writers) {
                writer.get();
            }
        }
        assertThat(read).hasSize(300);
    }

    @Test
    @DisplayName("wakes listeners after the commit, and not after a rollback")
    void wakes() {
        AtomicInteger woken = new AtomicInteger();
        platform.outbox.whenAppended(woken::incrementAndGet);

        append("device:1", Map.of());
        assertThatThrownBy(() -> platform.database.inTenant(tenant, tx -> {
                    platform.outbox.append(tx, tenant, new Event("dev.tegata.test.happened", "device:1", Map.of()));
                    throw new IllegalStateException("no");
                }))
                .isInstanceOf(IllegalStateException.class);

        assertThat(woken).hasValue(1);
    }

    @Test
    @DisplayName("lets go of events that are read and old, or too old")
    void cleans() {
        append("device:1", Map.of());
        append("device:2", Map.of());
        platform.database.inTenant(
                tenant, tx -> tx.createUpdate("""
                                INSERT INTO event_reader (tenant_id, reader, sequence, due_at)
                                VALUES (:tenant, 'slow', 1, now())""").bind("tenant", tenant).execute());

        assertThat(platform.outbox.clean(tenant)).isZero();
        clock.advance(Outbox.RETENTION.plus(Duration.ofSeconds(1)));
        assertThat(platform.outbox.clean(tenant)).isOne();
        clock.advance(Outbox.PATIENCE);
        assertThat(platform.outbox.clean(tenant)).isOne();
    }
}
