// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.agent.store.AgentState;
import dev.tegata.agent.store.CutDisk;
import dev.tegata.agent.store.Disk;
import dev.tegata.agent.store.StateStore;
import dev.tegata.attestation.ecc608.ChipPreset;
import dev.tegata.attestation.ecc608.KeyAttestation;
import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.chip.driver.Ecc608;
import dev.tegata.chip.driver.Transport;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckIn.Status;
import dev.tegata.protocol.CheckInAnswer.State;
import dev.tegata.protocol.Order;
import dev.tegata.protocol.OrderContent;
import dev.tegata.protocol.OrderVerdict;
import dev.tegata.protocol.Receipt;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("An agent with its keys in a chip")
final class AgentTest {
    private static final Path STATE = Path.of("/agent/state");

    private final VirtualChip chip =
            new ChipFactory(new SecureRandom()).make(Preset.TRUST_GO, Instant.parse("2026-01-01T00:00:00Z"));
    private final String serial = HexFormat.of().formatHex(chip.serial());
    private final List<AgentEvent> events = new ArrayList<>();
    private final CutDisk disk = new CutDisk(new Random(1));

    private InstantSource machineClock = InstantSource.system();
    private DeviceServer server;

    @BeforeEach
    void startServer() throws Exception {
        server = new DeviceServer(serial);
    }

    @AfterEach
    void stopServer() {
        server.close();
    }

    private Agent start() throws Exception {
        return start(disk);
    }

    private Agent start(Disk on) throws Exception {
        ChipKeys keys = ChipKeys.of(new Ecc608(Transport.of(chip), new SecureRandom()));
        return start(on, keys, Optional.of(new ChipAttester(keys.chip())));
    }

    private Agent start(Disk on, DeviceKeys keys, Optional<Attester> attester) throws Exception {
        return Agent.start(new Agent.Setup(
                keys,
                serial,
                server.home(),
                List.of(new CheckIn.Component("app", "1.0.0", Optional.empty())),
                attester,
                Agent.Habits.USUAL,
                StateStore.inFile(on, STATE),
                Network.ofThisMachine(),
                machineClock,
                new Random(7),
                Agent.Pace.USUAL,
                events::add));
    }

    private Bytes certificate(Agent agent) {
        return agent.state().identity().orElseThrow().chain().getFirst();
    }

    private <T extends AgentEvent> T last(Class<T> type) {
        return events.stream()
                .filter(type::isInstance)
                .map(type::cast)
                .reduce((_, second) -> second)
                .orElseThrow(() -> new AssertionError("no " + type.getSimpleName() + " in " + events));
    }

    private CheckIn.Result result(UUID order) {
        return Objects.requireNonNull(server.results.get(order), "no result");
    }

    @Test
    @DisplayName("enrols with its birth key for a new key, and checks in with what it got")
    void activation() throws Exception {
        Agent agent = start();
        assertThat(agent.step()).isEqualTo(Duration.ofSeconds(3600));

        assertThat(server.shown.getFirst())
                .isEqualTo(Bytes.of(chip.certificateChain().getFirst()));
        assertThat(server.lastShown()).isEqualTo(server.newest().encoded()).isEqualTo(certificate(agent));
        CheckIn said = server.checkIns.getLast();
        assertThat(said.fleet()).isEqualTo(DeviceServer.FLEET);
        assertThat(said.bootCount()).isOne();
        assertThat(said.certificates()).containsExactly(server.newest().serial());
        assertThat(said.firmware()).extracting(CheckIn.Component::version).containsExactly("1.0.0");
        assertThat(said.trustAnchors())
                .containsExactlyInAnyOrder(
                        server.tlsAnchor().sha256(), server.root().sha256());
        assertThat(agent.state().device()).contains(DeviceServer.DEVICE);
    }

    @Test
    @DisplayName("goes on after a restart with the identity, the mark and the boot count that it had")
    void restart() throws Exception {
        start().step();
        Bytes before = server.newest().encoded();
        Agent again = start();
        again.step();
        assertThat(server.issued).hasSize(1);
        assertThat(server.lastShown()).isEqualTo(before);
        assertThat(server.checkIns.getLast().bootCount()).isEqualTo(2);
        assertThat(server.checkIns.getLast().mark()).isPresent();
    }

