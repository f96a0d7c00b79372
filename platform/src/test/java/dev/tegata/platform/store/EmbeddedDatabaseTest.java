// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.platform.TenantId;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.testing.TestDatabase;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("Transactions on the embedded server, as the owner of the database")
class EmbeddedDatabaseTest extends DatabaseContract {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    @Override
    TestDatabase testDatabase() {
        return testDatabase;
    }

    @Test
    void whoFindsNoConnectionInTimeIsTold() throws Exception {
        CountDownLatch taken = new CountDownLatch(1);
        CountDownLatch done = new CountDownLatch(1);
        try (Database single = Database.open(testDatabase.config().withPoolSize(1));
                ExecutorService threads = Executors.newFixedThreadPool(1)) {
            Future<String> holder = threads.submit(() -> single.inTenant(new TenantId("taaaaaaaaa"), handle -> {
                taken.countDown();
                await(done);
                return "held";
            }));
            taken.await();
            assertThat(single.poolUsage()).isEqualTo(new Database.PoolUsage(1, 0, 0, 1));
            assertThatThrownBy(() -> single.inTenant(new TenantId("taaaaaaaaa"), handle -> ""))
                    .isInstanceOf(UnavailableException.class);
            done.countDown();
            assertThat(holder.get(10, TimeUnit.SECONDS)).isEqualTo("held");
            assertThat(single.isReady()).isTrue();
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
