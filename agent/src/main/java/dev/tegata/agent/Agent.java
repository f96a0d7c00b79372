// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.agent.store.AgentState;
import dev.tegata.agent.store.AgentState.Change;
import dev.tegata.agent.store.AgentState.Home;
import dev.tegata.agent.store.AgentState.Identity;
import dev.tegata.agent.store.AgentState.Parallel;
import dev.tegata.agent.store.AgentState.Task;
import dev.tegata.agent.store.StateStore;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.pki.certificate.Validity;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.pki.path.PathResult;
import dev.tegata.pki.path.Presented;
import dev.tegata.pki.path.Purpose;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckIn.Status;
import dev.tegata.protocol.CheckInAnswer;
import dev.tegata.protocol.CheckInForm;
import dev.tegata.protocol.Order;
import dev.tegata.protocol.OrderContent;
import dev.tegata.protocol.OrderKind;
import dev.tegata.protocol.OrderVerdict;
import dev.tegata.protocol.OrderVerifier;
import dev.tegata.protocol.Receipt;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// The device's side of the device protocol: enrols, checks in, renews, obeys signed orders.
///
/// It has no thread of its own: [#step()] does what is due and says when to come back. What it remembers is
/// in its state, which changes as a whole, so that the power may fail at any moment: the next start goes on
/// from the last change. Used by one thread at a time.
public final class Agent {
    private static final Duration FIRST_PAUSE = Duration.ofSeconds(5);
    private static final Duration LONGEST_PAUSE = Duration.ofHours(1);
    private static final Duration LONGEST_PARALLEL_PAUSE = Duration.ofDays(1);
    private static final double SPREAD = 0.05;

    /// The server's word for a device that could come with a certificate, and came with its birth identity.
    private static final String IDENTITY_REQUIRED = "operational-identity-required";

    /// The server's word for a device whose state allows no enrolment.
    private static final String NOT_ACTIVE = "device-not-active";

    /// More than any chain of events that needs no waiting.
    private static final int MAX_TURNS = 12;

    private static final int MAX_OBJECTS = 64;
    /// This agent verifies all that its library does.
    private static final List<String> VERIFIED =
            Arrays.stream(KeyAlgorithm.values()).map(KeyAlgorithm::id).toList();

    private static final PathCheck PATHS = new PathCheck(256);

    private final Setup setup;
    private final DeviceClock clock;

    private AgentState state;

    /// The operational identity, once its key was found to be its certificate's.
    private @Nullable Identity complete;

    /// The server does not take the operational identity just now.
    private boolean identityRefused;

    /// The operational identity was tried once more after the server said that the device is active.
    private boolean triedAgain;

    /// The server has said so last: there is no certificate to be had.
    private boolean shutOut;

    /// A renewal that was refused is not tried before this.
    private Instant noRenewalBefore = Instant.MIN;

    private @Nullable DeviceIdentity selfSigned;

    /// A certificate of the second chain that was refused is not asked for before this.
    private Instant noParallelBefore = Instant.MIN;

    private int parallelRefusals;

    private int failures;

    private Agent(Setup setup, AgentState state) {
        this.setup = setup;
        this.state = state;
        this.clock = new DeviceClock(setup.machineClock(), state.latestTime());
    }

    /// What an agent is made of.
    ///
    /// @param chipSerial the serial number under which the device was claimed
    /// @param home where the device belongs as long as no order says otherwise
    /// @param attester for evidence, where the device can give any
    public record Setup(
            DeviceKeys keys,
            String chipSerial,
            Home home,
            List<CheckIn.Component> firmware,
            Optional<Attester> attester,
            Habits habits,
            StateStore store,
            Network network,
            InstantSource machineClock,
            RandomGenerator random,
            Pace pace,
            Consumer<AgentEvent> events) {
        public Setup {
            firmware = List.copyOf(firmware);
        }
    }

    /// How fast a life is lived.
    public interface Pace {
        /// As the server and the certificates say.
        Pace USUAL = new Pace() {
            @Override
            public Duration pause(Duration told) {
                return told;
            }

            @Override
            public Duration untilRenewal(Duration due) {
                return due;
            }
        };

        Duration pause(Duration told);

