// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.CompressedLeaf;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.pki.path.PathResult;
import dev.tegata.pki.path.Presented;
import dev.tegata.pki.path.Purpose;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.claim.RevocationLists;
import dev.tegata.platform.claim.TrustPurpose;
import dev.tegata.platform.claim.TrustedCertificates;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.fleet.CheckInPolicy;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.fleet.LifePolicy;
import dev.tegata.platform.fleet.TransferPolicy;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.Waits;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("Enrolment")
class EnrolmentsTest {
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

    private static EnrolmentOutcome.Issued issued(EnrolmentOutcome outcome) {
        assertThat(outcome).isInstanceOf(EnrolmentOutcome.Issued.class);
        return (EnrolmentOutcome.Issued) outcome;
    }

    private static void assertRefused(EnrolmentOutcome outcome, ErrorCode code) {
        assertThat(outcome).isInstanceOf(EnrolmentOutcome.Refused.class);
        assertThat(((EnrolmentOutcome.Refused) outcome).code()).isEqualTo(code);
    }

    @Nested
    @DisplayName("with a claimed birth key")
    class BirthKey {
        @Test
        @DisplayName("activates the device and gives a certificate for the proven key that chains to the tenant's root")
        void activates() {
            EnrolmentWorld.Unit unit = world.claim(fleet, "0123a1");
            SoftwareKey operational = SoftwareKey.generate(KeyAlgorithm.EC_P256);

            EnrolmentOutcome.Issued issued = issued(world.enrol(fleet, unit.birth(), operational));

            assertThat(issued.device()).isEqualTo(unit.id());
            assertThat(issued.certificate().publicKeyEncoded())
                    .isEqualTo(operational.publicKey().encoded());
            assertThat(issued.certificate().subject().commonName())
                    .contains(unit.id().toString());
            assertThat(world.state(unit.id())).isEqualTo(DeviceState.ACTIVE);
            List<Certificate> chain = issued.chain();
            assertThat(new PathCheck(16)
                            .check(
                                    new Presented(issued.certificate(), chain.subList(0, chain.size() - 1)),
                                    TrustAnchors.of(chain.getLast()),
                                    world.clock.instant(),
                                    Purpose.CLIENT))
                    .isInstanceOf(PathResult.Valid.class);
            assertThat(world.audit
                            .recordsAbout(world.tenant, "device:" + unit.id(), Page.Request.first())
                            .items())
                    .anySatisfy(record -> assertThat(record.toString()).contains("device.activated"));
        }

        @Test
        @DisplayName("asked again with the same key after a lost answer, gives the same certificate")
        void repeats() {
            EnrolmentWorld.Unit unit = world.claim(fleet, "0123a2");
            Certificate first =
                    issued(world.enrol(fleet, unit.birth(), unit.birth())).certificate();
            world.clock.advance(Duration.ofMinutes(59));

            Certificate second =
                    issued(world.enrol(fleet, unit.birth(), unit.birth())).certificate();

            assertThat(second).isEqualTo(first);
            assertThat(world.devices.certificates(world.tenant, unit.id())).hasSize(1);
        }

        @Test
        @DisplayName("asked again with the same key when half of a short life is over, gives another certificate")
        void shortLived() {
            FleetId brief = world.fleet(
                    FleetPolicy.standard(), CertificateProfile.device().withLifetime("PT20M"));
            EnrolmentWorld.Unit unit = world.claim(brief, "0123ad77");
            Certificate first =
                    issued(world.enrol(brief, unit.birth(), unit.birth())).certificate();
            world.clock.advance(Duration.ofMinutes(9));
            assertThat(issued(world.enrol(brief, unit.birth(), unit.birth())).certificate())
                    .isEqualTo(first);
            world.clock.advance(Duration.ofMinutes(30));

            Certificate second =
                    issued(world.enrol(brief, unit.birth(), unit.birth())).certificate();

            assertThat(second.validity().notAfter()).isAfter(world.clock.instant());
        }