    @Test
    @DisplayName("renews at two thirds of the certificate's life, give or take a twentieth")
    void renewal() throws Exception {
        Agent agent = start();
        agent.step();
        Certificate first = server.newest();
        Instant renewAt = agent.state().identity().orElseThrow().renewAt();
        Duration life =
                Duration.between(first.validity().notBefore(), first.validity().notAfter());
        double point =
                (double) Duration.between(first.validity().notBefore(), renewAt).toSeconds() / life.toSeconds();
        assertThat(point).isBetween(0.616, 0.72);

        server.time = InstantSource.fixed(renewAt.minusSeconds(5));
        agent.step();
        assertThat(server.issued).hasSize(1);
        server.time = InstantSource.fixed(renewAt.plusSeconds(5));
        agent.step();
        agent.step();
        assertThat(server.issued).hasSize(2);
        assertThat(server.newest().publicKeyEncoded()).isEqualTo(first.publicKeyEncoded());
        assertThat(server.lastShown()).isEqualTo(server.newest().encoded());
    }

    @Test
    @DisplayName("renews in the same step when the check-in after a restart tells that it is time")
    void renewalAfterRestart() throws Exception {
        start().step();
        server.time = InstantSource.fixed(
                start().state().identity().orElseThrow().renewAt().plusSeconds(5));

        start().step();

        assertThat(server.issued).hasSize(2);
        assertThat(server.lastShown()).isEqualTo(server.newest().encoded());
    }

    /// Time for server and device, which passes when a test says so.
    private AtomicReference<Instant> handMadeTime() {
        AtomicReference<Instant> now = new AtomicReference<>(Instant.now());
        machineClock = now::get;
        server.time = now::get;
        return now;
    }

    private long asked(String operation) {
        return server.paths.stream().filter(path -> path.endsWith(operation)).count();
    }

    @Test
    @DisplayName("renews certificates of half an hour in time, and not more often, though they began long before")
    void shortCertificates() throws Exception {
        AtomicReference<Instant> now = handMadeTime();
        // As profiles have it: from the full hour before an hour ago.
        server.backdate = Duration.ofMinutes(119);
        server.life = server.backdate.plusMinutes(30);
        Agent agent = start();
        Instant end = now.get().plus(Duration.ofHours(6));
        while (now.get().isBefore(end)) {
            Duration wait = agent.step();
            now.updateAndGet(time -> time.plus(wait).plusMillis(1));
        }
        assertThat(asked("/simpleenroll")).as("at the start").isOne();
        // Every 18.5 to 21.5 minutes.
        assertThat(server.issued).hasSizeBetween(17, 20);
        assertThat(asked("/check-in")).isLessThan(60);
        assertThat(events).noneMatch(AgentEvent.Failed.class::isInstance);
    }

    @Test
    @DisplayName(
            "asks for no certificate while it is suspended, though one is due, and for one when it is not any more")
    void noRenewalWhileSuspended() throws Exception {
        AtomicReference<Instant> now = handMadeTime();
        server.life = Duration.ofDays(10);
        Agent agent = start();
        agent.step();
        server.state = State.SUSPENDED;
        agent.step();
        now.set(agent.state().identity().orElseThrow().renewAt().plusSeconds(1));
        UUID renewal = server.place(new OrderContent.RenewCertificate());
        for (int i = 0; i < 5; i++) {
            assertThat(agent.step()).isEqualTo(Duration.ofHours(1));
            now.updateAndGet(time -> time.plus(Duration.ofHours(1)));
        }
        assertThat(asked("enroll")).isOne();
        assertThat(server.results).doesNotContainKey(renewal);

        server.state = State.ACTIVE;
        server.open.clear();
        agent.step();
        agent.step();
        assertThat(asked("/simplereenroll")).isOne();
        assertThat(server.lastShown()).isEqualTo(server.newest().encoded());
    }

