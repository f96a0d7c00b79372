// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.JobId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.device.Device;
import dev.tegata.platform.device.DeviceCertificate;
import dev.tegata.platform.device.DeviceChange;
import dev.tegata.platform.device.DeviceCounts.Expiring;
import dev.tegata.platform.device.DeviceCounts.Horizon;
import dev.tegata.platform.device.DeviceQuery;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.device.RevocationReason;
import dev.tegata.platform.event.RecordedEvent;
import dev.tegata.platform.fleet.CheckInPolicy;
import dev.tegata.platform.fleet.Fleet;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.fleet.FleetSettings;
import dev.tegata.platform.fleet.LifePolicy;
import dev.tegata.platform.fleet.TransferPolicy;
import dev.tegata.platform.job.Job;
import dev.tegata.platform.job.JobIssue;
import dev.tegata.platform.testing.RecordedOrders;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.protocol.OrderContent;
import dev.tegata.protocol.Receipt;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("A device's life")
class LifeTest {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    private EnrolmentWorld world;
    private FleetId fleet;

    @BeforeEach
    void setUp() {
        world = new EnrolmentWorld(testDatabase.database());
        fleet = world.fleet(FleetPolicy.standard());
    }

    @AfterEach
    void tearDown() {
        world.close();
    }

    private Certificate activate(EnrolmentWorld.Unit unit) {
        return issued(world.enrol(fleet, unit.birth(), SoftwareKey.generate(KeyAlgorithm.EC_P256)));
    }

    private static Certificate issued(EnrolmentOutcome outcome) {
        assertThat(outcome).isInstanceOf(EnrolmentOutcome.Issued.class);
        return ((EnrolmentOutcome.Issued) outcome).certificate();
    }

    private static void assertRefused(EnrolmentOutcome outcome, ErrorCode code) {
        assertThat(outcome).isInstanceOf(EnrolmentOutcome.Refused.class);
        assertThat(((EnrolmentOutcome.Refused) outcome).code()).isEqualTo(code);
    }

    private Device change(DeviceId device, DeviceChange.Kind kind) {
        return world.devices.change(world.tenant, device, DeviceChange.of(kind, "a test"), EnrolmentWorld.OPERATOR);
    }

    private List<DeviceCertificate> certificates(DeviceId device) {
        return world.devices.certificates(world.tenant, device);
    }

    private List<String> eventsAbout(DeviceId device) {
        return world.outbox.after(world.tenant, 0, 1000).stream()
                .filter(event -> event.subject().equals("device:" + device))
                .map(RecordedEvent::type)
                .map(type -> type.substring("dev.tegata.".length()))
                .toList();
    }

    @Nested
    @DisplayName("revocation")
    class Revocation {
        @Test
        @DisplayName("carries its RFC 5280 reason to each certificate, a hold included, and is told in an event")
        void reasons() {
            EnrolmentWorld.Unit unit = world.claim(fleet, "0a01");
            Certificate current = activate(unit);
            change(unit.id(), DeviceChange.Kind.SUSPEND);
            assertThat(certificates(unit.id()).getFirst().revocationReason()).isEqualTo(6);

            world.devices.change(
                    world.tenant,
                    unit.id(),
                    DeviceChange.revoke(RevocationReason.KEY_COMPROMISE, "leaked"),
                    EnrolmentWorld.OPERATOR);

            assertThat(certificates(unit.id()))
                    .singleElement()
                    .satisfies(certificate ->
                            assertThat(certificate.revocationReason()).isEqualTo(1));
            assertThat(eventsAbout(unit.id()))
                    .containsExactly("device.activated", "device.suspended", "device.revoked");
            assertRefused(world.reEnrol(fleet, current, unit.birth()), ErrorCode.CERTIFICATE_REVOKED);
            assertRefused(world.enrol(fleet, unit.birth(), unit.birth()), ErrorCode.DEVICE_NOT_ACTIVE);
        }

        @Test
        @DisplayName("is refused with reasons that are not for devices")
        void reasonsForOthers() {
            for (RevocationReason reason : RevocationReason.values()) {
                if (!reason.isForDevices()) {
                    assertThatThrownBy(() -> DeviceChange.revoke(reason, "x"))
                            .isInstanceOfSatisfying(
                                    RefusedException.class,
                                    e -> assertThat(e.code()).isEqualTo(ErrorCode.INVALID_FIELD));
                }
            }
        }