        @Test
        @DisplayName("gets a certificate that its chip can keep in 72 bytes, where the fleet wants that")
        void compressible() {
            FleetId chips = world.fleet(
                    FleetPolicy.standard(),
                    CertificateProfile.device()
                            .withKeyAlgorithms(List.of(KeyAlgorithm.EC_P256))
                            .withForm(CertificateProfile.Form.COMPRESSIBLE));
            EnrolmentWorld.Unit unit = world.claim(chips, "0123c8");
            EnrolmentWorld.Unit other = world.claim(chips, "0123c9");

            Certificate leaf =
                    issued(world.enrol(chips, unit.birth(), unit.birth())).certificate();
            Certificate template =
                    issued(world.enrol(chips, other.birth(), other.birth())).certificate();

            assertThat(CompressedLeaf.of(leaf, 1, 0, 0)
                            .expand(
                                    template,
                                    unit.birth().publicKey(),
                                    unit.id().toString()))
                    .isEqualTo(leaf);
            assertThat(issued(world.enrol(chips, unit.birth(), unit.birth())).certificate())
                    .isEqualTo(leaf);
        }

        @Test
        @DisplayName("is refused where nobody claimed it, and the operator sees why")
        void unknown() {
            SoftwareKey stranger = SoftwareKey.generate(KeyAlgorithm.EC_P256);

            assertRefused(world.enrol(fleet, stranger, stranger), ErrorCode.DEVICE_UNKNOWN);

            world.refusals.flush();
            assertThat(world.audit.records(world.tenant, Page.Request.first()).items())
                    .anySatisfy(record -> assertThat(record.toString()).contains("device-unknown"));
        }

        @Test
        @DisplayName("is refused at another fleet of its tenant, and is unknown at another tenant's")
        void foreignFleets() {
            EnrolmentWorld.Unit unit = world.claim(fleet, "0123a3");
            FleetId other = world.fleet(FleetPolicy.standard());

            assertRefused(world.enrol(other, unit.birth(), unit.birth()), ErrorCode.WRONG_FLEET);
            try (EnrolmentWorld neighbour = new EnrolmentWorld(testDatabase.database())) {
                FleetId foreign = neighbour.fleet(FleetPolicy.standard());
                assertRefused(world.enrol(foreign, unit.birth(), unit.birth()), ErrorCode.DEVICE_UNKNOWN);
            }
            assertRefused(
                    world.enrol(new FleetId(world.tenant + "-zzzzzz"), unit.birth(), unit.birth()),
                    ErrorCode.NOT_FOUND);
            assertThat(world.state(unit.id())).isEqualTo(DeviceState.CLAIMED);
        }

        @Test
        @DisplayName("gets no certificate for the birth key of another device")
        void foreignKey() {
            EnrolmentWorld.Unit thief = world.claim(fleet, "0123a4");
            EnrolmentWorld.Unit victim = world.claim(fleet, "0123a5");

            assertRefused(world.enrol(fleet, thief.birth(), victim.birth()), ErrorCode.KEY_MISMATCH);
        }

        @Test
        @DisplayName("gets no certificate for a key of a kind that the profile does not allow")
        void keyNotAllowed() {
            EnrolmentWorld.Unit unit = world.claim(fleet, "0123a6");

            assertRefused(
                    world.enrol(fleet, unit.birth(), SoftwareKey.generate(KeyAlgorithm.ED25519)),
                    ErrorCode.KEY_NOT_ALLOWED);
            assertThat(world.state(unit.id())).isEqualTo(DeviceState.CLAIMED);
        }

        @Test
        @DisplayName("gets no certificate for a key that was not proven")
        void notProven() {
            EnrolmentWorld.Unit unit = world.claim(fleet, "0123a7");
            byte[] tampered =
                    world.request(SoftwareKey.generate(KeyAlgorithm.EC_P256)).toArray();
            tampered[tampered.length - 1] ^= 1;

            assertRefused(
                    world.enrol(fleet, EnrolmentWorld.shown(unit.birth()), Bytes.of(tampered)),
                    ErrorCode.REQUEST_INVALID);
        }

