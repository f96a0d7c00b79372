// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.decision;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.attestation.result.Tier;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.custody.Grants;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.enrol.EnrolmentWorld;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.Waits;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// Changes are made by one node, and another one on the same database, which remembers, is asked.
@DisplayName("Decisions at the door, on two nodes")
class DecisionsTest {
    private static final Actor ACTOR = Actor.apiKey("00000000");
    private static final String KEY = "11111111";
    private static final RelyingParty BROKER = party(Tier.NONE);

    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private EnrolmentWorld world;
    private TenantId tenant;
    private FleetId fleet;
    private RelyingParties parties;
    private Database second;
    private Decisions elsewhere;

    @BeforeEach
    void open() {
        world = new EnrolmentWorld(DATABASE.database());
        tenant = world.tenant;
        fleet = world.fleet(FleetPolicy.standard());
        parties = new RelyingParties(world.database, world.audit, world.clock);
        second = Database.open(DATABASE.config());
        elsewhere = new Decisions(second, new RelyingParties(second, world.audit, world.clock), world.clock);
    }

    @AfterEach
    void close() {
        second.close();
        world.close();
    }

    private static RelyingParty party(Tier tier) {
        return new RelyingParty(
                "broker",
                null,
                new PartyPolicy(tier, false, Set.of(), Set.of(DeviceState.ACTIVE), Duration.ofMinutes(5)));
    }

    private DeviceId device() {
        EnrolmentWorld.Unit unit = world.claim(fleet, UUID.randomUUID().toString());
        world.enrol(fleet, unit.birth(), unit.birth());
        return unit.id();
    }

    private Subject.Certificate certificate(DeviceId device) {
        return new Subject.Certificate(Objects.requireNonNull(
                        world.devices.certificates(tenant, device).getFirst().encoded())
                .sha256());
    }

    private Decision ask(Subject subject) {
        return elsewhere.decide(tenant, subject, BROKER, System.nanoTime());
    }

    private Decision askNamed(Subject subject) {
        return elsewhere.decide(tenant, subject, new Decisions.Asker(KEY, "broker", System.nanoTime()));
    }

    private Decision remembered(Subject subject) {
        Waits.untilRemembered(second, () -> ask(subject));
        return ask(subject);
    }

    private static List<String> codes(Decision decision) {
        return decision.reasons().stream().map(Decision.Reason::code).toList();
    }

    @Test
    @DisplayName("a suspension and its end hold for the next question")
    void suspension() {
        DeviceId device = device();
        for (Subject subject : List.of(new Subject.Id(device), certificate(device))) {
            assertThat(remembered(subject).allowed()).isTrue();
            world.devices.suspend(tenant, device, ACTOR, "lost");
            assertThat(codes(ask(subject))).contains("device-suspended");
            assertThat(remembered(subject).allowed()).isFalse();
            world.devices.resume(tenant, device, ACTOR, "found");
            assertThat(ask(subject).allowed()).isTrue();
        }
        remembered(new Subject.Id(device));
        world.devices.revoke(tenant, device, ACTOR, "stolen");
        assertThat(codes(ask(new Subject.Id(device)))).contains("device-revoked");
    }

    @Test
    @DisplayName("a revoked certificate is one in the next question, whoever revoked it")
    void revocation() {
        DeviceId device = device();
        Subject subject = certificate(device);
        assertThat(remembered(subject).allowed()).isTrue();
        update("UPDATE certificate SET revoked_at = now(), revocation_reason = 1 WHERE device_id = :device", device);
        assertThat(codes(ask(subject))).containsExactly("certificate-revoked");
    }

    private void update(String sql, DeviceId device) {
        world.database.inTenant(
                tenant, tx -> tx.createUpdate(sql).bind("device", device).execute());
    }

