// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.checkin;

import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.audit.RefusalLog;
import dev.tegata.platform.checkin.Contacts.Contact;
import dev.tegata.platform.checkin.Contacts.Met;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.device.Devices;
import dev.tegata.platform.enrol.Candidate;
import dev.tegata.platform.enrol.DeviceCredential;
import dev.tegata.platform.enrol.Identification;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.fleet.CheckInPolicy;
import dev.tegata.platform.fleet.IssuingFleet;
import dev.tegata.platform.fleet.IssuingFleets;
import dev.tegata.platform.order.DeviceOrder;
import dev.tegata.platform.order.OrderResults;
import dev.tegata.platform.order.OrderSigners;
import dev.tegata.platform.order.Orders;
import dev.tegata.platform.store.Database;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckInAnswer;
import dev.tegata.protocol.Order;
import dev.tegata.protocol.OrderContent;
import dev.tegata.protocol.OrderKind;
import dev.tegata.protocol.RelayedCheckIn;
import dev.tegata.protocol.SignedOrders;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Answers check-ins: one service for devices that come themselves and for those that come by way of a
/// gateway.
///
/// The order of things:
///
/// 1. The credential leads to a device. A device that is shut out is told so, and nothing else; one that is
///    shut out until it proves that it is good is heard about that, and asked for it.
/// 2. Evidence goes to whoever appraises it; results are stored, once each, with their consequences.
/// 3. What policy finds due is placed.
/// 4. The contact is noted where something changed ([Contacts]), and open orders are found.
/// 5. Orders are signed. This stores nothing: a lost answer is made again.
public final class CheckIns {
    /// How many check-ins may be under way before devices are told to come less often.
    private static final int RELAXED = 64;

    private static final int MOST_BENT = 8;
    private static final double SHORTEST_JITTER = 0.8;
    static final double LONGEST_JITTER = 1.2;

    private static final Duration RELEASE_LIFE = Duration.ofDays(1);
    private static final Duration SHORTEST_ATTEST_LIFE = Duration.ofHours(1);
    private static final Set<OrderKind> EVIDENCE_ONLY = Set.of(OrderKind.ATTEST);

    private final Database database;
    private final IssuingFleets fleets;
    private final Identification identification;
    private final Orders orders;
    private final OrderSigners signers;
    private final Contacts contacts;
    private final Results results;
    private final PolicyOrders policyOrders;
    private final Devices devices;
    private final CheckInMacs macs;
    private final RelayNonces nonces;
    private final RefusalLog refusals;
    private final Hooks hooks;
    private final InstantSource clock;
    private final SecureRandom random;
    private final AtomicInteger underWay = new AtomicInteger();

    /// What others make of check-ins.
    ///
    /// @param results by the kind of order
    public record Hooks(
            Map<OrderKind, OrderResults> results,
            DueOrders due,
            EvidenceSink evidence,
            SeenListener seen,
            Departures departures) {
        public Hooks {
            results = Map.copyOf(results);
        }

        /// No device ever leaves.
        public Hooks(Map<OrderKind, OrderResults> results, DueOrders due, EvidenceSink evidence, SeenListener seen) {
            this(results, due, evidence, seen, (_, _) -> Optional.empty());
        }

        /// The same, with evidence asked for and appraised.
        public Hooks with(DueOrders asked, EvidenceSink sink, Map<OrderKind, OrderResults> more) {
            Map<OrderKind, OrderResults> all = new HashMap<>(results);
            all.putAll(more);
            DueOrders both = (fleet, device, said, now) -> Stream.concat(
                            due.due(fleet, device, said, now).stream(), asked.due(fleet, device, said, now).stream())
                    .toList();
            return new Hooks(all, both, sink, seen, departures);
        }

        /// The same, with devices that have left.
        public Hooks with(Departures others) {
            return new Hooks(results, due, evidence, seen, others);
        }

        /// Nobody makes anything of them.
        public static Hooks none() {
            return new Hooks(Map.of(), (_, _, _, _) -> List.of(), (_, _, _, _, _) -> {}, (_, _, _, _) -> {});
        }
    }

    /// What all check-ins need.
    public record Services(
            Database database,
            IssuingFleets fleets,
            Identification identification,
            Orders orders,
            OrderSigners signers,
            Devices devices,
            AuditLog audit,
            Outbox outbox,
            RefusalLog refusals) {}

    public CheckIns(Services services, Hooks hooks, InstantSource clock, SecureRandom random) {
        this.database = services.database();
        this.fleets = services.fleets();
        this.identification = services.identification();
        this.orders = services.orders();
        this.signers = services.signers();
        this.devices = services.devices();
        this.refusals = services.refusals();
        this.contacts = new Contacts(database, orders, services.audit(), services.outbox(), hooks.seen(), clock);
        this.results = new Results(database, orders, hooks.results());
        this.policyOrders = new PolicyOrders(database, orders);
        this.macs = new CheckInMacs(database, clock, random);
        this.nonces = new RelayNonces(database, macs);
        this.hooks = hooks;
        this.clock = clock;
        this.random = random;
    }

