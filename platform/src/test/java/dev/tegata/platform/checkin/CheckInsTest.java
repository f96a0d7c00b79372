// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.checkin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.device.DeviceChange;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.enrol.DeviceCredential;
import dev.tegata.platform.enrol.EnrolmentOutcome;
import dev.tegata.platform.enrol.EnrolmentWorld;
import dev.tegata.platform.enrol.Identification;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.fleet.CheckInPolicy;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.fleet.LifePolicy;
import dev.tegata.platform.fleet.TransferPolicy;
import dev.tegata.platform.order.DeviceOrder;
import dev.tegata.platform.order.OrderQuery;
import dev.tegata.platform.order.OrderResults;
import dev.tegata.platform.order.OrderSigners;
import dev.tegata.platform.order.OrderState;
import dev.tegata.platform.order.Orders;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckInAnswer;
import dev.tegata.protocol.CheckInAnswer.State;
import dev.tegata.protocol.OrderContent;
import dev.tegata.protocol.OrderKind;
import dev.tegata.protocol.OrderVerdict;
import dev.tegata.protocol.OrderVerifier;
import dev.tegata.protocol.RelayedCheckIn;
import dev.tegata.protocol.RelayedRefusal;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("A check-in")
final class CheckInsTest {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    private static final Duration DAY = Duration.ofDays(1);

    private static final String BROKEN = "what follows from this breaks";

    private EnrolmentWorld world;
    private Outbox outbox;
    private Orders orders;
    private CheckIns checkIns;
    private FleetId fleet;
    private final List<OrderResults.Ended> ended = new ArrayList<>();
    private final List<CheckIn.Evidence> evidence = new ArrayList<>();
    private final List<OrderContent> due = new ArrayList<>();
    private boolean down;

    @BeforeEach
    void open() {
        world = new EnrolmentWorld(testDatabase.database());
        SecureRandom random = new SecureRandom();
        outbox = new Outbox(world.database, world.clock, random);
        orders = new Orders(world.database, world.audit, outbox, world.clock, random);
        OrderResults refurbishments = (_, _, result) -> {
            ended.add(result);
            return result.receipt().isEmpty() ? Optional.of("there is no receipt") : Optional.empty();
        };
        checkIns = new CheckIns(
                new CheckIns.Services(
                        world.database,
                        world.issuingFleets,
                        new Identification(world.database, _ -> TrustAnchors.of(world.birthCas)),
                        orders,
                        new OrderSigners(world.database, world.vault, world.audit, world.clock, random),
                        world.devices,
                        world.audit,
                        outbox,
                        world.refusals),
                new CheckIns.Hooks(
                        Map.of(OrderKind.REFURBISH, refurbishments, OrderKind.RENEW_KEY, (_, _, result) -> {
                            if (result.detail().equals(BROKEN)) {
                                throw new IllegalStateException(BROKEN);
                            }
                            ended.add(result);
                            return Optional.empty();
                        }),
                        (_, _, _, _) -> {
                            if (down) {
                                throw new UnavailableException("the storage is away");
                            }
                            return List.copyOf(due);
                        },
                        (_, _, _, _, said) -> evidence.add(said),
                        (_, _, _, _) -> {}),
                world.clock,
                random);
        fleet = world.fleet(FleetPolicy.standard());
    }

    @AfterEach
    void close() {
        outbox.close();
        world.close();
    }

    /// A device as it would be at home: what it keeps, and what it says.
    private final class Unit {
        final EnrolmentWorld.Unit claimed;
        final String serial;
        SoftwareKey key;
        Certificate certificate;
        Optional<Bytes> mark = Optional.empty();
        long lastSequence;
        long bootCount = 1;

        Unit(FleetId fleet) {
            serial = Bytes.sha256(UUID.randomUUID().toString().getBytes(StandardCharsets.UTF_8))
                    .hex()
                    .substring(0, 18);
            claimed = world.claim(fleet, serial);
            key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            certificate = issued(world.enrol(fleet, claimed.birth(), key));
        }

        /// Another one with the same identity and the same memory.
        Unit(Unit original) {
            claimed = original.claimed;
            serial = original.serial;
            key = original.key;
            certificate = original.certificate;
            mark = original.mark;
            bootCount = original.bootCount;
        }

        DeviceId id() {
            return claimed.id();
        }

        void renewKey() {
            SoftwareKey next = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            certificate = issued(world.reEnrol(fleet, certificate, next));
            key = next;
        }

        CheckIn says(CheckIn.Result... results) {
            return new CheckIn(
                    fleet.value(),
                    List.of(new CheckIn.Component("application", "1.0", Optional.empty())),
                    bootCount,
                    List.of(certificate.serial()),
                    List.of(root().fingerprint()),
                    lastSequence,
                    mark,
                    List.of(results),
                    Optional.empty());
        }

        CheckIn proves(Bytes nonce) {
            CheckIn said = says();
            return new CheckIn(
                    said.fleet(),
                    said.firmware(),
                    said.bootCount(),
                    said.certificates(),
                    said.trustAnchors(),
                    said.lastSequence(),
                    said.mark(),
                    said.results(),
                    Optional.of(new CheckIn.Evidence("application/eat+cwt", Bytes.ofHex("a0"), nonce)));
        }

        CheckInOutcome asks(CheckIn said) {
            return checkIns.answer(said, List.of(certificate.encoded()), "192.0.2.7");
        }

        CheckInOutcome asksWithBirthKey(CheckIn said) {
            DeviceCredential.TlsCertificate shown =
                    (DeviceCredential.TlsCertificate) EnrolmentWorld.shown(claimed.birth());
            return checkIns.answer(said, shown.chain(), "192.0.2.7");
        }

        CheckInAnswer checksIn(CheckIn.Result... results) {
            CheckInAnswer answer = answer(asks(says(results)));
            mark = answer.mark();
            return answer;
        }