        Duration untilRenewal(Duration due);
    }

    /// What an operator may want otherwise.
    ///
    /// @param renewAt the point of a certificate's life at which it is renewed, from 0.1 to 0.95
    /// @param newKeyAtRenewal whether the device makes a new key each time
    /// @param form of check-ins
    /// @param claimToken for the first certificate of a device whose keys the server was not told
    /// @param parallel the kind of a second key, for fleets with a post-quantum chain beside the first
    public record Habits(
            double renewAt,
            boolean newKeyAtRenewal,
            CheckInForm form,
            Optional<String> claimToken,
            Optional<KeyAlgorithm> parallel) {
        public static final Habits USUAL = new Habits(2.0 / 3, false, CheckInForm.CBOR);

        public Habits(double renewAt, boolean newKeyAtRenewal, CheckInForm form) {
            this(renewAt, newKeyAtRenewal, form, Optional.empty(), Optional.empty());
        }

        @Override
        public String toString() {
            return "Habits[renewAt=" + renewAt + ", newKeyAtRenewal=" + newKeyAtRenewal + ", form=" + form + "]";
        }

        public Habits {
            if (parallel.isPresent() && !parallel.get().isPostQuantum()) {
                throw new IllegalArgumentException("a second key is a post-quantum one");
            }
            if (!(renewAt >= 0.1 && renewAt <= 0.95)) {
                throw new IllegalArgumentException("a certificate is renewed between 0.1 and 0.95 of its life");
            }
        }
    }

    /// Starts where the last start ended.
    public static Agent start(Setup setup) throws IOException {
        AgentState last = setup.store().load().orElseGet(() -> AgentState.first(setup.home()));
        AgentState started = last.with(change -> change.bootCount++);
        try {
            setup.store().save(started);
        } catch (IOException e) {
            // The disk is full, perhaps. It can still be heard of, and its next change saves this one too.
            setup.events().accept(new AgentEvent.Failed(String.valueOf(e.getMessage()), Duration.ZERO));
        }
        return new Agent(setup, started);
    }

    public AgentState state() {
        return state;
    }

    /// Does what is due.
    ///
    /// @return how long there is nothing to do then
    public Duration step() {
        try {
            forgetRetiredKeys();
            for (int turn = 0; turn < MAX_TURNS; turn++) {
                Optional<Duration> wait = turn();
                if (wait.isPresent()) {
                    failures = 0;
                    return wait.get();
                }
            }
            return pause("the server keeps it busy");
        } catch (IOException | DeviceKey.KeyUnavailableException e) {
            return pause(String.valueOf(e.getMessage()));
        }
    }

    private Duration pause(String why) {
        failures++;
        Duration wait = paced(backOff(failures, LONGEST_PAUSE));
        setup.events().accept(new AgentEvent.Failed(why, wait));
        return wait;
    }

    private Duration backOff(int failures, Duration longest) {
        long doubled = FIRST_PAUSE.toMillis() << Math.min(failures - 1, 20);
        double most = Math.min(doubled, longest.toMillis());
        return Duration.ofMillis((long) (most * setup.random().nextDouble(0.5, 1)));
    }

    private Duration paced(Duration wait) {
        return setup.pace().pause(wait);
    }

    private void save(Consumer<Change> changes) throws IOException {
        AgentState changed = state.with(changes);
        setup.store().save(changed);
        state = changed;
    }

    private void forgetRetiredKeys() throws IOException {
        for (String name : state.retired()) {
            setup.keys().forget(name);
        }
        if (!state.retired().isEmpty()) {
            save(change -> change.retired = new ArrayList<>());
        }
    }

    /// Does one thing; empty where there is more to do at once.
    private Optional<Duration> turn() throws IOException {
        if (isLeaving() && state.results().isEmpty()) {
            leave();
            return Optional.empty();
        }
        if (state.task().isPresent() && state.task().get().kind() == Task.Kind.RENEW && hasGoodIdentity() && !shutOut) {
            return renew();
        }
        if (state.identity().isEmpty()
                && state.device().isEmpty()
                && state.results().isEmpty()) {
            return enrol();
        }
        if (isRenewalDue()) {
            return renew();
        }
        if (isParallelDue()) {
            return enrolBeside();
        }
        return checkIn();
    }

