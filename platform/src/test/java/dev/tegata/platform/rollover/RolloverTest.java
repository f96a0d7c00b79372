// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.rollover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.pki.key.VaultException;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.pki.path.PathResult;
import dev.tegata.pki.path.Presented;
import dev.tegata.pki.path.Purpose;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.authority.Authority;
import dev.tegata.platform.authority.NewAuthority;
import dev.tegata.platform.checkin.CheckInOutcome;
import dev.tegata.platform.checkin.CheckIns;
import dev.tegata.platform.device.DeviceCertificate;
import dev.tegata.platform.enrol.EnrolmentOutcome;
import dev.tegata.platform.enrol.EnrolmentWorld;
import dev.tegata.platform.enrol.Identification;
import dev.tegata.platform.enrol.Renewals;
import dev.tegata.platform.fleet.Fleet;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.fleet.FleetSettings;
import dev.tegata.platform.fleet.IssuingFleet;
import dev.tegata.platform.job.JobWorkers;
import dev.tegata.platform.order.OrderSigners;
import dev.tegata.platform.order.Orders;
import dev.tegata.platform.rollover.Rollover.Readmission;
import dev.tegata.platform.rollover.Rollover.Step;
import dev.tegata.platform.rollover.Rollover.Waves;
import dev.tegata.platform.tenant.NewTenant;
import dev.tegata.platform.tenant.TenantSubject;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckInAnswer;
import dev.tegata.protocol.Order;
import dev.tegata.protocol.OrderContent;
import dev.tegata.protocol.OrderVerdict;
import dev.tegata.protocol.OrderVerifier;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("A rollover")
final class RolloverTest {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    /// Fewer with `-Dtegata.rollover.devices=1000`.
    private static final int DEVICES = Integer.getInteger("tegata.rollover.devices", 10_000);

    /// So many that they share transactions: the durable commit is what takes the time.
    private static final int AT_ONCE = 128;

    private static final Actor OPERATOR = EnrolmentWorld.OPERATOR;
    private static final PathCheck PATHS = new PathCheck(8 * DEVICES);

    private EnrolmentWorld world;
    private Rollovers rollovers;
    private CheckIns checkIns;
    private JobWorkers workers;
    private TenantId tenant;
    private FleetId fleet;
    private Authority root;
    private Authority issuing;

    @BeforeEach
    void open() {
        world = new EnrolmentWorld(testDatabase.database());
        tenant = world.tenant;
        SecureRandom random = new SecureRandom();
        Orders orders = new Orders(world.database, world.audit, world.outbox, world.clock, random);
        rollovers = new Rollovers(
                new Rollovers.Ground(
                        world.database,
                        world.audit,
                        world.outbox,
                        world.jobs,
                        world.authorities,
                        world.fleets,
                        world.maker,
                        List::of),
                world.clock,
                random);
        RolloverSteps steps = new RolloverSteps(rollovers, world.audit, orders, world.clock, Duration.ofMillis(20));
        workers = JobWorkers.start(world.database, world.jobs, Map.of(Rollovers.JOB, steps::step));
        checkIns = new CheckIns(
                new CheckIns.Services(
                        world.database,
                        world.issuingFleets,
                        new Identification(world.database, _ -> TrustAnchors.of(world.birthCas)),
                        orders,
                        new OrderSigners(world.database, world.vault, world.audit, world.clock, random),
                        world.devices,
                        world.audit,
                        world.outbox,
                        world.refusals),
                new CheckIns.Hooks(
                        Map.of(),
                        (fleet, device, _, now) -> Renewals.due(world.issuers.of(fleet, device.id()), device, now),
                        (_, _, _, _, _) -> {},
                        (_, _, _, _) -> {}),
                world.clock,
                random);
        root = world.created.authorities().getFirst();
        issuing = world.created.authorities().getLast();
        fleet = world.fleet(FleetPolicy.standard());
    }

    @AfterEach
    void close() {
        workers.close();
        world.close();
    }

    /// A device at home: what it trusts, what it holds, and whatever refuses it.
    private final class Unit {
        final EnrolmentWorld.Unit claimed;
        final String serial;
        final List<Certificate> anchors = new ArrayList<>();
        final List<CheckIn.Result> results = new ArrayList<>();
        SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);

        /// Itself, and what leads from it towards a root.
        volatile List<Certificate> shown = List.of();

        /// The key of its certificate in the second chain, where it has one.
        @Nullable
        SoftwareKey second;

        long lastSequence;
        Optional<dev.tegata.pki.Bytes> mark = Optional.empty();

        Unit(String serial, EnrolmentWorld.Unit claimed) {
            this.serial = serial;
            this.claimed = claimed;
            anchors.add(root.requireCertificate());
            hold(patiently(() -> world.enrol(fleet, claimed.birth(), key)));
        }

        DeviceId id() {
            return claimed.id();
        }

        Certificate certificate() {
            return shown.getFirst();
        }