    /// A nonce for a signed check-in, good for five minutes.
    ///
    /// @throws RefusedException where there is no such fleet
    public Bytes nonce(FleetId fleet) {
        return macs.nonce(fleets.get(fleet).fleet().id());
    }

    /// Answers a device that came itself.
    ///
    /// @param chain that TLS has proven the first one's key of; empty where it showed none
    /// @param source where it came from, for the audit
    public CheckInOutcome answer(CheckIn said, List<Bytes> chain, String source) {
        return counted(() -> {
            IssuingFleet fleet = fleet(said);
            return new CheckInOutcome.Answered(new Attempt(fleet, said, chain, source).run(OptionalLong.empty()));
        });
    }

    /// Answers a device that came by way of a gateway, whatever the gateway is.
    ///
    /// @param message the signed check-in
    /// @throws MalformedException where it is none, or its signature is wrong
    /// @throws RefusedException where there is no fleet in whose name to answer
    /// @throws UnavailableException where nothing can be signed either
    public SignedAnswer answerRelayed(Bytes message, String source) throws MalformedException {
        RelayedCheckIn relayed = RelayedCheckIn.parse(message);
        IssuingFleet fleet = fleet(relayed.checkIn());
        OrderSigners.OrderSigner signer = signers.of(fleet);
        try {
            return switch (counted(() -> relayed(fleet, relayed, source))) {
                case CheckInOutcome.Answered(CheckInAnswer answer) ->
                    SignedAnswer.yes(
                            RelayedCheckIn.ANSWER_CONTENT_TYPE,
                            RelayedCheckIn.signAnswer(relayed.digest(), answer, signer.signer(), signer.chain()));
                case CheckInOutcome.Refused refused ->
                    SignedAnswer.no(relayed.digest(), refused, Duration.ZERO, signer, clock.instant());
            };
        } catch (UnavailableException e) {
            return SignedAnswer.busy(relayed.digest(), signer, clock.instant());
        }
    }

    private CheckInOutcome relayed(IssuingFleet fleet, RelayedCheckIn relayed, String source) {
        OptionalLong time = nonces.timeOf(fleet.fleet().id(), relayed.nonce());
        List<Bytes> chain = relayed.chain().stream().map(Certificate::encoded).toList();
        return new CheckInOutcome.Answered(new Attempt(fleet, relayed.checkIn(), chain, source).run(time));
    }

    private IssuingFleet fleet(CheckIn said) {
        return fleets.get(new FleetId(said.fleet()));
    }

    private interface Work {
        CheckInOutcome run();
    }

    private CheckInOutcome counted(Work work) {
        underWay.incrementAndGet();
        try {
            return work.run();
        } catch (RefusedException e) {
            return new CheckInOutcome.Refused(e.code(), e.detail());
        } finally {
            underWay.decrementAndGet();
        }
    }

    /// One check-in on its way through the steps.
    private final class Attempt {
        private final IssuingFleet fleet;
        private final TenantId tenant;
        private final CheckIn said;
        private final List<Bytes> chain;
        private final String source;
        private final Instant now = clock.instant();
        /// When evidence is asked for again that could not be given; null where there is nothing to ask
        /// again.
        private @Nullable Instant asksAgainAt;

        Attempt(IssuingFleet fleet, CheckIn said, List<Bytes> chain, String source) {
            this.fleet = fleet;
            this.tenant = fleet.tenant();
            this.said = said;
            this.chain = chain;
            this.source = source;
        }

        /// @param nonce the time in the nonce that the device has signed, where it came by way of a gateway
        CheckInAnswer run(OptionalLong nonce) {
            DeviceCredential credential =
                    chain.isEmpty() ? new DeviceCredential.None() : new DeviceCredential.TlsCertificate(chain);
            return switch (identification.identify(fleet, credential, true, now)) {
                case Identification.Result.Found found -> {
                    nonces.useUp(tenant, found.device().id(), nonce);
                    yield answer(found);
                }
                case Identification.Result.NotFound notFound -> {
                    Candidate device = notFound.device();
                    Optional<Departures.Departed> departed = device == null ? departed() : Optional.empty();
                    if (departed.isPresent()) {
                        yield release(departed.get());
                    }
                    if (device == null
                            || notFound.code() != ErrorCode.CERTIFICATE_REVOKED
                            || !isShutOut(device.state()) && device.state() != DeviceState.REFURBISHING) {
                        throw refusal(notFound.code(), notFound.detail(), device);
                    }
                    nonces.useUp(tenant, device.id(), nonce);
                    yield notFound.onHold() ? answerShutOut(device) : meet(device, Optional.empty(), Optional.empty());
                }
                case Identification.Result.Unclaimed _ ->
                    throw refusal(ErrorCode.DEVICE_UNKNOWN, "the device has not enrolled yet", null);
            };
        }

