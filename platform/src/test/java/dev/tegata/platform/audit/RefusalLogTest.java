// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.audit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Page;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.RefusalLog.Refusal;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.TestPlatform;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("Refusals in the audit chain")
final class RefusalLogTest {
    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private final TestClock clock = TestClock.create();

    private TestPlatform platform;
    private TenantId tenant;

    @BeforeEach
    void open() {
        platform = TestPlatform.software(DATABASE.database(), clock);
        tenant = platform.tenant().tenant().id();
    }

    @AfterEach
    void close() {
        platform.close();
    }

    private void refuse(int times, String source, ErrorCode code) {
        for (int i = 0; i < times; i++) {
            platform.refusals.add(
                    tenant, new Refusal(Actor.system("device"), source, code, "fleet:x", "not claimed " + i));
        }
    }

    private List<AuditRecord> refusals() {
        return platform.audit.records(tenant, Page.Request.first()).items().stream()
                .filter(record -> record.action().equals("request.refused"))
                .toList()
                .reversed();
    }

    @Test
    void aFloodIsTwoRecordsAMinute() {
        refuse(1, "192.0.2.1", ErrorCode.DEVICE_UNKNOWN);
        platform.refusals.flush();
        refuse(10_000, "192.0.2.1", ErrorCode.DEVICE_UNKNOWN);
        platform.refusals.flush();
        assertThat(refusals()).hasSize(1);
        clock.advance(Duration.ofMinutes(1));
        platform.refusals.flush();
        assertThat(refusals())
                .extracting(record -> record.detail().get("count"))
                .containsExactly(1, 10_000);
        assertThat(refusals().getFirst().detail())
                .containsEntry("code", "device-unknown")
                .containsEntry("source", "192.0.2.1");
    }

    @Test
    void reasonsAndSourcesAreToldApart() {
        refuse(2, "192.0.2.1", ErrorCode.DEVICE_UNKNOWN);
        refuse(3, "192.0.2.2", ErrorCode.DEVICE_UNKNOWN);
        refuse(4, "192.0.2.1", ErrorCode.WRONG_FLEET);
        platform.refusals.flush();
        assertThat(refusals())
                .extracting(record -> (Object) record.detail().get("count"))
                .containsExactlyInAnyOrder(2, 3, 4);
    }

    @Test
    void devicesBehindOneAddressAreToldApart() {
        DeviceId first = new DeviceId(new UUID(0, 1));
        DeviceId second = new DeviceId(new UUID(0, 2));
        for (DeviceId device : List.of(first, second, first)) {
            platform.refusals.add(
                    tenant,
                    new Refusal(
                            Actor.device(device),
                            "192.0.2.1",
                            ErrorCode.DEVICE_NOT_ACTIVE,
                            "device:" + device,
                            "the device is SUSPENDED"));
        }
        platform.refusals.flush();
        assertThat(refusals())
                .extracting(AuditRecord::subject, record -> record.detail().get("count"))
                .containsExactlyInAnyOrder(tuple("device:" + first, 2), tuple("device:" + second, 1));
    }

    @Test
    void floodsFromManySourcesAreBounded() {
        for (int i = 0; i < 30_000; i++) {
            refuse(1, "source " + i, ErrorCode.UNAUTHENTICATED);
        }
        platform.refusals.flush();
        int written = DATABASE.database()
                .inTenant(
                        tenant,
                        tx -> tx.createQuery("SELECT count(*) FROM audit_record")
                                .mapTo(Integer.class)
                                .one());
        assertThat(written).isLessThanOrEqualTo(10_010);
    }

    @Test
    void closingWritesWhatIsLeft() {
        refuse(1, "192.0.2.1", ErrorCode.DEVICE_UNKNOWN);
        platform.refusals.flush();
        refuse(6, "192.0.2.1", ErrorCode.DEVICE_UNKNOWN);
        platform.refusals.close();
        assertThat(refusals()).hasSize(2);
    }

    @Test
    void aTenantThatDoesNotExistHasNoChain() {
        TenantId nobody = new TenantId("tzzzzzzzzz");
        platform.refusals.add(
                nobody, new Refusal(Actor.OPERATOR, "::1", ErrorCode.UNAUTHENTICATED, "apikey:x", "unknown"));
        platform.refusals.flush();
        assertThat(platform.audit.records(nobody, Page.Request.first()).items()).isEmpty();
    }
}