    private boolean isLeaving() {
        return state.task().isPresent() && state.task().get().kind() == Task.Kind.LEAVE;
    }

    // ---- identities

    private boolean hasGoodIdentity() throws IOException {
        return !identityRefused
                && state.identity().isPresent()
                && !leaf(state.identity().get()).validity().isOver(clock.now())
                && hasItsKey(state.identity().get());
    }

    /// Whoever brought an older state back, or took a key away, left a certificate without its key. The birth
    /// identity brings another one.
    private boolean hasItsKey(Identity identity) throws IOException {
        if (identity.equals(complete)) {
            return true;
        }
        try {
            PublicKeyInfo key = setup.keys().open(identity.key()).publicKey();
            complete = key.encoded().equals(leaf(identity).publicKeyEncoded()) ? identity : null;
        } catch (DeviceKeys.NoSuchKeyException e) {
            complete = null;
        }
        return complete != null;
    }

    private boolean isRenewalDue() throws IOException {
        return clock.isSure()
                && hasGoodIdentity()
                && !shutOut
                && !clock.now().isBefore(renewalDue(state.identity().orElseThrow()));
    }

    private Instant renewalDue(Identity identity) {
        return identity.renewAt().isBefore(noRenewalBefore) ? noRenewalBefore : identity.renewAt();
    }

    private static Certificate leaf(Identity identity) throws IOException {
        return certificates(identity.chain()).getFirst();
    }

    private static List<Certificate> certificates(List<Bytes> encoded) throws IOException {
        try {
            return AnchoredTrust.certificates(encoded);
        } catch (IllegalArgumentException e) {
            throw new IOException("a certificate in the device's state cannot be read", e);
        }
    }

    private DeviceIdentity operational() throws IOException {
        Identity identity = state.identity().orElseThrow();
        return DeviceIdentity.of(setup.keys().open(identity.key()), identity.chain());
    }

    /// The birth identity; a self-signed certificate where the vendor gave none: the server knows the key.
    private DeviceIdentity birth() throws IOException {
        DeviceIdentity made = selfSigned;
        if (made == null) {
            DeviceIdentity birth = setup.keys().birth();
            if (!birth.chain().isEmpty()) {
                return birth;
            }
            made = birth.selfSigned(setup.chipSerial());
            selfSigned = made;
        }
        return made;
    }

    private Uplink uplink() throws IOException {
        return Uplink.of(state.home(), certificates(state.anchors()), setup, clock);
    }

    // ---- enrolment and renewal

    /// The key that the next certificate is for. Its name is kept, so that a power cut costs no second one.
    /// Until it is made it counts as one to be destroyed: a cut in between leaves no key that nobody knows of.
    private DeviceKeys.Made pendingKey() throws IOException {
        if (state.pendingKey().isPresent()) {
            String name = state.pendingKey().get();
            return new DeviceKeys.Made(name, setup.keys().open(name));
        }
        String name = setup.keys().nameNext(state.keysInUse());
        save(change -> change.retired.add(name));
        DeviceKeys.Made made = setup.keys().make(name);
        save(change -> {
            change.retired.remove(name);
            change.pendingKey = made.name();
        });
        return made;
    }

    private DeviceKeys.Made currentKey(Identity identity) throws IOException {
        return new DeviceKeys.Made(identity.key(), setup.keys().open(identity.key()));
    }

    /// A device that has room for one key keeps the one that it has.
    private DeviceKeys.Made newOrCurrentKey() throws IOException {
        try {
            return pendingKey();
        } catch (DeviceKeys.NoRoomException e) {
            if (state.identity().isEmpty()) {
                throw e;
            }
            return currentKey(state.identity().get());
        }
    }

    private Optional<Duration> enrol() throws IOException {
        DeviceKeys.Made made = newOrCurrentKey();
        return switch (uplink().enrol(birth(), made, Optional.empty())) {
            case Uplink.Enrolment.Issued(Certificate certificate, List<Certificate> authorities) -> {
                become(made.name(), certificate, authorities);
                setup.events().accept(new AgentEvent.Enrolled(certificate));
                yield Optional.empty();
            }
            case Uplink.Enrolment.Later(Duration wait) -> later(wait);
            case Uplink.Enrolment.Refused(int status, String reason, List<Certificate> authorities) -> {
                AgentEvent.Refused refused = new AgentEvent.Refused(status, reason);
                setup.events().accept(refused);
                yield refused.code().equals(NOT_ACTIVE) && state.device().isEmpty()
                        ? askWhy(authorities)
                        : Optional.of(pause("the server does not enrol this device"));
            }
        };
    }