        OrderVerdict judges(Bytes order) {
            return new OrderVerifier(TrustAnchors.of(root()), serial, Optional.of(id().value()))
                    .verify(order, lastSequence, world.clock.instant());
        }

        Signer signer() {
            return Signer.of(key.publicKey(), key.privateKey());
        }
    }

    private static Certificate issued(EnrolmentOutcome outcome) {
        assertThat(outcome).isInstanceOf(EnrolmentOutcome.Issued.class);
        return ((EnrolmentOutcome.Issued) outcome).certificate();
    }

    private static CheckInAnswer answer(CheckInOutcome outcome) {
        assertThat(outcome).isInstanceOf(CheckInOutcome.Answered.class);
        return ((CheckInOutcome.Answered) outcome).answer();
    }

    private static ErrorCode refusal(CheckInOutcome outcome) {
        assertThat(outcome).isInstanceOf(CheckInOutcome.Refused.class);
        return ((CheckInOutcome.Refused) outcome).code();
    }

    private Certificate root() {
        return world.issuingFleets.get(fleet).authority().chain().getLast();
    }

    private DeviceOrder place(Unit unit, OrderContent content) {
        return orders.place(world.tenant, unit.id(), content, DAY, EnrolmentWorld.OPERATOR);
    }

    private OrderState state(DeviceOrder order) {
        return orders.get(world.tenant, order.id()).state();
    }

    private static CheckIn.Result result(DeviceOrder order, CheckIn.Status status) {
        return new CheckIn.Result(order.id().value(), status, "", Optional.empty());
    }

    private List<String> history(Unit unit) {
        return world.audit.recordsAbout(world.tenant, "device:" + unit.id(), Page.Request.first()).items().stream()
                .map(record -> record.action())
                .toList();
    }

    @Test
    void isAnsweredWithTheStateTheTimeAndWhenToComeBack() {
        Unit unit = new Unit(fleet);

        CheckInAnswer soon = unit.checksIn();
        world.clock.advance(DAY);
        CheckInAnswer later = unit.checksIn();

        assertThat(soon.state()).isEqualTo(State.ACTIVE);
        assertThat(soon.device()).isEqualTo(unit.id().value());
        assertThat(soon.orders()).isEmpty();
        assertThat(soon.next()).isBetween(240, 360);
        assertThat(later.time()).isEqualTo(world.clock.instant());
        assertThat(later.next()).isBetween(17_280, 25_920);
        assertThat(world.devices.get(world.tenant, unit.id()).lastSeenAt()).isEqualTo(world.clock.instant());
    }

    @Test
    void writesNothingWhereNothingChanged() {
        Unit unit = new Unit(fleet);
        unit.checksIn();
        world.clock.advance(CheckInMacs.MARK_PERIOD);
        unit.checksIn();
        unit.checksIn();
        String before = rowVersions(unit);

        unit.checksIn();
        unit.checksIn();

        assertThat(rowVersions(unit)).isEqualTo(before);
    }

    private String rowVersions(Unit unit) {
        return world.database.inTenant(
                world.tenant,
                tx -> tx.createQuery("""
                                SELECT d.xmin::text || ' ' || r.xmin::text FROM device d JOIN device_report r
                                    USING (tenant_id, device_id)
                                WHERE d.tenant_id = :tenant AND d.device_id = :device""")
                        .bind("tenant", world.tenant)
                        .bind("device", unit.id())
                        .mapTo(String.class)
                        .one());
    }

    @Test
    void bringsAnOrderUntilItsResultIsSeen() {
        Unit unit = new Unit(fleet);
        DeviceOrder order = place(unit, new OrderContent.RenewKey());

        CheckInAnswer first = unit.checksIn();
        CheckInAnswer again = unit.checksIn();
        OrderVerdict verdict = unit.judges(first.orders().getFirst());

        assertThat(again.orders()).hasSize(1);
        assertThat(verdict).isInstanceOf(OrderVerdict.Accepted.class);
        assertThat(((OrderVerdict.Accepted) verdict).order().id())
                .isEqualTo(order.id().value());
        assertThat(state(order)).isEqualTo(OrderState.DELIVERED);

        unit.lastSequence = ((OrderVerdict.Accepted) verdict).order().sequence();
        assertThat(unit.checksIn(result(order, CheckIn.Status.DONE)).orders()).isEmpty();
        assertThat(unit.checksIn(result(order, CheckIn.Status.FAILED)).orders()).isEmpty();

        assertThat(state(order)).isEqualTo(OrderState.DONE);
        assertThat(ended).hasSize(1);
        assertThat(history(unit)).containsOnlyOnce("order.done").doesNotContain("order.failed");
    }

    @Test
    void doesNotBringWhatExpiredWasWithdrawnOrWasSuperseded() {
        Unit unit = new Unit(fleet);
        DeviceOrder withdrawn = place(unit, new OrderContent.RenewKey());
        orders.withdraw(world.tenant, withdrawn.id(), EnrolmentWorld.OPERATOR);
        DeviceOrder superseded = place(unit, new OrderContent.Store("settings", Bytes.ofHex("01")));
        DeviceOrder other = place(unit, new OrderContent.Store("network", Bytes.ofHex("02")));
        DeviceOrder last = place(unit, new OrderContent.Store("settings", Bytes.ofHex("03")));

        List<Bytes> brought = unit.checksIn().orders();
        world.clock.advance(DAY);

        assertThat(brought).hasSize(2);
        assertThat(unit.checksIn().orders()).isEmpty();
        assertThat(List.of(state(withdrawn), state(superseded), state(other), state(last)))
                .containsExactly(OrderState.WITHDRAWN, OrderState.WITHDRAWN, OrderState.EXPIRED, OrderState.EXPIRED);
        assertThat(orders.list(world.tenant, new OrderQuery(unit.id(), OrderState.EXPIRED), Page.Request.first())
                        .items())
                .hasSize(2);
        assertThat(place(unit, new OrderContent.Store("settings", Bytes.EMPTY)).sequence())
                .isGreaterThan(last.sequence());
    }