    @Test
    @DisplayName("goes back to its birth identity when the operational one has expired")
    void expired() throws Exception {
        Agent agent = start();
        agent.step();
        server.time = InstantSource.offset(InstantSource.system(), Duration.ofHours(5));
        agent.step(); // still in the belief that it is early; the answer tells the time
        agent.step();
        assertThat(server.issued).hasSize(2);
        assertThat(server.paths)
                .filteredOn(path -> path.endsWith("/simpleenroll"))
                .hasSize(2);
    }

    @Test
    @DisplayName(
            "goes back to its birth identity when the operational one is withdrawn, and keeps still when suspended")
    void withdrawn() throws Exception {
        Agent agent = start();
        agent.step();
        server.state = State.SUSPENDED;
        agent.step();
        assertThat(server.issued).hasSize(1);
        assertThat(agent.state().identity()).isPresent();
        server.state = State.CLAIMED;
        agent.step();
        assertThat(server.issued).hasSize(2);
    }

    @Test
    @DisplayName("survives a server that is away or says no, and asks less and less often")
    void outage() throws Exception {
        Agent agent = start();
        agent.step();
        server.refusals.put("/check-in", 500);
        Duration first = agent.step();
        Duration later = first;
        for (int i = 0; i < 12; i++) {
            later = agent.step();
        }
        assertThat(first).isBetween(Duration.ofMillis(2500), Duration.ofSeconds(5));
        assertThat(later).isBetween(Duration.ofMinutes(30), Duration.ofHours(1));
        server.refusals.clear();
        assertThat(agent.step()).isEqualTo(Duration.ofSeconds(3600));
        server.refusals.put("/check-in", 503);
        assertThat(agent.step()).isEqualTo(Duration.ofSeconds(60));
        assertThat(server.issued).hasSize(1);
    }

    @Test
    @DisplayName("comes back with its identity after a moment in which something on the way did not take it")
    void refusedForAMoment() throws Exception {
        Agent agent = start();
        agent.step();
        server.refusals.put("/check-in", 404);
        agent.step();
        assertThat(last(AgentEvent.FellBack.class).why()).contains("404");
        server.refusals.clear();
        assertThat(agent.step()).isEqualTo(Duration.ofSeconds(3600));
        assertThat(server.lastShown()).isEqualTo(certificate(agent));
        assertThat(server.issued).hasSize(1);
    }

    @Test
    @DisplayName("checks in where it was shut out before its first certificate arrived, and comes back when it may")
    void shutOutBeforeItsFirstCertificate() throws Exception {
        server.state = State.SUSPENDED;
        Agent agent = start();
        assertThat(agent.step()).isEqualTo(Duration.ofSeconds(3600));
        assertThat(agent.state().device()).contains(DeviceServer.DEVICE);
        assertThat(agent.state().anchors()).as("it can verify orders").contains(server.root());
        agent.step();
        assertThat(asked("/simpleenroll"))
                .as("it waits until it hears that it may")
                .isOne();

        server.state = State.ACTIVE;
        agent.step();
        assertThat(server.lastShown()).isEqualTo(certificate(agent));
    }

    @Test
    @DisplayName("trusts a server at once although its clock is years off, and tells the time by it from then on")
    void clockYearsOff() throws Exception {
        for (Duration off : List.of(Duration.ofDays(-3650), Duration.ofDays(3650))) {
            machineClock = InstantSource.offset(InstantSource.system(), off);
            Agent agent = start(new CutDisk(new Random(2)));
            agent.step();
            assertThat(events).noneMatch(AgentEvent.Failed.class::isInstance);
            assertThat(server.lastShown()).isEqualTo(certificate(agent));
            UUID order = server.place(new OrderContent.Store("a", Bytes.of((byte) 1)));
            agent.step();
            assertThat(result(order).status()).isEqualTo(Status.DONE);
        }
    }

    @Test
    @DisplayName("does not trust a server whose certificate had expired when the device last heard the time")
    void oldCertificate() throws Exception {
        Agent agent = start();
        agent.step();
        server.time = InstantSource.offset(InstantSource.system(), Duration.ofDays(60));
        agent.step();
        machineClock = InstantSource.fixed(Instant.EPOCH);
        Agent again = start();
        again.step();
        assertThat(last(AgentEvent.Failed.class).why()).contains("expired");
    }