        @Test
        @DisplayName("and every other change that a device's state does not allow is refused in a sentence")
        void refusedSentences() {
            EnrolmentWorld.Unit unit = world.claim(fleet, "0a09");
            assertRefusal(unit, DeviceChange.Kind.SUSPEND, "a device that is claimed cannot be suspended");
            assertRefusal(unit, DeviceChange.Kind.RESUME, "a device that is claimed cannot be resumed");
            assertRefusal(unit, DeviceChange.Kind.REFURBISH, "a device that is claimed cannot be refurbished");
            assertRefusal(unit, DeviceChange.Kind.RENEW, "a device that is claimed cannot be renewed");
            change(unit.id(), DeviceChange.Kind.RETIRE);
            assertRefusal(unit, DeviceChange.Kind.REVOKE, "a device that is retired cannot be revoked");
            assertRefusal(unit, DeviceChange.Kind.RETIRE, "a device that is retired cannot be retired");
        }

        private void assertRefusal(EnrolmentWorld.Unit unit, DeviceChange.Kind kind, String sentence) {
            assertThatThrownBy(() -> change(unit.id(), kind))
                    .isInstanceOfSatisfying(
                            RefusedException.class, e -> assertThat(e.detail()).isEqualTo(sentence));
        }

        @Test
        @DisplayName("is undone for a hold only")
        void resume() {
            EnrolmentWorld.Unit unit = world.claim(fleet, "0a02");
            Certificate current = activate(unit);
            change(unit.id(), DeviceChange.Kind.SUSPEND);
            assertRefused(world.reEnrol(fleet, current, unit.birth()), ErrorCode.CERTIFICATE_REVOKED);

            change(unit.id(), DeviceChange.Kind.RESUME);
            issued(world.reEnrol(fleet, current, SoftwareKey.generate(KeyAlgorithm.EC_P256)));

            change(unit.id(), DeviceChange.Kind.REVOKE);
            assertThatThrownBy(() -> change(unit.id(), DeviceChange.Kind.RESUME))
                    .isInstanceOf(RefusedException.class);
        }
    }

    @Nested
    @DisplayName("renewal")
    class Renewal {
        @Test
        @DisplayName("leaves both certificates good for the overlap, and then revokes the old one as superseded")
        void overlap() {
            EnrolmentWorld.Unit unit = world.claim(fleet, "0b01");
            Certificate old = activate(unit);
            world.clock.advance(Duration.ofDays(200));
            issued(world.reEnrol(fleet, old, SoftwareKey.generate(KeyAlgorithm.EC_P256)));

            world.renewals.goRound();
            assertThat(certificates(unit.id())).hasSize(2).allMatch(each -> each.revokedAt() == null);
            assertThat(outdatedLists())
                    .as("a renewal makes no new revocation list")
                    .isZero();

            world.clock.advance(Duration.ofDays(7));
            world.renewals.goRound();
            world.renewals.goRound();
            assertThat(outdatedLists()).isPositive();

            assertThat(certificates(unit.id()).get(0).revokedAt()).isNull();
            assertThat(certificates(unit.id()).get(1).revocationReason()).isEqualTo(4);
            assertThat(eventsAbout(unit.id()))
                    .containsExactly("device.activated", "certificate.renewed", "certificate.superseded");
        }

        private int outdatedLists() {
            return world.database.inTenant(
                    world.tenant,
                    tx -> tx.createQuery("SELECT count(*) FROM crl_change WHERE tenant_id = :tenant")
                            .bind("tenant", world.tenant)
                            .mapTo(Integer.class)
                            .one());
        }

        @Test
        @DisplayName("is ordered by an operator, with a new key or the old one, and refused for devices without life")
        void ordered() {
            EnrolmentWorld.Unit unit = world.claim(fleet, "0b02");
            assertThatThrownBy(() -> change(unit.id(), DeviceChange.Kind.RENEW)).isInstanceOf(RefusedException.class);
            activate(unit);

            change(unit.id(), DeviceChange.Kind.RENEW);
            world.devices.change(
                    world.tenant,
                    unit.id(),
                    new DeviceChange(DeviceChange.Kind.RENEW, "x", null, true, false),
                    EnrolmentWorld.OPERATOR);

            assertThat(world.orders.placed)
                    .containsExactly(
                            new RecordedOrders.Placed(unit.id(), new OrderContent.RenewCertificate()),
                            new RecordedOrders.Placed(unit.id(), new OrderContent.RenewKey()));
            assertThat(world.state(unit.id())).isEqualTo(DeviceState.ACTIVE);
        }

