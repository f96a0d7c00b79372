// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import static dev.tegata.platform.custody.CustodyWorld.OPERATOR;
import static dev.tegata.platform.custody.CustodyWorld.newKey;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.JobId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.checkin.CheckInOutcome;
import dev.tegata.platform.custody.CustodyWorld.Party;
import dev.tegata.platform.custody.CustodyWorld.Unit;
import dev.tegata.platform.custody.Transfer.State;
import dev.tegata.platform.device.DeviceCertificate;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.enrol.BirthCa;
import dev.tegata.platform.enrol.EnrolmentOutcome;
import dev.tegata.platform.event.RecordedEvent;
import dev.tegata.platform.fleet.TransferPolicy.Consent;
import dev.tegata.platform.job.Job;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.Waits;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckInAnswer;
import dev.tegata.protocol.OrderContent;
import dev.tegata.protocol.OrderVerdict;
import dev.tegata.protocol.OrderVerifier;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class TransfersTest {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    private static CustodyWorld world;

    @BeforeAll
    static void begin() {
        world = new CustodyWorld(testDatabase.database());
    }

    @AfterAll
    static void end() {
        world.close();
    }

    private static void assertRefused(ErrorCode code, ThrowingCallable attempt) {
        assertThatExceptionOfType(RefusedException.class)
                .isThrownBy(attempt)
                .satisfies(e -> assertThat(e.code()).as(e.detail()).isEqualTo(code));
    }

    private static void assertRefused(ErrorCode code, EnrolmentOutcome outcome) {
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        EnrolmentOutcome.Refused.class,
                        refused ->
                                assertThat(refused.code()).as(refused.detail()).isEqualTo(code));
    }

    @Test
    void aDeviceMovesAndTheSellerSeesNothingOfIt() {
        Party seller = world.party();
        Party buyer = world.party();
        Unit lock = world.claim(seller);
        SoftwareKey oldKey = newKey();
        Certificate old = world.certify(seller, lock, oldKey);

        TransferId id = world.offer(seller, buyer, lock);
        assertThat(world.transfers.incoming(buyer.id(), id).state()).isEqualTo(State.OFFERED);
        assertThat(world.accept(buyer, id).state()).isEqualTo(State.COMPLETED);

        assertRefused(ErrorCode.NOT_FOUND, () -> world.devices.get(seller.id(), lock.id()));
        assertRefused(ErrorCode.NOT_FOUND, () -> world.devices.certificates(seller.id(), lock.id()));
        assertThat(world.devices.get(buyer.id(), lock.id()).state()).isEqualTo(DeviceState.CLAIMED);
        assertThat(world.devices.certificates(buyer.id(), lock.id())).isEmpty();
        assertThat(world.transfers.counts(seller.id(), id)).isEqualTo(new Transfer.Counts(0, 0, 1, 0));

        // Offline until now: neither of its identities opens anything at the old fleet, and the old key nothing
        // anywhere.
        assertRefused(ErrorCode.DEVICE_UNKNOWN, world.renew(seller, old, newKey()));
        assertRefused(ErrorCode.DEVICE_UNKNOWN, world.enrol(seller, lock, newKey()));
        assertRefused(ErrorCode.DEVICE_UNKNOWN, world.renew(buyer, old, newKey()));
        assertRefused(ErrorCode.KEY_MISMATCH, world.enrol(buyer, lock, oldKey));
        assertThat(HandedOver.find(world.database, seller.id(), old))
                .hasValueSatisfying(told -> assertThat(told.newFleet()).isEqualTo(buyer.fleet()));

        world.certify(buyer, lock, newKey());
        assertThat(world.devices.get(buyer.id(), lock.id()).state()).isEqualTo(DeviceState.ACTIVE);
        assertThat(world.custody.steps(seller.id(), lock.id()))
                .extracting(CustodyStep::kind)
                .containsExactly(CustodyKind.CLAIMED, CustodyKind.HANDED_OVER, CustodyKind.RECEIVED);
    }

    @Test
    void aDeviceThatWasOfflineIsToldByItsOldOwnerWhereItBelongsAndNothingElse() {
        Party seller = world.party();
        Party buyer = world.party();
        Unit lock = world.claim(seller);
        Certificate old = world.certify(seller, lock, newKey());
        Certificate root = world.platform
                .issuingFleets
                .get(seller.fleet())
                .authority()
                .chain()
                .getLast();
        world.sell(seller, buyer, lock);

        for (Bytes shown : List.of(old.encoded(), BirthCa.selfSigned(lock.birth()))) {
            CheckIn said = new CheckIn(
                    seller.fleet().value(),
                    List.of(),
                    1,
                    List.of(old.serial()),
                    List.of(),
                    0,
                    Optional.empty(),
                    List.of(),
                    Optional.empty());
            CheckInOutcome outcome = world.checkIns.answer(said, List.of(shown), "192.0.2.7");
            assertThat(outcome).isInstanceOf(CheckInOutcome.Answered.class);
            CheckInAnswer answer = ((CheckInOutcome.Answered) outcome).answer();
            assertThat(answer.orders()).hasSize(1);
            OrderVerdict verdict = new OrderVerifier(
                            TrustAnchors.of(List.of(root)),
                            lock.serial(),
                            Optional.of(lock.id().value()))
                    .verify(answer.orders().getFirst(), 0, world.clock.instant());
            assertThat(verdict).isInstanceOf(OrderVerdict.Accepted.class);
            OrderContent content = ((OrderVerdict.Accepted) verdict).order().content();
            OrderContent.NewHome home = ((OrderContent.Release) content).to().orElseThrow();
            assertThat(home.fleet()).isEqualTo(buyer.fleet().value());
            assertThat(home.anchors())
                    .startsWith(world.platform
                            .issuingFleets
                            .get(buyer.fleet())
                            .authority()
                            .chain()
                            .getLast()
                            .encoded());
        }
        world.certify(buyer, lock, newKey());
    }

    @Test
    void aKeyOfAnOwnerBeforeTheSellerIsSpentToo() {
        List<Party> owners = List.of(world.party(), world.party(), world.party());
        Unit lock = world.claim(owners.get(0));
        SoftwareKey first = newKey();
        world.certify(owners.get(0), lock, first);
        world.sell(owners.get(0), owners.get(1), lock);
        world.certify(owners.get(1), lock, newKey());
        world.sell(owners.get(1), owners.get(2), lock);

        assertRefused(ErrorCode.KEY_MISMATCH, world.enrol(owners.get(2), lock, first));
        world.sell(owners.get(2), owners.get(0), lock);
        assertRefused(ErrorCode.KEY_MISMATCH, world.enrol(owners.get(0), lock, first));
        world.certify(owners.get(0), lock, newKey());
    }

    @Test
    void aBirthKeyThatWasCertifiedIsSpentAndStillProvesTheDevice() {
        Party seller = world.party();
        Party buyer = world.party();
        Unit lock = world.claim(seller);
        world.certify(seller, lock, lock.birth());
        world.sell(seller, buyer, lock);

        assertRefused(ErrorCode.KEY_MISMATCH, world.enrol(buyer, lock, lock.birth()));
        world.certify(buyer, lock, newKey());
    }

    @Test
    void aCodeIsGoodForOneTenantOnce() {
        Party seller = world.party();
        Party buyer = world.party();
        Party late = world.party();
        Unit lock = world.claim(seller);
        Transfers.Offered offered = world.transfers.offer(
                seller.id(),
                OPERATOR,
                new NewOffer(null, Duration.ofDays(1), false, "key is below the mat"),
                List.of(lock.id()));
        String code = Objects.requireNonNull(offered.code());
        assertThat(offered.toString()).doesNotContain(code);

        assertRefused(
                ErrorCode.NOT_FOUND,
                () -> world.transfers.redeem(buyer.id(), code.replace(code.charAt(40), 'x') + "y"));
        Transfer.Incoming incoming = world.transfers.redeem(buyer.id(), code);
        assertThat(world.transfers.redeem(buyer.id(), code).id()).isEqualTo(incoming.id());
        assertRefused(ErrorCode.NOT_FOUND, () -> world.transfers.redeem(late.id(), code));
        world.accept(buyer, incoming.id());
        assertThat(world.devices.get(buyer.id(), lock.id()).fleet()).isEqualTo(buyer.fleet());
        assertRefused(ErrorCode.NOT_FOUND, () -> world.transfers.redeem(buyer.id(), code));
    }

    @Test
    void anOfferIsForItsBuyerAloneEndsAndCanBeTakenBack() {
        Party seller = world.party();
        Party buyer = world.party();
        Party stranger = world.party();
        Unit lock = world.claim(seller);
        TransferId first = world.offer(seller, buyer, lock);

        assertRefused(ErrorCode.NOT_FOUND, () -> world.accept(stranger, first));
        assertRefused(ErrorCode.NOT_FOUND, () -> world.transfers.get(stranger.id(), first));
        assertRefused(ErrorCode.NOT_FOUND, () -> world.transfers.get(buyer.id(), first));
        assertRefused(ErrorCode.NOT_FOUND, () -> world.transfers.cancel(buyer.id(), OPERATOR, first, "mine"));
        assertRefused(
                ErrorCode.NOT_FOUND,
                () -> world.transfers.accept(buyer.id(), OPERATOR, first, stranger.fleet(), List.of()));
        world.transfers.cancel(seller.id(), OPERATOR, first, "changed my mind");
        assertRefused(ErrorCode.CONFLICT, () -> world.accept(buyer, first));
        assertThat(world.transfers.incoming(buyer.id(), first).state()).isEqualTo(State.CANCELLED);

        TransferId second = world.offer(seller, buyer, lock);
        world.clock.advance(Duration.ofDays(8));
        assertRefused(ErrorCode.CONFLICT, () -> world.accept(buyer, second));
        while (world.mover.workOnce() > 0) {
            // Until nothing is due.
        }
        awaitState(seller, second, State.EXPIRED);
        world.sell(seller, buyer, lock);
    }

    private static void awaitState(Party seller, TransferId id, State state) {
        long deadline = System.nanoTime() + 60_000_000_000L;
        while (world.transfers.get(seller.id(), id).state() != state) {
            assertThat(System.nanoTime()).as("waits for " + state).isLessThan(deadline);
            Thread.onSpinWait();
        }
    }

    @Test
    void anOfferThatIsTakenBackWhileAJobFillsItHoldsNoDevice() {
        Party seller = world.party();
        Party buyer = world.party();
        Unit lock = world.claim(seller);
        NewOffer offer = CustodyWorld.offerTo(buyer);
        CompletableFuture<Transfer> cancelled = world.database.inTenant(seller.id(), tx -> {
            // The job waits in the middle of its step.
            tx.execute(
                    "SELECT 1 FROM device WHERE device_id = ? FOR UPDATE",
                    lock.id().value());
            List<String> devices = List.of(lock.id().toString());
            TransferId id = Waits.beside(() -> world.transfers.offerMany(seller.id(), OPERATOR, offer, devices, null))
                    .join()
                    .transfer()
                    .id();
            Waits.untilBlocked(world.database, 1);
            CompletableFuture<Transfer> end =
                    Waits.beside(() -> world.transfers.cancel(seller.id(), OPERATOR, id, "changed my mind"));
            Waits.until("an end, or a wait", () -> end.isDone() || Waits.blocked(world.database) > 1);
            return end;
        });
        Waits.until(
                "the end of the job",
                () -> world.platform
                        .jobs
                        .list(seller.id(), Job.State.RUNNING, Page.Request.first())
                        .items()
                        .isEmpty());
        assertThat(cancelled.join().state()).isEqualTo(State.CANCELLED);
        world.sell(seller, buyer, lock);
    }

    @Test
    void anEntryThatIsNotedWhileTheOneBeforeIsSignedIsSignedToo() {
        Party owner = world.party();
        Unit lock = world.claim(owner);
        note(owner, lock, Duration.ofMinutes(1));
        world.database.inTenant(owner.id(), tx -> {
            // Whoever signs waits before it stores what it has signed.
            tx.execute(
                    "SELECT 1 FROM custody_entry WHERE device_id = ? FOR UPDATE",
                    lock.id().value());
            world.clock.advance(Duration.ofMinutes(2));
            Waits.untilBlocked(world.database, 1);
            return Waits.beside(() -> note(owner, lock, Duration.ZERO)).join();
        });
        Waits.until(
                "all entries signed",
                () -> world.database.inTenant(
                                owner.id(),
                                tx -> tx.createQuery(
                                                "SELECT count(*) FROM custody_entry WHERE device_id = :id AND entry IS NULL")
                                        .bind("id", lock.id())
                                        .mapTo(Integer.class)
                                        .one())
                        == 0);
    }

    private static boolean note(Party owner, Unit unit, Duration ahead) {
        return world.database.inTenant(owner.id(), tx -> {
            CustodyLog.note(
                    tx,
                    owner.id(),
                    unit.id(),
                    CustodyKind.REFURBISHED,
                    world.clock.instant().plus(ahead));
            return true;
        });
    }

    @Test
    void whoHasReadAnOfferBeforeItWasAcceptedSetsNothingBack() {
        Party seller = world.party();
        Party buyer = world.party();
        Unit lock = world.claim(seller);
        TransferId id = world.offer(seller, buyer, lock);
        Transfer seen = world.transfers.get(seller.id(), id);
        world.database.inTenant(
                seller.id(),
                tx -> tx.execute(
                        "UPDATE transfer SET state = 'ACCEPTED', buyer_fleet = ? WHERE transfer_id = ?",
                        buyer.fleet().value(),
                        id.value()));
        world.mover.later(seller.id(), seen, seen.expiresAt());
        world.mover.tell(seller.id(), world.transfers.get(seller.id(), id));
        world.mover.tell(seller.id(), seen);
        assertThat(world.transfers.incoming(buyer.id(), id).state()).isEqualTo(State.ACCEPTED);
    }

    @Test
    void aRevokedOrSuspendedDeviceDoesNotChangeOwners() {
        Party seller = world.party();
        Party buyer = world.party();
        Unit stolen = world.claim(seller);
        world.certify(seller, stolen, newKey());
        TransferId id = world.offer(seller, buyer, stolen);
        world.devices.revoke(seller.id(), stolen.id(), OPERATOR, "stolen");

        assertThat(world.accept(buyer, id).state()).isEqualTo(State.COMPLETED);
        assertThat(world.transfers
                        .devices(seller.id(), id, Page.Request.first())
                        .items())
                .containsExactly(new Transfer.Unit(stolen.id(), "REFUSED", "the device is revoked"));
        assertRefused(ErrorCode.NOT_FOUND, () -> world.devices.get(buyer.id(), stolen.id()));
        assertRefused(ErrorCode.CONFLICT, () -> world.offer(seller, buyer, stolen));
    }

    @Test
    void historyGoesOnlyWhereItIsShown() {
        Party seller = world.party();
        Party buyer = world.party();
        Unit silent = world.claim(seller);
        Unit open = world.claim(seller);
        world.certify(seller, silent, newKey());
        world.certify(seller, open, newKey());
        world.sell(seller, buyer, silent);
        TransferId id = world.transfers
                .offer(
                        seller.id(),
                        OPERATOR,
                        new NewOffer(buyer.id(), Duration.ofDays(1), true, ""),
                        List.of(open.id()))
                .transfer()
                .id();
        world.accept(buyer, id);

        assertRefused(ErrorCode.NOT_FOUND, () -> world.transfers.shownHistory(buyer.id(), silent.id()));
        assertThat(world.transfers.shownHistory(buyer.id(), open.id()))
                .singleElement()
                .satisfies(shown -> assertThat(shown.records().toString()).contains("device.activated"));
        assertThat(world.platform
                        .audit
                        .recordsAbout(buyer.id(), "device:" + silent.id(), Page.Request.first())
                        .items())
                .extracting(record -> record.action())
                .containsExactly("device.received");
        assertThat(world.platform
                        .audit
                        .recordsAbout(seller.id(), "device:" + silent.id(), Page.Request.first())
                        .items())
                .isNotEmpty();
    }

    @Test
    void codesForManyLabelsAreEachGoodForOneDevice() {
        Party owner = world.party(Consent.POSSESSION);
        Party finder = world.party();
        List<Unit> locks = List.of(world.claim(owner), world.claim(owner), world.claim(owner));
        String printed = "PRINTED-CODE-0123456789";
        List<LabelCode> codes = world.transfers.setLabelCodes(
                owner.id(),
                OPERATOR,
                List.of(
                        new LabelCode.Wish(locks.get(0).serial().toUpperCase(Locale.ROOT), null),
                        new LabelCode.Wish(locks.get(1).id().toString(), null),
                        new LabelCode.Wish(locks.get(1).serial(), null),
                        new LabelCode.Wish("nobody's", null),
                        new LabelCode.Wish(locks.get(2).serial(), printed)));
        assertThat(codes)
                .extracting(LabelCode::device)
                .containsExactlyElementsOf(locks.stream().map(Unit::id).toList());
        assertThat(codes.getLast().code()).isEqualTo(printed);
        assertThat(codes.toString()).doesNotContain(printed);
        assertThat(world.transfers.setLabelCodes(
                        finder.id(),
                        OPERATOR,
                        List.of(new LabelCode.Wish(locks.getFirst().serial(), null))))
                .as("a neighbour's devices")
                .isEmpty();

        assertRefused(
                ErrorCode.NOT_FOUND,
                () -> world.transfers.claim(
                        finder.id(),
                        OPERATOR,
                        finder.fleet(),
                        new Proof.Label(
                                "microchip",
                                locks.get(1).serial(),
                                codes.getFirst().code())));
        for (int i = 0; i < locks.size(); i++) {
            Proof proof = new Proof.Label(
                    "microchip", locks.get(i).serial(), codes.get(i).code());
            assertThat(world.transfers
                            .claim(finder.id(), OPERATOR, finder.fleet(), proof)
                            .state())
                    .isEqualTo(State.COOLING);
        }
    }

    @Test
    void possessionTakesADeviceAfterTheCoolDownUnlessItsOwnerObjects() {
        Party owner = world.party(Consent.POSSESSION);
        Party finder = world.party();
        Unit lock = world.claim(owner);
        String code = world.transfers.newLabelCode(owner.id(), OPERATOR, lock.id());
        Proof proof =
                new Proof.Label("microchip", lock.serial().toUpperCase(Locale.ROOT), code.toUpperCase(Locale.ROOT));

        Transfer.Incoming first = world.transfers.claim(finder.id(), OPERATOR, finder.fleet(), proof);
        assertThat(first.state()).isEqualTo(State.COOLING);
        assertThat(world.platform.outbox.after(owner.id(), 0, 1000))
                .extracting(RecordedEvent::type)
                .contains("dev.tegata.transfer.claimed");
        world.transfers.cancel(owner.id(), OPERATOR, first.id(), "it is mine");
        world.clock.advance(Duration.ofDays(8));
        assertThat(world.devices.get(owner.id(), lock.id()).fleet()).isEqualTo(owner.fleet());

        TransferId second = world.transfers
                .claim(finder.id(), OPERATOR, finder.fleet(), proof)
                .id();
        world.clock.advance(Duration.ofDays(6));
        world.mover.workOnce();
        assertThat(world.transfers.get(owner.id(), second).state()).isEqualTo(State.COOLING);
        world.clock.advance(Duration.ofDays(2));
        world.mover.workOnce();
        awaitState(owner, second, State.COMPLETED);
        assertThat(world.devices.get(finder.id(), lock.id()).fleet()).isEqualTo(finder.fleet());
    }

    @Test
    void theChipsSignatureProvesPossessionOnceAndForTheTenantThatAsked() {
        Party owner = world.party(Consent.POSSESSION);
        Party finder = world.party();
        Party thief = world.party();
        Unit lock = world.claim(owner);
        Bytes challenge = world.transfers.challenge(finder.id());
        Proof proof = signed(lock, challenge);

        assertRefused(ErrorCode.NOT_FOUND, () -> world.transfers.claim(thief.id(), OPERATOR, thief.fleet(), proof));
        TransferId id = world.transfers
                .claim(finder.id(), OPERATOR, finder.fleet(), proof)
                .id();
        world.transfers.cancel(owner.id(), OPERATOR, id, "no");
        assertRefused(ErrorCode.NOT_FOUND, () -> world.transfers.claim(finder.id(), OPERATOR, finder.fleet(), proof));
        Unit other = world.claim(owner);
        assertRefused(
                ErrorCode.NOT_FOUND,
                () -> world.transfers.claim(
                        finder.id(),
                        OPERATOR,
                        finder.fleet(),
                        signed(
                                new Unit(lock.id(), lock.serial(), other.birth()),
                                world.transfers.challenge(finder.id()))));
    }

    private static Proof signed(Unit unit, Bytes challenge) {
        byte[] message = Proof.message("microchip", unit.serial(), challenge).toArray();
        return new Proof.Chip(
                "microchip",
                unit.serial(),
                challenge,
                Bytes.of(unit.birth().sign(SignatureAlgorithm.ECDSA_SHA256, message)));
    }

    @Test
    void whoGuessesLearnsNothingAndIsSlowedDown() {
        Party owner = world.party(Consent.SELLER);
        Party guesser = world.party();
        Unit lock = world.claim(owner);
        String code = world.transfers.newLabelCode(owner.id(), OPERATOR, lock.id());
        List<Proof> guesses = List.of(
                new Proof.Label("microchip", lock.serial(), "0000000000000000"),
                new Proof.Label("microchip", "0123ffffffffffffffff", "0000000000000000"),
                new Proof.Label("microchip", lock.serial(), code));
        List<String> answers = new ArrayList<>();
        for (Proof guess : guesses) {
            assertThatExceptionOfType(RefusedException.class)
                    .isThrownBy(() -> world.transfers.claim(guesser.id(), OPERATOR, guesser.fleet(), guess))
                    .satisfies(e -> answers.add(e.code() + e.detail()));
        }
        assertThat(answers).hasSize(3);
        assertThat(answers.stream().distinct()).hasSize(1);
        for (int i = 0; i < 10; i++) {
            Proof guess = new Proof.Label("microchip", "0123%016x".formatted(i), "0000000000000000");
            try {
                world.transfers.claim(guesser.id(), OPERATOR, guesser.fleet(), guess);
            } catch (RefusedException e) {
                // Counted.
            }
        }
        assertRefused(
                ErrorCode.TOO_MANY_ATTEMPTS,
                () -> world.transfers.claim(guesser.id(), OPERATOR, guesser.fleet(), guesses.getFirst()));
    }

    @Test
    void aFleetMayDemandBothConsentAndPossession() {
        Party seller = world.party(Consent.BOTH);
        Party buyer = world.party();
        Unit shown = world.claim(seller);
        Unit missing = world.claim(seller);
        String code = world.transfers.newLabelCode(seller.id(), OPERATOR, shown.id());
        TransferId id = world.transfers
                .offer(seller.id(), OPERATOR, CustodyWorld.offerTo(buyer), List.of(shown.id(), missing.id()))
                .transfer()
                .id();
        assertRefused(
                ErrorCode.NOT_FOUND,
                () -> world.transfers.claim(
                        buyer.id(), OPERATOR, buyer.fleet(), new Proof.Label("microchip", shown.serial(), code)));
        world.transfers.accept(
                buyer.id(), OPERATOR, id, buyer.fleet(), List.of(new Proof.Label("microchip", shown.serial(), code)));

        assertThat(world.transfers.counts(seller.id(), id)).isEqualTo(new Transfer.Counts(0, 0, 1, 1));
        assertThat(world.devices.get(buyer.id(), shown.id()).state()).isEqualTo(DeviceState.CLAIMED);
        assertThat(world.devices.get(seller.id(), missing.id()).state()).isEqualTo(DeviceState.CLAIMED);
    }

    @Test
    void manyDevicesGoByAJob() throws Exception {
        Party seller = world.party();
        Party buyer = world.party();
        List<Unit> units = new ArrayList<>();
        for (int i = 0; i < 250; i++) {
            units.add(world.claim(seller));
        }
        world.devices.revoke(seller.id(), units.get(3).id(), OPERATOR, "broken");
        Transfers.Offered offered = world.transfers.offerMany(
                seller.id(), OPERATOR, CustodyWorld.offerTo(buyer), null, new Transfers.Filter(seller.fleet(), null));
        JobId jobId = Objects.requireNonNull(offered.job());
        long deadline = System.nanoTime() + 60_000_000_000L;
        while (world.platform.jobs.get(seller.id(), jobId).state() == Job.State.RUNNING) {
            assertThat(System.nanoTime()).isLessThan(deadline);
            Thread.sleep(20);
        }
        awaitState(seller, offered.transfer().id(), State.OFFERED);
        Job job = world.platform.jobs.get(seller.id(), jobId);
        assertThat(job.done()).isEqualTo(249);
        assertThat(job.refused()).isEqualTo(1);
        awaitIncoming(buyer, offered.transfer().id());
        world.accept(buyer, offered.transfer().id());
        while (world.transfers.get(seller.id(), offered.transfer().id()).state() != State.COMPLETED) {
            assertThat(System.nanoTime()).isLessThan(deadline);
            Thread.sleep(20);
        }
        assertThat(world.transfers.counts(seller.id(), offered.transfer().id()).arrived())
                .isEqualTo(249);
    }

    private static void awaitIncoming(Party buyer, TransferId id) throws InterruptedException {
        long deadline = System.nanoTime() + 60_000_000_000L;
        while (world.transfers.incoming(buyer.id(), Page.Request.first()).items().stream()
                .noneMatch(incoming -> incoming.id().equals(id))) {
            assertThat(System.nanoTime()).isLessThan(deadline);
            Thread.sleep(10);
        }
    }

    @Test
    void aCrashAfterReleaseIsCompletedByTheBackgroundAndNobodyIssuesMeanwhile() {
        Party seller = world.party();
        Party buyer = world.party();
        Unit lock = world.claim(seller);
        Certificate old = world.certify(seller, lock, newKey());
        TransferId id = world.offer(seller, buyer, lock);
        Mover.Move move = new Mover.Move(seller.id(), buyer.id(), id, buyer.fleet(), false, false);
        world.mover.release(move, lock.id());

        assertThat(world.owners(lock, List.of(seller, buyer))).isEmpty();
        assertRefused(ErrorCode.DEVICE_UNKNOWN, world.renew(seller, old, newKey()));
        assertRefused(ErrorCode.DEVICE_UNKNOWN, world.enrol(buyer, lock, newKey()));
        world.mover.release(move, lock.id());
        world.mover.arrive(move, lock.id());
        assertThat(world.owners(lock, List.of(seller, buyer))).containsExactly(buyer.id());
        world.mover.arrive(move, lock.id());
        assertThat(world.owners(lock, List.of(seller, buyer))).containsExactly(buyer.id());
    }

    @Test
    void theDatabaseGivesAChipToNobodyButThePromisedTenant() {
        Party seller = world.party();
        Party buyer = world.party();
        Party thief = world.party();
        Unit lock = world.claim(seller);
        TransferId id = world.offer(seller, buyer, lock);
        world.mover.release(new Mover.Move(seller.id(), buyer.id(), id, buyer.fleet(), false, false), lock.id());

        assertThat(take(thief, lock)).isZero();
        assertThat(take(buyer, lock)).isOne();
        assertThat(take(seller, lock)).isZero();
    }

    private static int take(Party taker, Unit unit) {
        return world.database.inTenant(
                taker.id(),
                tx -> tx.createUpdate("UPDATE chip_owner SET tenant_id = :me WHERE serial = :serial")
                        .bind("me", taker.id())
                        .bind("serial", unit.serial())
                        .execute());
    }

    @Test
    void aTransferRacedByRenewalLeavesOneOwnerAndNoLivingCertificateOfTheOldOne() throws Exception {
        Party seller = world.party();
        Party buyer = world.party();
        Random random = new Random(7);
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int round = 0; round < 25; round++) {
                Unit lock = world.claim(seller);
                Certificate current = world.certify(seller, lock, newKey());
                TransferId id = world.offer(seller, buyer, lock);
                List<Callable<Object>> racers = new ArrayList<>();
                for (int i = 0; i < 3; i++) {
                    int pause = random.nextInt(4);
                    racers.add(() -> {
                        Thread.sleep(pause);
                        return world.renew(seller, current, newKey());
                    });
                }
                racers.add(() -> world.accept(buyer, id));
                racers.add(() -> world.enrol(buyer, lock, newKey()));
                for (Future<Object> racer : threads.invokeAll(racers)) {
                    racer.get();
                }
                assertThat(world.owners(lock, List.of(seller, buyer))).containsExactly(buyer.id());
                assertThat(living(seller, lock)).isZero();
                world.certify(buyer, lock, newKey());
            }
        }
    }

    private static int living(Party tenant, Unit unit) {
        return world.database.inTenant(
                tenant.id(),
                tx -> tx.createQuery("""
                                SELECT count(*) FROM certificate WHERE device_id = :device AND revoked_at IS NULL""")
                        .bind("device", unit.id())
                        .mapTo(Integer.class)
                        .one());
    }

    @Test
    void theOldOwnersCertificatesDieBeforeTheNewOwnersFirstIsMade() {
        Party seller = world.party();
        Party buyer = world.party();
        Unit lock = world.claim(seller);
        world.certify(seller, lock, newKey());
        world.clock.advance(Duration.ofSeconds(1));
        world.sell(seller, buyer, lock);
        world.clock.advance(Duration.ofSeconds(1));
        world.certify(buyer, lock, newKey());
        DeviceCertificate fresh =
                world.devices.certificates(buyer.id(), lock.id()).getFirst();
        int revokedBefore = world.database.inTenant(
                seller.id(),
                tx -> tx.createQuery("""
                                SELECT count(*) FROM certificate WHERE device_id = :device
                                    AND revoked_at < :issued AND revocation_reason = 5""")
                        .bind("device", lock.id())
                        .bind("issued", fresh.issuedAt())
                        .mapTo(Integer.class)
                        .one());
        assertThat(revokedBefore).isOne();
    }

    @Test
    void ofTwoOffersAtOnceOneStands() throws Exception {
        Party seller = world.party();
        List<Party> buyers = List.of(world.party(), world.party(), world.party());
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int round = 0; round < 10; round++) {
                Unit lock = world.claim(seller);
                List<Future<Boolean>> tries = new ArrayList<>();
                for (Party buyer : buyers) {
                    tries.add(threads.submit(() -> {
                        try {
                            world.sell(seller, buyer, lock);
                            return true;
                        } catch (RefusedException e) {
                            return false;
                        }
                    }));
                }
                int sold = 0;
                for (Future<Boolean> one : tries) {
                    sold += one.get() ? 1 : 0;
                }
                assertThat(sold).isOne();
                List<Party> all = new ArrayList<>(buyers);
                all.add(seller);
                assertThat(world.owners(lock, all)).hasSize(1);
            }
        }
    }

    @Test
    void aTransferRacedByRevocationEndsWithARevokedDeviceOfTheSellerOrALivingOneOfTheBuyer() throws Exception {
        Party seller = world.party();
        Party buyer = world.party();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int round = 0; round < 25; round++) {
                Unit lock = world.claim(seller);
                world.certify(seller, lock, newKey());
                TransferId id = world.offer(seller, buyer, lock);
                Future<Boolean> revoked = threads.submit(() -> {
                    try {
                        world.devices.revoke(seller.id(), lock.id(), OPERATOR, "race");
                        return true;
                    } catch (RefusedException e) {
                        return false;
                    }
                });
                Future<?> accepted = threads.submit(() -> world.accept(buyer, id));
                accepted.get();
                boolean stays = revoked.get();
                assertThat(world.owners(lock, List.of(seller, buyer)))
                        .containsExactly(stays ? seller.id() : buyer.id());
                assertThat(living(seller, lock)).isZero();
            }
        }
    }

    @Test
    void manyMoversMoveADeviceOnce() throws Exception {
        Party seller = world.party();
        Party buyer = world.party();
        Party third = world.party();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int round = 0; round < 10; round++) {
                Unit lock = world.claim(seller);
                TransferId id = world.offer(seller, buyer, lock);
                Mover.Move move = new Mover.Move(seller.id(), buyer.id(), id, buyer.fleet(), false, false);
                List<Callable<Object>> movers = new ArrayList<>();
                for (int i = 0; i < 4; i++) {
                    movers.add(() -> {
                        world.mover.release(move, lock.id());
                        world.mover.arrive(move, lock.id());
                        return true;
                    });
                }
                for (Future<Object> one : threads.invokeAll(movers)) {
                    one.get();
                }
                world.sell(buyer, third, lock);
                // One that was held up until now finds nothing to do, and brings the device back to nobody.
                world.mover.arrive(move, lock.id());
                assertThat(world.owners(lock, List.of(seller, buyer, third))).containsExactly(third.id());
                assertThat(world.custody.steps(third.id(), lock.id())).hasSize(5);
            }
        }
    }

    @Test
    void aGrantOpensADeviceUntilItsDateOrUntilItIsRevoked() {
        Party owner = world.party();
        Party guest = world.party();
        Party stranger = world.party();
        Unit lock = world.claim(owner);
        DeviceId id = lock.id();
        assertRefused(ErrorCode.NOT_FOUND, () -> world.grants.device(guest.id(), id));
        Grants.Given given = world.grants.grant(
                owner.id(), OPERATOR, id, guest.id(), world.clock.instant().plus(Duration.ofDays(7)));
        assertThat(world.grants.device(guest.id(), id).serial()).isEqualTo(lock.serial());
        assertRefused(ErrorCode.NOT_FOUND, () -> world.devices.get(guest.id(), id));
        assertRefused(ErrorCode.NOT_FOUND, () -> world.grants.device(stranger.id(), id));
        assertRefused(ErrorCode.NOT_FOUND, () -> world.grants.revoke(guest.id(), OPERATOR, id, given.id()));
        world.grants.revoke(owner.id(), OPERATOR, id, given.id());
        assertRefused(ErrorCode.NOT_FOUND, () -> world.grants.device(guest.id(), id));

        world.grants.grant(
                owner.id(), OPERATOR, id, guest.id(), world.clock.instant().plus(Duration.ofDays(7)));
        world.clock.advance(Duration.ofDays(8));
        assertRefused(ErrorCode.NOT_FOUND, () -> world.grants.device(guest.id(), id));
        assertThat(world.grants.held(guest.id(), Page.Request.first()).items()).isEmpty();

        world.grants.grant(
                owner.id(), OPERATOR, id, guest.id(), world.clock.instant().plus(Duration.ofDays(7)));
        world.sell(owner, stranger, lock);
        assertRefused(ErrorCode.NOT_FOUND, () -> world.grants.device(guest.id(), id));
    }

    @Test
    void anotherTenantsTransferIsNotFound() {
        Party seller = world.party();
        Party buyer = world.party();
        TenantId stranger = world.party().id();
        Unit lock = world.claim(seller);
        TransferId id = world.offer(seller, buyer, lock);

        assertRefused(ErrorCode.NOT_FOUND, () -> world.transfers.incoming(stranger, id));
        assertRefused(ErrorCode.NOT_FOUND, () -> world.transfers.devices(stranger, id, Page.Request.first()));
        assertRefused(ErrorCode.NOT_FOUND, () -> world.custody.steps(stranger, lock.id()));
        assertRefused(ErrorCode.NOT_FOUND, () -> world.custody.export(buyer.id(), lock.id()));
        assertRefused(
                ErrorCode.NOT_FOUND,
                () -> world.transfers.offer(stranger, OPERATOR, CustodyWorld.offerTo(buyer), List.of(lock.id())));
    }
}