    @Test
    @DisplayName("the first posture, another one and none hold for the next question")
    void posture() {
        DeviceId device = device();
        Subject subject = new Subject.Id(device);
        parties.put(tenant, ACTOR, party(Tier.AFFIRMING));
        Waits.untilRemembered(second, () -> askNamed(subject));
        assertThat(codes(askNamed(subject))).containsExactly("never-attested");
        update("""
                INSERT INTO device_posture (tenant_id, device_id, fleet_id, appraisal_id, status, vector, reasons,
                    release, boot_epoch, appraised_at, judged_at, changed_at)
                SELECT tenant_id, device_id, fleet_id, device_id, 'AFFIRMING', '{}', '{"list": []}', '', '', now(),
                    now(), now()
                FROM device WHERE device_id = :device""", device);
        assertThat(askNamed(subject).allowed()).isTrue();
        Waits.untilRemembered(second, () -> askNamed(subject));
        update("""
                UPDATE device_posture SET status = 'CONTRAINDICATED',
                    reasons = '{"list": [{"sentence": "it was tampered with"}]}'
                WHERE device_id = :device""", device);
        assertThat(askNamed(subject).reasons())
                .containsExactly(new Decision.Reason(
                        "posture-contraindicated", "the device's posture is contraindicated: it was tampered with"));
        Waits.untilRemembered(second, () -> askNamed(subject));
        update("DELETE FROM device_posture WHERE device_id = :device", device);
        assertThat(codes(askNamed(subject))).containsExactly("never-attested");
    }