        @Test
        @DisplayName("is wanted by the policy for certificates that end soon, and for those left behind")
        void byPolicy() {
            fleet = world.fleet(
                    FleetPolicy.standard().with(new LifePolicy(Duration.ofDays(7), Duration.ofDays(100), true, false)));
            EnrolmentWorld.Unit unit = world.claim(fleet, "0b03");
            activate(unit);
            assertThat(due(unit)).isEmpty();

            world.clock.advance(Duration.ofDays(300));
            assertThat(due(unit)).containsExactly(new OrderContent.RenewCertificate());

            Fleet before = world.fleets.get(world.tenant, fleet);
            world.fleets.updateLeavingBehind(
                    world.tenant,
                    EnrolmentWorld.OPERATOR,
                    fleet,
                    before.version(),
                    new FleetSettings("Locks", before.authority(), p384Only(before.profile()), before.policy()));
            assertThat(due(unit)).containsExactly(new OrderContent.RenewKey());
        }

        private List<OrderContent> due(EnrolmentWorld.Unit unit) {
            Candidate candidate = new DeviceLookup(world.database)
                    .byBirthKey(world.tenant, unit.birth().publicKey().fingerprint())
                    .orElseThrow();
            return Renewals.due(world.issuingFleets.get(fleet), candidate, world.clock.instant());
        }

        private static CertificateProfile p384Only(CertificateProfile profile) {
            return new CertificateProfile(
                    profile.name(),
                    profile.kind(),
                    profile.subject(),
                    profile.lifetime(),
                    profile.backdate(),
                    List.of(KeyAlgorithm.EC_P384),
                    profile.pathLength(),
                    profile.keyUsages(),
                    profile.extendedKeyUsages(),
                    profile.alternativeNames(),
                    profile.locations(),
                    profile.requestedExtensions());
        }
    }

    @Nested
    @DisplayName("the forecast")
    class Forecast {
        @Test
        @DisplayName("says who expires, and who will not make it because nothing was heard of them")
        void expiry() {
            EnrolmentWorld.Unit silent = world.claim(fleet, "0c01");
            EnrolmentWorld.Unit heard = world.claim(fleet, "0c02");
            EnrolmentWorld.Unit renewed = world.claim(fleet, "0c03");
            EnrolmentWorld.Unit revoked = world.claim(fleet, "0c04");
            for (EnrolmentWorld.Unit unit : List.of(silent, heard, renewed, revoked)) {
                activate(unit);
            }
            world.clock.advance(Duration.ofDays(340));
            issued(world.enrol(fleet, renewed.birth(), SoftwareKey.generate(KeyAlgorithm.EC_P256)));
            change(revoked.id(), DeviceChange.Kind.REVOKE);
            world.database.inTenant(
                    world.tenant,
                    tx -> tx.createUpdate("UPDATE device SET last_seen_at = :now WHERE device_id = :device")
                            .bind("now", world.clock.instant())
                            .bind("device", heard.id())
                            .execute());

            assertThat(world.counts.forecast(world.tenant, fleet, List.of(0, 7, 30, 90)))
                    .containsExactly(
                            new Horizon(0, 0, 0, 0),
                            new Horizon(7, 0, 0, 0),
                            new Horizon(30, 2, 1, 2),
                            new Horizon(90, 2, 1, 2));
            assertThat(world.counts
                            .expiring(world.tenant, null, 30, true, Page.Request.first())
                            .items())
                    .extracting(Expiring::id)
                    .containsExactly(silent.id());
            Page<Expiring> first = world.counts.expiring(world.tenant, fleet, 30, false, new Page.Request(null, 1));
            Page<Expiring> second =
                    world.counts.expiring(world.tenant, fleet, 30, false, Page.Request.of(first.next(), 1));
            assertThat(List.of(
                            first.items().getFirst().id(),
                            second.items().getFirst().id()))
                    .containsExactlyInAnyOrder(silent.id(), heard.id());
        }
    }