    @Test
    @DisplayName("RENEW_CERTIFICATE and RENEW_KEY bring a new certificate, the second for a new key")
    void renewOrders() throws Exception {
        Agent agent = start();
        agent.step();
        Certificate first = server.newest();
        UUID certificate = server.place(new OrderContent.RenewCertificate());
        agent.step();
        assertThat(result(certificate).status()).isEqualTo(Status.DONE);
        assertThat(server.newest().publicKeyEncoded()).isEqualTo(first.publicKeyEncoded());
        UUID key = server.place(new OrderContent.RenewKey());
        agent.step();
        assertThat(result(key).status()).isEqualTo(Status.DONE);
        assertThat(server.newest().publicKeyEncoded()).isNotEqualTo(first.publicKeyEncoded());
        assertThat(server.issued).hasSize(3);
        assertThat(server.lastShown()).isEqualTo(server.newest().encoded());
    }

    @Test
    @DisplayName("STORE keeps an object, UPDATE_TRUST_ANCHORS takes anchors unless they would lock it out")
    void storeAndAnchors() throws Exception {
        Agent agent = start();
        agent.step();
        UUID store = server.place(new OrderContent.Store("config.json", Bytes.of((byte) 1, (byte) 2)));
        UUID locksOut = server.place(new OrderContent.UpdateTrustAnchors(List.of(server.root())));
        UUID good = server.place(new OrderContent.UpdateTrustAnchors(List.of(server.tlsAnchor(), server.root())));
        agent.step();
        assertThat(result(store).status()).isEqualTo(Status.DONE);
        assertThat(result(locksOut).status()).isEqualTo(Status.FAILED);
        assertThat(result(good).status()).isEqualTo(Status.DONE);
        assertThat(agent.state().objects()).containsEntry("config.json", Bytes.of((byte) 1, (byte) 2));
        assertThat(agent.state().anchors()).containsExactly(server.tlsAnchor(), server.root());
    }

    @Test
    @DisplayName("ATTEST brings evidence by the chip's attestation key for the key in use")
    void attest() throws Exception {
        Agent agent = start();
        agent.step();
        Bytes nonce = Bytes.sha256(new byte[] {9});
        UUID order = server.place(new OrderContent.Attest(nonce));
        agent.step();
        assertThat(result(order).status()).isEqualTo(Status.DONE);
        CheckIn.Evidence evidence = server.checkIns.getLast().evidence().orElseThrow();
        assertThat(evidence.nonce()).isEqualTo(nonce);
        KeyAttestation attestation = KeyAttestation.parse(evidence.value());
        var signer = DeviceKey.ofPoint(chip.publicKey(1));
        assertThat(attestation.verifies(signer, ChipPreset.TRUST_GO, nonce)).isTrue();
        assertThat(attestation.key().encoded()).isEqualTo(server.newest().publicKeyEncoded());
        assertThat(agent.state().evidence()).isEmpty();
    }

    @Test
    @DisplayName("REFURBISH wipes, is proven by the birth key, and ends in a new identity with a new key")
    void refurbish() throws Exception {
        Agent agent = start();
        agent.step();
        server.place(new OrderContent.Store("secret", Bytes.of((byte) 5)));
        agent.step();
        Certificate before = server.newest();
        server.state = State.REFURBISHING;
        UUID order = server.place(new OrderContent.Refurbish());
        agent.step();
        Receipt.Signed receipt = Receipt.parse(result(order).receipt().orElseThrow());
        assertThat(receipt.signer().encoded())
                .isEqualTo(Bytes.of(chip.certificateChain().getFirst()));
        assertThat(receipt.receipt().order()).isEqualTo(order);
        assertThat(receipt.receipt().wiped()).contains("operational-key", "operational-certificate", "object:secret");
        assertThat(agent.state().objects()).isEmpty();
        assertThat(server.newest().publicKeyEncoded()).isNotEqualTo(before.publicKeyEncoded());
        assertThat(chip.publicKeys().values().stream().map(Bytes::of))
                .as("the old key is destroyed")
                .noneMatch(point -> before.publicKeyEncoded().hex().endsWith(point.hex()));
        assertThat(server.lastShown()).isEqualTo(server.newest().encoded());
    }