    @Test
    void bringsOrdersThatNoOtherDeviceTakesAndNobodyTakesTwice() {
        Unit unit = new Unit(fleet);
        Unit other = new Unit(fleet);
        place(unit, new OrderContent.RenewKey());
        Bytes order = unit.checksIn().orders().getFirst();
        byte[] forged = order.toArray();
        forged[forged.length / 2] ^= 1;
        Certificate foreign = new Unit(fleet).certificate;

        assertThat(reason(other.judges(order))).isEqualTo(OrderVerdict.Reason.OTHER_DEVICE);
        assertThat(reason(unit.judges(Bytes.of(forged))))
                .isIn(OrderVerdict.Reason.MALFORMED, OrderVerdict.Reason.UNTRUSTED);
        assertThat(reason(new OrderVerifier(TrustAnchors.of(foreign), unit.serial, Optional.empty())
                        .verify(order, 0, world.clock.instant())))
                .isEqualTo(OrderVerdict.Reason.UNTRUSTED);

        unit.lastSequence = ((OrderVerdict.Accepted) unit.judges(order)).order().sequence();
        assertThat(reason(unit.judges(order))).isEqualTo(OrderVerdict.Reason.REPLAYED);
        unit.lastSequence = 0;
        world.clock.advance(DAY);
        assertThat(reason(unit.judges(order))).isEqualTo(OrderVerdict.Reason.EXPIRED);
        world.clock.advance(Duration.ofDays(-400));
        assertThat(reason(unit.judges(order))).isEqualTo(OrderVerdict.Reason.UNTRUSTED);
    }

    private static OrderVerdict.Reason reason(OrderVerdict verdict) {
        assertThat(verdict).isInstanceOf(OrderVerdict.Refused.class);
        return ((OrderVerdict.Refused) verdict).reason();
    }

    @Test
    void takesNoResultOfAnotherDevicesOrderNorOfOneThatWasNotTold() {
        Unit unit = new Unit(fleet);
        Unit other = new Unit(fleet);
        DeviceOrder order = place(unit, new OrderContent.RenewKey());

        other.checksIn(result(order, CheckIn.Status.DONE));
        unit.checksIn(result(order, CheckIn.Status.DONE));

        assertThat(state(order)).isEqualTo(OrderState.DELIVERED);
        assertThat(ended).isEmpty();
    }

    @Test
    void doesNotBelieveAResultThatItsListenerDoesNot() {
        Unit unit = new Unit(fleet);
        DeviceOrder order = place(unit, new OrderContent.Refurbish());
        setRefurbishing(unit);
        unit.asksWithBirthKey(unit.says());

        unit.asksWithBirthKey(unit.says(result(order, CheckIn.Status.DONE)));

        assertThat(orders.get(world.tenant, order.id()).detail()).isEqualTo("there is no receipt");
        assertThat(state(order)).isEqualTo(OrderState.FAILED);
    }

    @Test
    void takesTheResultOfAnOrderOnceHoweverManyTellIt() throws Exception {
        Unit unit = new Unit(fleet);
        DeviceOrder order = place(unit, new OrderContent.RenewKey());
        unit.checksIn();
        CheckIn said = unit.says(result(order, CheckIn.Status.DONE));

        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            Callable<CheckInAnswer> tell = () -> answer(unit.asks(said));
            for (var future : threads.invokeAll(Collections.nCopies(16, tell))) {
                assertThat(future.get().state()).isEqualTo(State.ACTIVE);
            }
        }

