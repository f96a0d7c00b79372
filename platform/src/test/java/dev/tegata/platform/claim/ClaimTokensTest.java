// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestDatabase;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class ClaimTokensTest {
    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private static final SecureRandom RANDOM = new SecureRandom();
    private static final Duration DAY = Duration.ofDays(1);

    private final TestClock clock = TestClock.create();
    private final ClaimFixture fixture = new ClaimFixture(DATABASE.database(), clock);
    private final TrustedCertificates trusted = new TrustedCertificates(DATABASE.database(), fixture.audit, clock);
    private final Manifests manifests =
            new Manifests(DATABASE.database(), fixture.audit, trusted, fixture.stated(clock), clock, RANDOM);
    private final ClaimTokens tokens = new ClaimTokens(DATABASE.database(), fixture.audit, clock, RANDOM);
    private final FleetId fleet = fixture.newFleet();
    private final TenantId tenant = fleet.tenant();

    @AfterEach
    void close() {
        manifests.close();
        fixture.close();
    }

    @Test
    @DisplayName("for the devices of a manifest that have no key and have not enrolled, page by page")
    void manifest() {
        importList("serial\nearlier\n");
        clock.advance(Duration.ofSeconds(1));
        ManifestReport report = importList("serial,publickey\n1,\n2,\n3,\n4,"
                + TestSigner.newKey().encoded().base64() + "\n");
        execute("UPDATE device SET state = 'ACTIVE' WHERE serial = '2'");

        List<ClaimToken> made = new ArrayList<>();
        Page<ClaimToken> page = tokens.create(tenant, ClaimFixture.ACTOR, report.id(), DAY, new Page.Request(null, 1));
        made.addAll(page.items());
        page = tokens.create(tenant, ClaimFixture.ACTOR, report.id(), DAY, Page.Request.of(page.next(), 1));
        made.addAll(page.items());

        assertThat(page.next()).isNull();
        assertThat(made).extracting(ClaimToken::serial).containsExactlyInAnyOrder("1", "3");
        assertThat(made).allSatisfy(token -> {
            assertThat(token.secret()).startsWith("tgc_").hasSize(47);
            assertThat(token.expiresAt()).isEqualTo(clock.instant().plus(DAY));
            assertThat(token.toString()).doesNotContain(token.secret());
        });
        assertThat(hashes())
                .containsExactlyInAnyOrderElementsOf(made.stream()
                        .map(token -> ClaimTokens.hash(token.secret()).hex())
                        .toList());
    }

    @Test
    @DisplayName("a new token takes the place of the one before")
    void replaced() {
        importList("serial\n1\n");
        DeviceId device = device();
        tokens.create(tenant, ClaimFixture.ACTOR, device, DAY);
        ClaimToken second = tokens.create(tenant, ClaimFixture.ACTOR, device, DAY);
        assertThat(hashes()).containsExactly(ClaimTokens.hash(second.secret()).hex());
    }

    @Test
    @DisplayName(
            "refused: unknown and other tenants' devices and manifests, devices that have enrolled, odd validities")
    void refused() {
        ManifestReport report = importList("serial\n1\n");
        DeviceId device = device();
        TenantId other = fixture.newFleet().tenant();
        assertRefused(ErrorCode.NOT_FOUND, () -> tokens.create(other, ClaimFixture.ACTOR, device, DAY));
        assertRefused(
                ErrorCode.NOT_FOUND,
                () -> tokens.create(other, ClaimFixture.ACTOR, report.id(), DAY, Page.Request.first()));
        DeviceId unknown = new DeviceId(TimeOrderedIds.next(clock.instant(), RANDOM));
        assertRefused(ErrorCode.NOT_FOUND, () -> tokens.create(tenant, ClaimFixture.ACTOR, unknown, DAY));
        assertRefused(ErrorCode.INVALID_FIELD, () -> tokens.create(tenant, ClaimFixture.ACTOR, device, Duration.ZERO));
        execute("UPDATE device SET state = 'ACTIVE'");
        assertRefused(ErrorCode.CONFLICT, () -> tokens.create(tenant, ClaimFixture.ACTOR, device, DAY));
        assertThat(hashes()).isEmpty();
    }

    private static void assertRefused(ErrorCode code, Runnable call) {
        assertThatThrownBy(call::run)
                .isInstanceOfSatisfying(
                        RefusedException.class, e -> assertThat(e.code()).isEqualTo(code));
    }

    private ManifestReport importList(String list) {
        ByteArrayInputStream content = new ByteArrayInputStream(list.getBytes(StandardCharsets.UTF_8));
        ManifestUpload upload = new ManifestUpload(fleet, "list.csv", content, new ImportOptions(true));
        return manifests.importManifest(tenant, ClaimFixture.ACTOR, upload, report -> {});
    }

    private DeviceId device() {
        return DATABASE.database()
                .inTenant(
                        tenant,
                        tx -> tx.createQuery("SELECT device_id FROM device")
                                .mapTo(DeviceId.class)
                                .one());
    }

    private void execute(String sql) {
        DATABASE.database().inTenant(tenant, tx -> tx.execute(sql));
    }

    private List<String> hashes() {
        return DATABASE.database()
                .inTenant(
                        tenant,
                        tx -> tx.createQuery("SELECT encode(token_hash, 'hex') FROM claim_token")
                                .mapTo(String.class)
                                .list());
    }
}