        @Test
        @DisplayName("brings a device back during the grace period after its certificate expired, and not later")
        void grace() {
            EnrolmentWorld.Unit unit = world.claim(fleet, "0123a8");
            Certificate first =
                    issued(world.enrol(fleet, unit.birth(), unit.birth())).certificate();
            world.clock.set(first.validity().notAfter().plus(Duration.ofDays(89)));
            Certificate second =
                    issued(world.enrol(fleet, unit.birth(), unit.birth())).certificate();

            assertThat(second.serial()).isNotEqualTo(first.serial());
            world.clock.set(second.validity().notAfter().plus(Duration.ofDays(91)));
            assertRefused(world.enrol(fleet, unit.birth(), unit.birth()), ErrorCode.CERTIFICATE_EXPIRED);
        }
    }

    @Nested
    @DisplayName("with the current operational certificate")
    class Operational {
        @Test
        @DisplayName("renews, for the same key or a new one; the certificate before stays good until its end")
        void renews() {
            EnrolmentWorld.Unit unit = world.claim(fleet, "0123b1");
            SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            Certificate first = issued(world.enrol(fleet, unit.birth(), key)).certificate();

            Certificate sameKey = issued(world.reEnrol(fleet, first, key)).certificate();
            Certificate newKey = issued(world.reEnrol(fleet, first, SoftwareKey.generate(KeyAlgorithm.EC_P256)))
                    .certificate();

            assertThat(Set.of(first.serial(), sameKey.serial(), newKey.serial()))
                    .hasSize(3);
            assertThat(world.devices.certificates(world.tenant, unit.id())).hasSize(3);
        }

        @Test
        @DisplayName("is refused when it has expired, is on hold, or is revoked")
        void refused() {
            EnrolmentWorld.Unit unit = world.claim(fleet, "0123b2");
            SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            Certificate certificate =
                    issued(world.enrol(fleet, unit.birth(), key)).certificate();

            world.devices.suspend(world.tenant, unit.id(), EnrolmentWorld.OPERATOR, "stolen?");
            assertRefused(world.reEnrol(fleet, certificate, key), ErrorCode.CERTIFICATE_REVOKED);
            assertRefused(world.enrol(fleet, unit.birth(), key), ErrorCode.DEVICE_NOT_ACTIVE);
            world.devices.resume(world.tenant, unit.id(), EnrolmentWorld.OPERATOR, "found");
            issued(world.reEnrol(fleet, certificate, key));
            world.devices.revoke(world.tenant, unit.id(), EnrolmentWorld.OPERATOR, "stolen");
            assertRefused(world.reEnrol(fleet, certificate, key), ErrorCode.CERTIFICATE_REVOKED);
            assertRefused(world.enrol(fleet, unit.birth(), key), ErrorCode.DEVICE_NOT_ACTIVE);
        }

        @Test
        @DisplayName("that has expired is refused, whatever the grace: the birth key is asked for then")
        void expired() {
            EnrolmentWorld.Unit unit = world.claim(fleet, "0123b3");
            SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            Certificate certificate =
                    issued(world.enrol(fleet, unit.birth(), key)).certificate();
            world.clock.set(certificate.validity().notAfter().plusSeconds(1));

            assertRefused(world.reEnrol(fleet, certificate, key), ErrorCode.CERTIFICATE_EXPIRED);
        }

        @Test
        @DisplayName("of another tenant with the same serial number says nothing here")
        void foreign() {
            EnrolmentWorld.Unit unit = world.claim(fleet, "0123b4");
            SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            Certificate certificate =
                    issued(world.enrol(fleet, unit.birth(), key)).certificate();
            try (EnrolmentWorld neighbour = new EnrolmentWorld(testDatabase.database())) {
                FleetId foreign = neighbour.fleet(FleetPolicy.standard());
                assertRefused(neighbour.reEnrol(foreign, certificate, key), ErrorCode.DEVICE_UNKNOWN);
            }
        }
    }

