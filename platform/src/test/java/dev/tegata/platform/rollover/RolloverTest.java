// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.rollover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
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
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.authority.Authority;
import dev.tegata.platform.checkin.CheckInOutcome;
import dev.tegata.platform.checkin.CheckIns;
import dev.tegata.platform.enrol.EnrolmentOutcome;
import dev.tegata.platform.enrol.EnrolmentWorld;
import dev.tegata.platform.enrol.Identification;
import dev.tegata.platform.enrol.Renewals;
import dev.tegata.platform.fleet.FleetPolicy;
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
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("A rollover")
final class RolloverTest {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    /// The 10 000 with `-Dtegata.rollover.devices=10000`.
    private static final int DEVICES = Integer.getInteger("tegata.rollover.devices", 300);

    private static final Actor OPERATOR = EnrolmentWorld.OPERATOR;
    private static final PathCheck PATHS = new PathCheck(64);

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
        RolloverSteps steps =
                new RolloverSteps(rollovers, world.audit, orders::place, world.clock, Duration.ofMillis(20));
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
        Certificate certificate;
        long lastSequence;
        Optional<dev.tegata.pki.Bytes> mark = Optional.empty();

        Unit(int number) {
            serial = java.util.UUID.randomUUID().toString().substring(0, 13) + number;
            claimed = world.claim(fleet, serial);
            anchors.add(root.requireCertificate());
            certificate = usable(world.enrol(fleet, claimed.birth(), key));
        }

        DeviceId id() {
            return claimed.id();
        }

        /// What it was issued, which must lead to something that it trusts.
        Certificate usable(EnrolmentOutcome outcome) {
            if (!(outcome instanceof EnrolmentOutcome.Issued issued)) {
                throw new AssertionError("refused: " + outcome);
            }
            PathResult path = PATHS.check(
                    new Presented(issued.certificate(), issued.chain()),
                    TrustAnchors.of(anchors),
                    world.clock.instant(),
                    Purpose.CLIENT);
            assertThat(path).isInstanceOf(PathResult.Valid.class);
            return issued.certificate();
        }

        /// Comes once, and obeys.
        void live() {
            CheckIn said = new CheckIn(
                    fleet.value(),
                    List.of(),
                    1,
                    List.of(certificate.serial()),
                    anchors.stream().map(Certificate::fingerprint).toList(),
                    lastSequence,
                    mark,
                    List.copyOf(results),
                    Optional.empty());
            CheckInOutcome outcome = checkIns.answer(said, List.of(certificate.encoded()), "192.0.2.7");
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
                case OrderContent.RenewCertificate _ -> certificate = usable(world.reEnrol(fleet, certificate, key));
                default -> throw new AssertionError("nobody ordered " + order.content());
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
        return concurrently(java.util.stream.IntStream.range(0, count).boxed().toList(), Unit::new);
    }

