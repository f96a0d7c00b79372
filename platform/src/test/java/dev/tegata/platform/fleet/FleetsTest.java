// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.fleet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.tenant.AuthorityLayout;
import dev.tegata.platform.tenant.CreatedTenant;
import dev.tegata.platform.tenant.NewTenant;
import dev.tegata.platform.tenant.TenantSubject;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.TestPlatform;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jdbi.v3.core.Handle;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("Fleets")
final class FleetsTest {
    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private static final Actor ACTOR = Actor.apiKey("0000test");

    private final TestClock clock = TestClock.create();

    private TestPlatform platform;
    private CreatedTenant created;
    private TenantId tenant;
    private FleetSettings settings;

    @BeforeEach
    void open() {
        platform = TestPlatform.software(DATABASE.database(), clock);
        created = platform.tenant();
        tenant = created.tenant().id();
        settings = settings("Pumps", created.authorities().getLast().id());
    }

    @AfterEach
    void close() {
        platform.close();
    }

    private static FleetSettings settings(String name, AuthorityId authority) {
        return new FleetSettings(name, authority, CertificateProfile.device(), FleetPolicy.standard());
    }

    private static void assertRefused(ErrorCode code, String detail, ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOfSatisfying(RefusedException.class, e -> {
            assertThat(e.detail()).contains(detail);
            assertThat(e.code()).isEqualTo(code);
        });
    }

    @Test
    void aFleetIsKeptAsItWasMade() {
        Fleet fleet = platform.fleets.create(tenant, ACTOR, settings);
        assertThat(fleet.id().tenant()).isEqualTo(tenant);
        assertThat(fleet.version()).isEqualTo(1);
        assertThat(fleet.profile()).isEqualTo(CertificateProfile.device());
        assertThat(fleet.policy()).isEqualTo(FleetPolicy.standard());
        assertThat(platform.fleets.get(tenant, fleet.id())).isEqualTo(fleet);
        var record = platform.audit
                .recordsAbout(tenant, "fleet:" + fleet.id(), Page.Request.first())
                .items()
                .getFirst();
        assertThat(record.action()).isEqualTo("fleet.created");
        assertThat(record.detail().toString()).contains("P1Y").contains("approvalRequired=false");
    }