        private Optional<Departures.Departed> departed() {
            if (chain.isEmpty()) {
                return Optional.empty();
            }
            try {
                return hooks.departures().find(tenant, Certificate.parse(chain.getFirst()));
            } catch (InvalidCertificateException e) {
                return Optional.empty();
            }
        }

        /// All that a device is told which belongs to somebody else by now, each time it comes: where it
        /// belongs.
        private CheckInAnswer release(Departures.Departed departed) {
            OrderSigners.OrderSigner signer = signers.of(fleet);
            Order order = new Order(
                    departed.device().value(),
                    departed.chipSerial(),
                    TimeOrderedIds.next(now, random),
                    now.toEpochMilli(),
                    now,
                    now.plus(RELEASE_LIFE),
                    new OrderContent.Release(Optional.of(departed.home())));
            return new CheckInAnswer(
                    now,
                    departed.device().value(),
                    (int) fleet.fleet().policy().checkIn().quick().toSeconds(),
                    CheckInAnswer.State.CLAIMED,
                    Optional.empty(),
                    List.of(SignedOrders.sign(order, signer.signer(), signer.chain())));
        }

        private CheckInAnswer answer(Identification.Result.Found found) {
            Candidate device = found.device();
            if (!device.fleet().equals(fleet.fleet().id())) {
                throw refusal(
                        ErrorCode.WRONG_FLEET,
                        "the device belongs to fleet " + device.fleet() + " and checked in at "
                                + fleet.fleet().id(),
                        device);
            }
            if (isShutOut(device.state())) {
                return answerShutOut(device);
            }
            boolean operational = found.basis() == Identification.Basis.OPERATIONAL_CERTIFICATE;
            requireRightIdentity(device, operational);
            takeEvidence(device);
            takeResults(device);
            if (device.state() == DeviceState.ACTIVE) {
                placeDue(device, operational ? EnumSet.allOf(OrderKind.class) : EVIDENCE_ONLY);
            }
            return meet(device, Optional.of(said), operational ? identity(device) : Optional.empty());
        }

        /// The way back for a device that is suspended because it was not good: it is asked for evidence,
        /// and heard.
        private CheckInAnswer answerShutOut(Candidate device) {
            if (!device.isToProveItself()
                    || !device.fleet().equals(fleet.fleet().id())) {
                return meet(device, Optional.empty(), Optional.empty());
            }
            takeEvidence(device);
            takeResults(device);
            placeDue(device, EVIDENCE_ONLY);
            return meet(device, Optional.of(said), Optional.empty());
        }

        /// The birth identity is for devices that have no good operational one. The operational identity of
        /// a device that was set back is no longer one.
        private void requireRightIdentity(Candidate device, boolean operational) {
            Candidate.CurrentCertificate current = device.current();
            boolean good = device.state() == DeviceState.ACTIVE
                    && current != null
                    && !current.revoked()
                    && now.isBefore(current.notAfter());
            if (!operational && good) {
                throw refusal(
                        ErrorCode.OPERATIONAL_IDENTITY_REQUIRED, "the device came with its birth identity", device);
            }
            if (operational && device.state() != DeviceState.ACTIVE) {
                throw refusal(ErrorCode.DEVICE_NOT_ACTIVE, "the device is " + Texts.word(device.state()), device);
            }
        }

        private void takeEvidence(Candidate device) {
            if (said.evidence().isEmpty()) {
                return;
            }
            CheckIn.Evidence evidence = said.evidence().get();
            // Evidence over a nonce that nobody gave, or that was answered before, says nothing.
            database.inTenant(tenant, tx -> orders.open(tx, tenant, device.id())).stream()
                    .filter(order -> order.content() instanceof OrderContent.Attest(Bytes nonce)
                            && nonce.equals(evidence.nonce()))
                    .forEach(order ->
                            hooks.evidence().take(tenant, fleet.fleet().id(), device.id(), order.id(), evidence));
        }

        private void takeResults(Candidate device) {
            if (!said.results().isEmpty()) {
                results.take(tenant, device.id(), device.state(), said.results());
            }
        }

        private void placeDue(Candidate device, Set<OrderKind> kinds) {
            List<OrderContent> due = hooks.due().due(fleet, device, said, now).stream()
                    .filter(content -> kinds.contains(content.kind()))
                    .toList();
            if (due.isEmpty()) {
                return;
            }
            asksAgainAt = policyOrders
                    .place(tenant, new PolicyOrders.Request(device.id(), due, attestLife()))
                    .orElse(null);
        }

