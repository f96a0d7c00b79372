// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.metering;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.JobId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.enrol.EnrolmentWorld;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.job.Job;
import dev.tegata.platform.job.JobWorkers;
import dev.tegata.platform.metering.UsageRow.Operation;
import dev.tegata.platform.testing.TestDatabase;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.YearMonth;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("Metering")
class UsageTest {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    private static final YearMonth JULY = YearMonth.of(2026, 7);

    private EnrolmentWorld world;
    private Usage usage;
    private FleetId fleet;

    @BeforeEach
    void setUp() {
        world = new EnrolmentWorld(testDatabase.database());
        usage = newUsage();
        fleet = world.fleet(FleetPolicy.standard());
    }

    private Usage newUsage() {
        return new Usage(world.database, world.audit, world.outbox, world.jobs, world.clock);
    }

    @AfterEach
    void tearDown() {
        usage.close();
        world.close();
    }

    private void count(Usage node, DeviceId device, Operation operation, Instant at) {
        world.database.inTenant(world.tenant, tx -> {
            node.count(tx, world.tenant, List.of(device), operation, at);
            return null;
        });
    }

    private List<UsageRow> rows(YearMonth month) {
        return usage.devices(world.tenant, month, Page.Request.first()).items();
    }

    @Test
    @DisplayName("counts a device once in a UTC month, by the first thing that it did; a claimed one is free")
    void onceAMonth() {
        DeviceId device = world.claim(fleet, "0a01").id();
        assertThat(usage.months(world.tenant)).isEmpty();
        Instant first = Instant.parse("2026-07-31T23:59:59Z");

        count(usage, device, Operation.ENROL, first);
        count(usage, device, Operation.CHECK_IN, first);
        count(usage, device, Operation.CHECK_IN, Instant.parse("2026-08-01T00:00:00Z"));

        assertThat(rows(JULY)).singleElement().satisfies(row -> {
            assertThat(row.operation()).isEqualTo(Operation.ENROL);
            assertThat(row.occurredAt()).isEqualTo(first);
        });
        assertThat(usage.months(world.tenant))
                .extracting(UsageMonth::month, UsageMonth::devices)
                .containsExactly(
                        org.assertj.core.groups.Tuple.tuple(YearMonth.of(2026, 8), 1L),
                        org.assertj.core.groups.Tuple.tuple(JULY, 1L));
    }

    @Test
    @DisplayName("counts once whatever happens at the same moment on several nodes, and not what rolled back")
    void concurrently() throws Exception {
        List<DeviceId> devices = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            devices.add(world.claim(fleet, "0b0" + i).id());
        }
        assertThatThrownBy(() -> world.database.inTenant(world.tenant, tx -> {
                    usage.count(tx, world.tenant, devices, Operation.ENROL, world.clock.instant());
                    throw new IllegalStateException("no");
                }))
                .isInstanceOf(IllegalStateException.class);
        try (Usage other = newUsage();
                ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<?>> tasks = new ArrayList<>();
            for (int i = 0; i < 40; i++) {
                DeviceId device = devices.get(i % devices.size());
                Usage node = i % 2 == 0 ? usage : other;
                tasks.add(threads.submit(() -> count(node, device, Operation.CHECK_IN, world.clock.instant())));
            }
            for (Future<?> task : tasks) {
                task.get();
            }
        }

        assertThat(rows(JULY)).hasSize(5);
        assertThat(usage.months(world.tenant).getFirst().devices()).isEqualTo(5);
    }

    @Test
    @DisplayName("closes a month with a hash that the export proves; what comes later is an adjustment")
    void closing() throws IOException {
        for (int i = 0; i < 3; i++) {
            count(usage, world.claim(fleet, "0c0" + i).id(), Operation.ENROL, world.clock.instant());
        }
        assertThatThrownBy(() -> usage.close(world.tenant, JULY, Actor.OPERATOR))
                .isInstanceOf(RefusedException.class);
        world.clock.advance(Duration.ofDays(31));
        try (JobWorkers _ = JobWorkers.start(world.database, world.jobs, usage.handlers())) {
            JobId job = usage.close(world.tenant, JULY, Actor.OPERATOR);
            assertThat(world.ended(job).state()).isEqualTo(Job.State.COMPLETED);
        }
        assertThatThrownBy(() -> usage.close(world.tenant, JULY, Actor.OPERATOR))
                .isInstanceOf(RefusedException.class);
        DeviceId late = world.claim(fleet, "0c09").id();
        count(usage, late, Operation.CHECK_IN, Instant.parse("2026-07-20T00:00:00Z"));

        UsageMonth closed = usage.months(world.tenant).getFirst();
        assertThat(closed.state()).isEqualTo(UsageMonth.State.CLOSED);
        assertThat(closed.devices()).isEqualTo(3);
        assertThat(closed.adjustments()).isEqualTo(1);
        ByteArrayOutputStream csv = new ByteArrayOutputStream();
        usage.writeCsv(world.tenant, JULY, csv);
        List<String> lines =
                csv.toString(StandardCharsets.UTF_8).lines().skip(1).toList();
        Bytes hash = Bytes.sha256(("tegata-usage-v1 " + world.tenant + " 2026-07").getBytes(StandardCharsets.UTF_8));
        for (String line : lines.stream().filter(row -> row.endsWith(",false")).toList()) {
            hash = Bytes.sha256(hash.toArray(), line.getBytes(StandardCharsets.UTF_8));
        }
        assertThat(closed.digest()).isEqualTo(hash);
        assertThat(lines).hasSize(4).anyMatch(line -> line.contains(late.toString()) && line.endsWith(",true"));
        assertThat(world.audit
                        .recordsAbout(world.tenant, "device:" + late, Page.Request.first())
                        .items())
                .anyMatch(record -> record.action().equals("usage.adjusted"));
    }

    @Test
    @DisplayName("closes a month without devices with a hash over none; before the tenant came there was no month")
    void empty() throws IOException {
        assertThat(usage.devices(world.tenant, JULY, Page.Request.first()).items())
                .isEmpty();
        for (YearMonth none : List.of(JULY.minusMonths(1), JULY.plusMonths(1))) {
            assertThatThrownBy(() -> usage.close(world.tenant, none, Actor.OPERATOR))
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("has not begun");
        }
        world.clock.advance(Duration.ofDays(31));
        try (JobWorkers _ = JobWorkers.start(world.database, world.jobs, usage.handlers())) {
            JobId job = usage.close(world.tenant, JULY, Actor.OPERATOR);
            assertThat(world.ended(job).state()).isEqualTo(Job.State.COMPLETED);
        }
        assertThat(usage.months(world.tenant)).singleElement().satisfies(month -> {
            assertThat(month.month()).isEqualTo(JULY);
            assertThat(month.state()).isEqualTo(UsageMonth.State.CLOSED);
            assertThat(month.devices()).isZero();
            assertThat(month.digest()).isEqualTo(Usage.firstHash(world.tenant, JULY));
        });
        count(usage, world.claim(fleet, "0c0a").id(), Operation.ENROL, Instant.parse("2026-07-20T00:00:00Z"));
        assertThat(usage.months(world.tenant).getFirst().adjustments()).isOne();
    }
}