    @Test
    @DisplayName("RELEASE is told to the old owner; then the device enrols with the new one, for a new key")
    void release() throws Exception {
        Agent agent = start();
        agent.step();
        Certificate before = server.newest();
        try (DeviceServer buyer = new DeviceServer(serial)) {
            UUID order = server.place(new OrderContent.Release(Optional.of(new OrderContent.NewHome(
                    "fleet-2", buyer.home().url(), List.of(buyer.tlsAnchor(), buyer.root())))));
            agent.step();
            assertThat(result(order).status()).isEqualTo(Status.DONE);
            assertThat(buyer.issued).as(events.toString()).hasSize(1);
            assertThat(buyer.newest().publicKeyEncoded()).isNotEqualTo(before.publicKeyEncoded());
            assertThat(buyer.checkIns.getLast().fleet()).isEqualTo("fleet-2");
            assertThat(agent.state().anchors()).doesNotContain(server.root());
            Agent again = start();
            again.step();
            assertThat(buyer.checkIns.getLast().bootCount()).isEqualTo(2);
        }
    }

    @Test
    @DisplayName("obeys no order that is forged, replayed, old, for another device or for another chip")
    void badOrders() throws Exception {
        Agent agent = start();
        agent.step();
        UUID first = server.place(new OrderContent.Store("a", Bytes.EMPTY));
        Bytes replay = server.open.get(first);
        agent.step();
        int checkIns = server.checkIns.size();

        OrderContent content = new OrderContent.Store("bad", Bytes.EMPTY);
        Order good = server.order(UUID.randomUUID(), content);
        byte[] broken = server.sign(good).toArray();
        broken[broken.length - 1] ^= 1;
        Instant now = Instant.now();
        List<Bytes> bad = List.of(
                Objects.requireNonNull(replay),
                Bytes.of(broken),
                Bytes.of((byte) 0xff),
                server.signWithStrangerKey(good),
                server.sign(new Order(UUID.randomUUID(), serial, good.id(), 50, now, now.plusSeconds(60), content)),
                server.sign(new Order(
                        DeviceServer.DEVICE, "0123ffffffffffff01", good.id(), 51, now, now.plusSeconds(60), content)),
                server.sign(new Order(
                        DeviceServer.DEVICE,
                        serial,
                        good.id(),
                        52,
                        now.minusSeconds(600),
                        now.minusSeconds(60),
                        content)));
        bad.forEach(order -> server.open.put(UUID.randomUUID(), order));
        server.ordersAtOnce = bad.size();
        agent.step();

        assertThat(agent.state().objects()).containsOnlyKeys("a");
        assertThat(agent.state().lastSequence()).isOne();
        assertThat(server.checkIns).hasSize(checkIns + 1);
        assertThat(events.stream()
                        .filter(AgentEvent.OrderRefused.class::isInstance)
                        .map(event -> ((AgentEvent.OrderRefused) event).reason()))
                .containsExactly(
                        OrderVerdict.Reason.REPLAYED,
                        OrderVerdict.Reason.MALFORMED,
                        OrderVerdict.Reason.MALFORMED,
                        OrderVerdict.Reason.UNTRUSTED,
                        OrderVerdict.Reason.OTHER_DEVICE,
                        OrderVerdict.Reason.OTHER_DEVICE,
                        OrderVerdict.Reason.EXPIRED);
    }

    @Test
    @DisplayName("survives a power cut at each step of each write: it has the old identity or the new, and goes on")
    void powerCuts() throws Exception {
        start().step();
        int cuts = 0;
        for (OrderContent turn : List.of(
                new OrderContent.RenewKey(),
                new OrderContent.Store("a", Bytes.of((byte) 1)),
                new OrderContent.Refurbish())) {
            boolean wipes = turn instanceof OrderContent.Refurbish;
            boolean cut = true;
            for (int at = 0; cut; at++) {
                server.state = wipes ? State.REFURBISHING : State.ACTIVE;
                UUID order = server.place(turn);
                cut = stepWithCut(at);
                cuts += cut ? 1 : 0;
                AgentState found = StateStore.inFile(disk, STATE).load().orElseThrow();
                assertThat(found.identity().isPresent() || wipes)
                        .as("an identity after a cut at step %s of %s", at, turn)
                        .isTrue();
                Agent after = start();
                after.step();
                assertThat(result(order).status()).isEqualTo(Status.DONE);
                assertThat(server.lastShown()).isEqualTo(certificate(after));
                assertThat(server.open).isEmpty();
            }
        }
        assertThat(cuts).isGreaterThan(40);
    }