    /// Where the answer to its first enrolment was lost, the device may have been shut out since: a check-in
    /// tells, and brings the order by which it comes back, signed below the fleet's roots.
    private Optional<Duration> askWhy(List<Certificate> authorities) throws IOException {
        List<Bytes> anchors = anchors(roots(authorities));
        save(change -> change.anchors = anchors);
        return checkIn();
    }

    private boolean isParallelDue() throws IOException {
        return setup.habits().parallel().isPresent()
                && !setup.network().isGateway()
                && clock.isSure()
                && hasGoodIdentity()
                && !shutOut
                && !clock.now().isBefore(noParallelBefore)
                && state.parallel()
                        .map(Parallel::renewAt)
                        .map(due -> !clock.now().isBefore(due))
                        .orElse(true);
    }

    /// Asks for a certificate of the second chain with the identity of the first. Where there is none to be
    /// had, the device lives on with the first, and asks again after ever longer pauses, or once the first is
    /// renewed.
    private Optional<Duration> enrolBeside() throws IOException {
        Identity current = state.identity().orElseThrow();
        SoftwareKey key = secondKey();
        URI home = URI.create(state.home().url());
        List<Certificate> trusted = certificates(state.anchors());
        EstClient est = new EstClient(
                home.resolve("/.well-known/est/" + state.home().fleet()), trusted, setup.network(), clock);
        try (Network.Connection connection = setup.network().connect(home, operational(), trusted, clock)) {
            List<Certificate> authorities = est.caCertificates(connection);
            switch (est.reEnrol(connection, key, leaf(current).subject())) {
                case EstClient.Answer.Enrolled(Certificate certificate) -> {
                    List<Certificate> roots = roots(authorities);
                    List<Certificate> between = towards(certificate, authorities);
                    requirePath(certificate, between, roots);
                    List<Bytes> chain = new ArrayList<>(List.of(certificate.encoded()));
                    between.forEach(authority -> chain.add(authority.encoded()));
                    Parallel second = new Parallel(Bytes.of(key.pkcs8()), chain, renewAt(certificate.validity()));
                    save(change -> {
                        change.parallel = second;
                        change.anchors = anchors(roots);
                    });
                    parallelRefusals = 0;
                    setup.events().accept(new AgentEvent.EnrolledBeside(certificate));
                }
                case EstClient.Answer.Later(Duration wait) ->
                    noParallelBefore = clock.now().plus(wait);
                case EstClient.Answer.Refused(int status, String reason) -> {
                    parallelRefusals++;
                    noParallelBefore = clock.now().plus(backOff(parallelRefusals, LONGEST_PARALLEL_PAUSE));
                    setup.events().accept(new AgentEvent.Refused(status, reason.strip()));
                }
            }
        }
        return Optional.empty();
    }

    private SoftwareKey secondKey() throws IOException {
        KeyAlgorithm wanted = setup.habits().parallel().orElseThrow();
        if (state.parallel().isPresent() && !setup.habits().newKeyAtRenewal()) {
            try {
                SoftwareKey key =
                        SoftwareKey.ofPkcs8(state.parallel().get().pkcs8().toArray());
                if (key.publicKey().algorithm() == wanted) {
                    return key;
                }
            } catch (InvalidKeyInfoException e) {
                throw new IOException("the second key in the device's state cannot be read", e);
            }
        }
        return SoftwareKey.generate(wanted);
    }

    private static List<Certificate> roots(List<Certificate> authorities) {
        return authorities.stream().filter(Certificate::isSelfSigned).toList();
    }

