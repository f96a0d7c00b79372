// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.posture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import dev.tegata.attestation.appraisal.Evidence;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Corim;
import dev.tegata.attestation.corim.CryptoKeys;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.ReleaseStatus.Status;
import dev.tegata.attestation.corim.Tag;
import dev.tegata.attestation.corim.TagIdentity;
import dev.tegata.attestation.corim.Triple;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.attestation.csr.AttestationBundle;
import dev.tegata.attestation.psa.PsaProfile;
import dev.tegata.attestation.psa.PsaToken;
import dev.tegata.attestation.psa.SoftwareComponent;
import dev.tegata.attestation.result.EarProfile;
import dev.tegata.attestation.result.Tier;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.certificate.RequestAttribute;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.appraisal.AppraisalId;
import dev.tegata.platform.appraisal.EnrolmentEvidence;
import dev.tegata.platform.appraisal.Verification;
import dev.tegata.platform.claim.RevocationLists;
import dev.tegata.platform.claim.TrustPurpose;
import dev.tegata.platform.claim.TrustedCertificates;
import dev.tegata.platform.decision.Decision;
import dev.tegata.platform.decision.Decisions;
import dev.tegata.platform.decision.PartyPolicy;
import dev.tegata.platform.decision.Passports;
import dev.tegata.platform.decision.RelyingParties;
import dev.tegata.platform.decision.RelyingParty;
import dev.tegata.platform.decision.Subject;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.endorsement.Endorsement;
import dev.tegata.platform.endorsement.ReappraisalRequests;
import dev.tegata.platform.enrol.BirthCa;
import dev.tegata.platform.enrol.DeviceCredential;
import dev.tegata.platform.enrol.EnrolmentOutcome;
import dev.tegata.platform.enrol.EnrolmentWorld;
import dev.tegata.platform.enrol.EvidenceGate;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.event.RecordedEvent;
import dev.tegata.platform.fleet.AttestationPolicy;
import dev.tegata.platform.fleet.AttestationPolicy.Action;
import dev.tegata.platform.fleet.AttestationPolicy.Consequence;
import dev.tegata.platform.fleet.EvidencePolicy;
import dev.tegata.platform.fleet.Fleet;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.fleet.FleetSettings;
import dev.tegata.platform.job.Job;
import dev.tegata.platform.job.JobWorkers;
import dev.tegata.platform.job.Jobs;
import dev.tegata.platform.order.OrderId;
import dev.tegata.platform.release.Release;
import dev.tegata.platform.release.ReleaseContent;
import dev.tegata.platform.release.Releases;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.Waits;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.OrderContent;
import java.nio.charset.StandardCharsets;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("Posture")
class PostureTest {
    private static final Bytes IMPLEMENTATION = Bytes.ofHex("aa".repeat(32));
    private static final Bytes MAKER = Bytes.ofHex("cc".repeat(32));
    private static final Environment CLASS = Environment.ofBytes(IMPLEMENTATION, null);
    private static final Actor ACTOR = Actor.apiKey("00000000");
    private static final SoftwareComponent FIRMWARE = firmware("11", "1.3.5");
    private static final SoftwareComponent NEWER = firmware("22", "1.4.0");
    private static final Duration BUDGET = Duration.ofHours(24);

    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private final SecureRandom random = new SecureRandom();
    private final Signer attester = signer();
    private EnrolmentWorld world;
    private TenantId tenant;
    private Outbox outbox;
    private Jobs jobs;
    private Verification verification;
    private Postures postures;
    private AttestationOrders orders;
    private PostureWatch watch;
    private RelyingParties parties;
    private Decisions decisions;

    @BeforeEach
    void open() {
        world = new EnrolmentWorld(DATABASE.database());
        tenant = world.tenant;
        outbox = new Outbox(world.database, world.clock, random);
        jobs = new Jobs(world.database, world.audit, outbox, world.clock, random);
        verification = Verification.of(
                new Verification.Ground(
                        world.database,
                        world.vault,
                        world.audit,
                        jobs,
                        new TrustedCertificates(world.database, world.audit, world.clock),
                        "test"),
                world.clock,
                random);
        postures = new Postures(world.database, outbox, world.clock);
        verification.appraisals().whenKept(postures::note);
        world.standing = postures;
        watch = watch();
        orders = new AttestationOrders(world.database, verification.appraisals(), postures, watch, random);
        parties = new RelyingParties(world.database, world.audit, world.clock);
        decisions = new Decisions(world.database, parties, world.clock);
    }

    /// It works when it is told to, and not beside the test.
    private PostureWatch watch() {
        PostureWatch made = new PostureWatch(
                new PostureWatch.Services(world.database, world.tenants(), world.devices, outbox, world.audit),
                world.clock);
        made.close();
        return made;
    }

    @AfterEach
    void close() {
        watch.close();
        outbox.close();
        world.close();
    }