    @Test
    void twoChangesOfOneVersionCannotBothWin() throws Exception {
        Fleet fleet = platform.fleets.create(tenant, ACTOR, settings);
        AtomicInteger won = new AtomicInteger();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<?>> changes = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                FleetSettings change = settings("Name " + i, settings.authority());
                changes.add(threads.submit(() -> {
                    try {
                        platform.fleets.update(tenant, ACTOR, fleet.id(), 1, change);
                        won.incrementAndGet();
                    } catch (RefusedException e) {
                        assertThat(e.code()).isEqualTo(ErrorCode.PRECONDITION_FAILED);
                    }
                }));
            }
            for (Future<?> change : changes) {
                change.get();
            }
        }
        assertThat(won).hasValue(1);
        assertThat(platform.fleets.get(tenant, fleet.id()).version()).isEqualTo(2);
    }

    @Test
    @DisplayName("a fleet does not go while a device comes into it")
    void deletionWaitsForDevices() throws Exception {
        Fleet fleet = platform.fleets.create(tenant, ACTOR, settings);
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            Future<?> deletion = platform.database.inTenant(tenant, tx -> {
                insertDevice(tx, fleet.id());
                Future<?> waiting = threads.submit(() -> platform.fleets.delete(tenant, ACTOR, fleet.id()));
                assertThatThrownBy(() -> waiting.get(1, TimeUnit.SECONDS)).isInstanceOf(TimeoutException.class);
                return waiting;
            });
            assertThatThrownBy(deletion::get).cause().hasMessageContaining("it has devices");
        }
        assertThat(platform.fleets.get(tenant, fleet.id())).isEqualTo(fleet);
    }

    @Test
    void aDeviceNeedsAFleetOfItsTenant() {
        CreatedTenant other = platform.tenant();
        FleetId foreign = platform.fleets
                .create(
                        other.tenant().id(),
                        ACTOR,
                        settings("Theirs", other.authorities().getLast().id()))
                .id();
        assertThatThrownBy(() -> platform.database.inTenant(tenant, tx -> insertDevice(tx, foreign)))
                .hasMessageContaining("there is no fleet " + foreign + " for the device");
    }

    @Test
    void theDatabaseItselfKeepsAFleetThatHasDevicesAndADeviceInItsFleet() {
        FleetId fleet = platform.fleets.create(tenant, ACTOR, settings).id();
        platform.database.inTenant(tenant, tx -> insertDevice(tx, fleet));
        assertThatThrownBy(() -> platform.database.inTenant(
                        tenant, tx -> tx.execute("DELETE FROM fleet WHERE fleet_id = ?", fleet.value())))
                .hasMessageContaining("fleet " + fleet + " has devices");
        assertThatThrownBy(() -> platform.database.inTenant(
                        tenant, tx -> tx.execute("UPDATE device SET fleet_id = 'f-elsewhere'")))
                .hasMessageContaining("there is no fleet f-elsewhere for the device");
    }

    private int insertDevice(Handle tx, FleetId fleet) {
        return tx.createUpdate("""
                        INSERT INTO device (tenant_id, device_id, fleet_id, chip, serial, state, proof, claimed_at)
                        VALUES (:tenant, gen_random_uuid(), :fleet, 'other', 'a0', 'CLAIMED', 'STATEMENT', :now)""")
                .bind("tenant", tenant)
                .bind("fleet", fleet)
                .bind("now", clock.instant())
                .execute();
    }

    @Test
    void theAuthorityMustBeOneForDevicesOfThisTenant() {
        AuthorityId root = created.authorities().getFirst().id();
        AuthorityId foreign = platform.tenant().authorities().getLast().id();
        assertRefused(
                ErrorCode.INVALID_FIELD,
                "root for other authorities",
                () -> platform.fleets.create(tenant, ACTOR, settings("X", root)));
        assertRefused(
                ErrorCode.INVALID_FIELD,
                "names no authority of this tenant",
                () -> platform.fleets.create(tenant, ACTOR, settings("X", foreign)));
        Fleet fleet = platform.fleets.create(tenant, ACTOR, settings);
        assertRefused(
                ErrorCode.INVALID_FIELD,
                "names no authority of this tenant",
                () -> platform.fleets.update(tenant, ACTOR, fleet.id(), 1, settings("X", foreign)));
    }

    @Test
    void wrongSettingsAreNamed() {
        assertRefused(ErrorCode.INVALID_FIELD, "name ", () -> settings(" ", settings.authority()));
        assertRefused(
                ErrorCode.INVALID_FIELD,
                "profile.kind",
                () -> new FleetSettings(
                        "X", settings.authority(), CertificateProfile.issuing(), FleetPolicy.standard()));
        assertRefused(
                ErrorCode.INVALID_FIELD,
                "policy.graceAfterExpiry",
                () -> new FleetPolicy(
                        false,
                        false,
                        false,
                        Duration.ofDays(-1),
                        Duration.ofMinutes(5),
                        CheckInPolicy.standard(),
                        TransferPolicy.standard(),
                        LifePolicy.standard()));
        assertRefused(
                ErrorCode.INVALID_FIELD,
                "policy.retryAfter",
                () -> new FleetPolicy(
                        false,
                        false,
                        false,
                        Duration.ZERO,
                        Duration.ofSeconds(9),
                        CheckInPolicy.standard(),
                        TransferPolicy.standard(),
                        LifePolicy.standard()));
    }

    @Test
    @DisplayName("a profile by which a device could get no certificate is refused when it is stored")
    void anUnusableProfileIsNotStored() {
        CertificateProfile device = CertificateProfile.device();
        for (CertificateProfile profile : List.of(
                device.withSubject("C={device.id}"),
                device.withSubject("CN={fleet.id}{fleet.id}{device.id}"),
                device.withLocations(new CertificateProfile.Locations(
                        List.of(), List.of("http://status.example/{part}"), List.of())))) {
            assertRefused(
                    ErrorCode.INVALID_FIELD,
                    "profile.",
                    () -> platform.fleets.create(
                            tenant,
                            ACTOR,
                            new FleetSettings("X", settings.authority(), profile, FleetPolicy.standard())));
        }
    }

    @Test
    void theRootOfATreeOfOneTierSignsDevices() {
        CreatedTenant oneTier = platform.tenants.create(
                ACTOR,
                new NewTenant(
                        "One",
                        new TenantSubject("One", "FR", null, null, null),
                        AuthorityLayout.ONE_TIER,
                        KeyAlgorithm.EC_P256));
        Fleet fleet = platform.fleets.create(
                oneTier.tenant().id(),
                ACTOR,
                settings("X", oneTier.authorities().getFirst().id()));
        IssuingFleet issuing = platform.issuingFleets.get(fleet.id());
        assertThat(issuing.authority().chain()).hasSize(1);
        assertThat(issuing.organization()).isEqualTo("One");
    }

    @Test
    void aFleetMayBeMadeBeforeItsAuthorityIsReady() {
        CreatedTenant ownRoot = platform.tenants.create(
                ACTOR,
                new NewTenant(
                        "Own",
                        new TenantSubject("Own", "FR", null, null, null),
                        AuthorityLayout.OWN_ROOT,
                        KeyAlgorithm.EC_P256));
        Fleet fleet = platform.fleets.create(
                ownRoot.tenant().id(),
                ACTOR,
                settings("X", ownRoot.authorities().getFirst().id()));
        assertRefused(ErrorCode.AUTHORITY_NOT_READY, "PENDING", () -> platform.issuingFleets.get(fleet.id()));
    }

    @Test
    void enrolmentSeesAChangeHereAtOnceAndElsewhereWithinSeconds() {
        Fleet fleet = platform.fleets.create(tenant, ACTOR, settings);
        try (TestPlatform elsewhere = TestPlatform.software(DATABASE.database(), clock)) {
            IssuingFleet before = elsewhere.issuingFleets.get(fleet.id());
            assertThat(before.authority().chain()).hasSize(2);
            assertThat(platform.issuingFleets.get(fleet.id()).fleet()).isEqualTo(fleet);
            FleetPolicy strict = new FleetPolicy(
                    true,
                    false,
                    false,
                    Duration.ZERO,
                    Duration.ofMinutes(1),
                    CheckInPolicy.standard(),
                    TransferPolicy.standard(),
                    LifePolicy.standard());
            platform.fleets.update(
                    tenant,
                    ACTOR,
                    fleet.id(),
                    1,
                    new FleetSettings("Pumps", settings.authority(), settings.profile(), strict));
            assertThat(platform.issuingFleets.get(fleet.id()).fleet().policy()).isEqualTo(strict);
            assertThat(elsewhere.issuingFleets.get(fleet.id())).isSameAs(before);
            clock.advance(IssuingFleets.LIFETIME);
            assertThat(elsewhere.issuingFleets.get(fleet.id()).fleet().policy()).isEqualTo(strict);
        }
    }

    @Test
    void anotherTenantFindsNothing() {
        Fleet fleet = platform.fleets.create(tenant, ACTOR, settings);
        CreatedTenant other = platform.tenant();
        TenantId stranger = other.tenant().id();
        FleetSettings theirs = settings("X", other.authorities().getLast().id());
        assertRefused(ErrorCode.NOT_FOUND, "there is no", () -> platform.fleets.get(stranger, fleet.id()));
        assertRefused(
                ErrorCode.NOT_FOUND,
                "there is no",
                () -> platform.fleets.update(stranger, ACTOR, fleet.id(), 1, theirs));
        assertThat(platform.fleets.list(stranger, Page.Request.first()).items()).isEmpty();
        FleetId none = new FleetId(tenant + "-000000");
        assertRefused(ErrorCode.NOT_FOUND, "there is no", () -> platform.issuingFleets.get(none));
        assertRefused(
                ErrorCode.NOT_FOUND, "there is no", () -> platform.issuingFleets.get(new FleetId("tzzzzzzzzz-000000")));
    }

    @Test
    void listingPages() {
        for (int i = 0; i < 5; i++) {
            platform.fleets.create(tenant, ACTOR, settings);
        }
        Page<Fleet> page = platform.fleets.list(tenant, new Page.Request(null, 3));
        Page<Fleet> rest = platform.fleets.list(tenant, Page.Request.of(page.next(), 3));
        assertThat(rest.items()).hasSize(2).doesNotContainAnyElementsOf(page.items());
    }
}