    /// Those that may lead from a certificate to a root, and none of another chain.
    private static List<Certificate> towards(Certificate certificate, List<Certificate> authorities) {
        List<Certificate> between = new ArrayList<>();
        Set<Name> issuers = new LinkedHashSet<>(List.of(certificate.issuer()));
        boolean more = true;
        while (more) {
            more = false;
            for (Certificate authority : authorities) {
                if (!authority.isSelfSigned()
                        && issuers.contains(authority.subject())
                        && !between.contains(authority)) {
                    between.add(authority);
                    issuers.add(authority.issuer());
                    more = true;
                }
            }
        }
        return between;
    }

    private List<Bytes> anchors(List<Certificate> roots) {
        Set<Bytes> anchors = new LinkedHashSet<>(state.anchors());
        roots.forEach(root -> anchors.add(root.encoded()));
        return new ArrayList<>(anchors);
    }

    private Optional<Duration> later(Duration wait) {
        Duration paced = paced(wait);
        setup.events().accept(new AgentEvent.ToldToWait(paced));
        return Optional.of(paced);
    }

    private Optional<Duration> renew() throws IOException {
        Optional<Task> task = state.task();
        boolean newKey = task.isPresent() ? task.get().newKey() : setup.habits().newKeyAtRenewal();
        DeviceIdentity identity = operational();
        Identity current = state.identity().orElseThrow();
        DeviceKeys.Made made = newKey ? newOrCurrentKey() : currentKey(current);
        boolean asOrdered = made.name().equals(current.key()) != newKey;
        if (task.isPresent() && !asOrdered) {
            giveUp("the device has no room for another key");
            return Optional.empty();
        }
        switch (uplink().enrol(identity, made, Optional.of(leaf(current).subject()))) {
            case Uplink.Enrolment.Issued(Certificate certificate, List<Certificate> authorities) -> {
                become(made.name(), certificate, authorities);
                setup.events().accept(new AgentEvent.Renewed(certificate, newKey && asOrdered));
            }
            case Uplink.Enrolment.Later(Duration wait) -> {
                return later(wait);
            }
            case Uplink.Enrolment.Refused(int status, String reason, List<Certificate> _) ->
                renewalRefused(status, reason);
        }
        return Optional.empty();
    }

    private void renewalRefused(int status, String reason) throws IOException {
        setup.events().accept(new AgentEvent.Refused(status, reason));
        noRenewalBefore = clock.now().plus(paced(LONGEST_PAUSE));
        giveUp(reason);
    }

    /// Ends an order to renew, and what was prepared for it.
    private void giveUp(String reason) throws IOException {
        save(change -> {
            Task task = change.task;
            if (task != null) {
                change.results.add(result(task.order(), Status.FAILED, reason));
                change.task = null;
            }
            if (change.pendingKey != null) {
                change.retired.add(change.pendingKey);
                change.pendingKey = null;
            }
        });
    }

    /// Takes a new identity in one change: before it the old one holds, after it the new one.
    private void become(String key, Certificate certificate, List<Certificate> authorities) throws IOException {
        List<Certificate> roots = roots(authorities);
        List<Certificate> between = towards(certificate, authorities);
        requirePath(certificate, between, roots);
        List<Bytes> anchors = anchors(roots);
        List<Bytes> chain = new ArrayList<>(List.of(certificate.encoded()));
        between.forEach(authority -> chain.add(authority.encoded()));
        Instant renewAt = renewAt(certificate.validity());
        save(change -> {
            Identity old = change.identity;
            if (old != null && !old.key().equals(key)) {
                change.retired.add(old.key());
            }
            change.identity = new Identity(key, chain, renewAt);
            change.pendingKey = null;
            change.anchors = anchors;
            Task task = change.task;
            if (task != null && task.kind() == Task.Kind.RENEW) {
                Parallel second = change.parallel;
                if (second != null) {
                    change.parallel = new Parallel(second.pkcs8(), second.chain(), Instant.EPOCH);
                }
                change.results.add(result(task.order(), Status.DONE, ""));
                change.task = null;
            }
        });
        noParallelBefore = Instant.MIN;
        identityRefused = false;
        triedAgain = false;
        shutOut = false;
    }