        assertThat(ended).hasSize(1);
        assertThat(history(unit)).containsOnlyOnce("order.done");
    }

    @Test
    void takesManyResultsAtOnceAndOnceEachThoughOneOfThemBreaks() throws Exception {
        Map<Unit, DeviceOrder> placed = new LinkedHashMap<>();
        for (int i = 0; i < 12; i++) {
            Unit unit = new Unit(fleet);
            placed.put(unit, place(unit, new OrderContent.RenewKey()));
            unit.checksIn();
        }
        Unit broken = placed.keySet().iterator().next();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            Map<Unit, List<Future<CheckInOutcome>>> told = new LinkedHashMap<>();
            placed.forEach((unit, order) -> {
                CheckIn said = unit.says(new CheckIn.Result(
                        order.id().value(), CheckIn.Status.DONE, unit == broken ? BROKEN : "", Optional.empty()));
                told.put(
                        unit,
                        Stream.generate(() -> threads.submit(() -> unit.asks(said)))
                                .limit(3)
                                .toList());
            });
            for (Map.Entry<Unit, List<Future<CheckInOutcome>>> one : told.entrySet()) {
                for (Future<CheckInOutcome> outcome : one.getValue()) {
                    if (one.getKey() == broken) {
                        assertThatThrownBy(outcome::get).hasMessageContaining(BROKEN);
                    } else {
                        assertThat(outcome.get()).isInstanceOf(CheckInOutcome.Answered.class);
                    }
                }
            }
        }
        placed.forEach((unit, order) -> {
            boolean done = unit != broken;
            assertThat(orders.get(world.tenant, order.id()).state())
                    .isEqualTo(done ? OrderState.DONE : OrderState.DELIVERED);
            assertThat(history(unit).stream().filter("order.done"::equals)).hasSize(done ? 1 : 0);
        });
    }

    @Test
    void handsOverEvidenceThatWasAskedForAndNoOther() {
        Unit unit = new Unit(fleet);
        Bytes nonce = Bytes.ofHex("0102030405060708");
        place(unit, new OrderContent.Attest(nonce));
        unit.checksIn();

        for (Bytes shown : List.of(nonce, Bytes.ofHex("1112131415161718"))) {
            unit.asks(unit.proves(shown));
        }

        assertThat(evidence).extracting(CheckIn.Evidence::nonce).containsExactly(nonce);
    }

    @Test
    void placesWhatPolicyFindsDueButNotAgainAfterAFailure() {
        Unit unit = new Unit(fleet);
        due.add(new OrderContent.RenewCertificate());
        assertThat(unit.checksIn().orders()).hasSize(1);
        assertThat(unit.checksIn().orders()).hasSize(1);
        DeviceOrder placed = orders.list(world.tenant, new OrderQuery(unit.id(), null), Page.Request.first())
                .items()
                .getFirst();

        assertThat(unit.checksIn(result(placed, CheckIn.Status.FAILED)).orders())
                .isEmpty();
        world.clock.advance(DAY.plusHours(1));
        assertThat(unit.checksIn().orders()).hasSize(1);
    }

    @Test
    void placesWhatPolicyFindsDueOfManyDevicesInOneTransactionThoughOneOfThemBreaks() {
        int many = 200;
        List<DeviceId> devices = new ArrayList<>();
        for (int i = 0; i < many; i++) {
            devices.add(world.claim(fleet, "BA7C4%013d".formatted(i)).id());
        }
        OrderContent renewal = new OrderContent.RenewCertificate();
        DeviceId busy = devices.getFirst();
        DeviceOrder open = orders.place(world.tenant, busy, renewal, DAY, EnrolmentWorld.OPERATOR);
        List<PolicyOrders.Request> requests = new ArrayList<>(devices.stream()
                .map(device -> new PolicyOrders.Request(device, List.of(renewal, attest()), DAY))
                .toList());
        PolicyOrders policy = new PolicyOrders(world.database, orders);

        assertThat(policy.carry(world.tenant, requests))
                .as("none is to be asked again")
                .containsOnly(new PolicyOrders.Outcome(null, null));
        assertThat(transactions()).as("by an operator, and by policy").hasSize(2);
        for (DeviceId device : devices) {
            assertThat(openOrders(device))
                    .extracting(order -> order.content().kind())
                    .containsExactly(OrderKind.RENEW_CERTIFICATE, OrderKind.ATTEST);
        }
        assertThat(openOrders(busy).getFirst().id()).as("what is open stays").isEqualTo(open.id());

        policy.carry(world.tenant, requests);
        assertThat(transactions()).as("nothing is placed twice").hasSize(2);

        devices.forEach(device -> openOrders(device)
                .forEach(order -> orders.withdraw(world.tenant, order.id(), EnrolmentWorld.OPERATOR)));
        world.clock.advance(DAY);
        // An order cannot live for so short a time.
        requests.set(7, new PolicyOrders.Request(devices.get(7), List.of(attest()), Duration.ofSeconds(1)));
        List<PolicyOrders.Outcome> outcomes = policy.carry(world.tenant, requests);
        for (int i = 0; i < many; i++) {
            assertThat(outcomes.get(i).failure() != null).isEqualTo(i == 7);
            assertThat(openOrders(devices.get(i))).hasSize(i == 7 ? 0 : 2);
        }
    }

    private static OrderContent attest() {
        return new OrderContent.Attest(Bytes.sha256(UUID.randomUUID().toString().getBytes(StandardCharsets.UTF_8)));
    }

    private List<DeviceOrder> openOrders(DeviceId device) {
        return world.database.inTenant(world.tenant, tx -> orders.open(tx, world.tenant, device));
    }

    /// In which orders were placed.
    private List<String> transactions() {
        return world.database.inTenant(
                world.tenant,
                tx -> tx.createQuery("SELECT DISTINCT xmin::text FROM device_order WHERE tenant_id = :tenant")
                        .bind("tenant", world.tenant)
                        .mapTo(String.class)
                        .list());
    }

    @Test
    void placesOneOrderOfAKindHoweverManyCheckInsAreUnderWay() throws Exception {
        due.add(new OrderContent.RenewCertificate());
        List<Unit> units = Stream.generate(() -> new Unit(fleet)).limit(12).toList();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<CheckInOutcome>> answers = Stream.of(units, units, units)
                    .flatMap(List::stream)
                    .map(unit -> threads.submit(() -> unit.asks(unit.says())))
                    .toList();
            for (Future<CheckInOutcome> one : answers) {
                assertThat(answer(one.get()).orders()).hasSize(1);
            }
        }
        for (Unit unit : units) {
            assertThat(orders.list(world.tenant, new OrderQuery(unit.id(), null), Page.Request.first())
                            .items())
                    .hasSize(1);
        }
    }

    @Test
    void asksForEvidenceAgainSoonAfterAFailureAndLaterAfterEach() {
        Unit unit = new Unit(fleet);
        world.clock.advance(DAY);
        due.add(new OrderContent.Attest(Bytes.of(new byte[32])));
        unit.checksIn();
        for (int minutes : List.of(2, 4, 8, 16, 32, 64, 128, 256, 360, 360)) {
            CheckInAnswer failed = unit.checksIn(result(openOrder(unit), CheckIn.Status.FAILED));
            assertThat(failed.orders()).isEmpty();
            // Sooner than it comes otherwise, which is every six hours, give or take a fifth.
            assertThat(failed.next()).isLessThanOrEqualTo((int) (Math.max(minutes, 5) * 60 * 1.21));
            world.clock.advance(Duration.ofMinutes(minutes).minusSeconds(1));
            assertThat(unit.checksIn().orders()).isEmpty();
            world.clock.advance(Duration.ofSeconds(1));
            assertThat(unit.checksIn().orders()).hasSize(1);
        }
        unit.checksIn(result(openOrder(unit), CheckIn.Status.DONE));
        unit.checksIn(result(openOrder(unit), CheckIn.Status.FAILED));
        world.clock.advance(Duration.ofMinutes(2));
        assertThat(unit.checksIn().orders()).hasSize(1);
    }

    @Test
    void asksWithAnotherOrderWhereOneForEvidenceStaysUnanswered() {
        Unit unit = new Unit(fleet);
        due.add(new OrderContent.Attest(Bytes.of(new byte[32])));
        unit.checksIn();
        DeviceOrder first = openOrder(unit);
        world.clock.advance(Duration.ofHours(11));
        assertThat(unit.checksIn().orders()).hasSize(1);
        assertThat(openOrder(unit).id()).isEqualTo(first.id());
        world.clock.advance(Duration.ofHours(1));
        assertThat(unit.checksIn().orders()).hasSize(1);
        assertThat(openOrder(unit).id()).isNotEqualTo(first.id());
    }

    private DeviceOrder openOrder(Unit unit) {
        return orders.list(world.tenant, new OrderQuery(unit.id(), OrderState.DELIVERED), Page.Request.first())
                .items()
                .getFirst();
    }

    @Test
    void tellsAShutOutDeviceSoAndNothingElse() {
        Unit unit = new Unit(fleet);
        DeviceOrder order = place(unit, new OrderContent.RenewKey());
        unit.checksIn();

        world.devices.suspend(world.tenant, unit.id(), EnrolmentWorld.OPERATOR, "odd");
        CheckInAnswer suspended = unit.checksIn(result(order, CheckIn.Status.DONE));
        CheckInAnswer byBirthKey = answer(unit.asksWithBirthKey(unit.says()));
        world.devices.revoke(world.tenant, unit.id(), EnrolmentWorld.OPERATOR, "stolen");
        CheckInAnswer revoked = unit.checksIn();

        assertThat(List.of(suspended.state(), byBirthKey.state(), revoked.state()))
                .containsExactly(State.SUSPENDED, State.SUSPENDED, State.REVOKED);
        assertThat(List.of(suspended, byBirthKey, revoked))
                .allSatisfy(answer -> assertThat(answer.orders()).isEmpty())
                .allSatisfy(answer -> assertThat(answer.mark()).isEmpty());
        assertThat(state(order)).isEqualTo(OrderState.DELIVERED);
        assertThat(ended).isEmpty();
    }

    private void suspendUntilGood(Unit unit) {
        world.devices.change(
                world.tenant, unit.id(), DeviceChange.suspendUntilGood("not good"), EnrolmentWorld.OPERATOR);
    }

    private List<OrderKind> kinds(CheckInAnswer answer, Unit unit) {
        return answer.orders().stream()
                .map(order -> assertInstanceOf(OrderVerdict.Accepted.class, unit.judges(order))
                        .order()
                        .kind())
                .toList();
    }

    @Test
    void asksADeviceThatIsSuspendedUntilItIsGoodForEvidenceAndNothingElse() {
        Unit unit = new Unit(fleet);
        place(unit, new OrderContent.RenewKey());
        Bytes nonce = Bytes.of(new byte[32]);
        due.addAll(List.of(new OrderContent.RenewCertificate(), new OrderContent.Attest(nonce)));
        suspendUntilGood(unit);
        CheckInAnswer onHold = answer(unit.asks(unit.says()));
        CheckInAnswer byBirthKey = answer(unit.asksWithBirthKey(unit.says()));
        for (CheckInAnswer answer : List.of(onHold, byBirthKey)) {
            assertThat(answer.state()).isEqualTo(State.SUSPENDED);
            assertThat(answer.mark()).isEmpty();
            assertThat(kinds(answer, unit)).containsExactly(OrderKind.ATTEST);
        }
        unit.asks(unit.proves(nonce));
        assertThat(evidence).hasSize(1);

        Unit elsewhere = new Unit(world.fleet(FleetPolicy.standard()));
        suspendUntilGood(elsewhere);
        assertThat(answer(elsewhere.asks(elsewhere.says())).orders()).isEmpty();
    }

    @Test
    void hearsNoneWhomAnOperatorHasSuspendedThoughItWasNotGoodBefore() {
        Unit unit = new Unit(fleet);
        Bytes nonce = Bytes.of(new byte[32]);
        due.add(new OrderContent.Attest(nonce));
        suspendUntilGood(unit);
        unit.asks(unit.says());
        world.devices.suspend(world.tenant, unit.id(), EnrolmentWorld.OPERATOR, "stolen?");
        CheckInAnswer answer = answer(unit.asks(unit.proves(nonce)));
        assertThat(answer.state()).isEqualTo(State.SUSPENDED);
        assertThat(answer.orders()).isEmpty();
        assertThat(evidence).isEmpty();
        assertThat(world.database.<Boolean>inTenant(
                        world.tenant,
                        tx -> world.devices.endSuspensionUntilGood(
                                tx, world.tenant, unit.id(), EnrolmentWorld.OPERATOR, "good")))
                .isFalse();
        assertThatThrownBy(() -> suspendUntilGood(unit)).isInstanceOf(RefusedException.class);
    }

    @Test
    void asksADeviceForEvidenceThatComesWithItsBirthIdentityBecauseItsCertificateIsOver() {
        Unit unit = new Unit(fleet);
        due.addAll(List.of(new OrderContent.RenewCertificate(), new OrderContent.Attest(Bytes.of(new byte[32]))));
        world.clock.advance(Duration.ofDays(366));
        CheckInAnswer answer = answer(unit.asksWithBirthKey(unit.says()));
        assertThat(kinds(answer, unit)).containsExactly(OrderKind.ATTEST);
    }

    @Test
    void takesTheBirthIdentityOnlyWhereTheOperationalOneHasEnded() {
        Unit unit = new Unit(fleet);
        assertThat(refusal(unit.asksWithBirthKey(unit.says()))).isEqualTo(ErrorCode.OPERATIONAL_IDENTITY_REQUIRED);

        world.clock.advance(Duration.ofDays(366));
        assertThat(refusal(unit.asks(unit.says()))).isEqualTo(ErrorCode.CERTIFICATE_EXPIRED);
        assertThat(answer(unit.asksWithBirthKey(unit.says())).state()).isEqualTo(State.ACTIVE);
    }

    @Test
    void bringsARefurbishingDeviceThatOrderAloneAndToItsBirthKeyOnly() {
        Unit unit = new Unit(fleet);
        DeviceOrder refurbish = place(unit, new OrderContent.Refurbish());
        place(unit, new OrderContent.RenewKey());
        setRefurbishing(unit);

        assertThat(unit.checksIn().orders()).isEmpty();
        CheckInAnswer answer = answer(unit.asksWithBirthKey(unit.says()));

        assertThat(answer.state()).isEqualTo(State.REFURBISHING);
        assertThat(answer.orders()).hasSize(1);
        assertThat(((OrderVerdict.Accepted) unit.judges(answer.orders().getFirst()))
                        .order()
                        .id())
                .isEqualTo(refurbish.id().value());
    }

    /// A device takes no order with a smaller number than the last one.
    @Test
    void takesAllOrdersBackThatCameBeforeTheOneToRefurbish() {
        Unit unit = new Unit(fleet);
        due.add(new OrderContent.Attest(Bytes.of(new byte[32])));
        unit.checksIn();
        List<DeviceOrder> before = new ArrayList<>();
        for (int i = 0; i < 15; i++) {
            before.add(place(unit, new OrderContent.Store("object-" + i, Bytes.EMPTY)));
        }
        DeviceOrder refurbish = place(unit, new OrderContent.Refurbish());
        DeviceOrder after = place(unit, new OrderContent.Store("object-0", Bytes.ofHex("01")));
        assertThat(before).allSatisfy(order -> assertThat(state(order)).isEqualTo(OrderState.WITHDRAWN));
        setRefurbishing(unit);
        assertThat(kinds(answer(unit.asksWithBirthKey(unit.says())), unit)).containsExactly(OrderKind.REFURBISH);
        assertThat(state(after)).isEqualTo(OrderState.PLACED);

        // Its birth key brings it back: it is not wiped again, and asked for evidence at once.
        unit.lastSequence = refurbish.sequence();
        unit.key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        setActive(unit);
        unit.certificate = issued(world.enrol(fleet, unit.claimed.birth(), unit.key));
        assertThat(kinds(unit.checksIn(), unit)).containsExactlyInAnyOrder(OrderKind.STORE, OrderKind.ATTEST);
    }

    @Test
    void bringsAFewOrdersAtATimeAndSaysOfTheOthersThatTheyWait() {
        Unit unit = new Unit(fleet);
        List<DeviceOrder> placed = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            placed.add(place(unit, new OrderContent.Store("object-" + i, Bytes.EMPTY)));
        }
        assertThat(unit.checksIn().orders()).hasSize(4);
        assertThat(placed.stream().map(this::state))
                .containsExactly(
                        OrderState.DELIVERED,
                        OrderState.DELIVERED,
                        OrderState.DELIVERED,
                        OrderState.DELIVERED,
                        OrderState.PLACED,
                        OrderState.PLACED);
    }

    private void setActive(Unit unit) {
        world.database.inTenant(
                world.tenant,
                tx -> tx.createUpdate("""
                                UPDATE device SET state = 'ACTIVE' WHERE tenant_id = :tenant AND device_id = :device""")
                        .bind("tenant", world.tenant)
                        .bind("device", unit.id())
                        .execute());
    }

    private void setRefurbishing(Unit unit) {
        world.database.inTenant(
                world.tenant,
                tx -> tx.createUpdate("""
                                WITH revoked AS (UPDATE certificate SET revoked_at = :now, revocation_reason = 5
                                    WHERE tenant_id = :tenant AND device_id = :device)
                                UPDATE device SET state = 'REFURBISHING' WHERE tenant_id = :tenant AND device_id = :device""")
                        .bind("now", world.clock.instant())
                        .bind("tenant", world.tenant)
                        .bind("device", unit.id())
                        .execute());
    }

    @Test
    void refusesStrangersAndDevicesOfOtherFleets() {
        Unit unit = new Unit(fleet);
        FleetId elsewhere = world.fleet(FleetPolicy.standard());
        CheckIn said = unit.says();
        CheckIn lost = new CheckIn(
                elsewhere.value(),
                List.of(),
                1,
                List.of(),
                List.of(),
                0,
                Optional.empty(),
                List.of(),
                Optional.empty());

        assertThat(refusal(checkIns.answer(said, List.of(), "192.0.2.7"))).isEqualTo(ErrorCode.UNAUTHENTICATED);
        assertThat(refusal(checkIns.answer(said, List.of(root().encoded()), "192.0.2.7")))
                .isEqualTo(ErrorCode.DEVICE_UNKNOWN);
        assertThat(refusal(unit.asks(lost))).isEqualTo(ErrorCode.WRONG_FLEET);
    }

    @Test
    void keepsTheOrdersOfATenantFromOthers() {
        DeviceOrder order = place(new Unit(fleet), new OrderContent.RenewKey());

        try (EnrolmentWorld other = new EnrolmentWorld(testDatabase.database())) {
            assertThat(notFound(() -> orders.get(other.tenant, order.id()))).isTrue();
            assertThat(notFound(() -> orders.withdraw(other.tenant, order.id(), EnrolmentWorld.OPERATOR)))
                    .isTrue();
            assertThat(notFound(() -> orders.place(
                            other.tenant, order.device(), new OrderContent.RenewKey(), DAY, EnrolmentWorld.OPERATOR)))
                    .isTrue();
            assertThat(notFound(() ->
                            orders.list(other.tenant, new OrderQuery(order.device(), null), Page.Request.first())))
                    .isTrue();
            assertThat(orders.list(other.tenant, new OrderQuery(null, null), Page.Request.first())
                            .items())
                    .isEmpty();
        }
    }

    private static boolean notFound(Runnable work) {
        try {
            work.run();
            return false;
        } catch (RefusedException e) {
            return e.code() == ErrorCode.NOT_FOUND;
        }
    }

    @Test
    void suspectsACloneByAnEarlierMark() {
        Unit unit = new Unit(fleet);
        unit.checksIn();
        Unit clone = new Unit(unit);
        world.clock.advance(CheckInMacs.MARK_PERIOD);
        unit.checksIn();
        assertThat(history(unit)).doesNotContain("device.clone-suspected");
        world.clock.advance(CheckInMacs.MARK_PERIOD);
        unit.checksIn();

        assertThat(clone.checksIn().state()).isEqualTo(State.ACTIVE);
        unit.checksIn();
        clone.checksIn();

        assertThat(history(unit)).containsOnlyOnce("device.clone-suspected");
    }

    @Test
    void suspectsACloneThatTakesTurnsWithTheDevice() {
        Unit unit = new Unit(fleet);
        unit.checksIn();
        Unit clone = new Unit(unit);
        for (int turn = 0; turn < 2; turn++) {
            world.clock.advance(CheckInMacs.MARK_PERIOD);
            unit.checksIn();
            clone.checksIn();
        }

        assertThat(history(unit)).containsOnlyOnce("device.clone-suspected");
    }

    @Test
    void suspectsNobodyWhoHasNotHeardTheAnswers() {
        Unit unit = new Unit(fleet);
        unit.checksIn();
        for (int turn = 0; turn < 3; turn++) {
            world.clock.advance(CheckInMacs.MARK_PERIOD);
            Optional<Bytes> heard = unit.mark;
            unit.checksIn();
            unit.mark = heard;
            world.clock.advance(CheckInMacs.MARK_PERIOD);
            unit.checksIn();
        }

        assertThat(history(unit)).doesNotContain("device.clone-suspected");
    }

    @Test
    void suspectsACloneByAnEarlierKey() {
        Unit unit = new Unit(fleet);
        unit.checksIn();
        Unit thief = new Unit(unit);
        thief.renewKey();
        // Old and new overlap: nothing is wrong before the new one was used.
        unit.checksIn();
        thief.checksIn();
        assertThat(history(unit)).doesNotContain("device.clone-suspected");

        unit.checksIn();

        assertThat(history(unit)).contains("device.clone-suspected");
    }

    @Test
    void suspectsACloneByWhatItRemembers() {
        Map<String, Consumer<Unit>> forks = Map.of(
                "it has started less often than it said before", unit -> unit.bootCount = 2,
                "it has seen fewer orders than it said before", unit -> unit.lastSequence = 4);
        forks.forEach((sign, fork) -> {
            Unit unit = new Unit(fleet);
            unit.bootCount = 3;
            unit.lastSequence = 5;
            unit.checksIn();
            unit.checksIn();
            assertThat(history(unit)).doesNotContain("device.clone-suspected");
            fork.accept(unit);
            unit.checksIn();
            assertThat(signs(unit)).containsExactly(sign);
        });
    }

    @Test
    void suspectsACloneByAnEarlierCertificateForTheSameKey() {
        Unit unit = new Unit(fleet);
        unit.checksIn();
        Unit clone = new Unit(unit);
        world.clock.advance(Duration.ofHours(2));
        unit.certificate = issued(world.reEnrol(fleet, unit.certificate, unit.key));
        // The clone comes before the new certificate was used: there is nothing to see yet.
        clone.checksIn();
        unit.checksIn();
        assertThat(history(unit)).doesNotContain("device.clone-suspected");

        clone.mark = unit.mark;
        clone.checksIn();

        assertThat(signs(unit)).containsExactly("an earlier certificate is shown after a later one");
    }

    private List<Object> signs(Unit unit) {
        return world.audit.recordsAbout(world.tenant, "device:" + unit.id(), Page.Request.first()).items().stream()
                .filter(record -> record.action().equals("device.clone-suspected"))
                .<Object>map(record -> record.detail().get("sign"))
                .toList();
    }

    @Test
    void tellsTheOperatorWhatTheDeviceSaid() {
        Unit unit = new Unit(fleet);
        assertThat(new DeviceReports(world.database).find(world.tenant, unit.id()))
                .isEmpty();
        unit.checksIn();

        DeviceReport report =
                new DeviceReports(world.database).find(world.tenant, unit.id()).orElseThrow();
        assertThat(report.firmware()).containsExactly(new DeviceReport.Component("application", "1.0", null));
        assertThat(report.certificates())
                .containsExactly(unit.certificate.serial().hex());
        assertThat(report.bootCount()).isOne();
        assertThat(report.reportedAt()).isEqualTo(world.clock.instant());
        CheckInPolicy policy = CheckInPolicy.standard();
        assertThat(DeviceReports.nextExpectedBy(world.devices.get(world.tenant, unit.id()), policy))
                .contains(world.clock.instant().plus(Contacts.SEEN_AGAIN).plusSeconds(360));
        world.devices.suspend(world.tenant, unit.id(), EnrolmentWorld.OPERATOR, "test");
        assertThat(DeviceReports.nextExpectedBy(world.devices.get(world.tenant, unit.id()), policy))
                .isEmpty();
    }

    private FleetId fleetThatSuspendsClones() {
        CheckInPolicy strict = new CheckInPolicy(Duration.ofMinutes(1), Duration.ZERO, Duration.ofMinutes(1), true);
        return world.fleet(new FleetPolicy(
                false,
                false,
                false,
                Duration.ofDays(90),
                Duration.ofMinutes(5),
                strict,
                TransferPolicy.standard(),
                LifePolicy.standard()));
    }

    @Test
    void suspendsACloneAgainThatIsStillThereWhenTheDeviceIsResumed() {
        fleet = fleetThatSuspendsClones();
        Unit unit = new Unit(fleet);
        unit.checksIn();
        Unit clone = new Unit(unit);
        clone.mark = Optional.empty();
        for (int turn = 0; turn < 2; turn++) {
            world.clock.advance(CheckInMacs.MARK_PERIOD);
            assertThat(unit.checksIn().state()).isEqualTo(State.ACTIVE);
            world.clock.advance(CheckInMacs.MARK_PERIOD);
            assertThat(unit.checksIn().state()).isEqualTo(State.ACTIVE);
            clone.mark = Optional.empty();
            assertThat(clone.checksIn().state()).isEqualTo(State.SUSPENDED);
            world.devices.resume(world.tenant, unit.id(), EnrolmentWorld.OPERATOR, "only one");
        }
    }

    @Test
    void leavesADeviceAloneThatWasSetBackAndResumed() {
        fleet = fleetThatSuspendsClones();
        Unit unit = new Unit(fleet);
        unit.checksIn();
        Optional<Bytes> image = unit.mark;
        for (int turn = 0; turn < 3; turn++) {
            world.clock.advance(CheckInMacs.MARK_PERIOD);
            unit.checksIn();
        }
        unit.mark = image;
        assertThat(unit.checksIn().state()).isEqualTo(State.SUSPENDED);
        world.devices.resume(world.tenant, unit.id(), EnrolmentWorld.OPERATOR, "its image was restored");

        for (int day = 0; day < 4; day++) {
            assertThat(unit.checksIn().state()).isEqualTo(State.ACTIVE);
            world.clock.advance(Duration.ofDays(1));
        }
        assertThat(signs(unit)).hasSize(1);
        assertThat(new DeviceReports(world.database)
                        .find(world.tenant, unit.id())
                        .orElseThrow()
                        .cloneSuspectedAt())
                .isNull();
    }

    @Test
    void suspendsASuspectedCloneWhereTheFleetWantsIt() {
        fleet = fleetThatSuspendsClones();
        Unit unit = new Unit(fleet);
        unit.checksIn();
        Unit clone = new Unit(unit);
        clone.mark = Optional.empty();
        world.clock.advance(CheckInMacs.MARK_PERIOD);
        unit.checksIn();

        assertThat(clone.checksIn().state()).isEqualTo(State.SUSPENDED);
        assertThat(unit.checksIn().state()).isEqualTo(State.SUSPENDED);
        assertThat(world.state(unit.id())).isEqualTo(DeviceState.SUSPENDED);
    }

    @Test
    void comesSignedByWayOfAGateway() throws MalformedException {
        Unit unit = new Unit(fleet);
        place(unit, new OrderContent.RenewKey());
        Bytes message = relayed(unit, checkIns.nonce(fleet));

        Bytes signed = checkIns.answerRelayed(message, "192.0.2.8").message();
        CheckInAnswer answer = RelayedCheckIn.parseAnswer(signed, message, TrustAnchors.of(root()));

        assertThat(answer.state()).isEqualTo(State.ACTIVE);
        assertThat(unit.judges(answer.orders().getFirst())).isInstanceOf(OrderVerdict.Accepted.class);
    }

    @Test
    void isToldSignedThatTheServerIsBusyAndCarriesItsOrdersLater() throws MalformedException {
        Unit unit = new Unit(fleet);
        place(unit, new OrderContent.RenewKey());
        Bytes message = relayed(unit, checkIns.nonce(fleet));
        down = true;
        SignedAnswer busy = checkIns.answerRelayed(message, "192.0.2.8");
        RelayedRefusal refusal = RelayedRefusal.parse(busy.message(), message, TrustAnchors.of(root()));
        assertThat(refusal)
                .isEqualTo(new RelayedRefusal(
                        world.clock.instant().truncatedTo(ChronoUnit.SECONDS),
                        503,
                        "unavailable",
                        refusal.detail(),
                        5));
        assertThat(busy.retryAfter()).isEqualTo(Duration.ofSeconds(5));
        assertThatThrownBy(() -> unit.asks(unit.says())).isInstanceOf(UnavailableException.class);

        down = false;
        world.clock.advance(Duration.ofSeconds(5));
        Bytes again = relayed(unit, checkIns.nonce(fleet));
        assertThat(RelayedCheckIn.parseAnswer(
                                checkIns.answerRelayed(again, "192.0.2.8").message(), again, TrustAnchors.of(root()))
                        .orders())
                .hasSize(1);
    }

    private Bytes relayed(Unit unit, Bytes nonce) {
        return RelayedCheckIn.sign(nonce, unit.says(), unit.signer(), List.of(unit.certificate.encoded()));
    }

    /// Why the server does not take a message, as the device hears it.
    private String refusalOf(Bytes message) throws MalformedException {
        SignedAnswer answer = checkIns.answerRelayed(message, "");
        RelayedRefusal refusal = RelayedRefusal.parse(answer.message(), message, TrustAnchors.of(root()));
        assertThat(answer.status()).isEqualTo(refusal.status()).isEqualTo(403);
        assertThat(refusal.time()).isEqualTo(world.clock.instant().truncatedTo(ChronoUnit.SECONDS));
        return refusal.code();
    }

    @Test
    void isRefusedWhereAGatewayReplaysReordersOrHoldsItBack() throws MalformedException {
        Unit unit = new Unit(fleet);
        Bytes early = relayed(unit, checkIns.nonce(fleet));
        world.clock.advance(Duration.ofSeconds(1));
        Bytes late = relayed(unit, checkIns.nonce(fleet));
        assertThat(checkIns.answerRelayed(late, "").status()).isEqualTo(200);

        assertThat(refusalOf(late)).isEqualTo("nonce-invalid");
        assertThat(refusalOf(early)).isEqualTo("nonce-invalid");
        Bytes held = relayed(unit, checkIns.nonce(fleet));
        world.clock.advance(CheckInMacs.NONCE_LIFE);
        assertThat(refusalOf(held)).isEqualTo("nonce-invalid");
        assertThat(refusalOf(relayed(unit, Bytes.of(new byte[32])))).isEqualTo("nonce-invalid");
        FleetId other = world.fleet(FleetPolicy.standard());
        assertThat(refusalOf(relayed(unit, checkIns.nonce(other)))).isEqualTo("nonce-invalid");
    }
}