    @Nested
    @DisplayName("refurbishment")
    class Refurbishment {
        private Optional<String> hand(DeviceId device, UUID order, Bytes receipt) {
            return world.database.inTenant(
                    world.tenant,
                    tx -> world.devices.refurbished(tx, world.tenant, device, order, Optional.of(receipt)));
        }

        private static Bytes receipt(EnrolmentWorld.Unit unit, UUID order, SoftwareKey key) {
            return new Receipt(unit.id().value(), "0d", order, List.of("operational-key"))
                    .sign(signer(key), List.of(BirthCa.selfSigned(key)));
        }

        private static Signer signer(SoftwareKey key) {
            return new Signer(
                    key.publicKey(),
                    data -> key.sign(key.publicKey().algorithm().signatureAlgorithm(), data));
        }

        @Test
        @DisplayName("shuts a device out until its birth key has signed for what it wiped; then it is claimed again")
        void receipt() {
            EnrolmentWorld.Unit unit = world.claim(fleet, "0d01");
            Certificate old = activate(unit);
            change(unit.id(), DeviceChange.Kind.REFURBISH);
            UUID order = UUID.randomUUID();

            assertThat(world.orders.placed)
                    .containsExactly(new RecordedOrders.Placed(unit.id(), new OrderContent.Refurbish()));
            assertRefused(world.reEnrol(fleet, old, unit.birth()), ErrorCode.CERTIFICATE_REVOKED);
            assertRefused(world.enrol(fleet, unit.birth(), unit.birth()), ErrorCode.DEVICE_NOT_ACTIVE);
            SoftwareKey thief = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            assertThat(hand(unit.id(), order, receipt(unit, order, thief))).isPresent();
            assertThat(hand(unit.id(), UUID.randomUUID(), receipt(unit, order, unit.birth())))
                    .isPresent();
            assertThat(hand(unit.id(), order, Bytes.of(new byte[40]))).isPresent();
            assertThat(world.state(unit.id())).isEqualTo(DeviceState.REFURBISHING);

            assertThat(hand(unit.id(), order, receipt(unit, order, unit.birth())))
                    .isEmpty();

            assertThat(world.state(unit.id())).isEqualTo(DeviceState.CLAIMED);
            assertThat(hand(unit.id(), order, receipt(unit, order, unit.birth())))
                    .isPresent();
            world.clock.advance(Duration.ofDays(900));
            activate(unit);
            assertThat(world.state(unit.id())).isEqualTo(DeviceState.ACTIVE);
            assertThat(eventsAbout(unit.id()))
                    .containsExactly(
                            "device.activated",
                            "device.refurbishment-ordered",
                            "device.refurbished",
                            "device.activated");
        }

        @Test
        @DisplayName("ends by the birth key alone only where the fleet's policy says so, and approval is asked anew")
        void birthKey() {
            fleet = world.fleet(
                    FleetPolicy.standard().with(new LifePolicy(Duration.ofDays(7), Duration.ZERO, true, true)));
            EnrolmentWorld.Unit unit = world.claim(fleet, "0d02");
            Certificate old = activate(unit);
            change(unit.id(), DeviceChange.Kind.REVOKE);
            assertRefused(world.enrol(fleet, unit.birth(), unit.birth()), ErrorCode.DEVICE_NOT_ACTIVE);
            change(unit.id(), DeviceChange.Kind.REFURBISH);

            assertRefused(world.reEnrol(fleet, old, unit.birth()), ErrorCode.CERTIFICATE_REVOKED);
            issued(world.enrol(fleet, unit.birth(), SoftwareKey.generate(KeyAlgorithm.EC_P256)));

            assertThat(world.state(unit.id())).isEqualTo(DeviceState.ACTIVE);
            assertThat(eventsAbout(unit.id())).endsWith("device.readmitted");
        }
    }