    @Nested
    @DisplayName("with a claim token")
    class Token {
        @Test
        @DisplayName("works once, and makes the key that came with it the device's birth key")
        void once() {
            EnrolmentWorld.Unit unit = world.claimWithoutKey(fleet, "0123c1");
            String token = world.token(unit.id(), Duration.ofHours(1));
            SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);

            issued(world.enrol(fleet, new DeviceCredential.ClaimToken(token), world.request(key)));

            assertRefused(
                    world.enrol(fleet, new DeviceCredential.ClaimToken(token), world.request(key)),
                    ErrorCode.TOKEN_INVALID);
            world.clock.advance(Duration.ofHours(2));
            issued(world.enrol(fleet, key, key));
        }

        @Test
        @DisplayName("is refused when it has expired, is made up, or belongs to a device of another fleet")
        void refused() {
            EnrolmentWorld.Unit unit = world.claimWithoutKey(fleet, "0123c2");
            String token = world.token(unit.id(), Duration.ofHours(1));
            Bytes request = world.request(SoftwareKey.generate(KeyAlgorithm.EC_P256));

            assertRefused(
                    world.enrol(fleet, new DeviceCredential.ClaimToken("made up"), request), ErrorCode.TOKEN_INVALID);
            assertRefused(
                    world.enrol(world.fleet(FleetPolicy.standard()), new DeviceCredential.ClaimToken(token), request),
                    ErrorCode.WRONG_FLEET);
            world.clock.advance(Duration.ofHours(1));
            assertRefused(world.enrol(fleet, new DeviceCredential.ClaimToken(token), request), ErrorCode.TOKEN_INVALID);
        }
    }

    @RepeatedTest(8)
    @DisplayName("with one key and two devices' claim tokens at the same moment, one of them gets a certificate")
    void oneKeyForTwo(RepetitionInfo round) throws Exception {
        SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        List<Callable<EnrolmentOutcome>> both = new ArrayList<>();
        for (String chip : List.of("a", "b")) {
            EnrolmentWorld.Unit unit = world.claimWithoutKey(fleet, "0123ce" + round.getCurrentRepetition() + chip);
            DeviceCredential token = new DeviceCredential.ClaimToken(world.token(unit.id(), Duration.ofHours(1)));
            both.add(() -> world.enrol(fleet, token, world.request(key)));
        }
        List<EnrolmentOutcome> outcomes = new ArrayList<>();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (Future<EnrolmentOutcome> outcome : threads.invokeAll(both)) {
                outcomes.add(outcome.get());
            }
        }

        assertThat(outcomes)
                .filteredOn(EnrolmentOutcome.Issued.class::isInstance)
                .hasSize(1);
        assertThat(outcomes)
                .filteredOn(EnrolmentOutcome.Refused.class::isInstance)
                .hasSize(1);
    }

    @Test
    @DisplayName("with nothing shown is refused")
    void nothingShown() {
        Bytes request = world.request(SoftwareKey.generate(KeyAlgorithm.EC_P256));

        assertRefused(world.enrol(fleet, new DeviceCredential.None(), request), ErrorCode.UNAUTHENTICATED);
    }

    @Nested
    @DisplayName("where the fleet wants approval")
    class Approval {
        private FleetId careful;

        @BeforeEach
        void makeFleet() {
            careful = world.fleet(new FleetPolicy(
                    true,
                    false,
                    false,
                    Duration.ofDays(90),
                    Duration.ofMinutes(1),
                    CheckInPolicy.standard(),
                    TransferPolicy.standard(),
                    LifePolicy.standard()));
        }

        @Test
        @DisplayName("waits, issues after an operator's yes, and renews without another")
        void approved() {
            EnrolmentWorld.Unit unit = world.claim(careful, "0123d1");

            assertThat(world.enrol(careful, unit.birth(), unit.birth()))
                    .isEqualTo(new EnrolmentOutcome.Pending(Duration.ofMinutes(1)));
            assertThat(world.enrol(careful, unit.birth(), unit.birth())).isInstanceOf(EnrolmentOutcome.Pending.class);
            world.devices.approve(world.tenant, unit.id(), EnrolmentWorld.OPERATOR);
            Certificate first =
                    issued(world.enrol(careful, unit.birth(), unit.birth())).certificate();
            issued(world.reEnrol(careful, first, unit.birth()));
        }

        @Test
        @DisplayName("refuses after an operator's no, until the operator takes it back")
        void rejected() {
            EnrolmentWorld.Unit unit = world.claim(careful, "0123d2");

            world.enrol(careful, unit.birth(), unit.birth());
            world.devices.reject(world.tenant, unit.id(), EnrolmentWorld.OPERATOR);
            assertRefused(world.enrol(careful, unit.birth(), unit.birth()), ErrorCode.DEVICE_NOT_ACTIVE);
            world.devices.approve(world.tenant, unit.id(), EnrolmentWorld.OPERATOR);
            issued(world.enrol(careful, unit.birth(), unit.birth()));
        }
    }

    @Nested
    @DisplayName("with a birth certificate")
    class BirthCertificate {
        @Test
        @DisplayName("finds the claimed device by the serial number in it, where the manifest told no key")
        void bySerialNumber() throws Exception {
            EnrolmentWorld.Unit unit = world.claimWithoutKey(fleet, "0123e1");
            BirthCa vendor = BirthCa.create(world.clock.instant());
            world.birthCas.add(vendor.certificate());
            SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            DeviceCredential birth = vendor.birth("sn0123E1", key);

            assertThat(issued(world.enrol(fleet, birth, world.request(key))).device())
                    .isEqualTo(unit.id());
            SoftwareKey other = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            assertRefused(
                    world.enrol(fleet, vendor.birth("sn0123E1", other), world.request(other)), ErrorCode.KEY_MISMATCH);
        }

        @Test
        @DisplayName("finds the device whose manifest lists nothing but the chip's own attestation key")
        void attestationKeyOnly() throws Exception {
            EnrolmentWorld.Unit unit = world.claim(fleet, "0123e6");
            EnrolmentWorld.Unit other = world.claim(fleet, "0123e7");
            world.database.inTenant(
                    world.tenant,
                    tx -> tx.createUpdate("UPDATE device_key SET slot = 1 WHERE device_id = :device")
                            .bind("device", unit.id().value())
                            .execute());
            BirthCa vendor = BirthCa.create(world.clock.instant());
            world.birthCas.add(vendor.certificate());
            SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);

            assertThat(issued(world.enrol(fleet, vendor.birth("sn0123e6", key), world.request(key)))
                            .device())
                    .isEqualTo(unit.id());
            SoftwareKey foreign = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            assertRefused(
                    world.enrol(fleet, vendor.birth("sn0123e7", foreign), world.request(foreign)),
                    ErrorCode.KEY_MISMATCH);
            assertThat(world.state(other.id())).isEqualTo(DeviceState.CLAIMED);
        }

        @Test
        @DisplayName("of a CA that the tenant does not trust is refused")
        void untrusted() throws Exception {
            world.claimWithoutKey(fleet, "0123e2");
            world.birthCas.add(BirthCa.create(world.clock.instant()).certificate());
            SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);

            assertRefused(
                    world.enrol(fleet, BirthCa.create(world.clock.instant()).birth("0123e2", key), world.request(key)),
                    ErrorCode.DEVICE_UNKNOWN);
        }

        @Test
        @DisplayName("that its CA has revoked is refused")
        void revoked() throws Exception {
            world.claimWithoutKey(fleet, "0123e4");
            world.claimWithoutKey(fleet, "0123e5");
            Instant now = world.clock.instant();
            BirthCa vendor = BirthCa.create(now);
            world.birthCas.add(vendor.certificate());
            TrustedCertificates trusted = new TrustedCertificates(world.database, world.audit, world.clock);
            RevocationLists lists = new RevocationLists(world.database, trusted, world.audit, world.clock);
            SoftwareKey revoked = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            SoftwareKey good = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            DeviceCredential.TlsCertificate birth = (DeviceCredential.TlsCertificate) vendor.birth("0123e4", revoked);
            Bytes list = vendor.revoke(
                    now,
                    now.plus(Duration.ofDays(7)),
                    Certificate.parse(birth.chain().getFirst()).serial().value());

            assertThatThrownBy(() -> lists.add(world.tenant, EnrolmentWorld.OPERATOR, list, List.of()))
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("not signed by a CA that is trusted");
            trusted.add(world.tenant, EnrolmentWorld.OPERATOR, TrustPurpose.BIRTH_CA, "", vendor.certificate());
            lists.add(world.tenant, EnrolmentWorld.OPERATOR, list, List.of());
            assertRefused(world.enrol(fleet, birth, world.request(revoked)), ErrorCode.CERTIFICATE_REVOKED);
            issued(world.enrol(fleet, vendor.birth("0123e5", good), world.request(good)));
        }

        @Test
        @DisplayName(
                "of unknown status is told to come back where the tenant requires to know, and is in when it is known")
        void unknownStatus() throws Exception {
            world.claimWithoutKey(fleet, "0123f16");
            Instant now = world.clock.instant();
            BirthCa vendor = BirthCa.create(now);
            world.birthCas.add(vendor.certificate());
            TrustedCertificates trusted = new TrustedCertificates(world.database, world.audit, world.clock);
            trusted.add(world.tenant, EnrolmentWorld.OPERATOR, TrustPurpose.BIRTH_CA, "", vendor.certificate(), true);
            SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            DeviceCredential birth = vendor.birth("0123f16", key, "http://ca.example/birth.crl");
            assertRefused(world.enrol(fleet, birth, world.request(key)), ErrorCode.STATUS_UNKNOWN);
            assertThat(ErrorCode.STATUS_UNKNOWN.httpStatus()).isEqualTo(503);
            new RevocationLists(world.database, trusted, world.audit, world.clock)
                    .add(
                            world.tenant,
                            EnrolmentWorld.OPERATOR,
                            vendor.revoke(now, now.plus(Duration.ofDays(7))),
                            List.of());
            issued(world.enrol(fleet, birth, world.request(key)));
        }

        @Test
        @DisplayName("takes in a device that nobody claimed only where the fleet says so")
        void anyDevice() throws Exception {
            BirthCa vendor = BirthCa.create(world.clock.instant());
            world.birthCas.add(vendor.certificate());
            SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            FleetId open = openFleet();

            assertRefused(
                    world.enrol(fleet, vendor.birth("0123e3", key), world.request(key)), ErrorCode.DEVICE_UNKNOWN);
            DeviceId device = issued(world.enrol(open, vendor.birth("0123e3", key), world.request(key)))
                    .device();
            assertThat(world.state(device)).isEqualTo(DeviceState.ACTIVE);
        }
    }

    /// One that takes any device of a birth CA.
    private FleetId openFleet() {
        return world.fleet(new FleetPolicy(
                false,
                false,
                true,
                Duration.ofDays(90),
                Duration.ofMinutes(1),
                CheckInPolicy.standard(),
                TransferPolicy.standard(),
                LifePolicy.standard()));
    }

    @Nested
    @DisplayName("many at once")
    class Together {
        @Test
        @DisplayName("one device asking sixteen times with one key has one certificate, and every answer is that one")
        void sameKey() throws Exception {
            EnrolmentWorld.Unit unit = world.claim(fleet, "0123f1");

            List<EnrolmentOutcome> outcomes = together(16, i -> () -> world.enrol(fleet, unit.birth(), unit.birth()));

            Set<Certificate> certificates = new HashSet<>();
            outcomes.forEach(outcome -> certificates.add(issued(outcome).certificate()));
            assertThat(certificates).hasSize(1);
            assertThat(world.devices.certificates(world.tenant, unit.id())).hasSize(1);
        }

        @Test
        @DisplayName("one device asking with many keys loses no update: what was answered is what is stored")
        void manyKeys() throws Exception {
            EnrolmentWorld.Unit unit = world.claim(fleet, "0123f2");

            List<EnrolmentOutcome> outcomes = together(
                    16, i -> () -> world.enrol(fleet, unit.birth(), SoftwareKey.generate(KeyAlgorithm.EC_P256)));

            List<Bytes> answered = outcomes.stream()
                    .filter(EnrolmentOutcome.Issued.class::isInstance)
                    .map(outcome -> issued(outcome).certificate().encoded())
                    .toList();
            outcomes.stream()
                    .filter(outcome -> !(outcome instanceof EnrolmentOutcome.Issued))
                    .forEach(outcome -> assertRefused(outcome, ErrorCode.ENROLMENT_IN_PROGRESS));
            assertThat(answered).isNotEmpty();
            assertThat(world.devices.certificates(world.tenant, unit.id()).stream()
                            .map(certificate -> certificate.encoded())
                            .toList())
                    .containsExactlyInAnyOrderElementsOf(answered);
        }

        @Test
        @DisplayName("a device that nobody claimed, asking twice at once, is claimed once and gets one certificate")
        void adopted() throws Exception {
            BirthCa vendor = BirthCa.create(world.clock.instant());
            world.birthCas.add(vendor.certificate());
            SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            FleetId open = openFleet();
            Set<Certificate> certificates = new HashSet<>();
            try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
                List<Future<EnrolmentOutcome>> both = new ArrayList<>();
                world.database.inTenant(world.tenant, tx -> {
                    // One waits here with its claim, and the other one for that.
                    tx.execute("SELECT 1 FROM audit_head WHERE tenant_id = ? FOR UPDATE", world.tenant.value());
                    for (int i = 0; i < 2; i++) {
                        both.add(threads.submit(
                                () -> world.enrol(open, vendor.birth("0123f4", key), world.request(key))));
                    }
                    Waits.untilBlocked(world.database, 2);
                    return null;
                });
                for (Future<EnrolmentOutcome> one : both) {
                    certificates.add(issued(one.get()).certificate());
                }
            }
            assertThat(certificates).hasSize(1);
        }

        @Test
        @DisplayName("two hundred devices all get theirs")
        void manyDevices() throws Exception {
            List<EnrolmentWorld.Unit> units = new ArrayList<>();
            for (int i = 0; i < 200; i++) {
                units.add(world.claim(fleet, "0123f3%04x".formatted(i)));
            }

            List<EnrolmentOutcome> outcomes = together(
                    units.size(),
                    i -> () -> world.enrol(
                            fleet, units.get(i).birth(), units.get(i).birth()));

            outcomes.forEach(EnrolmentsTest::issued);
            assertThat(world.counts.byState(world.tenant, null)).containsEntry(DeviceState.ACTIVE, 200L);
        }

        private List<EnrolmentOutcome> together(
                int count, java.util.function.IntFunction<Callable<EnrolmentOutcome>> task) throws Exception {
            try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
                List<Callable<EnrolmentOutcome>> tasks = new ArrayList<>();
                for (int i = 0; i < count; i++) {
                    tasks.add(task.apply(i));
                }
                List<EnrolmentOutcome> outcomes = new ArrayList<>();
                for (Future<EnrolmentOutcome> future : threads.invokeAll(tasks)) {
                    outcomes.add(future.get());
                }
                return outcomes;
            }
        }
    }
}