    /// Lets an agent start and work, and the power fail at a step of the disk.
    ///
    /// @return whether there were so many steps
    private boolean stepWithCut(int at) throws Exception {
        disk.cutAt(at);
        try {
            start().step();
            return false;
        } catch (CutDisk.PowerCut e) {
            return true;
        } finally {
            disk.restart();
            chip.powerCycle();
        }
    }

    @Test
    @DisplayName("comes back where an older state was brought back, whose key is gone by now")
    void olderState() throws Exception {
        start().step();
        AgentState old = StateStore.inFile(disk, STATE).load().orElseThrow();
        server.place(new OrderContent.RenewKey());
        Agent agent = start();
        agent.step();
        agent.step();
        StateStore.inFile(disk, STATE).save(old);

        Agent again = start();
        again.step();
        assertThat(server.issued).as(events.toString()).hasSize(3);
        assertThat(server.lastShown()).isEqualTo(server.newest().encoded()).isEqualTo(certificate(again));
    }

    @Test
    @DisplayName("with a full disk, it starts and is heard of, and does what it was told when there is room again")
    void fullDisk() throws Exception {
        start().step();
        UUID order = server.place(new OrderContent.RenewKey());
        Certificate before = server.newest();
        disk.full = true;
        Agent agent = start();
        int heard = server.checkIns.size();
        agent.step();
        agent.step();
        assertThat(server.checkIns).hasSizeGreaterThan(heard);
        assertThat(last(AgentEvent.Failed.class).why()).contains("cannot be written", "No space left");
        assertThat(server.newest()).isEqualTo(before);

        disk.full = false;
        agent.step();
        assertThat(result(order).status()).isEqualTo(Status.DONE);
        assertThat(server.lastShown()).isEqualTo(certificate(agent)).isNotEqualTo(before.encoded());
        assertThat(start().state().bootCount()).isEqualTo(3);
    }

    @Test
    @DisplayName("survives a power cut at each step of its first start")
    void powerCutsAtActivation() throws Exception {
        for (int at = 0; ; at++) {
            server.state = State.CLAIMED;
            disk.delete(STATE);
            boolean cut = stepWithCut(at);
            Agent after = start();
            after.step();
            assertThat(server.lastShown()).isEqualTo(certificate(after));
            if (!cut) {
                assertThat(at).isGreaterThan(12);
                return;
            }
        }
    }

    @Test
    @DisplayName("survives a power cut at each step also where the keys are files on the same disk")
    void powerCutsWithKeysInFiles() throws Exception {
        SoftwareKey born = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        Path folder = Path.of("/agent/keys");
        Bytes birthCertificate;
        try (EstDouble maker = new EstDouble("maker")) {
            birthCertificate = maker.certify(born.publicKey().encoded()).encoded();
        }
        FileKeys keys = FileKeys.of(disk, folder, born.pkcs8(), List.of(birthCertificate), new SecureRandom());
        start(disk, keys, Optional.empty()).step();
        boolean cut = true;
        for (int at = 0; cut; at++) {
            UUID order = server.place(new OrderContent.RenewKey());
            disk.cutAt(at);
            try {
                start(disk, keys, Optional.empty()).step();
                cut = false;
            } catch (CutDisk.PowerCut e) {
                // The device comes back below.
            }
            disk.restart();
            AgentState found = StateStore.inFile(disk, STATE).load().orElseThrow();
            keys.open(found.identity().orElseThrow().key());
            Agent after = start(disk, keys, Optional.empty());
            after.step();
            assertThat(result(order).status()).isEqualTo(Status.DONE);
            assertThat(server.lastShown()).isEqualTo(certificate(after));
            after.step();
            assertThat(disk.files(folder))
                    .as("keys after a cut at step %s", at)
                    .containsExactly(folder.resolve(
                            after.state().identity().orElseThrow().key()));
        }
    }
}
