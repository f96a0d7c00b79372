// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.status;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.status.CertificateStatus;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.custody.CustodyLog;
import dev.tegata.platform.device.DeviceCertificate;
import dev.tegata.platform.device.Devices;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.fleet.FleetSettings;
import dev.tegata.platform.status.CrlPublisher.Extent;
import dev.tegata.platform.tenant.CreatedTenant;
import dev.tegata.platform.testing.RecordedOrders;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.TestPlatform;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("Certificates that ended long ago")
class RetentionTest {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    private static final Duration LIFE = Duration.ofDays(90);

    /// Well over a month after the end.
    private static final Duration LONG_AFTER = Duration.ofDays(90 + 32);

    private final TestClock clock = TestClock.create();
    private TestPlatform platform;
    private Owner owner;
    private Devices devices;
    private CrlPublisher publisher;
    private Retention retention;

    /// A tenant, and where its devices get their certificates.
    private record Owner(TenantId tenant, AuthorityId authority, FleetId fleet) {}

    @BeforeEach
    void setUp() {
        platform = TestPlatform.software(testDatabase.database(), clock);
        owner = owner();
        devices = new Devices(
                platform.database,
                platform.audit,
                platform.outbox,
                new RecordedOrders(),
                List.of(),
                CustodyLog::noteTurn,
                clock);
        publisher = new CrlPublisher(
                platform.database, platform.authorities, platform.vault, new Crls(platform.database, clock), clock);
        retention = new Retention(platform.database, clock);
    }

    @AfterEach
    void tearDown() {
        platform.close();
    }

    private Owner owner() {
        CreatedTenant created = platform.tenant();
        TenantId tenant = created.tenant().id();
        AuthorityId authority = created.authorities().getLast().id();
        FleetSettings settings =
                new FleetSettings("Locks", authority, CertificateProfile.device(), FleetPolicy.standard());
        return new Owner(
                tenant,
                authority,
                platform.fleets.create(tenant, Actor.OPERATOR, settings).id());
    }

    private DeviceId device(Owner of) {
        DeviceId id = new DeviceId(UUID.randomUUID());
        platform.database.inTenant(
                of.tenant(),
                tx -> tx.createUpdate("""
                                INSERT INTO device (tenant_id, device_id, fleet_id, chip, serial, state, proof, claimed_at)
                                VALUES (:tenant, :device, :fleet, 'other', :serial, 'RETIRED', 'STATEMENT', :now)""")
                        .bind("tenant", of.tenant())
                        .bind("device", id)
                        .bind("fleet", of.fleet())
                        .bind("serial", id.toString())
                        .bind("now", clock.instant())
                        .execute());
        return id;
    }

    /// Gives a device certificates from now on, named by their numbers.
    private void certify(Owner of, DeviceId device, int first, int last) {
        platform.database.inTenant(
                of.tenant(),
                tx -> tx.createUpdate("""
                                INSERT INTO certificate (tenant_id, serial_number, authority_id, device_id,
                                    public_key_fingerprint, not_before, not_after, issued_at, crl_partition, encoded)
                                SELECT :tenant, int4send(i), :authority, :device, sha256(int4send(i)), :now, :end, :now, 1,
                                    ('DER ' || i)::bytea
                                FROM generate_series(:first, :last) i""")
                        .bind("tenant", of.tenant())
                        .bind("authority", of.authority())
                        .bind("device", device)
                        .bind("now", clock.instant())
                        .bind("end", clock.instant().plus(LIFE))
                        .bind("first", first)
                        .bind("last", last)
                        .execute());
    }

    private void revoke(Owner of, int number) {
        platform.database.inTenant(
                of.tenant(),
                tx -> tx.createUpdate("""
                                UPDATE certificate SET revoked_at = :now, revocation_reason = 4
                                WHERE tenant_id = :tenant AND serial_number = int4send(:number)""")
                        .bind("now", clock.instant())
                        .bind("tenant", of.tenant())
                        .bind("number", number)
                        .execute());
    }

    private long count(Owner of, String table) {
        return platform.database.inTenant(
                of.tenant(),
                tx -> tx.createQuery("SELECT count(*) FROM " + table + " WHERE device_id IS NOT NULL")
                        .mapTo(Long.class)
                        .one());
    }