    private static Signer signer() {
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
            generator.initialize(256);
            KeyPair pair = generator.generateKeyPair();
            return Signer.of(PublicKeyInfo.of(pair.getPublic()), pair.getPrivate());
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static SoftwareComponent firmware(String digest, String version) {
        return new SoftwareComponent("PRoT", Bytes.ofHex(digest.repeat(32)), version, MAKER, null);
    }

    /// A device with a certificate, whose serial number is in its evidence.
    private record Unit(DeviceId id, FleetId fleet, SoftwareKey key, Bytes instance, Bytes certificate) {}

    private Unit unit(FleetId fleet) {
        String serial = Bytes.sha256(UUID.randomUUID().toString().getBytes(StandardCharsets.UTF_8))
                .hex();
        EnrolmentWorld.Unit claimed = world.claim(fleet, serial);
        world.enrol(fleet, claimed.birth(), claimed.birth());
        Bytes certificate = Objects.requireNonNull(
                world.devices.certificates(tenant, claimed.id()).getFirst().encoded());
        Unit unit = new Unit(claimed.id(), fleet, claimed.birth(), Bytes.ofHex("01" + serial), certificate);
        submit(
                "keys-" + serial,
                new Triple.Keys(
                        true,
                        Environment.ofBytes(IMPLEMENTATION, unit.instance),
                        List.of(CryptoKeys.of(attester.publicKey())),
                        null,
                        List.of()));
        return unit;
    }

    private Endorsement submit(String id, Triple... triples) {
        Tag.Comid tag = new Tag.Comid(null, new TagIdentity(Cbor.of(id), 1), List.of(), List.of(), List.of(triples));
        Corim corim = new Corim(Cbor.of(id), List.of(tag), List.of(), null, null, List.of());
        return verification.endorsements().submit(tenant, ACTOR, corim.encode());
    }

    private Endorsement reference(SoftwareComponent component) {
        return submit("ref-" + component.version(), new Triple.Reference(CLASS, List.of(component.toMeasurement())));
    }

    private Bytes token(Unit unit, SoftwareComponent component, Bytes nonce) {
        return token(unit, component, nonce, attester, List.of());
    }

    private static Bytes token(Unit unit, SoftwareComponent component, Bytes nonce, Signer signer, List<Bytes> chain) {
        return new PsaToken(
                        PsaProfile.RFC_9783,
                        nonce,
                        unit.instance,
                        IMPLEMENTATION,
                        1,
                        0x3000,
                        null,
                        null,
                        List.of(component),
                        null)
                .sign(signer, chain);
    }

    private OrderId attest(Unit unit, SoftwareComponent component) {
        OrderId order = new OrderId(UUID.randomUUID());
        attest(unit, component, order);
        return order;
    }

    private void attest(Unit unit, SoftwareComponent component, OrderId order) {
        // Later evidence counts, and ids tell what is later by the millisecond.
        world.clock.advance(Duration.ofMillis(1));
        byte[] nonce = new byte[32];
        random.nextBytes(nonce);
        orders.take(
                tenant,
                world.devices.get(tenant, unit.id).fleet(),
                unit.id,
                order,
                new CheckIn.Evidence(Evidence.PSA, token(unit, component, Bytes.of(nonce)), Bytes.of(nonce)));
    }

    private FleetId fleet(Consequence... consequences) {
        return world.fleet(FleetPolicy.standard().with(new AttestationPolicy(BUDGET, List.of(consequences))));
    }

    private List<String> events() {
        return outbox.after(tenant, 0, 1000).stream()
                .filter(event -> event.type().startsWith("dev.tegata.posture."))
                .map(RecordedEvent::type)
                .map(type -> type.substring("dev.tegata.posture.".length()))
                .toList();
    }

    private void reappraise() {
        ReappraisalJob job =
                new ReappraisalJob(world.database, verification.appraisals(), outbox, world.audit, world.clock);
        try (JobWorkers _ = JobWorkers.start(world.database, jobs, Map.of(ReappraisalRequests.JOB_KIND, job))) {
            long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
            while (!jobs.list(tenant, Job.State.RUNNING, Page.Request.first())
                    .items()
                    .isEmpty()) {
                assertThat(System.nanoTime()).isLessThan(end);
                Thread.onSpinWait();
            }
        }
        assertThat(jobs.list(tenant, Job.State.FAILED, Page.Request.first()).items())
                .isEmpty();
    }

    private Decision decide(Unit unit) {
        return decide(tenant, new Subject.Id(unit.id));
    }

    private Decision decide(TenantId who, Subject subject) {
        return decisions.decide(who, subject, new Decisions.Asker("00000000", null, System.nanoTime()));
    }

    @Test
    @DisplayName("evidence at check-in makes a posture, once, and opens the door until it grows stale")
    void fresh() {
        reference(FIRMWARE);
        Unit unit = unit(fleet());
        assertThat(decide(unit).reasons().getFirst().code()).isEqualTo("never-attested");
        OrderId order = attest(unit, FIRMWARE);
        attest(unit, FIRMWARE, order);
        Posture posture = postures.get(tenant, unit.id);
        assertThat(posture.status()).isEqualTo(Tier.AFFIRMING);
        assertThat(posture.release()).isEqualTo("1.3.5");
        assertThat(verification
                        .appraisals()
                        .list(tenant, unit.id, Page.Request.first())
                        .items())
                .hasSize(1);
        assertThat(decide(unit).allowed()).isTrue();
        assertThat(decide(tenant, new Subject.Certificate(unit.certificate.sha256()))
                        .allowed())
                .isTrue();
        watch.run(tenant);
        assertThat(events()).containsExactly("changed");
        world.clock.advance(BUDGET);
        Decision late = decide(unit);
        assertThat(late.allowed()).isFalse();
        assertThat(late.posture()).isEqualTo("stale");
        watch.run(tenant);
        try (PostureWatch restarted = watch()) {
            restarted.run(tenant);
        }
        assertThat(events()).containsExactly("changed", "stale");
        attest(unit, FIRMWARE);
        assertThat(events()).containsExactly("changed", "stale", "changed");
        assertThat(decide(unit).allowed()).isTrue();
    }

    @Test
    @DisplayName(
            "evidence whose certificate may be revoked or not, nobody knows, changes nothing: it is asked for again")
    void statusUnknown() throws Exception {
        Instant now = world.clock.instant();
        BirthCa ca = BirthCa.create(now);
        TrustedCertificates trusted = new TrustedCertificates(world.database, world.audit, world.clock);
        trusted.add(tenant, ACTOR, TrustPurpose.ATTESTATION_CA, "IAK", ca.certificate());
        reference(FIRMWARE);
        Unit unit = unit(fleet());
        attest(unit, FIRMWARE);
        Posture before = postures.get(tenant, unit.id);
        DeviceCredential.TlsCertificate shown = (DeviceCredential.TlsCertificate)
                ca.birth(unit.instance.slice(1, unit.instance.size()).hex(), unit.key, "http://lists.example/iak.crl");
        Signer certified =
                new Signer(unit.key.publicKey(), data -> unit.key.sign(SignatureAlgorithm.ECDSA_SHA256, data));
        OrderId order = new OrderId(UUID.randomUUID());
        take(unit, order, certified, shown.chain());
        assertThat(postures.get(tenant, unit.id)).isEqualTo(before);
        assertThat(world.database.<Boolean>inTenant(tenant, tx -> Postures.isAnswered(tx, tenant, unit.id, order)))
                .isFalse();
        new RevocationLists(world.database, trusted, world.audit, world.clock)
                .add(tenant, ACTOR, ca.revoke(now, now.plus(Duration.ofDays(7))), List.of());
        take(unit, order, certified, shown.chain());
        assertThat(postures.get(tenant, unit.id).status()).isEqualTo(Tier.AFFIRMING);
        assertThat(world.database.<Boolean>inTenant(tenant, tx -> Postures.isAnswered(tx, tenant, unit.id, order)))
                .isTrue();
    }

    private void take(Unit unit, OrderId order, Signer signer, List<Bytes> chain) {
        world.clock.advance(Duration.ofMillis(1));
        byte[] bytes = new byte[32];
        random.nextBytes(bytes);
        Bytes nonce = Bytes.of(bytes);
        Bytes token = token(unit, FIRMWARE, nonce, signer, chain);
        orders.take(tenant, unit.fleet, unit.id, order, new CheckIn.Evidence(Evidence.PSA, token, nonce));
    }

    @Test
    @DisplayName("a withdrawn reference value turns the devices on it, with one event each, and no others")
    void reappraised() {
        Endorsement old = reference(FIRMWARE);
        reference(NEWER);
        FleetId fleet = fleet();
        Unit first = unit(fleet);
        Unit second = unit(fleet);
        Unit other = unit(fleet);
        attest(first, FIRMWARE);
        attest(second, FIRMWARE);
        attest(other, NEWER);
        reappraise();
        assertThat(events()).containsOnly("changed").hasSize(3);
        verification.endorsements().withdraw(tenant, ACTOR, old.id());
        reappraise();
        assertThat(postures.get(tenant, first.id).vector()).containsEntry("executables", 33);
        assertThat(postures.get(tenant, first.id).trend()).isEqualTo(Posture.Trend.WORSE);
        assertThat(postures.get(tenant, second.id).reasons()).isNotEmpty();
        assertThat(postures.get(tenant, other.id).status()).isEqualTo(Tier.AFFIRMING);
        assertThat(events()).hasSize(5);
        reappraise();
        assertThat(events()).hasSize(5);
        assertThat(decide(first).reasons().getFirst().code()).isEqualTo("posture-warning");
        List<Postures.Count> matrix = postures.summary(tenant, fleet);
        assertThat(matrix)
                .containsExactly(
                        new Postures.Count("1.3.5", Tier.WARNING, "today", 2),
                        new Postures.Count("1.4.0", Tier.AFFIRMING, "today", 1));
        assertThat(postures.list(tenant, Tier.WARNING, Page.Request.first()).items())
                .hasSize(2);
        assertThat(postures.list(tenant, Tier.AFFIRMING, Page.Request.first()).items())
                .hasSize(1);
    }

    @Test
    @DisplayName("evidence that is being kept while what it was judged by is withdrawn does not pass for good")
    void withdrawnMeanwhile() {
        Endorsement reference = reference(FIRMWARE);
        Unit unit = unit(fleet());
        attest(unit, FIRMWARE);
        reappraise();
        AtomicBoolean withdrawn = new AtomicBoolean();
        verification.appraisals().whenKept((tx, who, appraised) -> {
            if (withdrawn.compareAndSet(false, true)) {
                Waits.beside(() -> {
                            verification.endorsements().withdraw(tenant, ACTOR, reference.id());
                            reappraise();
                            world.clock.advance(Duration.ofMillis(1));
                            return true;
                        })
                        .join();
            }
            postures.note(tx, who, appraised);
        });
        attest(unit, FIRMWARE);
        assertThat(withdrawn).isTrue();
        assertThat(postures.get(tenant, unit.id).status()).isEqualTo(Tier.WARNING);
    }

    @Test
    @DisplayName("requests to judge again come after those that are there, whatever the clock says")
    void requestsInOrder() {
        ReappraisalRequests requests = new ReappraisalRequests(jobs, world.clock, random);
        UUID last = new UUID(0, 0);
        for (int i = 0; i < 20; i++) {
            UUID before = last;
            last = world.database.inTenant(tenant, tx -> {
                requests.request(tx, tenant, ACTOR, List.of());
                return tx.createQuery(
                                "SELECT request_id FROM reappraisal_request WHERE tenant_id = :tenant AND request_id > :id")
                        .bind("tenant", tenant)
                        .bind("id", before)
                        .mapTo(UUID.class)
                        .one();
            });
            world.clock.advance(Duration.ofMillis(-1));
        }
        world.clock.advance(Duration.ofMillis(20));
        reappraise();
    }

    @Test
    @DisplayName("a release that is added while another one is made the oldest acceptable is judged by that")
    void addedMeanwhile() {
        FleetId fleet = fleet();
        Releases releases = new Releases(world.database, verification.endorsements(), world.audit, world.clock, random);
        Release minimum = releases.add(tenant, ACTOR, fleet, release(NEWER));
        CompletableFuture<Release> added = world.database.inTenant(tenant, tx -> {
            // The audit chain comes last: both wait for it, or one for the other.
            tx.execute("SELECT 1 FROM audit_head WHERE tenant_id = ? FOR UPDATE", tenant.value());
            Waits.beside(() -> releases.makeMinimum(tenant, ACTOR, minimum.id()));
            Waits.untilBlocked(world.database, 1);
            CompletableFuture<Release> older =
                    Waits.beside(() -> releases.add(tenant, ACTOR, fleet, release(FIRMWARE)));
            Waits.untilBlocked(world.database, 2);
            return older;
        });
        assertThat(releases.get(tenant, added.join().id()).below()).isEqualTo("1.4.0");
    }

    @Test
    @DisplayName("consequences come after their grace, and are taken back when the device is good again")
    void consequences() {
        reference(FIRMWARE);
        Unit unit = unit(fleet(
                new Consequence(Action.NOTIFY, Duration.ZERO), new Consequence(Action.SUSPEND, Duration.ofHours(1))));
        attest(unit, NEWER);
        watch.run(tenant);
        watch.run(tenant);
        assertThat(events()).containsExactly("changed", "consequence");
        assertThat(world.state(unit.id)).isEqualTo(DeviceState.ACTIVE);
        world.clock.advance(Duration.ofHours(1));
        watch.run(tenant);
        assertThat(world.state(unit.id)).isEqualTo(DeviceState.SUSPENDED);
        assertThat(decide(unit).reasons()).extracting(Decision.Reason::code).contains("device-suspended");
        assertThat(decide(tenant, new Subject.Certificate(unit.certificate.sha256()))
                        .reasons())
                .extracting(Decision.Reason::code)
                .contains("certificate-revoked");
        reference(NEWER);
        reappraise();
        watch.run(tenant);
        assertThat(world.state(unit.id)).isEqualTo(DeviceState.ACTIVE);
        assertThat(decide(unit).allowed()).isTrue();
        watch.run(tenant);
        assertThat(events()).containsExactly("changed", "consequence", "consequence", "changed", "consequence");
    }

    @Test
    @DisplayName("a suspended device that proves itself is in again at once; one that an operator suspended is not")
    void provesItself() {
        reference(FIRMWARE);
        FleetId fleet = fleet(new Consequence(Action.SUSPEND, Duration.ZERO));
        Unit unit = unit(fleet);
        Unit stolen = unit(fleet);
        for (Unit each : List.of(unit, stolen)) {
            attest(each, FIRMWARE);
            attest(each, NEWER);
            assertThat(world.state(each.id)).isEqualTo(DeviceState.SUSPENDED);
        }
        world.devices.suspend(tenant, stolen.id, ACTOR, "stolen");
        attest(unit, FIRMWARE);
        attest(stolen, FIRMWARE);
        watch.run(tenant);
        assertThat(world.state(unit.id)).isEqualTo(DeviceState.ACTIVE);
        assertThat(world.devices.certificates(tenant, unit.id).getFirst().revokedAt())
                .isNull();
        assertThat(postures.get(tenant, unit.id).suspended()).isFalse();
        assertThat(world.state(stolen.id)).isEqualTo(DeviceState.SUSPENDED);
        assertThat(events().stream().filter("consequence"::equals)).hasSize(3);
        assertThat(decide(unit).allowed()).isTrue();
        assertThat(decide(stolen).allowed()).isFalse();
    }

    @Test
    @DisplayName("a device that has never shown evidence is not good from its activation on, until it shows some")
    void silent() throws Exception {
        reference(FIRMWARE);
        FleetId fleet = fleet(
                new Consequence(Action.NOTIFY, Duration.ZERO),
                new Consequence(Action.REFUSE_RENEWAL, Duration.ofMinutes(30)),
                new Consequence(Action.SUSPEND, Duration.ofHours(1)));
        watch.run(tenant);
        Unit unit = unit(fleet);
        Unit other = unit(fleet());
        watch.run(tenant);
        watch.run(tenant);
        Posture posture = postures.get(tenant, unit.id);
        assertThat(posture.status()).isEqualTo(Tier.NONE);
        assertThat(posture.appraisal()).isNull();
        assertThat(postures.find(tenant, other.id)).isEmpty();
        assertThat(postures.summary(tenant, fleet)).containsExactly(new Postures.Count("", Tier.NONE, "never", 1));
        assertThat(decide(unit).reasons()).extracting(Decision.Reason::code).containsExactly("never-attested");
        assertThat(drawn()).containsExactly("notify");
        assertThat(lifeOfNext(unit)).isPositive();
        world.clock.advance(Duration.ofMinutes(30));
        assertThat(assertInstanceOf(EnrolmentOutcome.Refused.class, renew(unit)).told())
                .startsWith("posture-none: ");
        world.clock.advance(Duration.ofMinutes(30));
        watch.run(tenant);
        assertThat(world.state(unit.id)).isEqualTo(DeviceState.SUSPENDED);
        assertThat(world.state(other.id)).isEqualTo(DeviceState.ACTIVE);
        attest(unit, FIRMWARE);
        assertThat(world.state(unit.id)).isEqualTo(DeviceState.ACTIVE);
        assertThat(postures.get(tenant, unit.id).trend()).isEqualTo(Posture.Trend.SAME);
        assertThat(drawn()).containsExactly("notify", "refuse-renewal", "suspend", "taken-back");
        assertThat(postures.summary(tenant, fleet))
                .containsExactly(new Postures.Count("1.3.5", Tier.AFFIRMING, "today", 1));
    }

    @Test
    @DisplayName(
            "consequences that are switched on later reach whoever is silent or not good by then, after their grace")
    void switchedOn() {
        reference(FIRMWARE);
        FleetId fleet = fleet();
        Unit silent = unit(fleet);
        Unit bad = unit(fleet);
        Unit good = unit(fleet);
        attest(bad, NEWER);
        world.clock.advance(Duration.ofDays(10));
        attest(good, FIRMWARE);
        watch.run(tenant);
        attestation(
                fleet, new AttestationPolicy(BUDGET, List.of(new Consequence(Action.SUSPEND, Duration.ofHours(2)))));
        world.clock.advance(Duration.ofHours(1));
        watch.run(tenant);
        assertThat(states(silent, bad, good)).containsOnly(DeviceState.ACTIVE);
        world.clock.advance(Duration.ofHours(1));
        watch.run(tenant);
        assertThat(states(silent, bad, good))
                .containsExactly(DeviceState.SUSPENDED, DeviceState.SUSPENDED, DeviceState.ACTIVE);
        // A shorter budget counts at once: evidence is as old as it is.
        attestation(
                fleet,
                new AttestationPolicy(
                        Duration.ofHours(1), List.of(new Consequence(Action.SUSPEND, Duration.ofHours(1)))));
        watch.run(tenant);
        assertThat(decide(good).posture()).isEqualTo("stale");
        world.clock.advance(Duration.ofHours(1));
        watch.run(tenant);
        assertThat(world.state(good.id)).isEqualTo(DeviceState.SUSPENDED);
        // Switched off and on again, the grace begins anew.
        Unit late = unit(fleet);
        attestation(fleet, new AttestationPolicy(BUDGET, List.of()));
        world.clock.advance(Duration.ofDays(1));
        watch.run(tenant);
        attestation(
                fleet, new AttestationPolicy(BUDGET, List.of(new Consequence(Action.SUSPEND, Duration.ofHours(1)))));
        watch.run(tenant);
        assertThat(world.state(late.id)).isEqualTo(DeviceState.ACTIVE);
        world.clock.advance(Duration.ofHours(1));
        watch.run(tenant);
        assertThat(world.state(late.id)).isEqualTo(DeviceState.SUSPENDED);
    }

    private void attestation(FleetId id, AttestationPolicy policy) {
        Fleet fleet = world.fleets.get(tenant, id);
        world.fleets.update(
                tenant,
                ACTOR,
                id,
                fleet.version(),
                new FleetSettings(
                        fleet.name(),
                        fleet.authority(),
                        fleet.profile(),
                        fleet.policy().with(policy)));
    }

    private List<DeviceState> states(Unit... units) {
        return Stream.of(units).map(unit -> world.state(unit.id)).toList();
    }

    @Test
    @DisplayName("a fleet is looked through once: afterwards a round reads what has happened, in any number of pieces")
    void lookedThroughOnce() {
        FleetId fleet = fleet();
        addSilently(fleet, 2_500);
        attestation(fleet, new AttestationPolicy(BUDGET, List.of(new Consequence(Action.NOTIFY, Duration.ofDays(1)))));
        watch.run(tenant);
        assertThat(postures.summary(tenant, fleet).getFirst().devices()).isEqualTo(2_500);
        // Nobody told of these, and nobody looks.
        addSilently(fleet, 1);
        Unit told = unit(fleet);
        try (EnrolmentWorld other = new EnrolmentWorld(DATABASE.database())) {
            watch.run(other.tenant);
            assertThat(postures.summary(other.tenant, null)).isEmpty();
        }
        watch.run(tenant);
        assertThat(postures.summary(tenant, fleet).getFirst().devices()).isEqualTo(2_501);
        assertThat(postures.find(tenant, told.id)).isPresent();
    }

    private void addSilently(FleetId fleet, int devices) {
        world.database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                        INSERT INTO device (tenant_id, device_id, fleet_id, chip, serial, state, proof, claimed_at,
                            activated_at)
                        SELECT :tenant, id, :fleet, 'other', id::text, 'ACTIVE', 'STATEMENT', :now, :now
                        FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, :devices)) AS made""")
                        .bind("tenant", tenant)
                        .bind("fleet", fleet)
                        .bind("now", world.clock.instant())
                        .bind("devices", devices)
                        .execute());
    }

    private EnrolmentOutcome renew(Unit unit) throws Exception {
        return world.reEnrol(unit.fleet, Certificate.parse(unit.certificate), unit.key);
    }

    private Duration lifeOfNext(Unit unit) throws Exception {
        Certificate next =
                assertInstanceOf(EnrolmentOutcome.Issued.class, renew(unit)).certificate();
        return Duration.between(world.clock.instant(), next.validity().notAfter());
    }

    private boolean isRevoked(Unit unit) {
        return world.devices.certificates(tenant, unit.id).stream()
                .filter(each -> Objects.equals(unit.certificate, each.encoded()))
                .anyMatch(each -> each.revokedAt() != null);
    }

    @Test
    @DisplayName("the life of certificates is cut to the freshness after the grace, and is whole again after an update")
    void shortened() throws Exception {
        reference(FIRMWARE);
        Unit unit = unit(fleet(new Consequence(Action.SHORTEN_LIFE, Duration.ofHours(1))));
        Unit other = unit(unit.fleet);
        attest(unit, NEWER);
        attest(other, NEWER);
        watch.run(tenant);
        world.clock.advance(Duration.ofMinutes(59));
        watch.run(tenant);
        assertThat(world.orders.placed).isEmpty();
        assertThat(lifeOfNext(other)).isGreaterThan(BUDGET);
        world.clock.advance(Duration.ofMinutes(1));
        watch.run(tenant);
        watch.run(tenant);
        assertThat(world.orders.placed)
                .hasSize(2)
                .allSatisfy(order -> assertThat(order.content()).isInstanceOf(OrderContent.RenewCertificate.class));
        assertThat(lifeOfNext(unit)).isBetween(BUDGET.minusSeconds(2), BUDGET);
        // The one that it takes the place of is good no longer than that, whatever the fleet's overlap.
        world.clock.advance(BUDGET.minusMinutes(1));
        world.renewals.goRound();
        assertThat(isRevoked(unit)).isFalse();
        attest(unit, FIRMWARE);
        assertThat(lifeOfNext(unit)).isGreaterThan(BUDGET);
        attest(unit, NEWER);
        world.clock.advance(Duration.ofHours(1));
        world.renewals.goRound();
        assertThat(isRevoked(unit)).isTrue();
        assertThatThrownBy(() -> new AttestationPolicy(
                        Duration.ZERO, List.of(new Consequence(Action.SHORTEN_LIFE, Duration.ZERO))))
                .isInstanceOf(RefusedException.class);
    }

    @Test
    @DisplayName("no further certificate after the grace, with the reason, until the device is good again")
    void renewalRefused() throws Exception {
        reference(FIRMWARE);
        Unit unit = unit(fleet(new Consequence(Action.REFUSE_RENEWAL, Duration.ofHours(1))));
        attest(unit, NEWER);
        assertThat(lifeOfNext(unit)).isPositive();
        world.clock.advance(Duration.ofHours(1));
        EnrolmentOutcome.Refused refused = assertInstanceOf(EnrolmentOutcome.Refused.class, renew(unit));
        assertThat(refused.code()).isEqualTo(ErrorCode.POSTURE_NOT_GOOD);
        assertThat(refused.told()).startsWith("posture-warning: ");
        // Nor with the birth key.
        assertThat(world.enrol(unit.fleet, unit.key, SoftwareKey.generate(KeyAlgorithm.EC_P256)))
                .isInstanceOf(EnrolmentOutcome.Refused.class);
        watch.run(tenant);
        assertThat(world.state(unit.id)).isEqualTo(DeviceState.ACTIVE);
        attest(unit, FIRMWARE);
        assertThat(lifeOfNext(unit)).isPositive();

        world.clock.advance(BUDGET);
        watch.run(tenant);
        assertThat(lifeOfNext(unit)).isPositive();
        world.clock.advance(Duration.ofHours(1));
        assertThat(assertInstanceOf(EnrolmentOutcome.Refused.class, renew(unit)).told())
                .startsWith("posture-stale: ");
        attest(unit, FIRMWARE);
        assertThat(lifeOfNext(unit)).isPositive();
    }

    @Test
    @DisplayName("one step follows the other in its time; a revocation is not taken back")
    void steps() throws Exception {
        reference(FIRMWARE);
        Unit unit = unit(fleet(
                new Consequence(Action.NOTIFY, Duration.ZERO),
                new Consequence(Action.SHORTEN_LIFE, Duration.ofHours(1)),
                new Consequence(Action.REFUSE_RENEWAL, Duration.ofHours(2)),
                new Consequence(Action.SUSPEND, Duration.ofHours(3)),
                new Consequence(Action.REVOKE, Duration.ofHours(4))));
        attest(unit, NEWER);
        List<DeviceState> states = new ArrayList<>();
        for (int hour = 0; hour < 5; hour++) {
            watch.run(tenant);
            states.add(world.state(unit.id));
            world.clock.advance(Duration.ofHours(1));
        }
        assertThat(states)
                .containsExactly(
                        DeviceState.ACTIVE,
                        DeviceState.ACTIVE,
                        DeviceState.ACTIVE,
                        DeviceState.SUSPENDED,
                        DeviceState.REVOKED);
        assertThat(drawn()).containsExactly("notify", "shorten-life", "refuse-renewal", "suspend", "revoke");
        attest(unit, FIRMWARE);
        watch.run(tenant);
        assertThat(world.state(unit.id)).isEqualTo(DeviceState.REVOKED);
        // A watch that was not there draws all that is due at once.
        Unit late = unit(unit.fleet);
        attest(late, NEWER);
        world.clock.advance(Duration.ofHours(5));
        watch.run(tenant);
        assertThat(world.state(late.id)).isEqualTo(DeviceState.REVOKED);
    }

    private List<String> drawn() {
        return outbox.after(tenant, 0, 1000).stream()
                .filter(event -> event.type().equals("dev.tegata.posture.consequence"))
                .map(event -> event.content().replaceAll(".*\"action\":\"([a-z-]+)\".*", "$1"))
                .toList();
    }

    @Test
    @DisplayName("evidence in a request is good while its nonce is, once, for its key; an expired nonce is refused")
    void enrolmentEvidence() {
        reference(FIRMWARE);
        Unit unit = unit(fleet());
        SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        EnrolmentEvidence gate = new EnrolmentEvidence(verification.nonces(), verification.appraisals());
        EvidencePolicy policy = new EvidencePolicy(true, true, false, Duration.ZERO);
        Duration life = Duration.ofMinutes(10);
        Bytes late = verification.nonces().issue(tenant, 32, life, null).value();
        world.clock.advance(life);
        EvidenceGate.Shown expired =
                new EvidenceGate.Shown(unit.id, request(unit, key, late), new EvidenceGate.Nonce(late, false));
        assertThatThrownBy(() -> gate.pass(tenant, policy, expired))
                .isInstanceOfSatisfying(
                        RefusedException.class,
                        refused -> assertThat(refused.detail()).startsWith("nonce-expired: "));
        Bytes fresh = verification.nonces().issue(tenant, 32, life, null).value();
        EvidenceGate.Shown shown =
                new EvidenceGate.Shown(unit.id, request(unit, key, fresh), new EvidenceGate.Nonce(fresh, false));
        UUID appraisal = gate.pass(tenant, policy, shown);
        assertThat(postures.get(tenant, unit.id).appraisal()).isEqualTo(new AppraisalId(appraisal));
        assertThatThrownBy(() -> gate.pass(tenant, policy, shown))
                .isInstanceOfSatisfying(
                        RefusedException.class,
                        refused -> assertThat(refused.detail()).startsWith("nonce-used: "));
    }

    private CertificateRequest request(Unit unit, SoftwareKey key, Bytes nonce) {
        Bytes tied = nonce.concat(key.publicKey().encoded()).sha256();
        AttestationBundle bundle = new AttestationBundle(
                List.of(AttestationBundle.Statement.ofMessage(
                        Cbor.array(Cbor.of(Evidence.PSA), Cbor.of(token(unit, FIRMWARE, tied)), Cbor.of(4L))
                                .encode())),
                List.of());
        return CertificateRequest.create(
                Name.EMPTY,
                key.publicKey(),
                List.of(new RequestAttribute(AttestationBundle.ATTRIBUTE, bundle.encode())),
                data -> key.sign(key.publicKey().algorithm().signatureAlgorithm(), data));
    }

    @Test
    @DisplayName("a release's certification acts on the verdict: outdated 32, too old 32, revoked 96, and back")
    void releases() {
        Releases releases = new Releases(world.database, verification.endorsements(), world.audit, world.clock, random);
        FleetId fleet = fleet();
        Unit unit = unit(fleet);
        attest(unit, FIRMWARE);
        assertThat(executables(unit)).isEqualTo(33);
        Instant end = world.clock.instant().plus(Duration.ofHours(2));
        Release release = releases.add(tenant, ACTOR, fleet, release(FIRMWARE));
        releases.change(
                tenant,
                ACTOR,
                release.id(),
                content -> content.judged(Status.CERTIFIED, "PSA", "0716053549952 - 10010", end, List.of()));
        assertThat(executables(unit)).isEqualTo(2);
        assertThat(postures.get(tenant, unit.id).release()).isEqualTo("1.3.5");
        world.clock.advance(Duration.ofHours(3));
        releases.keep(tenant);
        assertThat(executables(unit)).isEqualTo(32);
        assertThat(postures.get(tenant, unit.id).reasons().getFirst().rule()).endsWith("#release-outdated");
        releases.change(
                tenant,
                ACTOR,
                release.id(),
                content -> content.judged(Status.CERTIFIED, "PSA", "0716053549952 - 10010", null, List.of()));
        assertThat(executables(unit)).isEqualTo(2);
        Release newer = releases.add(tenant, ACTOR, fleet, release(NEWER));
        releases.makeMinimum(tenant, ACTOR, newer.id());
        assertThat(executables(unit)).isEqualTo(32);
        assertThat(postures.get(tenant, unit.id).reasons().getFirst().rule()).endsWith("#release-too-old");
        releases.change(
                tenant,
                ACTOR,
                release.id(),
                content -> content.judged(Status.REVOKED, "PSA", "0716053549952 - 10010", null, List.of()));
        assertThat(executables(unit)).isEqualTo(96);
        attest(unit, NEWER);
        assertThat(executables(unit)).isEqualTo(2);
        assertThat(releases.list(tenant, fleet, Page.Request.first()).items())
                .extracting(each -> each.content().version())
                .containsExactly("1.3.5", "1.4.0");
        assertThatThrownBy(() -> releases.add(tenant, ACTOR, fleet, release(NEWER)))
                .isInstanceOf(RefusedException.class);
        try (EnrolmentWorld other = new EnrolmentWorld(DATABASE.database())) {
            assertThatThrownBy(() -> releases.get(other.tenant, release.id())).isInstanceOf(RefusedException.class);
            assertThatThrownBy(() -> releases.add(other.tenant, ACTOR, fleet, release(NEWER)))
                    .isInstanceOf(RefusedException.class);
        }
    }

    @Test
    @DisplayName("a SUIT manifest with an image for each slot is one release, good as long as its signer is allowed")
    void slots() throws Exception {
        Releases releases = new Releases(world.database, verification.endorsements(), world.audit, world.clock, random);
        verification.signers().whenRemoved(releases::signerRemoved);
        FleetId fleet = fleet();
        Unit first = unit(fleet);
        Unit second = unit(fleet);
        Releases.Update update = new Releases.Update(
                update(attester, FIRMWARE.measurement(), NEWER.measurement()),
                CLASS,
                SoftwareComponent.MEASUREMENT_KEY);
        verification.signers().add(tenant, ACTOR, "Firmware", attester.publicKey());
        Release release = releases.addFromSuit(tenant, ACTOR, fleet, update, "2.0.0");
        assertThat(release.content().images()).hasSize(2);
        attest(first, FIRMWARE);
        attest(second, NEWER);
        assertThat(List.of(executables(first), executables(second))).containsOnly(2);
        assertThat(postures.get(tenant, second.id).release()).isEqualTo("2.0.0");
        releases.change(
                tenant, ACTOR, release.id(), content -> content.judged(Status.REVOKED, null, null, null, List.of()));
        assertThat(List.of(executables(first), executables(second))).containsOnly(96);
        releases.change(
                tenant, ACTOR, release.id(), content -> content.judged(Status.CERTIFIED, null, null, null, List.of()));

        verification.signers().remove(tenant, ACTOR, attester.publicKey().fingerprint());
        assertThat(releases.get(tenant, release.id()).withdrawn()).isTrue();
        assertThat(List.of(executables(first), executables(second))).containsOnly(33);
        releases.keep(tenant);
        assertThat(List.of(executables(first), executables(second))).containsOnly(33);
        assertThatThrownBy(() -> releases.addFromSuit(tenant, ACTOR, fleet, update, "2.0.0"))
                .isInstanceOf(RefusedException.class);
        verification.signers().add(tenant, ACTOR, "Firmware", attester.publicKey());
        assertThat(releases.addFromSuit(tenant, ACTOR, fleet, update, "2.0.0").id())
                .isEqualTo(release.id());
        assertThat(List.of(executables(first), executables(second))).containsOnly(2);
    }

    /// An update of one component with an image for each of two slots.
    private static Bytes update(Signer signer, Bytes first, Bytes second) throws Exception {
        Cbor shared = Cbor.array(Cbor.of(15), Cbor.array(inSlot(0, first), inSlot(1, second)));
        Cbor common = Cbor.map()
                .put(2, Cbor.array(Cbor.array(Cbor.of(Bytes.of(new byte[1])))))
                .put(4, Cbor.of(shared.encode()))
                .build();
        Cbor manifest = Cbor.of(Cbor.map()
                .put(1, Cbor.of(1))
                .put(2, Cbor.of(7))
                .put(3, Cbor.of(common.encode()))
                .build()
                .encode());
        Bytes digest =
                Cbor.array(Cbor.of(-16), Cbor.of(manifest.encode().sha256())).encode();
        CoseMessage signed = CoseMessage.sign1(Cbor.map().build(), Cbor.map().build(), digest, signer);
        Cbor block = new Cbor.Tagged(
                18,
                Cbor.array(
                        Cbor.of(signed.protectedHeader()), Cbor.map().build(), Cbor.NULL, Cbor.of(signed.signature())));
        Cbor authentication = Cbor.array(Cbor.of(digest), Cbor.of(block.encode()));
        return new Cbor.Tagged(
                        107,
                        Cbor.map()
                                .put(2, Cbor.of(authentication.encode()))
                                .put(3, manifest)
                                .build())
                .encode();
    }

    private static Cbor inSlot(int slot, Bytes digest) {
        Cbor wrapped = Cbor.of(Cbor.array(Cbor.of(-16), Cbor.of(digest)).encode());
        Cbor commands = Cbor.array(
                Cbor.of(20),
                Cbor.map().put(5, Cbor.of(slot)).build(),
                Cbor.of(5),
                Cbor.of(5),
                Cbor.of(20),
                Cbor.map().put(3, wrapped).build());
        return Cbor.of(commands.encode());
    }

    private static ReleaseContent release(SoftwareComponent component) {
        return new ReleaseContent(
                Objects.requireNonNull(component.version()),
                CLASS,
                List.of(component.toMeasurement()),
                null,
                Status.UNCERTIFIED,
                null,
                null,
                null,
                List.of());
    }

    private int executables(Unit unit) {
        reappraise();
        return Objects.requireNonNull(postures.get(tenant, unit.id).vector().get("executables"));
    }

    @Test
    @DisplayName("relying parties require what they want; other tenants' devices are nobody's")
    void parties() {
        reference(FIRMWARE);
        Unit unit = unit(fleet());
        attest(unit, NEWER);
        RelyingParty lenient = parties.put(
                tenant,
                ACTOR,
                new RelyingParty(
                        "updates",
                        null,
                        new PartyPolicy(
                                Tier.WARNING, true, Set.of(), Set.of(DeviceState.ACTIVE), Duration.ofMinutes(1))));
        assertThat(decide(unit).allowed()).isFalse();
        assertThat(decisions
                        .decide(tenant, new Subject.Id(unit.id), lenient, System.nanoTime())
                        .allowed())
                .isTrue();
        RelyingParty elsewhere = new RelyingParty(
                "elsewhere",
                null,
                new PartyPolicy(
                        Tier.NONE,
                        true,
                        Set.of(FleetId.random(tenant, random)),
                        Set.of(DeviceState.ACTIVE),
                        Duration.ofMinutes(1)));
        assertThat(decisions
                        .decide(tenant, new Subject.Id(unit.id), elsewhere, System.nanoTime())
                        .reasons())
                .extracting(Decision.Reason::code)
                .containsExactly("wrong-fleet");
        try (EnrolmentWorld other = new EnrolmentWorld(DATABASE.database())) {
            assertThat(decide(other.tenant, new Subject.Id(unit.id))
                            .reasons()
                            .getFirst()
                            .code())
                    .isEqualTo("unknown-device");
            assertThat(decide(other.tenant, new Subject.Certificate(unit.certificate.sha256()))
                            .allowed())
                    .isFalse();
            assertThatThrownBy(() -> postures.get(other.tenant, unit.id)).isInstanceOf(RefusedException.class);
            assertThat(postures.summary(other.tenant, null)).isEmpty();
            assertThat(parties.list(other.tenant)).isEmpty();
        }
    }

    @Test
    @DisplayName("a passport lets its own device in while it is the present result and holds, and nobody else")
    void passports() {
        reference(FIRMWARE);
        FleetId fleet = fleet();
        Unit unit = unit(fleet);
        Unit other = unit(fleet);
        attest(unit, FIRMWARE);
        attest(other, FIRMWARE);
        Passports passports = new Passports(verification.resultKeys(), world.clock);
        String own = passport(unit);
        Subject.Passport shown = passports.read(tenant, own);
        assertThat(decide(tenant, shown)).satisfies(decision -> {
            assertThat(decision.allowed()).isTrue();
            assertThat(decision.device()).isEqualTo(unit.id);
        });
        Decisions.Asker asker = new Decisions.Asker("00000000", null, System.nanoTime());
        assertThat(decisions
                        .decide(tenant, new Subject.Certificate(unit.certificate.sha256()), shown, asker)
                        .allowed())
                .isTrue();
        assertThat(decisions
                        .decide(tenant, new Subject.Id(other.id), shown, asker)
                        .reasons())
                .extracting(Decision.Reason::code)
                .containsExactly("foreign-passport");

        int claims = own.indexOf('.') + 1;
        for (int at : List.of(claims + 5, own.lastIndexOf('.') + 5)) {
            char changed = own.charAt(at) == 'A' ? 'B' : 'A';
            String altered = own.substring(0, at) + changed + own.substring(at + 1);
            assertThatThrownBy(() -> passports.read(tenant, altered)).isInstanceOf(RefusedException.class);
        }
        try (EnrolmentWorld elsewhere = new EnrolmentWorld(DATABASE.database())) {
            assertThatThrownBy(() -> passports.read(elsewhere.tenant, own)).isInstanceOf(RefusedException.class);
            assertThat(decide(elsewhere.tenant, shown).reasons())
                    .extracting(Decision.Reason::code)
                    .containsExactly("unknown-passport");
        }

        world.clock.advance(Duration.ofSeconds(1));
        attest(unit, NEWER);
        assertThat(decide(tenant, shown).reasons())
                .extracting(Decision.Reason::code)
                .containsExactly("unknown-passport");
        String latest = passport(unit);
        assertThat(decide(tenant, passports.read(tenant, latest)).allowed()).isFalse();
        world.clock.advance(Duration.ofHours(25));
        assertThatThrownBy(() -> passports.read(tenant, latest)).isInstanceOf(RefusedException.class);
    }

    /// What the device fetches of itself.
    private String passport(Unit unit) {
        return verification.appraisals().passport(tenant, unit.id).jwt(EarProfile.DRAFT_04);
    }
}