    private static <A, B> List<B> concurrently(List<A> all, java.util.function.Function<A, B> work) throws Exception {
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
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

    /// Lets devices come again and again until the campaign is where it is to be.
    private Rollover live(List<Unit> units, RolloverId id, Predicate<Rollover> end) throws Exception {
        for (int i = 0; i < 400; i++) {
            Rollover rollover = rollovers.get(tenant, id);
            if (end.test(rollover)) {
                return rollover;
            }
            concurrently(units, unit -> {
                unit.live();
                return unit;
            });
            world.clock.advance(Duration.ofMinutes(1));
            LockSupport.parkNanos(10_000_000);
        }
        throw new AssertionError("the campaign does not end: " + rollovers.get(tenant, id));
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
        Rollover prepared = rollovers.prepare(tenant, OPERATOR, plan(root.id(), DEVICES / 3 + 1));
        assertThat(prepared.authorities()).containsOnlyKeys(root.id(), issuing.id());
        live(units, prepared.id(), _ -> true);

        rollovers.start(tenant, OPERATOR, prepared.id());
        Rollover moved = live(units, prepared.id(), Rollover::settled);

        assertThat(moved.progress()).isEqualTo(Map.of(Step.MOVED, (long) DEVICES));
        assertThat(moved.wave()).isEqualTo(3);
        AuthorityId successor = moved.authorities().get(issuing.id());
        assertThat(units).allSatisfy(unit -> assertThat(issuer(unit)).isEqualTo(successor));
        assertThat(world.fleets.get(tenant, fleet).authority()).isEqualTo(issuing.id());

        rollovers.finish(tenant, OPERATOR, prepared.id(), false);
        world.clock.advance(Duration.ofSeconds(3));
        assertThat(world.fleets.get(tenant, fleet).authority()).isEqualTo(successor);
        live(units, prepared.id(), Rollover::settled);
        rollovers.close(tenant, OPERATOR, prepared.id(), false);
        world.clock.advance(Duration.ofSeconds(3));
        live(units, prepared.id(), rollover -> rollover.state() == RolloverState.CLOSED);
        concurrently(units, unit -> {
            unit.live();
            return unit;
        });
        assertThat(world.issuingFleets.get(fleet).authority().beside()).isEmpty();
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
        assertThat(before.authority().published()).hasSize(5).contains(newRoot);
        for (IssuingFleet way : List.of(before, after)) {
            List<Certificate> between = way.authority().path();
            assertThat(between).hasSize(3);
            for (Certificate trusted : List.of(oldRoot, newRoot)) {
                PathResult path = PATHS.check(
                        new Presented(between.getFirst(), between.subList(1, 3)),
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
        away.certificate = away.usable(world.reEnrol(fleet, away.certificate, away.key));

        assertThat(issuer(away)).isEqualTo(issuing.id());
        assertThat(issuer(units.get(0))).isNotEqualTo(issuing.id());
        assertThatThrownBy(() -> rollovers.finish(tenant, OPERATOR, rollover.id(), false))
                .isInstanceOfSatisfying(
                        RefusedException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CONFLICT));
        rollovers.finish(tenant, OPERATOR, rollover.id(), true);
        world.clock.advance(Duration.ofSeconds(3));
        away.certificate = away.usable(world.reEnrol(fleet, away.certificate, away.key));
        assertThat(issuer(away)).isEqualTo(issuing.id());
        live(units, rollover.id(), Rollover::settled);
        assertThat(issuer(away)).isNotEqualTo(issuing.id());
    }

    @Test
    @DisplayName("of an issuing authority pauses, resumes and rolls back, and refuses no device on the way")
    void rollBack() throws Exception {
        List<Unit> units = units(6);
        Rollover rollover = rollovers.prepare(tenant, OPERATOR, plan(issuing.id(), 3));
        assertThat(rollover.newAnchor()).isNull();
        rollovers.start(tenant, OPERATOR, rollover.id());
        live(units, rollover.id(), it -> it.progress().getOrDefault(Step.MOVED, 0L) >= 3);
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
    }

    @Test
    @DisplayName("after a compromise revokes all certificates, and lets devices back in with their birth keys")
    void compromise() throws Exception {
        List<Unit> units = units(DEVICES);
        Rollover rollover = rollovers.compromise(tenant, OPERATOR, root.id(), Readmission.BIRTH_KEY);
        world.clock.advance(Duration.ofSeconds(3));
        await(rollover.id(), it -> it.listed() == DEVICES);
        Certificate newRoot = world.issuingFleets.get(fleet).authority().chain().getLast();

        concurrently(units, unit -> {
            assertThat(world.reEnrol(fleet, unit.certificate, unit.key)).isInstanceOf(EnrolmentOutcome.Refused.class);
            unit.anchors.clear();
            unit.anchors.add(newRoot);
            unit.key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            unit.certificate = unit.usable(world.enrol(fleet, unit.claimed.birth(), unit.key));
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
        Rollover rollover = rollovers.compromise(tenant, OPERATOR, issuing.id(), Readmission.OLD_KEY);
        world.clock.advance(Duration.ofSeconds(3));
        await(rollover.id(), it -> it.listed() == 3);
        Unit stolen = units.get(2);
        world.devices.revoke(tenant, stolen.id(), OPERATOR, "stolen");

        for (Unit unit : units.subList(0, 2)) {
            unit.certificate = unit.usable(world.reEnrol(fleet, unit.certificate, unit.key));
            unit.live();
        }
        assertThat(world.reEnrol(fleet, stolen.certificate, stolen.key)).isInstanceOf(EnrolmentOutcome.Refused.class);
        assertThat(await(rollover.id(), Rollover::settled).progress()).isEqualTo(Map.of(Step.MOVED, 2L, Step.GONE, 1L));
    }

    @Test
    @DisplayName("is preceded by the question who breaks if the authority ends today")
    void dependents() throws Exception {
        Dependents dependents = new Dependents(world.database, world.authorities, world.clock);
        List<Unit> units = units(3);
        Unit silent = units.get(0);
        Unit heard = units.get(1);
        heard.live();
        units.get(2).live();
        world.devices.revoke(tenant, units.get(2).id(), OPERATOR, "stolen");

        assertThat(dependents.summary(tenant, root.id()))
                .isEqualTo(new Dependents.Summary(List.of(issuing.id()), List.of(fleet), 2, false));
        assertThat(dependents
                        .devices(tenant, issuing.id(), Page.Request.first())
                        .items())
                .extracting(Dependents.Dependent::device, Dependents.Dependent::reported)
                .containsExactlyInAnyOrder(
                        org.assertj.core.groups.Tuple.tuple(silent.id(), false),
                        org.assertj.core.groups.Tuple.tuple(heard.id(), true));
        Page<Dependents.Dependent> first = dependents.devices(tenant, issuing.id(), new Page.Request(null, 1));
        assertThat(dependents
                        .devices(tenant, issuing.id(), Page.Request.of(first.next(), 1))
                        .items())
                .doesNotContainAnyElementsOf(first.items())
                .hasSize(1);
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
