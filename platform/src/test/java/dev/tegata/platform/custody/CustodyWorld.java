// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.access.LoginThrottle;
import dev.tegata.platform.checkin.CheckIns;
import dev.tegata.platform.device.DeviceChange;
import dev.tegata.platform.device.Devices;
import dev.tegata.platform.enrol.BirthCa;
import dev.tegata.platform.enrol.DeviceCredential;
import dev.tegata.platform.enrol.EnrolmentOutcome;
import dev.tegata.platform.enrol.EnrolmentRequest;
import dev.tegata.platform.enrol.EnrolmentRequest.Purpose;
import dev.tegata.platform.enrol.Enrolments;
import dev.tegata.platform.enrol.Identification;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.fleet.FleetSettings;
import dev.tegata.platform.fleet.TransferPolicy;
import dev.tegata.platform.fleet.TransferPolicy.Consent;
import dev.tegata.platform.job.JobWorkers;
import dev.tegata.platform.order.OrderSigners;
import dev.tegata.platform.order.Orders;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.tenant.CreatedTenant;
import dev.tegata.platform.testing.RecordedOrders;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestPlatform;
import dev.tegata.protocol.Receipt;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/// Tenants that buy and sell devices.
final class CustodyWorld implements AutoCloseable {
    static final Actor OPERATOR = Actor.apiKey("test");

    final TestClock clock = TestClock.create();
    final TestPlatform platform;
    final Database database;
    final Devices devices;
    final CustodyLog custody;
    final Mover mover;
    final Transfers transfers;
    final Grants grants;
    final Enrolments enrolments;
    final CheckIns checkIns;
    private final JobWorkers workers;
    private final SecureRandom random = new SecureRandom();

    CustodyWorld(Database database) {
        this.database = database;
        platform = TestPlatform.software(database, clock);
        devices = new Devices(
                database,
                platform.audit,
                platform.outbox,
                new RecordedOrders(),
                List.of(),
                CustodyLog::noteTurn,
                clock);
        custody = new CustodyLog(database, platform.vault, clock);
        mover = new Mover(database, platform.audit, platform.outbox, custody, clock);
        transfers = new Transfers(
                database,
                platform.audit,
                platform.outbox,
                platform.jobs,
                mover,
                new LoginThrottle(clock),
                clock,
                random);
        grants = new Grants(database, devices, platform.audit, platform.outbox, clock, random);
        enrolments = new Enrolments(
                database,
                platform.vault,
                platform.issuingFleets,
                _ -> TrustAnchors.of(List.of()),
                platform.audit,
                platform.outbox,
                platform.refusals,
                clock,
                random);
        checkIns = new CheckIns(
                new CheckIns.Services(
                        database,
                        platform.issuingFleets,
                        new Identification(database, _ -> TrustAnchors.of(List.of())),
                        new Orders(database, platform.audit, platform.outbox, clock, random),
                        new OrderSigners(database, platform.vault, platform.audit, clock, random),
                        devices,
                        platform.audit,
                        platform.outbox,
                        platform.refusals),
                CheckIns.Hooks.none()
                        .with(new HandedOverDevices(
                                database,
                                platform.issuingFleets,
                                () -> new HandedOverDevices.Port(
                                        "https://devices.example:8444", Bytes.of((byte) 0x30, (byte) 0)))),
                clock,
                random);
        workers = JobWorkers.start(database, platform.jobs, Map.of(Transfers.OFFER_JOB, transfers::offerStep));
    }

    /// A tenant with one fleet.
    record Party(TenantId id, FleetId fleet) {}

    Party party() {
        return party(Consent.SELLER);
    }

    Party party(Consent consent) {
        CreatedTenant created = platform.tenant();
        TenantId tenant = created.tenant().id();
        FleetPolicy policy = FleetPolicy.standard().with(new TransferPolicy(consent, Duration.ofDays(7)));
        FleetId fleet = platform.fleets
                .create(
                        tenant,
                        OPERATOR,
                        new FleetSettings(
                                "Locks", created.authorities().getLast().id(), CertificateProfile.device(), policy))
                .id();
        return new Party(tenant, fleet);
    }

    /// A device with its birth key.
    record Unit(DeviceId id, String serial, SoftwareKey birth) {}