    private void requirePath(Certificate certificate, List<Certificate> between, List<Certificate> roots)
            throws IOException {
        List<Certificate> anchors = new ArrayList<>(certificates(state.anchors()));
        anchors.addAll(roots);
        // The certificate is as new as a thing can be: its own begin is a good time to look at its chain.
        Instant at = clock.isSure() ? clock.now() : certificate.validity().notBefore();
        if (PATHS.check(new Presented(certificate, between), TrustAnchors.of(anchors), at, Purpose.CLIENT)
                instanceof PathResult.Invalid(PathResult.Reason _, String sentence)) {
            throw new IOException("the certificate that was issued leads nowhere: " + sentence);
        }
    }

    /// A point of the life that the certificate has ahead: it begins before it is issued, and a short one
    /// may be half over then. Where the time is not known yet, the end stands for it, until the server has
    /// told.
    private Instant renewAt(Validity validity) {
        if (validity.isUnlimited() || !clock.isSure()) {
            return validity.notAfter();
        }
        double point = setup.habits().renewAt() + setup.random().nextDouble(-SPREAD, SPREAD);
        Instant now = clock.now();
        Duration ahead = Duration.ofMillis(
                (long) (Duration.between(now, validity.notAfter()).toMillis() * point));
        return now.plus(setup.pace().untilRenewal(ahead));
    }

    /// The identity, to be renewed at a point that is right now that the time is known.
    private @Nullable Identity timed() throws IOException {
        if (state.identity().isEmpty()) {
            return null;
        }
        Identity identity = state.identity().get();
        Validity validity = leaf(identity).validity();
        return identity.renewAt().equals(validity.notAfter())
                ? new Identity(identity.key(), identity.chain(), renewAt(validity))
                : identity;
    }

    // ---- check-in

    private Optional<Duration> checkIn() throws IOException {
        boolean asBorn = !hasGoodIdentity();
        AgentState told = state;
        return switch (uplink().checkIn(asBorn ? birth() : operational(), whatToSay())) {
            case Uplink.Reply.Heard(CheckInAnswer answer) -> heard(answer, told, asBorn);
            case Uplink.Reply.Later(Duration wait) -> later(wait);
            case Uplink.Reply.Refused(int status, String reason) -> refused(status, reason, asBorn);
        };
    }

    private CheckIn whatToSay() throws IOException {
        return new CheckIn(
                state.home().fleet(),
                setup.firmware(),
                state.bootCount(),
                serialNumbers(),
                state.anchors().stream()
                        .map(Bytes::sha256)
                        .limit(CheckIn.MAX_LIST)
                        .toList(),
                state.lastSequence(),
                state.mark(),
                state.results().stream().limit(CheckIn.MAX_LIST).toList(),
                state.evidence(),
                VERIFIED);
    }

    private List<SerialNumber> serialNumbers() throws IOException {
        List<SerialNumber> serialNumbers = new ArrayList<>();
        if (state.identity().isPresent()) {
            serialNumbers.add(leaf(state.identity().get()).serial());
        }
        if (state.parallel().isPresent()) {
            serialNumbers.add(
                    certificates(state.parallel().get().chain()).getFirst().serial());
        }
        return serialNumbers;
    }

    private Optional<Duration> refused(int status, String reason, boolean asBorn) throws IOException {
        if (!asBorn) {
            identityRefused = true;
            setup.events().accept(new AgentEvent.FellBack("the server answers with status " + status));
            return Optional.empty();
        }
        AgentEvent.Refused refused = new AgentEvent.Refused(status, reason);
        if (refused.code().equals(IDENTITY_REQUIRED)) {
            // The certificate that the server means may never have arrived, or was refused without reason.
            return recover();
        }
        setup.events().accept(refused);
        if (isLeaving()) {
            // The old owner's server knows the device no more, and needs no result.
            leave();
            return Optional.empty();
        }
        return Optional.of(pause("the server does not take this device's check-in"));
    }