        /// Takes what it was issued, which must lead to something that it trusts.
        void hold(EnrolmentOutcome outcome) {
            if (!(outcome instanceof EnrolmentOutcome.Issued issued)) {
                throw new AssertionError("refused: " + outcome);
            }
            List<Certificate> chain = new ArrayList<>(List.of(issued.certificate()));
            chain.addAll(issued.chain());
            assertThat(PATHS.check(
                            Presented.of(chain), TrustAnchors.of(anchors), world.clock.instant(), Purpose.CLIENT))
                    .isInstanceOf(PathResult.Valid.class);
            shown = chain;
        }

        /// Takes a certificate of the second chain, which must lead to something that it trusts too.
        void renewSecond() {
            SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.ML_DSA_44);
            second = key;
            List<Certificate> first = shown;
            hold(patiently(() -> world.reEnrol(fleet, first.getFirst(), key)));
            shown = first;
        }

        /// Comes once, and obeys.
        void live() {
            CheckIn said = new CheckIn(
                    fleet.value(),
                    List.of(),
                    1,
                    List.of(certificate().serial()),
                    anchors.stream().map(Certificate::fingerprint).toList(),
                    lastSequence,
                    mark,
                    List.copyOf(results),
                    Optional.empty());
            CheckInOutcome outcome =
                    patiently(() -> checkIns.answer(said, List.of(certificate().encoded()), "192.0.2.7"));
            if (!(outcome instanceof CheckInOutcome.Answered(CheckInAnswer answer))) {
                throw new AssertionError("refused: " + outcome);
            }
            results.clear();
            mark = answer.mark();
            for (var signed : answer.orders()) {
                OrderVerdict verdict = new OrderVerifier(TrustAnchors.of(anchors), serial, Optional.of(id().value()))
                        .verify(signed, lastSequence, world.clock.instant());
                if (!(verdict instanceof OrderVerdict.Accepted(Order order))) {
                    throw new AssertionError("an order that the device cannot believe: " + verdict);
                }
                lastSequence = order.sequence();
                obey(order);
                results.add(new CheckIn.Result(order.id(), CheckIn.Status.DONE, "", Optional.empty()));
            }
        }

        private void obey(Order order) {
            switch (order.content()) {
                case OrderContent.UpdateTrustAnchors(var all) -> {
                    anchors.clear();
                    all.forEach(anchor -> anchors.add(parse(anchor)));
                }
                case OrderContent.RenewCertificate _ -> {
                    hold(patiently(() -> world.reEnrol(fleet, certificate(), key)));
                    if (second != null) {
                        renewSecond();
                    }
                }
                default -> throw new AssertionError("nobody ordered " + order.content());
            }
        }
    }

    /// A server that has much to do asks devices to come again, and they do.
    private static <T> T patiently(Supplier<T> request) {
        for (int i = 0; ; i++) {
            try {
                return request.get();
            } catch (UnavailableException e) {
                if (i == 20) {
                    throw e;
                }
            }
        }
    }

    private static Certificate parse(dev.tegata.pki.Bytes encoded) {
        try {
            return Certificate.parse(encoded);
        } catch (dev.tegata.pki.certificate.InvalidCertificateException e) {
            throw new AssertionError(e);
        }
    }

    private List<Unit> units(int count) throws Exception {
        List<Unit> units = silent(count);
        come(units);
        return units;
    }

    /// Devices that have never checked in.
    private List<Unit> silent(int count) throws Exception {
        String batch = java.util.UUID.randomUUID().toString().substring(0, 13);
        List<String> serials = java.util.stream.IntStream.range(0, count)
                .mapToObj(number -> batch + number)
                .toList();
        List<EnrolmentWorld.Unit> claimed = world.claim(fleet, serials);
        return concurrently(
                java.util.stream.IntStream.range(0, count).boxed().toList(),
                number -> new Unit(serials.get(number), claimed.get(number)));
    }

    private static <A, B> List<B> concurrently(List<A> all, java.util.function.Function<A, B> work) throws Exception {
        try (ExecutorService threads = Executors.newFixedThreadPool(
                AT_ONCE, Thread.ofVirtual().name("device").factory())) {
            List<Future<B>> futures = new ArrayList<>();
            for (A one : all) {
                futures.add(threads.submit(() -> work.apply(one)));
            }
            List<B> results = new ArrayList<>();
            for (Future<B> future : futures) {
                results.add(future.get());
            }
            return results;
        }
    }

    /// Lets devices come whenever there is something for them, until the campaign is where it is to be.
    private Rollover live(List<Unit> units, RolloverId id, Predicate<Rollover> end) throws Exception {
        for (int i = 0; i < 6_000; i++) {
            Rollover rollover = rollovers.get(tenant, id);
            if (end.test(rollover)) {
                return rollover;
            }
            List<Unit> called = called(units);
            come(called);
            world.clock.advance(Duration.ofSeconds(3));
            if (called.isEmpty()) {
                LockSupport.parkNanos(10_000_000);
            }
        }
        throw new AssertionError("the campaign does not end: " + rollovers.get(tenant, id));
    }

    private static void come(List<Unit> units) throws Exception {
        concurrently(units, unit -> {
            unit.live();
            return unit;
        });
    }

    /// Those for which there is an order, or that have something to tell.
    private List<Unit> called(List<Unit> units) {
        Set<DeviceId> ordered = world.database.inTenant(
                tenant,
                tx -> tx.createQuery(
                                "SELECT device_id FROM device_order WHERE tenant_id = :tenant AND state = 'PLACED'")
                        .bind("tenant", tenant)
                        .mapTo(DeviceId.class)
                        .set());
        return units.stream()
                .filter(unit -> ordered.contains(unit.id()) || !unit.results.isEmpty())
                .toList();
    }

    /// Doors at which devices show themselves, again and again: each trusts one root and no other, and
    /// knows the certificates that the fleet's server hands out.
    private final class Doors implements AutoCloseable {
        private final List<Unit> units;
        private final Thread watch;
        private List<Certificate> trusted = List.of(root.requireCertificate());
        private int next;
        private long shown;
        private @Nullable AssertionError refusal;
        private volatile boolean over;

        Doors(List<Unit> units) {
            this.units = units;
            this.watch = Thread.ofVirtual().start(() -> {
                while (!over) {
                    some(100);
                    LockSupport.parkNanos(100_000_000);
                }
            });
        }

        private synchronized void some(int count) {
            List<Certificate> between =
                    world.issuingFleets.get(fleet).authority().published();
            for (int i = 0; i < count; i++) {
                List<Certificate> chain = units.get(next++ % units.size()).shown;
                for (Certificate only : trusted) {
                    PathResult path = PATHS.check(
                            new Presented(chain.getFirst(), between),
                            TrustAnchors.of(only),
                            world.clock.instant(),
                            Purpose.CLIENT);
                    shown++;
                    if (!path.isValid() && refusal == null) {
                        refusal = new AssertionError("refused where " + only.fingerprint() + " is trusted: " + path);
                    }
                }
            }
        }

        /// All devices come to all doors, which trust these from now on.
        synchronized void trust(Certificate... roots) {
            trusted = List.of(roots);
            world.clock.advance(Duration.ofSeconds(3));
            some(units.size());
            if (refusal != null) {
                throw refusal;
            }
        }

        @Override
        public void close() throws InterruptedException {
            over = true;
            watch.join();
            if (refusal != null) {
                throw refusal;
            }
        }
    }

    /// How many devices have their current certificate of each authority.
    private Map<AuthorityId, Long> issuers() {
        return world.database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                SELECT c.authority_id, count(*) AS devices FROM device d JOIN certificate c
                                    ON c.tenant_id = d.tenant_id AND c.serial_number = d.certificate
                                WHERE d.tenant_id = :tenant GROUP BY c.authority_id""")
                        .bind("tenant", tenant)
                        .reduceRows(new HashMap<AuthorityId, Long>(), (all, row) -> {
                            all.put(
                                    row.getColumn("authority_id", AuthorityId.class),
                                    row.getColumn("devices", Long.class));
                            return all;
                        }));
    }

    private RolloverPlan plan(AuthorityId authority, int wave) {
        return RolloverPlan.of(authority).with(new Waves(wave, 90, Duration.ofDays(7), 5));
    }

    private AuthorityId issuer(Unit unit) {
        return world.devices.certificates(tenant, unit.id()).getFirst().authority();
    }

    @Test
    @DisplayName("of a root refuses no device at any moment, and gives none a certificate that it cannot use")
    void root() throws Exception {
        List<Unit> units = units(DEVICES);
        try (Doors doors = new Doors(units)) {
            Rollover prepared = rollovers.prepare(tenant, OPERATOR, plan(root.id(), DEVICES / 3 + 1));
            assertThat(prepared.authorities()).containsOnlyKeys(root.id(), issuing.id());
            Certificate oldRoot = root.requireCertificate();
            Certificate newRoot =
                    world.authorities.get(tenant, prepared.newAuthority()).requireCertificate();
            doors.trust(oldRoot, newRoot);

            rollovers.start(tenant, OPERATOR, prepared.id());
            Rollover moved = live(units, prepared.id(), Rollover::settled);

            assertThat(moved.progress()).isEqualTo(Map.of(Step.MOVED, (long) DEVICES));
            assertThat(moved.wave()).isEqualTo(3);
            AuthorityId successor = moved.authorities().get(issuing.id());
            assertThat(issuers()).isEqualTo(Map.of(successor, (long) DEVICES));
            assertThat(world.fleets.get(tenant, fleet).authority()).isEqualTo(issuing.id());

            rollovers.finish(tenant, OPERATOR, prepared.id(), false);
            doors.trust(oldRoot, newRoot);
            assertThat(world.fleets.get(tenant, fleet).authority()).isEqualTo(successor);
            live(units, prepared.id(), Rollover::settled);
            doors.trust(newRoot);
            rollovers.close(tenant, OPERATOR, prepared.id(), false);
            doors.trust(newRoot);
            come(units);
            assertThat(world.issuingFleets.get(fleet).authority().beside()).isEmpty();
            assertThat(doors.shown).isGreaterThan(6L * DEVICES);
        }
    }

    @Test
    @DisplayName("hands out both roots and what joins them, so that either is enough")
    void overlap() {
        Rollover rollover = rollovers.prepare(tenant, OPERATOR, plan(root.id(), 10));
        world.clock.advance(Duration.ofSeconds(3));
        IssuingFleet before = world.issuingFleets.get(fleet);
        IssuingFleet after = world.issuingFleets.under(
                before, Objects.requireNonNull(rollover.authorities().get(issuing.id())));
        Certificate oldRoot = root.requireCertificate();
        Certificate newRoot = after.authority().chain().getLast();

        assertThat(newRoot.subject()).isEqualTo(oldRoot.subject());
        assertThat(before.authority().published())
                .hasSize(6)
                .contains(newRoot, after.authority().certificate());
        assertThat(after.authority().published())
                .containsExactlyInAnyOrderElementsOf(before.authority().published());
        for (IssuingFleet way : List.of(before, after)) {
            List<Certificate> between = way.authority().path();
            assertThat(between).hasSize(2);
            assertThat(way.authority().shown())
                    .as("in the order in which each certifies the one before")
                    .containsExactly(
                            between.getFirst(),
                            between.getLast(),
                            way.authority().chain().getLast());
            for (Certificate trusted : List.of(oldRoot, newRoot)) {
                PathResult path = PATHS.check(
                        new Presented(between.getFirst(), between.subList(1, 2)),
                        TrustAnchors.of(trusted),
                        world.clock.instant(),
                        Purpose.ANY);
                assertThat(path).isInstanceOf(PathResult.Valid.class);
            }
        }
    }

    @Test
    @DisplayName("gives a device that has not taken the new root a certificate under the old one")
    void notBefore() throws Exception {
        List<Unit> units = units(2);
        Rollover rollover = rollovers.prepare(tenant, OPERATOR, plan(root.id(), 10));
        rollovers.start(tenant, OPERATOR, rollover.id());
        live(units.subList(0, 1), rollover.id(), it -> it.progress().getOrDefault(Step.MOVED, 0L) == 1);

        Unit away = units.get(1);
        away.hold(world.reEnrol(fleet, away.certificate(), away.key));

        assertThat(issuer(away)).isEqualTo(issuing.id());
        assertThat(issuer(units.get(0))).isNotEqualTo(issuing.id());
        assertThatThrownBy(() -> rollovers.finish(tenant, OPERATOR, rollover.id(), false))
                .isInstanceOfSatisfying(RefusedException.class, e -> {
                    assertThat(e.code()).isEqualTo(ErrorCode.CONFLICT);
                    assertThat(e.detail()).contains("--leave-behind");
                });
        rollovers.finish(tenant, OPERATOR, rollover.id(), true);
        world.clock.advance(Duration.ofSeconds(3));
        away.hold(world.reEnrol(fleet, away.certificate(), away.key));
        assertThat(issuer(away)).isEqualTo(issuing.id());
        live(units, rollover.id(), Rollover::settled);
        assertThat(issuer(away)).isNotEqualTo(issuing.id());
    }

    @Test
    @DisplayName("waits for devices that never check in until they renew, and no longer than their certificates live")
    void ownRenewals() throws Exception {
        Unit agent = units(1).getFirst();
        List<Unit> silent = silent(2);
        Unit renewing = silent.getFirst();
        Unit asleep = silent.getLast();
        Rollover rollover = rollovers.prepare(tenant, OPERATOR, plan(root.id(), 1));
        rollovers.start(tenant, OPERATOR, rollover.id());
        Rollover waiting = live(
                List.of(agent), rollover.id(), it -> it.devices(Step.MOVED) == 1 && it.devices(Step.OWN_RENEWAL) == 2);
        assertThat(waiting.outstanding()).isEqualTo(2);
        assertThat(waiting.ownRenewalsBy())
                .isEqualTo(asleep.certificate().validity().notAfter());
        assertThat(rollovers
                        .devices(tenant, rollover.id(), Step.OWN_RENEWAL, Page.Request.first())
                        .items())
                .extracting(RolloverDevice::device, RolloverDevice::renewsBy)
                .containsExactlyInAnyOrder(
                        org.assertj.core.groups.Tuple.tuple(
                                renewing.id(), renewing.certificate().validity().notAfter()),
                        org.assertj.core.groups.Tuple.tuple(
                                asleep.id(), asleep.certificate().validity().notAfter()));

        renewing.anchors.add(
                world.authorities.get(tenant, rollover.newAuthority()).requireCertificate());
        renewing.hold(world.reEnrol(fleet, renewing.certificate(), renewing.key));
        assertThat(issuer(renewing)).isEqualTo(rollover.authorities().get(issuing.id()));
        await(rollover.id(), it -> it.devices(Step.MOVED) == 2);
        rollovers.finish(tenant, OPERATOR, rollover.id(), false);
        assertThatThrownBy(() -> rollovers.close(tenant, OPERATOR, rollover.id(), false))
                .hasMessageContaining("1 device has not moved yet")
                .hasMessageContaining(asleep.certificate().validity().notAfter().toString());

        world.clock.advance(Duration.between(
                world.clock.instant(), asleep.certificate().validity().notAfter()));
        Rollover settled = await(rollover.id(), Rollover::settled);
        assertThat(settled.progress()).isEqualTo(Map.of(Step.MOVED, 2L, Step.ENDED, 1L));
        assertThat(settled.ownRenewalsBy()).isNull();
        asleep.anchors.add(
                world.authorities.get(tenant, rollover.newAuthority()).requireCertificate());
        asleep.hold(world.reEnrol(fleet, asleep.certificate(), asleep.key));
        assertThat(issuer(asleep)).isEqualTo(rollover.authorities().get(issuing.id()));
        await(rollover.id(), it -> it.settled() && it.devices(Step.MOVED) == 3);
        rollovers.close(tenant, OPERATOR, rollover.id(), false);
    }

    @Test
    @DisplayName("that is rolled back waits for devices that never check in until they renew")
    void ownReturns() throws Exception {
        List<Unit> silent = silent(2);
        Unit returning = silent.getFirst();
        Rollover rollover = rollovers.prepare(tenant, OPERATOR, plan(issuing.id(), 10));
        rollovers.start(tenant, OPERATOR, rollover.id());
        await(rollover.id(), it -> it.devices(Step.OWN_RENEWAL) == 2);
        world.clock.advance(Duration.ofSeconds(3));
        for (Unit unit : silent) {
            unit.hold(world.reEnrol(fleet, unit.certificate(), unit.key));
        }
        await(rollover.id(), Rollover::settled);

        rollovers.rollBack(tenant, OPERATOR, rollover.id());
        world.clock.advance(Duration.ofSeconds(3));
        Rollover waiting = await(rollover.id(), it -> it.devices(Step.RETURNING) == 2);
        assertThat(waiting.ownRenewalsBy())
                .isEqualTo(returning.certificate().validity().notAfter());
        returning.hold(world.reEnrol(fleet, returning.certificate(), returning.key));
        assertThat(issuer(returning)).isEqualTo(issuing.id());
        await(rollover.id(), it -> it.devices(Step.RETURNED) == 1);
        world.clock.advance(Duration.ofDays(366));
        Rollover back = await(rollover.id(), it -> it.state() == RolloverState.ROLLED_BACK);
        assertThat(back.progress()).isEqualTo(Map.of(Step.RETURNED, 1L, Step.ENDED, 1L));
        assertThat(called(silent)).as("orders that nobody fetches").isEmpty();
    }

    @Test
    @DisplayName("of an issuing authority pauses, resumes and rolls back, and refuses no device on the way")
    void rollBack() throws Exception {
        List<Unit> units = units(6);
        Rollover rollover = rollovers.prepare(tenant, OPERATOR, plan(issuing.id(), 3));
        assertThat(rollover.newAnchor()).isNull();
        rollovers.start(tenant, OPERATOR, rollover.id());
        live(units, rollover.id(), it -> it.progress().getOrDefault(Step.MOVED, 0L) >= 3);
        assertThat(world.issuingFleets.get(fleet).authority().published())
                .contains(world.authorities.get(tenant, rollover.newAuthority()).requireCertificate());
        rollovers.pause(tenant, OPERATOR, rollover.id());
        live(units, rollover.id(), it -> it.state() == RolloverState.PAUSED);
        rollovers.resume(tenant, OPERATOR, rollover.id());
        live(units, rollover.id(), Rollover::settled);

        rollovers.rollBack(tenant, OPERATOR, rollover.id());
        Rollover back = live(units, rollover.id(), it -> it.state() == RolloverState.ROLLED_BACK);

        assertThat(back.progress()).isEqualTo(Map.of(Step.RETURNED, 6L));
        assertThat(units).allSatisfy(unit -> assertThat(issuer(unit)).isEqualTo(issuing.id()));
        assertThatThrownBy(() -> rollovers.start(tenant, OPERATOR, rollover.id()))
                .isInstanceOf(RefusedException.class);

        Rollover again = rollovers.prepare(tenant, OPERATOR, plan(issuing.id(), 3));
        assertThat(subject(again.newAuthority()))
                .as("the one that was given up keeps its name")
                .isNotEqualTo(subject(rollover.newAuthority()))
                .isNotEqualTo(subject(issuing.id()));
    }

    private Name subject(AuthorityId authority) {
        return world.authorities.get(tenant, authority).requireCertificate().subject();
    }

    @Test
    @DisplayName("after a compromise revokes all certificates, and lets devices back in with their birth keys")
    void compromise() throws Exception {
        List<Unit> units = units(DEVICES);
        Rollover rollover = rollovers.compromise(tenant, OPERATOR, root.id(), Readmission.BIRTH_KEY, null);
        world.clock.advance(Duration.ofSeconds(3));
        await(rollover.id(), it -> it.listed() == DEVICES);
        Certificate newRoot = world.issuingFleets.get(fleet).authority().chain().getLast();

        concurrently(units, unit -> {
            assertThat(world.reEnrol(fleet, unit.certificate(), unit.key)).isInstanceOf(EnrolmentOutcome.Refused.class);
            unit.anchors.clear();
            unit.anchors.add(newRoot);
            unit.key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            unit.hold(patiently(() -> world.enrol(fleet, unit.claimed.birth(), unit.key)));
            unit.live();
            return unit;
        });

        Rollover over = await(rollover.id(), Rollover::settled);
        assertThat(over.progress()).isEqualTo(Map.of(Step.MOVED, (long) DEVICES));
        assertThat(world.authorities.get(tenant, issuing.id()).state()).isEqualTo(Authority.State.RETIRED);
        assertThatThrownBy(() -> rollovers.rollBack(tenant, OPERATOR, rollover.id()))
                .isInstanceOf(RefusedException.class);
    }

    @Test
    @DisplayName("after a compromise lets devices renew with their old keys where that is wanted, and no others")
    void oldKeys() throws Exception {
        List<Unit> units = units(3);
        Rollover rollover = rollovers.compromise(tenant, OPERATOR, issuing.id(), Readmission.OLD_KEY, null);
        assertThat(revocationReason(issuing)).as("in the same transaction").isEqualTo(2);
        world.clock.advance(Duration.ofSeconds(3));
        await(rollover.id(), it -> it.listed() == 3);
        Unit stolen = units.get(2);
        world.devices.revoke(tenant, stolen.id(), OPERATOR, "stolen");

        for (Unit unit : units.subList(0, 2)) {
            unit.hold(world.reEnrol(fleet, unit.certificate(), unit.key));
            unit.live();
        }
        assertThat(world.reEnrol(fleet, stolen.certificate(), stolen.key)).isInstanceOf(EnrolmentOutcome.Refused.class);
        assertThat(await(rollover.id(), Rollover::settled).progress()).isEqualTo(Map.of(Step.MOVED, 2L, Step.GONE, 1L));
    }

    private @Nullable Integer revocationReason(Authority authority) {
        return revocationReason(authority.requireCertificate());
    }

    private @Nullable Integer revocationReason(Certificate certificate) {
        return world.database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                SELECT revocation_reason FROM certificate
                                WHERE tenant_id = :tenant AND serial_number = :serial""")
                        .bind("tenant", tenant)
                        .bind("serial", certificate.serial().content())
                        .mapTo(Integer.class)
                        .one());
    }

    @Test
    @DisplayName("after a compromise revokes what is on hold for good, and lets devices back in that are resumed")
    void suspendedWhenCompromised() throws Exception {
        List<Unit> units = units(2);
        Unit suspended = units.getFirst();
        world.devices.suspend(tenant, suspended.id(), OPERATOR, "lost");
        Rollover rollover = rollovers.compromise(tenant, OPERATOR, issuing.id(), Readmission.OLD_KEY, null);
        world.clock.advance(Duration.ofSeconds(3));
        Unit other = units.getLast();
        await(rollover.id(), it -> it.progress().equals(Map.of(Step.GONE, 1L, Step.RENEWAL, 1L)));
        assertThat(revocationReason(suspended.certificate())).isEqualTo(4);
        other.hold(world.reEnrol(fleet, other.certificate(), other.key));
        await(rollover.id(), Rollover::settled);

        world.devices.resume(tenant, suspended.id(), OPERATOR, "found");
        assertThat(revocationReason(suspended.certificate())).isEqualTo(4);
        await(rollover.id(), it -> it.devices(Step.RENEWAL) == 1);
        suspended.hold(world.reEnrol(fleet, suspended.certificate(), suspended.key));
        await(rollover.id(), it -> it.settled() && it.progress().equals(Map.of(Step.MOVED, 2L)));
    }

    @Test
    @DisplayName("takes along a device that is resumed while others have not moved yet")
    void resumedMeanwhile() throws Exception {
        List<Unit> units = units(2);
        Unit resumed = units.getFirst();
        Rollover rollover = rollovers.prepare(tenant, OPERATOR, plan(root.id(), 10));
        rollovers.start(tenant, OPERATOR, rollover.id());
        await(rollover.id(), it -> it.devices(Step.ANCHORS) == 2);
        world.devices.suspend(tenant, resumed.id(), OPERATOR, "lost");
        await(rollover.id(), it -> it.devices(Step.GONE) == 1);
        world.devices.resume(tenant, resumed.id(), OPERATOR, "found");
        live(List.of(resumed), rollover.id(), it -> it.devices(Step.MOVED) == 1);
    }

    @Test
    @DisplayName("takes along devices that were suspended once they are resumed, and is not closed without them")
    void suspended() throws Exception {
        List<Unit> units = units(3);
        Unit before = units.get(0);
        Unit meanwhile = units.get(1);
        world.devices.suspend(tenant, before.id(), OPERATOR, "lost");
        Rollover rollover = rollovers.prepare(tenant, OPERATOR, plan(root.id(), 10));
        rollovers.start(tenant, OPERATOR, rollover.id());
        await(rollover.id(), it -> it.devices(Step.ANCHORS) == 2);
        world.devices.suspend(tenant, meanwhile.id(), OPERATOR, "lost");
        live(units.subList(2, 3), rollover.id(), Rollover::settled);
        assertThatThrownBy(() -> rollovers.finish(tenant, OPERATOR, rollover.id(), false))
                .hasMessageContaining(before.id().toString())
                .hasMessageContaining(meanwhile.id().toString());

        world.devices.resume(tenant, meanwhile.id(), OPERATOR, "found");
        live(units.subList(1, 3), rollover.id(), it -> it.settled() && it.devices(Step.MOVED) == 2);
        rollovers.finish(tenant, OPERATOR, rollover.id(), true);
        live(units.subList(1, 3), rollover.id(), Rollover::settled);
        assertThatThrownBy(() -> rollovers.close(tenant, OPERATOR, rollover.id(), false))
                .hasMessageContaining(before.id().toString());

        world.devices.resume(tenant, before.id(), OPERATOR, "found");
        live(units, rollover.id(), it -> it.settled() && it.devices(Step.MOVED) == 3);
        assertThat(rollovers.close(tenant, OPERATOR, rollover.id(), false).state())
                .isEqualTo(RolloverState.CLOSED);
    }

    @Test
    @DisplayName("after a compromise takes an authority that was made ahead, where the tenant wants that")
    void madeAhead() throws Exception {
        List<Unit> units = units(3);
        Authority ahead = world.authorities.createIssuing(
                tenant, OPERATOR, root.id(), new NewAuthority("Ahead", Name.parse("CN=Ahead"), KeyAlgorithm.EC_P256));
        assertThatThrownBy(
                        () -> rollovers.compromise(tenant, OPERATOR, issuing.id(), Readmission.OLD_KEY, issuing.id()))
                .isInstanceOf(RefusedException.class);

        Rollover rollover = rollovers.compromise(tenant, OPERATOR, issuing.id(), Readmission.OLD_KEY, ahead.id());
        world.clock.advance(Duration.ofSeconds(3));
        await(rollover.id(), it -> it.listed() == 3);
        for (Unit unit : units) {
            unit.hold(world.reEnrol(fleet, unit.certificate(), unit.key));
            unit.live();
            assertThat(issuer(unit)).isEqualTo(ahead.id());
        }
        assertThat(await(rollover.id(), Rollover::settled).progress()).isEqualTo(Map.of(Step.MOVED, 3L));
    }

    @Test
    @DisplayName("repairs the chains below an issuing authority whose key is lost, and refuses no device on the way")
    void lostKey() throws Exception {
        List<Unit> units = units(6);
        try (Doors doors = new Doors(units)) {
            world.vault.destroy(tenant.keySpace(), issuing.key());
            Unit early = units.getFirst();
            assertThatThrownBy(() -> world.reEnrol(fleet, early.certificate(), early.key))
                    .as("nothing can be issued any more")
                    .isInstanceOf(VaultException.class);
            doors.trust(root.requireCertificate());

            Rollover rollover = rollovers.prepare(tenant, OPERATOR, plan(issuing.id(), 10));
            rollovers.start(tenant, OPERATOR, rollover.id());
            rollovers.finish(tenant, OPERATOR, rollover.id(), true);
            world.clock.advance(Duration.ofSeconds(3));
            assertThat(live(units, rollover.id(), Rollover::settled).progress()).isEqualTo(Map.of(Step.MOVED, 6L));

            assertThat(units).allSatisfy(unit -> assertThat(issuer(unit)).isEqualTo(rollover.newAuthority()));
            rollovers.close(tenant, OPERATOR, rollover.id(), false);
            world.authorities.revoke(tenant, OPERATOR, issuing.id(), 5);
            doors.trust(root.requireCertificate());
            come(units);
        }
    }

    @Test
    @DisplayName("is preceded by the question who breaks if the authority ends today")
    void dependents() throws Exception {
        Dependents dependents = new Dependents(world.database, world.authorities, world.clock);
        List<Unit> units = silent(3);
        Unit silent = units.get(0);
        Unit heard = units.get(1);
        heard.live();
        units.get(2).live();
        world.devices.revoke(tenant, units.get(2).id(), OPERATOR, "stolen");

        assertThat(dependents.summary(tenant, root.id()))
                .isEqualTo(new Dependents.Summary(List.of(issuing.id()), List.of(fleet), 2, 0, false));
        assertThat(dependents
                        .devices(tenant, issuing.id(), Page.Request.first())
                        .items())
                .extracting(Dependents.Dependent::device, Dependents.Dependent::reported)
                .containsExactlyInAnyOrder(
                        org.assertj.core.groups.Tuple.tuple(silent.id(), false),
                        org.assertj.core.groups.Tuple.tuple(heard.id(), true));
        world.devices.suspend(tenant, silent.id(), OPERATOR, "lost");
        assertThat(dependents.summary(tenant, root.id()))
                .isEqualTo(new Dependents.Summary(List.of(issuing.id()), List.of(fleet), 1, 1, false));
        assertThat(dependents.broken(tenant, issuing.id()))
                .filteredOn(broken -> broken.reason().equals("suspended-device"))
                .singleElement()
                .satisfies(broken ->
                        assertThat(broken.first()).containsExactly(silent.id().toString()));
        world.devices.resume(tenant, silent.id(), OPERATOR, "found");
        Page<Dependents.Dependent> first = dependents.devices(tenant, issuing.id(), new Page.Request(null, 1));
        assertThat(dependents
                        .devices(tenant, issuing.id(), Page.Request.of(first.next(), 1))
                        .items())
                .doesNotContainAnyElementsOf(first.items())
                .hasSize(1);
    }

    @Test
    @DisplayName("of a second chain moves the second certificates, and leaves the first ones and their anchors alone")
    void parallel() throws Exception {
        Authority pqRoot = world.authorities.createRoot(
                tenant, OPERATOR, new NewAuthority("PQ root", Name.parse("CN=PQ Root"), KeyAlgorithm.ML_DSA_65));
        Authority pqIssuing = world.authorities.createIssuing(
                tenant, OPERATOR, pqRoot.id(), new NewAuthority("PQ", Name.parse("CN=PQ"), KeyAlgorithm.ML_DSA_44));
        Fleet before = world.fleets.get(tenant, fleet);
        world.fleets.update(
                tenant,
                OPERATOR,
                fleet,
                before.version(),
                new FleetSettings(
                        before.name(), before.authority(), pqIssuing.id(), before.profile(), before.policy()));
        List<Unit> units = units(3);
        for (Unit unit : units.subList(0, 2)) {
            unit.anchors.add(pqRoot.requireCertificate());
            unit.renewSecond();
        }

        Rollover rollover = rollovers.prepare(tenant, OPERATOR, plan(pqRoot.id(), 10));
        world.clock.advance(Duration.ofSeconds(3));
        rollovers.start(tenant, OPERATOR, rollover.id());
        Rollover moved = live(units, rollover.id(), Rollover::settled);

        assertThat(moved.progress()).isEqualTo(Map.of(Step.MOVED, 2L));
        AuthorityId successor = Objects.requireNonNull(moved.authorities().get(pqIssuing.id()));
        for (Unit unit : units.subList(0, 2)) {
            assertThat(world.devices.certificates(tenant, unit.id()).stream()
                            .filter(DeviceCertificate::current)
                            .map(DeviceCertificate::authority))
                    .containsExactlyInAnyOrder(issuing.id(), successor);
            assertThat(unit.anchors)
                    .contains(root.requireCertificate(), pqRoot.requireCertificate())
                    .hasSize(3);
        }
        rollovers.finish(tenant, OPERATOR, rollover.id(), false);
        assertThat(world.fleets.get(tenant, fleet).parallelAuthority()).isEqualTo(successor);
        live(units, rollover.id(), Rollover::settled);
        rollovers.close(tenant, OPERATOR, rollover.id(), false);

        world.clock.advance(Duration.ofSeconds(3));
        Rollover lost = rollovers.compromise(tenant, OPERATOR, successor, Readmission.BIRTH_KEY, null);
        world.clock.advance(Duration.ofSeconds(3));
        assertThat(live(units, lost.id(), Rollover::settled).progress()).isEqualTo(Map.of(Step.MOVED, 2L));
    }

    @Test
    @DisplayName("is one at a time for an authority, and of one tenant")
    void walls() {
        Rollover rollover = rollovers.prepare(tenant, OPERATOR, plan(issuing.id(), 10));
        assertThatThrownBy(() -> rollovers.prepare(tenant, OPERATOR, plan(root.id(), 10)))
                .isInstanceOf(RefusedException.class);
        TenantId other = world.tenants
                .create(
                        Actor.OPERATOR,
                        NewTenant.of("Other", new TenantSubject("Other S.p.A.", "IT", null, null, null)))
                .tenant()
                .id();
        assertThatThrownBy(() -> rollovers.get(other, rollover.id()))
                .isInstanceOfSatisfying(
                        RefusedException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.NOT_FOUND));
        assertThat(rollovers.list(other, Page.Request.first()).items()).isEmpty();
    }

    private Rollover await(RolloverId id, Predicate<Rollover> end) {
        for (int i = 0; i < 3_000; i++) {
            Rollover rollover = rollovers.get(tenant, id);
            if (end.test(rollover)) {
                return rollover;
            }
            LockSupport.parkNanos(10_000_000);
        }
        throw new AssertionError("the campaign does not get there: " + rollovers.get(tenant, id));
    }
}
