// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.UnavailableException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.jdbi.v3.core.Handle;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName(
        "When the database is gone, requests are told so, nothing acknowledged is lost, and work goes on without help")
class OutageTest {
    private static final TenantId TENANT = new TenantId("taaaaaaaaa");
    private static final Bytes SEALED = Bytes.of(new byte[500]);
    private static final Duration PATIENCE = Duration.ofMinutes(2);

    @TempDir
    Path data;

    @Test
    void stoppedAndStartedAgain() throws Exception {
        EmbeddedPostgres postgres = EmbeddedPostgres.start(data, TestServers.binaries());
        try (Database database = Database.open(postgres.config())) {
            assertThat(database.isReady()).isTrue();
            assertThatThrownBy(() -> database.inTenant(TENANT, handle -> {
                        insert(handle, "under way");
                        postgres.close();
                        return insert(handle, "too late");
                    }))
                    .isInstanceOf(UnavailableException.class);
            assertThat(database.isReady()).isFalse();
            assertThatThrownBy(() -> put(database, "while it is gone")).isInstanceOf(UnavailableException.class);

            try (EmbeddedPostgres again = EmbeddedPostgres.start(data, TestServers.binaries())) {
                await(() -> succeeds(() -> put(database, "afterwards")));
                assertThat(keys(database)).containsExactly("afterwards");
                assertThat(again.pid()).isPositive();
            }
        }
    }

    @Test
    void killedUnderLoadAgainAndAgain() throws Exception {
        try (EmbeddedPostgres postgres = EmbeddedPostgres.start(data, TestServers.binaries());
                Database database = Database.open(postgres.config());
                ExecutorService writers = Executors.newVirtualThreadPerTaskExecutor()) {
            AtomicBoolean enough = new AtomicBoolean();
            Set<String> acknowledged = ConcurrentHashMap.newKeySet();
            AtomicInteger refused = new AtomicInteger();
            List<Future<?>> running = new ArrayList<>();
            for (int writer = 0; writer < 8; writer++) {
                String name = "writer " + writer + " row ";
                running.add(writers.submit(() -> write(database, name, enough, acknowledged, refused)));
            }
            for (int round = 0; round < 3; round++) {
                int before = acknowledged.size();
                await(() -> acknowledged.size() > before + 100);
                ProcessHandle.of(postgres.pid()).orElseThrow().destroyForcibly();
            }
            int before = acknowledged.size();
            await(() -> acknowledged.size() > before + 100);
            enough.set(true);
            for (Future<?> writer : running) {
                writer.get();
            }
            assertThat(refused.get()).isPositive();
            assertThat(keys(database)).containsAll(acknowledged);
        }
    }

    @Test
    void theDiskIsFull() throws Exception {
        assumeTrue(mount(data), "only root, outside of some containers, can make a small disk");
        Path filler = data.resolve("filler");
        try (EmbeddedPostgres postgres = EmbeddedPostgres.start(data, TestServers.binaries());
                Database database = Database.open(postgres.config())) {
            put(database, "before");
            fill(filler);
            assertThatThrownBy(() -> {
                        for (int i = 0; i < 100_000; i++) {
                            put(database, "row " + i);
                        }
                    })
                    .isInstanceOf(UnavailableException.class);

            Files.delete(filler);
            await(() -> succeeds(() -> put(database, "after")));
            assertThat(keys(database)).contains("before", "row 0", "after");
        } finally {
            PostgresUser.ourselves().run(List.of("umount", data.toString()), "");
        }
    }

    private static void write(
            Database database, String name, AtomicBoolean enough, Set<String> acknowledged, AtomicInteger refused) {
        for (int i = 0; !enough.get(); i++) {
            try {
                put(database, name + i);
                acknowledged.add(name + i);
            } catch (UnavailableException e) {
                refused.incrementAndGet();
            }
        }
    }

    private static void put(Database database, String key) {
        database.inTenant(TENANT, handle -> insert(handle, key));
    }

    private static int insert(Handle handle, String key) {
        return handle.createUpdate(
                        "INSERT INTO sealed_key (tenant_id, key_handle, sealed) VALUES (:tenant, :key, :sealed)")
                .bind("tenant", TENANT)
                .bind("key", key)
                .bind("sealed", SEALED)
                .execute();
    }

    private static List<String> keys(Database database) {
        return database.inTenant(
                TENANT,
                handle -> handle.createQuery("SELECT key_handle FROM sealed_key")
                        .mapTo(String.class)
                        .list());
    }

    private static boolean succeeds(Runnable work) {
        try {
            work.run();
            return true;
        } catch (UnavailableException e) {
            return false;
        }
    }

    private static void await(BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as("waited too long").isLessThan(end);
            Thread.sleep(10);
        }
    }

    private static boolean mount(Path folder) {
        try {
            PostgresUser.ourselves()
                    .run(List.of("mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", folder.toString()), "");
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    /// Takes all but a megabyte of the disk.
    private static void fill(Path file) throws IOException {
        byte[] block = new byte[1 << 16];
        long left = Files.getFileStore(file.resolveSibling(".")).getUsableSpace() - (1 << 20);
        try (OutputStream output = Files.newOutputStream(file)) {
            for (; left > 0; left -= block.length) {
                output.write(block);
            }
        }
    }
}