    @Test
    @DisplayName("ends with its retirement, and nothing brings it back")
    void retirement() {
        EnrolmentWorld.Unit unit = world.claim(fleet, "0e01");
        activate(unit);

        world.devices.change(
                world.tenant,
                unit.id(),
                new DeviceChange(DeviceChange.Kind.RETIRE, "scrapped", null, false, true),
                EnrolmentWorld.OPERATOR);

        assertThat(certificates(unit.id()).getFirst().revocationReason()).isEqualTo(5);
        assertThat(world.devices.get(world.tenant, unit.id()).lastSeenAt()).isNull();
        assertRefused(world.enrol(fleet, unit.birth(), unit.birth()), ErrorCode.DEVICE_NOT_ACTIVE);
        for (DeviceChange.Kind kind : DeviceChange.Kind.values()) {
            assertThatThrownBy(() -> change(unit.id(), kind)).isInstanceOf(RefusedException.class);
        }
    }

    @Test
    @DisplayName("is over once, whatever is erased later, one by one or with others that are still in service")
    void erasure() {
        EnrolmentWorld.Unit first = world.claim(fleet, "0e02");
        EnrolmentWorld.Unit second = world.claim(fleet, "0e03");
        activate(first);
        activate(second);
        change(first.id(), DeviceChange.Kind.RETIRE);
        DeviceChange erase = new DeviceChange(DeviceChange.Kind.RETIRE, "asked for", null, false, true);

        Job job = world.ended(
                world.bulk.start(world.tenant, erase, DeviceQuery.of(fleet), false, EnrolmentWorld.OPERATOR));

        assertThat(job.done()).isEqualTo(2);
        assertThat(eventsAbout(first.id())).containsExactly("device.activated", "device.retired", "device.erased");
        assertThat(eventsAbout(second.id())).containsExactly("device.activated", "device.retired");
        for (EnrolmentWorld.Unit unit : List.of(first, second)) {
            assertThat(world.devices.get(world.tenant, unit.id()).lastSeenAt()).isNull();
            assertThat(retirementsInCustody(unit.id())).isOne();
        }
    }

    private int retirementsInCustody(DeviceId device) {
        return world.database.inTenant(
                world.tenant,
                tx -> tx.createQuery("""
                                SELECT count(*) FROM custody_entry
                                WHERE tenant_id = :tenant AND device_id = :device AND kind = 'RETIRED'""")
                        .bind("tenant", world.tenant)
                        .bind("device", device)
                        .mapTo(Integer.class)
                        .one());
    }

    @Nested
    @DisplayName("in bulk")
    class Bulk {
        private List<DeviceId> claimAndActivate(int count, String prefix) {
            List<DeviceId> ids = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                EnrolmentWorld.Unit unit = world.claim(fleet, prefix + "%03d".formatted(i));
                activate(unit);
                ids.add(unit.id());
            }
            return ids;
        }

        @Test
        @DisplayName("by filter, changes what it finds, counts, and reports what was refused")
        void byFilter() {
            List<DeviceId> ids = claimAndActivate(5, "0f");
            change(ids.get(2), DeviceChange.Kind.SUSPEND);
            DeviceChange suspend = DeviceChange.of(DeviceChange.Kind.SUSPEND, "a recall");

            Job rehearsal = world.ended(
                    world.bulk.start(world.tenant, suspend, DeviceQuery.of(fleet), true, EnrolmentWorld.OPERATOR));
            assertThat(rehearsal.done()).isEqualTo(4);
            assertThat(world.state(ids.getFirst())).isEqualTo(DeviceState.ACTIVE);

            Job job = world.ended(
                    world.bulk.start(world.tenant, suspend, DeviceQuery.of(fleet), false, EnrolmentWorld.OPERATOR));

            assertThat(job.total()).isEqualTo(5);
            assertThat(job.done()).isEqualTo(4);
            assertThat(world.jobs
                            .issues(world.tenant, job.id(), Page.Request.first())
                            .items())
                    .singleElement()
                    .extracting(JobIssue::subject)
                    .isEqualTo("device:" + ids.get(2));
            assertThat(ids).allMatch(id -> world.state(id) == DeviceState.SUSPENDED);
            assertThat(world.counts.byState(world.tenant, fleet))
                    .containsEntry(DeviceState.SUSPENDED, 5L)
                    .containsEntry(DeviceState.ACTIVE, 0L);
        }