    @Test
    @DisplayName("a posture that is remembered grows stale at its instant, and a certificate ends at its own")
    void time() {
        DeviceId device = device();
        Subject subject = new Subject.Id(device);
        parties.put(tenant, ACTOR, party(Tier.AFFIRMING));
        Instant stale = world.clock.instant().plusSeconds(60);
        world.database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                        INSERT INTO device_posture (tenant_id, device_id, fleet_id, appraisal_id, status, vector,
                            reasons, release, boot_epoch, appraised_at, judged_at, changed_at, stale_at)
                        SELECT tenant_id, device_id, fleet_id, device_id, 'AFFIRMING', '{}', '{"list": []}', '', '',
                            now(), now(), now(), :stale
                        FROM device WHERE device_id = :device""")
                        .bind("stale", stale)
                        .bind("device", device)
                        .execute());
        Waits.untilRemembered(second, () -> askNamed(subject));
        assertThat(askNamed(subject).validUntil()).isEqualTo(stale);
        world.clock.advance(Duration.ofSeconds(60));
        assertThat(codes(askNamed(subject))).containsExactly("posture-stale");
        world.clock.advance(Duration.ofDays(20_000));
        assertThat(codes(ask(subject))).containsExactly("certificate-expired");
    }

    @Test
    @DisplayName("what a relying party requires, and whose key it is, hold for the next question")
    void policies() {
        DeviceId device = device();
        Subject subject = new Subject.Id(device);
        assertThatThrownBy(() -> askNamed(subject)).isInstanceOf(RefusedException.class);
        parties.put(tenant, ACTOR, BROKER);
        assertThat(askNamed(subject).allowed()).isTrue();
        Waits.untilRemembered(second, () -> askNamed(subject));
        parties.put(tenant, ACTOR, party(Tier.AFFIRMING));
        assertThat(codes(askNamed(subject))).containsExactly("never-attested");
        Waits.untilRemembered(second, () -> askNamed(subject));
        parties.remove(tenant, ACTOR, "broker");
        assertThatThrownBy(() -> askNamed(subject)).isInstanceOf(RefusedException.class);
        Decisions.Asker withoutParty = new Decisions.Asker(KEY, null, System.nanoTime());
        assertThat(elsewhere.decide(tenant, subject, withoutParty).party()).isEqualTo("default");
    }

    @Test
    @DisplayName("what is remembered of one tenant's device says nothing to another tenant")
    void walls() {
        DeviceId device = device();
        Subject certificate = certificate(device);
        assertThat(remembered(new Subject.Id(device)).allowed()).isTrue();
        assertThat(remembered(certificate).allowed()).isTrue();
        parties.put(tenant, ACTOR, BROKER);
        Waits.untilRemembered(second, () -> askNamed(certificate));
        try (EnrolmentWorld other = new EnrolmentWorld(DATABASE.database())) {
            long moment = System.nanoTime();
            assertThat(codes(elsewhere.decide(other.tenant, new Subject.Id(device), BROKER, moment)))
                    .containsExactly("unknown-device");
            assertThat(codes(elsewhere.decide(other.tenant, certificate, BROKER, moment)))
                    .containsExactly("unknown-certificate");
            assertThatThrownBy(() ->
                            elsewhere.decide(other.tenant, certificate, new Decisions.Asker(KEY, "broker", moment)))
                    .isInstanceOf(RefusedException.class);
        }
    }

    /// Its owner lends a device to `holder`.
    private Grants.Given lend(DeviceId device, TenantId holder, Duration length) {
        return grants().grant(
                        tenant, ACTOR, device, holder, world.clock.instant().plus(length));
    }

    private Grants grants() {
        SecureRandom random = new SecureRandom();
        Outbox outbox = new Outbox(world.database, world.clock, random);
        return new Grants(world.database, world.devices, world.audit, outbox, world.clock, random);
    }

    private Decision ask(TenantId holder, Subject subject, RelyingParty party) {
        return elsewhere.decide(holder, subject, party, System.nanoTime());
    }

    @Test
    @DisplayName("a device that is lent comes in by its owner's truth while the grant lives, and not a moment longer")
    void lent() {
        DeviceId device = device();
        List<Subject> subjects = List.of(new Subject.Id(device), certificate(device));
        try (EnrolmentWorld guest = new EnrolmentWorld(DATABASE.database())) {
            TenantId holder = guest.tenant;
            Grants.Given first = lend(device, holder, Duration.ofMinutes(3));
            for (Subject subject : subjects) {
                assertThat(ask(holder, subject, BROKER))
                        .isEqualTo(new Decision(true, device, "broker", "withheld", List.of(), first.endsAt()));
                world.devices.suspend(tenant, device, ACTOR, "a secret of the owner's");
                assertThat(ask(holder, subject, BROKER).reasons())
                        .contains(new Decision.Reason("device-suspended", "its owner says: device suspended"));
                world.devices.resume(tenant, device, ACTOR, "found");
                assertThat(codes(ask(holder, subject, party(Tier.AFFIRMING)))).containsExactly("never-attested");
            }
            Grants.Given second = lend(device, holder, Duration.ofDays(2));
            assertThat(ask(holder, subjects.getFirst(), BROKER).validUntil())
                    .as("as long as a yes holds")
                    .isEqualTo(world.clock.instant().plus(BROKER.policy().life()));
            world.clock.advance(Duration.ofMinutes(3));
            assertThat(ask(holder, subjects.getLast(), BROKER).allowed())
                    .as("by the grant that lasts longer")
                    .isTrue();
            grants().revoke(tenant, ACTOR, device, second.id());
            assertNotLent(holder, device);

            Grants.Given third = lend(device, holder, Duration.ofMinutes(3));
            world.clock.advance(Duration.ofMinutes(3).minusMillis(1));
            assertThat(ask(holder, subjects.getLast(), BROKER).validUntil()).isEqualTo(third.endsAt());
            world.clock.advance(Duration.ofMillis(1));
            assertNotLent(holder, device);
        }
    }

    private void assertNotLent(TenantId other, DeviceId device) {
        assertThat(codes(ask(other, new Subject.Id(device), BROKER))).containsExactly("unknown-device");
        Decision byCertificate = ask(other, certificate(device), BROKER);
        assertThat(codes(byCertificate)).containsExactly("unknown-certificate");
        assertThat(byCertificate.device()).isNull();
    }

    @Test
    @DisplayName("a loan opens that device to that tenant: no other device, no third tenant, no fleet, no posture")
    void wallsAroundALoan() {
        DeviceId device = device();
        DeviceId kept = device();
        update("""
                INSERT INTO device_posture (tenant_id, device_id, fleet_id, appraisal_id, status, vector, reasons,
                    release, boot_epoch, appraised_at, judged_at, changed_at)
                SELECT tenant_id, device_id, fleet_id, device_id, 'WARNING', '{}',
                    '{"list": [{"sentence": "a secret of its owner"}]}', '', '', now(), now(), now()
                FROM device WHERE device_id = :device""", device);
        try (EnrolmentWorld guest = new EnrolmentWorld(DATABASE.database());
                EnrolmentWorld stranger = new EnrolmentWorld(DATABASE.database())) {
            lend(device, guest.tenant, Duration.ofDays(1));
            assertNotLent(guest.tenant, kept);
            assertNotLent(stranger.tenant, device);
            assertThat(ask(guest.tenant, certificate(device), party(Tier.AFFIRMING))
                            .reasons())
                    .containsExactly(new Decision.Reason("posture-warning", "its owner says: posture warning"));
            assertThat(ask(guest.tenant, certificate(device), party(Tier.WARNING)))
                    .matches(
                            decision -> decision.allowed() && decision.posture().equals("withheld"));
            PartyPolicy fleets =
                    new PartyPolicy(Tier.NONE, false, Set.of(fleet), Set.of(DeviceState.ACTIVE), Duration.ofMinutes(5));
            assertThat(codes(ask(guest.tenant, new Subject.Id(device), new RelyingParty("gate", null, fleets))))
                    .as("whoever guesses the owner's fleet learns nothing")
                    .containsExactly("wrong-fleet");
        }
    }

    @Test
    @DisplayName(
            "a device that is enrolled for the first time, and one that nobody knew, are known in the next question")
    void nothingIsRememberedOfWhatIsToCome() {
        EnrolmentWorld.Unit unit = world.claim(fleet, UUID.randomUUID().toString());
        assertThat(codes(ask(new Subject.Id(unit.id())))).containsExactly("device-claimed");
        assertThat(codes(ask(new Subject.Certificate(Bytes.sha256(new byte[1])))))
                .containsExactly("unknown-certificate");
        world.enrol(fleet, unit.birth(), unit.birth());
        assertThat(ask(new Subject.Id(unit.id())).allowed()).isTrue();
        assertThat(ask(certificate(unit.id())).allowed()).isTrue();
    }

    @Test
    @DisplayName("a node that cannot hear asks the database, and remembers again when it hears")
    void deafness() {
        DeviceId device = device();
        Subject subject = new Subject.Id(device);
        assertThat(remembered(subject).allowed()).isTrue();
        for (int i = 0; i < 5; i++) {
            // The session that listens has nothing to say.
            world.database.installation(
                    tx -> tx.createQuery("""
                            SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                            WHERE datname = current_database() AND query = ''""").mapTo(Long.class).one());
            world.devices.suspend(tenant, device, ACTOR, "lost");
            assertThat(ask(subject).allowed()).isFalse();
            world.devices.resume(tenant, device, ACTOR, "found");
            assertThat(ask(subject).allowed()).isTrue();
        }
        assertThat(remembered(subject).allowed()).isTrue();
    }

    @Test
    @DisplayName("no answer is older than its question, however changes and questions fall together")
    void noAnswerIsOlderThanItsQuestion() throws Exception {
        DeviceId device = device();
        Subject subject = new Subject.Id(device);
        remembered(subject);
        // Even: what was asked for has been acknowledged, and every other time the device is suspended.
        AtomicInteger phase = new AtomicInteger();
        AtomicBoolean over = new AtomicBoolean();
        AtomicInteger compared = new AtomicInteger();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<?>> askers = List.of(
                    threads.submit(() -> compare(subject, phase, over, compared)),
                    threads.submit(() -> compare(subject, phase, over, compared)),
                    threads.submit(() -> compare(subject, phase, over, compared)));
            try {
                for (int i = 0; i < 40; i++) {
                    phase.incrementAndGet();
                    if (i % 2 == 0) {
                        world.devices.suspend(tenant, device, ACTOR, "lost");
                    } else {
                        world.devices.resume(tenant, device, ACTOR, "found");
                    }
                    int seen = compared.get();
                    phase.incrementAndGet();
                    long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
                    while (compared.get() < seen + 3 && System.nanoTime() < end && !isDone(askers)) {
                        Thread.onSpinWait();
                    }
                }
            } finally {
                over.set(true);
            }
            for (Future<?> asker : askers) {
                asker.get();
            }
        }
        assertThat(compared.get()).isGreaterThanOrEqualTo(100);
    }

    private static boolean isDone(List<Future<?>> askers) {
        return askers.stream().anyMatch(Future::isDone);
    }

    private void compare(Subject subject, AtomicInteger phase, AtomicBoolean over, AtomicInteger compared) {
        while (!over.get()) {
            int before = phase.get();
            boolean allowed = ask(subject).allowed();
            if (before % 2 == 0 && phase.get() == before) {
                assertThat(allowed).as("after %d changes", before / 2).isEqualTo(before / 2 % 2 == 0);
                compared.incrementAndGet();
            }
        }
    }
}
