// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.audit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.platform.Page;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditVerification.Intact;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.TestPlatform;
import dev.tegata.platform.testing.Waits;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("The audit chain")
final class AuditLogTest {
    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private static final TestClock CLOCK = TestClock.create();
    private static TestPlatform platform;

    private TenantId tenant;

    @BeforeAll
    static void open() {
        platform = TestPlatform.software(DATABASE.database(), CLOCK);
    }

    @AfterAll
    static void close() {
        platform.close();
    }

    @BeforeEach
    void makeTenant() {
        tenant = platform.tenant().tenant().id();
    }

    private void append(int from, int to) {
        List<AuditEvent> events = IntStream.range(from, to)
                .mapToObj(number -> new AuditEvent(
                        Actor.system("test"),
                        "device.activated",
                        "device:" + number % 3,
                        Map.of("number", number, "name", "Pumpe „Süd“ \ud83d\ude00\n\u0000")))
                .toList();
        platform.database.inTenant(tenant, tx -> {
            platform.audit.append(tx, tenant, events);
            return null;
        });
    }

    private byte[] export() throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        platform.export.write(tenant, out);
        return out.toByteArray();
    }

    private static AuditVerification verify(byte[] export) throws IOException {
        return AuditVerifier.verify(new ByteArrayInputStream(export));
    }

    @Test
    void listsNewestFirstInPages() {
        append(0, 25);
        List<Long> sequences = new ArrayList<>();
        Page<AuditRecord> page = platform.audit.records(tenant, new Page.Request(null, 10));
        while (true) {
            page.items().forEach(record -> sequences.add(record.sequence()));
            if (page.next() == null) {
                break;
            }
            page = platform.audit.records(tenant, Page.Request.of(page.next(), 10));
        }
        assertThat(sequences).hasSize(30).startsWith(30L, 29L).endsWith(2L, 1L);
    }

    @Test
    void listsWhatHappenedToOneSubject() {
        append(0, 10);
        List<AuditRecord> records = platform.audit
                .recordsAbout(tenant, "device:2", new Page.Request(null, 2))
                .items();
        assertThat(records).extracting(record -> record.detail().get("number")).containsExactly(8, 5);
        AuditRecord record = records.getFirst();
        assertThat(record.actor()).isEqualTo("system:test");
        assertThat(record.action()).isEqualTo("device.activated");
        assertThat(record.detail()).containsEntry("name", "Pumpe „Süd“ \ud83d\ude00\n\u0000");
    }

    @Test
    void detailsStandInTheOrderOfTheirNames() {
        Map<String, Object> detail = Map.of("to", 1, "from", 2, "reason", 3, "code", 4, "alarm", 5, "source", 6);
        platform.database.inTenant(tenant, tx -> {
            platform.audit.append(tx, tenant, List.of(new AuditEvent(Actor.OPERATOR, "a.b", "c:d", detail)));
            return null;
        });

        AuditRecord record = platform.audit
                .recordsAbout(tenant, "c:d", Page.Request.first())
                .items()
                .getFirst();
        assertThat(record.detail().keySet()).containsExactly("alarm", "code", "from", "reason", "source", "to");
    }

    @Test
    void anotherTenantSeesNothing() {
        append(0, 3);
        TenantId other = platform.tenant().tenant().id();
        assertThat(platform.audit
                        .recordsAbout(other, "device:1", Page.Request.first())
                        .items())
                .isEmpty();
    }

    @Test
    void halfACharacterIsWrittenAsWhatWasHashed() throws IOException {
        AuditEvent event = new AuditEvent(Actor.OPERATOR, "a.b", "c:d", Map.of("text", "x\ud800y"));
        platform.database.inTenant(tenant, tx -> {
            platform.audit.append(tx, tenant, List.of(event));
            return null;
        });
        assertThat(verify(export())).isInstanceOf(Intact.class);
    }

    @Test
    void anExportIsIntact() throws IOException {
        append(0, 700);
        export();
        append(700, 1400);
        Intact intact = (Intact) verify(export());
        assertThat(intact.tenant()).isEqualTo(tenant);
        assertThat(intact.records()).isEqualTo(1405);
        assertThat(intact.checkpoints()).isEqualTo(2);
    }

    @Test
    void whatWasRolledBackIsNotInTheChain() throws IOException {
        try {
            platform.database.inTenant(tenant, tx -> {
                platform.audit.append(
                        tx, tenant, List.of(new AuditEvent(Actor.OPERATOR, "never.happened", "x:y", Map.of())));
                throw new IllegalStateException("undo");
            });
        } catch (IllegalStateException expected) {
            assertThat(expected).hasMessage("undo");
        }
        append(0, 1);
        assertThat(new String(export(), StandardCharsets.UTF_8)).doesNotContain("never.happened");
        assertThat(verify(export())).isInstanceOf(Intact.class);
    }

    @Test
    void whatIsCommittedWhileTheChainIsSealedIsSealedNext() {
        platform.database.inTenant(tenant, tx -> {
            platform.audit.append(
                    tx, tenant, List.of(new AuditEvent(Actor.OPERATOR, "device.activated", "x:y", Map.of())));
            return Waits.beside(() -> platform.audit.seal(tenant)).join();
        });
        CLOCK.advance(Duration.ofMinutes(2));
        Waits.until("a checkpoint of the last record", () -> {
            AuditLog.Sealable state = platform.audit.sealable(tenant);
            return state.sealedSequence() == state.head().sequence();
        });
    }

    @Test
    void manyWritersMakeOneChain() throws Exception {
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<?>> writers = new ArrayList<>();
            for (int i = 0; i < 40; i++) {
                int from = i * 5;
                writers.add(threads.submit(() -> append(from, from + 5)));
            }
            for (Future<?> writer : writers) {
                writer.get();
            }
        }
        assertThat(((Intact) verify(export())).records()).isEqualTo(205);
    }
}