        @Test
        @DisplayName("by list, takes ids and serial numbers, and says what it does not know")
        void byList() {
            List<DeviceId> ids = claimAndActivate(3, "1f");
            List<String> names =
                    List.of(ids.get(0).toString(), "1F001", "nobody", ids.get(0).toString());

            Job job = world.ended(world.bulk.start(
                    world.tenant,
                    DeviceChange.revoke(RevocationReason.KEY_COMPROMISE, "leaked"),
                    names,
                    false,
                    EnrolmentWorld.OPERATOR));

            assertThat(job.total()).isEqualTo(4);
            assertThat(job.done()).isEqualTo(2);
            assertThat(job.refused()).isEqualTo(2);
            assertThat(world.state(ids.get(0))).isEqualTo(DeviceState.REVOKED);
            assertThat(world.state(ids.get(1))).isEqualTo(DeviceState.REVOKED);
            assertThat(world.state(ids.get(2))).isEqualTo(DeviceState.ACTIVE);
        }

        @Test
        @DisplayName("goes on where a killed server has left it, and changes nothing twice")
        void killed() {
            List<DeviceId> ids = claimAndActivate(12, "4f");
            List<String> names = ids.stream().map(DeviceId::toString).toList();
            // The node that works on it falls silent in the middle of a step, which then comes to nothing.
            JobId id = world.bulk.start(
                    world.tenant,
                    DeviceChange.of(DeviceChange.Kind.SUSPEND, "a recall"),
                    names,
                    false,
                    EnrolmentWorld.OPERATOR);
            world.database.inTenant(
                    world.tenant,
                    tx -> tx.execute("UPDATE open_job SET leased_by = gen_random_uuid(), due_at = now(),"
                            + " leased_until = now() + interval '200 milliseconds'"));

            Job job = world.ended(id);

            assertThat(job.done() + job.refused()).isEqualTo(12);
            for (DeviceId device : ids) {
                assertThat(eventsAbout(device)).containsExactly("device.activated", "device.suspended");
            }
        }

        @Test
        @DisplayName("finds no devices of another tenant")
        void foreign() {
            List<DeviceId> ids = claimAndActivate(1, "2f");
            try (EnrolmentWorld neighbour = new EnrolmentWorld(testDatabase.database())) {
                Job job = neighbour.ended(neighbour.bulk.start(
                        neighbour.tenant,
                        DeviceChange.of(DeviceChange.Kind.REVOKE, "mine"),
                        List.of(ids.getFirst().toString(), "2f000"),
                        false,
                        EnrolmentWorld.OPERATOR));

                assertThat(job.done()).isZero();
                assertThat(job.refused()).isEqualTo(2);
            }
            assertThat(world.state(ids.getFirst())).isEqualTo(DeviceState.ACTIVE);
        }

        @Test
        @DisplayName("approves those that wait")
        void approve() {
            fleet = world.fleet(new FleetPolicy(
                    true,
                    false,
                    false,
                    Duration.ofDays(90),
                    Duration.ofMinutes(1),
                    CheckInPolicy.standard(),
                    TransferPolicy.standard(),
                    LifePolicy.standard()));
            List<EnrolmentWorld.Unit> units = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                units.add(world.claim(fleet, "3f" + i));
                assertThat(world.enrol(fleet, units.get(i).birth(), units.get(i).birth()))
                        .isInstanceOf(EnrolmentOutcome.Pending.class);
            }
            EnrolmentWorld.Unit silent = world.claim(fleet, "3f9");
            DeviceQuery waiting = new DeviceQuery(fleet, null, null, null, true, null, null, null, null);
            assertThat(world.devices
                            .search(world.tenant, waiting, Page.Request.first())
                            .items())
                    .hasSize(3);

            Job job = world.ended(world.bulk.start(
                    world.tenant,
                    DeviceChange.of(DeviceChange.Kind.APPROVE, ""),
                    waiting,
                    false,
                    EnrolmentWorld.OPERATOR));

            assertThat(job.done()).isEqualTo(3);
            for (EnrolmentWorld.Unit unit : units) {
                issued(world.enrol(fleet, unit.birth(), unit.birth()));
            }
            assertThat(world.enrol(fleet, silent.birth(), silent.birth())).isInstanceOf(EnrolmentOutcome.Pending.class);
        }
    }
}