    Unit claim(Party owner) {
        String serial = "0123%016x".formatted(random.nextLong());
        DeviceId device = new DeviceId(TimeOrderedIds.next(clock.instant(), random));
        SoftwareKey birth = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        database.inTenant(
                owner.id(),
                tx -> tx.createUpdate("""
                                WITH chip AS (
                                    INSERT INTO chip_owner (chip, serial, tenant_id)
                                    VALUES ('microchip', :serial, :tenant)),
                                unit AS (
                                    INSERT INTO device (tenant_id, device_id, fleet_id, chip, serial, state, proof,
                                        claimed_at)
                                    VALUES (:tenant, :device, :fleet, 'microchip', :serial, 'CLAIMED', 'STATEMENT',
                                        :now))
                                INSERT INTO device_key (tenant_id, fingerprint, device_id, slot, public_key)
                                VALUES (:tenant, :fingerprint, :device, 0, :key)""")
                        .bind("tenant", owner.id())
                        .bind("device", device)
                        .bind("fleet", owner.fleet())
                        .bind("serial", serial)
                        .bind("now", clock.instant())
                        .bind("fingerprint", birth.publicKey().fingerprint())
                        .bind("key", birth.publicKey().encoded())
                        .execute());
        return new Unit(device, serial, birth);
    }

    static SoftwareKey newKey() {
        return SoftwareKey.generate(KeyAlgorithm.EC_P256);
    }

    EnrolmentOutcome enrol(Party at, Unit unit, SoftwareKey wanted) {
        return enrol(at, BirthCa.selfSigned(unit.birth()), wanted, Purpose.ENROL);
    }

    EnrolmentOutcome renew(Party at, Certificate current, SoftwareKey wanted) {
        return enrol(at, current.encoded(), wanted, Purpose.RE_ENROL);
    }

    private EnrolmentOutcome enrol(Party at, Bytes shown, SoftwareKey wanted, Purpose purpose) {
        Bytes request = CertificateRequest.create(
                        Name.EMPTY,
                        wanted.publicKey(),
                        List.of(),
                        data -> wanted.sign(wanted.publicKey().algorithm().signatureAlgorithm(), data))
                .encoded();
        return enrolments.enrol(new EnrolmentRequest(
                at.fleet(), new DeviceCredential.TlsCertificate(List.of(shown)), request, purpose, "192.0.2.1"));
    }

    Certificate certify(Party at, Unit unit, SoftwareKey wanted) {
        EnrolmentOutcome outcome = enrol(at, unit, wanted);
        if (outcome instanceof EnrolmentOutcome.Issued issued) {
            return issued.certificate();
        }
        throw new AssertionError(outcome.toString());
    }

    static NewOffer offerTo(Party buyer) {
        return new NewOffer(buyer.id(), Duration.ofDays(7), false, "");
    }

    TransferId offer(Party seller, Party buyer, Unit unit) {
        return transfers
                .offer(seller.id(), OPERATOR, offerTo(buyer), List.of(unit.id()))
                .transfer()
                .id();
    }

    Transfer.Incoming accept(Party buyer, TransferId id) {
        return transfers.accept(buyer.id(), OPERATOR, id, buyer.fleet(), List.of());
    }

    /// Orders a device to wipe itself and hands in its word that it has; why that is not believed, such as
    /// that somebody else has changed its state in between.
    Optional<String> refurbish(Party owner, Unit unit) {
        devices.change(
                owner.id(), unit.id(), DeviceChange.of(DeviceChange.Kind.REFURBISH, "a guest's phone"), OPERATOR);
        UUID order = UUID.randomUUID();
        SoftwareKey birth = unit.birth();
        Bytes receipt = new Receipt(unit.id().value(), unit.serial(), order, List.of("operational-key"))
                .sign(
                        new Signer(
                                birth.publicKey(),
                                data -> birth.sign(birth.publicKey().algorithm().signatureAlgorithm(), data)),
                        List.of(BirthCa.selfSigned(birth)));
        return database.inTenant(
                owner.id(), tx -> devices.refurbished(tx, owner.id(), unit.id(), order, Optional.of(receipt)));
    }

    void sell(Party seller, Party buyer, Unit unit) {
        accept(buyer, offer(seller, buyer, unit));
    }

    /// How many tenants could issue for the device now.
    List<TenantId> owners(Unit unit, List<Party> parties) {
        return parties.stream()
                .map(Party::id)
                .filter(tenant -> database.inTenant(
                                tenant,
                                tx -> tx.createQuery("SELECT count(*) FROM device WHERE device_id = :device")
                                        .bind("device", unit.id())
                                        .mapTo(Integer.class)
                                        .one())
                        > 0)
                .toList();
    }

    @Override
    public void close() {
        workers.close();
        mover.close();
        platform.close();
    }
}