    private Optional<Duration> heard(CheckInAnswer answer, AgentState told, boolean asBorn) throws IOException {
        clock.hear(answer.time());
        shutOut = switch (answer.state()) {
            case CLAIMED, ACTIVE, REFURBISHING -> false;
            case SUSPENDED, REVOKED, RETIRED -> true;
        };
        Identity timed = timed();
        save(change -> {
            change.identity = timed;
            change.device = answer.device();
            answer.mark().ifPresent(mark -> change.mark = mark);
            change.latestTime = answer.time();
            change.results.removeAll(
                    told.results().stream().limit(CheckIn.MAX_LIST).toList());
            if (told.evidence().equals(Optional.ofNullable(change.evidence))) {
                change.evidence = null;
            }
        });
        Duration next = paced(Duration.ofSeconds(answer.next()));
        setup.events().accept(new AgentEvent.CheckedIn(answer.state(), next));
        // What is due may be known only now that the server has told the time.
        if (obey(answer.orders()) || isLeaving() || isRenewalDue() || isParallelDue()) {
            return Optional.empty();
        }
        triedAgain &= asBorn;
        return switch (answer.state()) {
            case CLAIMED -> asBorn ? enrol() : fallBack(answer.state());
            case ACTIVE -> asBorn ? recover() : Optional.of(untilRenewal(next));
            case REFURBISHING -> asBorn ? Optional.of(next) : fallBack(answer.state());
            case SUSPENDED, REVOKED, RETIRED -> Optional.of(next);
        };
    }

    /// Short certificates do not wait for the next check-in.
    private Duration untilRenewal(Duration next) {
        Duration ahead = Duration.between(
                clock.now(), state.identity().map(this::renewalDue).orElse(Instant.MAX));
        if (ahead.compareTo(next) >= 0) {
            return next;
        }
        return ahead.isPositive() ? ahead : Duration.ZERO;
    }

    /// The server hears the device only by its birth identity.
    private Optional<Duration> fallBack(CheckInAnswer.State why) {
        identityRefused = true;
        setup.events().accept(new AgentEvent.FellBack("the device is " + why));
        return Optional.empty();
    }

    /// The device is active, and has no identity that the server takes. One that it has refused may be good
    /// again. Where the answer was lost that brought a certificate, the same key gets the same one.
    private Optional<Duration> recover() throws IOException {
        if (identityRefused && !triedAgain) {
            triedAgain = true;
            identityRefused = false;
            return Optional.empty();
        }
        return enrol();
    }

    // ---- orders

    /// Obeys those orders that are to be obeyed.
    ///
    /// @return whether there was any
    private boolean obey(List<Bytes> orders) throws IOException {
        boolean obeyed = false;
        for (Bytes signed : orders) {
            if (state.task().isPresent()) {
                break; // it takes more steps; the server sends the others again
            }
            OrderVerifier verifier = new OrderVerifier(
                    TrustAnchors.of(certificates(state.anchors())), setup.chipSerial(), state.device());
            switch (verifier.verify(signed, state.lastSequence(), clock.now())) {
                case OrderVerdict.Accepted(Order order) -> {
                    obey(order, signed);
                    obeyed = true;
                }
                case OrderVerdict.Refused(OrderVerdict.Reason reason, String sentence) ->
                    setup.events().accept(new AgentEvent.OrderRefused(reason, sentence));
            }
        }
        return obeyed;
    }

    /// Each order is one change of the state, in which its sequence number and its result or its task are
    /// kept too.
    private void obey(Order order, Bytes signed) throws IOException {
        switch (order.content()) {
            case OrderContent.RenewCertificate _ ->
                begin(order, new Task(order.id(), Task.Kind.RENEW, false, Optional.empty()));
            case OrderContent.RenewKey _ -> begin(order, new Task(order.id(), Task.Kind.RENEW, true, Optional.empty()));
            case OrderContent.UpdateTrustAnchors(List<Bytes> anchors) -> updateAnchors(order, signed, anchors);
            case OrderContent.Refurbish _ -> refurbish(order);
            case OrderContent.Attest(Bytes nonce) -> attest(order, nonce);
            case OrderContent.Release(Optional<OrderContent.NewHome> to) -> release(order, to);
            case OrderContent.Store(String name, Bytes value) -> store(order, name, value);
        }
    }

    private static CheckIn.Result result(UUID order, Status status, String detail) {
        return new CheckIn.Result(order, status, detail.substring(0, Math.min(detail.length(), 500)), Optional.empty());
    }

    private void begin(Order order, Task task) throws IOException {
        save(change -> {
            change.lastSequence = order.sequence();
            change.task = task;
        });
    }

