// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.platform.TenantId;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.TestPlatform;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("The counts of devices")
final class DeviceCountsTest {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    @Test
    @DisplayName("are folded by a plan that was made while there was nothing to fold, however much there is then")
    void planned() {
        TestClock clock = TestClock.create();
        try (TestPlatform platform = TestPlatform.software(testDatabase.database(), clock);
                DeviceCounts counts = new DeviceCounts(platform.database, clock)) {
            TenantId tenant = platform.tenant().tenant().id();
            // As autovacuum does now and then, and the server for each statement that comes often.
            platform.database.installation(tx -> {
                String role = tx.createQuery("SELECT current_user")
                        .mapTo(String.class)
                        .one();
                tx.execute("RESET ROLE");
                tx.execute("ANALYZE device_count_change");
                return tx.execute("SET ROLE " + role);
            });
            for (int i = 0; i < 50; i++) {
                counts.fold(tenant);
            }
            platform.database.inTenant(tenant, tx -> tx.execute("""
                            INSERT INTO device_count_change (tenant_id, change_id, fleet_id, counter, difference)
                            SELECT ?, gen_random_uuid(), 'fleet', 'state:ACTIVE', 1 FROM generate_series(1, 20000)""", tenant.value()));

            while (counts.fold(tenant) > 0) {
                // There is more.
            }

            assertThat(counts.byState(tenant, null)).containsEntry(DeviceState.ACTIVE, 20_000L);
        }
    }
}