        /// A device hears of an order twice. One that leaves it unanswered is asked with another nonce
        /// then: evidence is to be fresh.
        private Duration attestLife() {
            Duration twice = fleet.fleet().policy().checkIn().slow().multipliedBy(2);
            return twice.compareTo(SHORTEST_ATTEST_LIFE) < 0 ? SHORTEST_ATTEST_LIFE : twice;
        }

        private Optional<Contacts.Identity> identity(Candidate device) {
            Candidate.CurrentCertificate current = device.current();
            if (current == null) {
                return Optional.empty();
            }
            Optional<CheckInMacs.Mark> mark = said.mark().flatMap(bytes -> macs.mark(tenant, device.id(), bytes));
            Certificate shown = shown();
            return Optional.of(new Contacts.Identity(
                    shown.publicKeyEncoded().sha256(),
                    current.publicKeyFingerprint(),
                    shown.validity().notBefore(),
                    mark));
        }

        private Certificate shown() {
            try {
                return Certificate.parse(chain.getFirst());
            } catch (InvalidCertificateException e) {
                throw new IllegalStateException("a certificate that was read cannot be read", e);
            }
        }

        private CheckInAnswer meet(Candidate device, Optional<CheckIn> listened, Optional<Contacts.Identity> identity) {
            Met met = contacts.meet(tenant, new Contact(device.id(), listened, identity, now));
            CheckInPolicy policy = fleet.fleet().policy().checkIn();
            DeviceState state = met.state();
            if (met.cloneSuspected() && policy.suspendClones() && state == DeviceState.ACTIVE) {
                state = devices.suspend(tenant, device.id(), Actor.system("check-in"), "a clone is suspected")
                        .state();
            }
            boolean proving = state == DeviceState.SUSPENDED && device.isToProveItself();
            boolean heard = listened.isPresent() && (proving || !isShutOut(state));
            return new CheckInAnswer(
                    now,
                    device.id().value(),
                    next(policy, proving || isWaiting(state), met.activatedAt()),
                    CheckInAnswer.State.valueOf(state.name()),
                    heard && identity.isPresent()
                            ? Optional.of(macs.mark(
                                    tenant, device.id(), policy.quick(), identity.flatMap(Contacts.Identity::mark)))
                            : Optional.empty(),
                    heard ? signed(met) : List.of());
        }

        private List<Bytes> signed(Met met) {
            if (met.orders().isEmpty()) {
                return List.of();
            }
            OrderSigners.OrderSigner signer = signers.of(fleet);
            List<Bytes> signed = new ArrayList<>();
            for (DeviceOrder order : met.orders()) {
                signed.add(SignedOrders.sign(
                        new Order(
                                order.device().value(),
                                met.chipSerial(),
                                order.id().value(),
                                order.sequence(),
                                order.placedAt(),
                                order.expiresAt(),
                                order.content()),
                        signer.signer(),
                        signer.chain()));
            }
            return signed;
        }

        /// Quickly while there is something to wait for, slowly afterwards; a fifth to either side, so that
        /// devices that started together do not come together; less often under load.
        private int next(CheckInPolicy policy, boolean waiting, @Nullable Instant activatedAt) {
            Duration base = waiting ? policy.quick() : policy.interval(now, activatedAt);
            if (asksAgainAt != null && now.plus(base).isAfter(asksAgainAt)) {
                Duration until = Duration.between(now, asksAgainAt);
                base = until.compareTo(policy.quick()) < 0 ? policy.quick() : until;
            }
            int bend = Math.clamp(underWay.get() / RELAXED, 1, MOST_BENT);
            double jitter = SHORTEST_JITTER + (LONGEST_JITTER - SHORTEST_JITTER) * random.nextDouble();
            return (int) Math.max(1, Math.round(base.toSeconds() * bend * jitter));
        }

        private RefusedException refusal(ErrorCode code, String detail, @Nullable Candidate device) {
            refusals.add(
                    tenant,
                    new RefusalLog.Refusal(
                            device == null ? Actor.system("unknown-device") : Actor.device(device.id()),
                            source,
                            code,
                            device == null ? "fleet:" + fleet.fleet().id() : "device:" + device.id(),
                            detail));
            return new RefusedException(code, detail);
        }
    }

    private static boolean isWaiting(DeviceState state) {
        return state == DeviceState.REFURBISHING || state == DeviceState.CLAIMED;
    }

    private static boolean isShutOut(DeviceState state) {
        return state == DeviceState.SUSPENDED || state == DeviceState.REVOKED || state == DeviceState.RETIRED;
    }
}