    private void done(Order order, Consumer<Change> effect) throws IOException {
        save(change -> {
            effect.accept(change);
            change.lastSequence = order.sequence();
            change.results.add(result(order.id(), Status.DONE, ""));
        });
        tell(order.kind(), Status.DONE, "");
    }

    private void failed(Order order, Status status, String why) throws IOException {
        save(change -> {
            change.lastSequence = order.sequence();
            change.results.add(result(order.id(), status, why));
        });
        tell(order.kind(), status, why);
    }

    private void tell(OrderKind kind, Status status, String detail) {
        setup.events().accept(new AgentEvent.OrderDone(kind, status, detail));
    }

    /// Takes anchors only if the server that gave them is still trusted by them: no order locks the device
    /// out.
    private void updateAnchors(Order order, Bytes signed, List<Bytes> anchors) throws IOException {
        List<Certificate> parsed;
        try {
            parsed = AnchoredTrust.certificates(anchors);
        } catch (IllegalArgumentException e) {
            failed(order, Status.REFUSED, String.valueOf(e.getMessage()));
            return;
        }
        DeviceIdentity identity = hasGoodIdentity() ? operational() : birth();
        Optional<String> lockedOut = uplink().lockedOutBy(parsed, signed, identity);
        if (lockedOut.isPresent()) {
            failed(order, Status.FAILED, "this server would not be trusted any more: " + lockedOut.get());
        } else {
            done(order, change -> change.anchors = anchors);
        }
    }

    private void store(Order order, String name, Bytes value) throws IOException {
        if (state.objects().size() >= MAX_OBJECTS && !state.objects().containsKey(name)) {
            failed(order, Status.FAILED, "there are " + MAX_OBJECTS + " objects already");
        } else {
            done(order, change -> change.objects.put(name, value));
        }
    }

    private void attest(Order order, Bytes nonce) throws IOException {
        if (setup.attester().isEmpty()) {
            failed(order, Status.REFUSED, "this device gives no evidence");
            return;
        }
        CheckIn.Evidence evidence;
        try {
            evidence = setup.attester().get().attest(nonce, state.identity().map(Identity::key));
        } catch (IOException e) {
            failed(order, Status.FAILED, String.valueOf(e.getMessage()));
            return;
        }
        done(order, change -> change.evidence = evidence);
    }

    /// Wipes in one change, of which the receipt is a part. The birth key signs it: it is what remains.
    private void refurbish(Order order) throws IOException {
        List<String> wiped = new ArrayList<>();
        state.identity().ifPresent(identity -> wiped.add("operational-key"));
        state.identity().ifPresent(identity -> wiped.add("operational-certificate"));
        state.objects().keySet().stream().limit(16).forEach(name -> wiped.add("object:" + name));
        DeviceIdentity birth = birth();
        Bytes receipt = new Receipt(order.device(), order.chipSerial(), order.id(), wiped)
                .sign(new Signer(birth.key().publicKey(), birth.key()::sign), birth.chain());
        save(change -> {
            change.wipe();
            change.lastSequence = order.sequence();
            change.results.add(new CheckIn.Result(order.id(), Status.DONE, "", Optional.of(receipt)));
        });
        identityRefused = false;
        forgetRetiredKeys();
        tell(order.kind(), Status.DONE, "");
    }

    /// The old owner's server hears the result first; then the device leaves.
    private void release(Order order, Optional<OrderContent.NewHome> to) throws IOException {
        Home home = to.map(next -> new Home(next.url(), next.fleet(), next.anchors()))
                .orElse(setup.home());
        save(change -> {
            change.lastSequence = order.sequence();
            change.results.add(result(order.id(), Status.DONE, ""));
            change.task = new Task(order.id(), Task.Kind.LEAVE, true, Optional.of(home));
        });
        tell(order.kind(), Status.DONE, "");
    }

    private void leave() throws IOException {
        Home to = state.task().orElseThrow().to().orElse(setup.home());
        save(change -> {
            change.wipe();
            change.home = to;
            change.anchors = to.anchors();
            change.device = null;
            change.mark = null;
            change.results.clear();
        });
        identityRefused = false;
        forgetRetiredKeys();
        setup.events().accept(new AgentEvent.Moved(to.url(), to.fleet()));
    }
}