    private CertificateStatus status(Owner of, int number) {
        Bytes serial = Bytes.of((byte) (number >> 24), (byte) (number >> 16), (byte) (number >> 8), (byte) number);
        return Ocsp.stored(platform.database, of.tenant(), of.authority(), serial);
    }

    @Test
    @DisplayName("move a month after their end, tenant by tenant, and their devices still show them")
    void move() {
        Owner other = owner();
        DeviceId lock = device(owner);
        certify(owner, lock, 1, 3);
        certify(other, device(other), 1, 2);
        clock.advance(LIFE.plus(Duration.ofDays(30)));
        assertThat(retention.run(owner.tenant())).isZero();
        clock.advance(Duration.ofDays(2));
        certify(owner, lock, 4, 4);
        assertThat(retention.run(owner.tenant())).isEqualTo(3);
        assertThat(count(owner, "certificate")).isOne();
        assertThat(count(other, "certificate")).isEqualTo(2);
        assertThat(count(other, "certificate_archive")).isZero();

        List<DeviceCertificate> shown = devices.certificates(owner.tenant(), lock);
        assertThat(shown).hasSize(4);
        assertThat(shown.getFirst().encoded()).isNotNull();
        assertThat(shown.subList(1, 4)).allSatisfy(archived -> {
            assertThat(archived.encoded()).isNull();
            assertThat(archived.notAfter()).isBefore(clock.instant());
        });
        assertThat(shown.getLast().fingerprint()).isEqualTo(Bytes.sha256("DER 3".getBytes(StandardCharsets.US_ASCII)));
        assertThat(status(owner, 1)).isEqualTo(new CertificateStatus.Good());
        assertThat(status(owner, 9)).isEqualTo(new CertificateStatus.Unknown());
        assertThat(retention.run(other.tenant())).isEqualTo(2);
    }

    @Test
    @DisplayName("stay while they are their devices' current ones")
    void currentStays() {
        DeviceId lock = device(owner);
        certify(owner, lock, 1, 2);
        platform.database.inTenant(
                owner.tenant(),
                tx -> tx.execute("UPDATE device SET certificate = int4send(2) WHERE device_id = ?", lock.value()));
        clock.advance(LONG_AFTER);
        assertThat(retention.run(owner.tenant())).isOne();
        assertThat(devices.certificates(owner.tenant(), lock))
                .filteredOn(DeviceCertificate::current)
                .singleElement()
                .satisfies(current -> assertThat(current.encoded()).isNotNull());
    }

    @Test
    @DisplayName("stay while a list names them: RFC 5280 §3.3 wants one regular list beyond their end")
    void revokedStays() {
        certify(owner, device(owner), 1, 2);
        revoke(owner, 1);
        Instant at = clock.instant();
        publisher.publish(owner.tenant(), owner.authority(), Extent.DUE);
        clock.advance(LONG_AFTER);
        assertThat(retention.run(owner.tenant())).isOne();
        assertThat(status(owner, 1)).isEqualTo(new CertificateStatus.Revoked(at, 4));

        publisher.publish(owner.tenant(), owner.authority(), Extent.DUE);
        clock.advance(Duration.ofDays(1));
        assertThat(retention.run(owner.tenant())).isOne();
        assertThat(status(owner, 1)).isEqualTo(new CertificateStatus.Revoked(at, 4));
        assertThat(count(owner, "certificate")).isZero();
    }

    @Test
    @DisplayName("move in bounded steps; a node that starts anew, or beside another, goes on where things are")
    void steps() throws Exception {
        int all = 52_500;
        certify(owner, device(owner), 1, all);
        clock.advance(LONG_AFTER);
        assertThat(retention.run(owner.tenant())).isEqualTo(50_000);
        assertThat(count(owner, "certificate")).isEqualTo(2_500);

        List<Callable<Integer>> nodes = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            Retention node = new Retention(platform.database, clock);
            nodes.add(() -> node.run(owner.tenant()));
        }
        int moved = 0;
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (Future<Integer> node : threads.invokeAll(nodes)) {
                moved += node.get();
            }
        }
        assertThat(moved).isEqualTo(2_500);
        assertThat(count(owner, "certificate")).isZero();
        assertThat(count(owner, "certificate_archive")).isEqualTo(all);
    }
}
