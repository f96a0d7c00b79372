// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.testing.TestDatabase;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.statement.UnableToExecuteStatementException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// What holds for transactions on every server.
abstract class DatabaseContract {
    private static final TenantId TENANT = new TenantId("taaaaaaaaa");

    private Database database;

    abstract TestDatabase testDatabase();

    @BeforeEach
    void begin() {
        database = testDatabase().database();
        database.inTenant(TENANT, handle -> handle.execute("DELETE FROM sealed_key"));
    }

    @Test
    void whatIsDoneStays() {
        put("k", "01");
        assertThat(keys()).containsExactly("k");
    }

    @Test
    void aRefusalPassesThroughAndNothingStays() {
        RefusedException refusal = new RefusedException(ErrorCode.CONFLICT, "not now");
        assertThatThrownBy(() -> database.inTenant(TENANT, handle -> {
                    insert(handle, "k", "01");
                    throw refusal;
                }))
                .isSameAs(refusal);
        assertThat(keys()).isEmpty();
    }

    @Test
    void theNextTransactionOnTheSameConnectionSeesNoTenant() {
        try (Database single = Database.open(testDatabase().config().withPoolSize(1))) {
            put("k", "01");
            List<String> own = single.inTenant(TENANT, DatabaseContract::keysInView);
            List<String> none = single.installation(DatabaseContract::keysInView);
            List<String> across = single.acrossTenants(DatabaseContract::keysInView);
            assertThat(own).containsExactly("k");
            assertThat(none).isEmpty();
            assertThat(across).isEmpty();
        }
    }

    @Test
    void aTransactionInsideATransactionIsABug() {
        assertThatThrownBy(() ->
                        database.inTenant(TENANT, outer -> database.inTenant(TENANT, DatabaseContract::keysInView)))
                .isInstanceOf(IllegalStateException.class);
    }

    @Test
    void aDeadlockIsRunAgainForTheOneWhoLost() throws Exception {
        put("1", "00");
        put("2", "00");
        CyclicBarrier bothHoldOne = new CyclicBarrier(2);
        AtomicInteger runs = new AtomicInteger();
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
            Future<?> up = threads.submit(() -> touchBoth("1", "2", bothHoldOne, runs));
            Future<?> down = threads.submit(() -> touchBoth("2", "1", bothHoldOne, runs));
            up.get();
            down.get();
        }
        assertThat(runs).hasValue(3);
    }

    @Test
    void aSerializationFailureIsRunAgain() {
        AtomicInteger runs = new AtomicInteger();
        String result = database.inTenant(TENANT, handle -> {
            insert(handle, "k", "01");
            if (runs.incrementAndGet() < 3) {
                fail(handle, "40001");
            }
            return "done";
        });
        assertThat(result).isEqualTo("done");
        assertThat(runs).hasValue(3);
        assertThat(keys()).containsExactly("k");
    }

    @Test
    void repetitionEnds() {
        AtomicInteger runs = new AtomicInteger();
        assertThatThrownBy(() -> database.inTenant(TENANT, handle -> {
                    runs.incrementAndGet();
                    return fail(handle, "40001");
                }))
                .isInstanceOf(UnavailableException.class);
        assertThat(runs.get()).isBetween(2, 10);
    }

    @Test
    void lackOfDiskMemoryOrServerIsUnavailable() {
        for (String state : List.of("53100", "53200", "53300", "57P01", "57P03", "08006", "58030", "25006", "57014")) {
            assertThatThrownBy(() -> database.inTenant(TENANT, handle -> fail(handle, state)))
                    .as(state)
                    .isInstanceOf(UnavailableException.class);
        }
    }

    @Test
    void aStatementThatCannotSucceedIsNotTriedAgain() {
        AtomicInteger runs = new AtomicInteger();
        assertThatThrownBy(() -> database.inTenant(TENANT, handle -> {
                    runs.incrementAndGet();
                    return fail(handle, "23505");
                }))
                .isInstanceOf(UnableToExecuteStatementException.class);
        assertThat(runs).hasValue(1);
    }

    @Test
    void whatWasBoundIsInNoMessage() {
        assertThatThrownBy(() -> database.inTenant(TENANT, handle -> {
                    insert(handle, "k", "c0ffee");
                    insert(handle, "k", "c0ffee");
                    return "";
                }))
                .satisfies(thrown -> assertThat(allMessages(thrown)).doesNotContain("c0ffee", "(taaaaaaaaa, k)"));
    }

    @Test
    void aConnectionThatIsEndedUnderWorkIsUnavailableAndTheNextOneWorks() {
        assertThatThrownBy(() -> database.inTenant(TENANT, handle -> {
                    handle.execute("RESET ROLE; SELECT pg_terminate_backend(pg_backend_pid())");
                    return "";
                }))
                .isInstanceOf(UnavailableException.class);
        put("k", "01");
        assertThat(keys()).containsExactly("k");
    }

    private void touchBoth(String first, String second, CyclicBarrier bothHoldOne, AtomicInteger runs) {
        database.inTenant(TENANT, handle -> {
            runs.incrementAndGet();
            touch(handle, first);
            if (runs.get() <= 2) {
                await(bothHoldOne);
            }
            touch(handle, second);
            return "";
        });
    }

    private static void touch(Handle handle, String key) {
        handle.execute("UPDATE sealed_key SET sealed = sealed || '\\x01' WHERE key_handle = ?", key);
    }

    private void put(String key, String sealed) {
        database.inTenant(TENANT, handle -> {
            insert(handle, key, sealed);
            return "";
        });
    }

    private static void insert(Handle handle, String key, String sealed) {
        handle.createUpdate("INSERT INTO sealed_key (tenant_id, key_handle, sealed) VALUES (:tenant, :key, :sealed)")
                .bind("tenant", TENANT)
                .bind("key", key)
                .bind("sealed", Bytes.ofHex(sealed))
                .execute();
    }

    private List<String> keys() {
        return database.inTenant(TENANT, DatabaseContract::keysInView);
    }

    private static List<String> keysInView(Handle handle) {
        return handle.createQuery("SELECT key_handle FROM sealed_key")
                .mapTo(String.class)
                .list();
    }

    private static String fail(Handle handle, String state) {
        handle.execute("DO $$ BEGIN RAISE EXCEPTION 'told to' USING ERRCODE = '%s'; END $$".formatted(state));
        return "";
    }

    private static void await(CyclicBarrier barrier) {
        try {
            barrier.await(60, TimeUnit.SECONDS);
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static String allMessages(Throwable thrown) {
        StringBuilder messages = new StringBuilder();
        for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
            messages.append(cause).append('\n');
        }
        return messages.toString();
    }
}
