// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.agent.store.CutDisk;
import dev.tegata.agent.store.Disk;
import dev.tegata.agent.store.StateStore;
import dev.tegata.agent.tpm.Swtpm;
import dev.tegata.agent.tpm.Tpm;
import dev.tegata.attestation.tpm.TpmEvidence;
import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.chip.driver.Ecc608;
import dev.tegata.chip.driver.Transport;
import dev.tegata.chip.port.ChipServer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.pki.key.KeySpace;
import dev.tegata.pki.key.Pkcs11Config;
import dev.tegata.pki.key.Pkcs11Vault;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.Secret;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.OrderContent;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("Keys of a device, wherever they live, carry it through its life")
final class DeviceKeysTest {
    private static final SecureRandom RANDOM = new SecureRandom();
    private static final String SERIAL = "unit-4711";

    @TempDir
    Path folder;

    /// A birth certificate for a key: who signed it does not matter to the server of these tests.
    private static List<Bytes> birthChain(DeviceKey key) throws Exception {
        try (EstDouble maker = new EstDouble("maker")) {
            return List.of(maker.certify(key.publicKey().encoded()).encoded());
        }
    }

    private Agent.Setup setup(
            DeviceServer server, DeviceKeys keys, String serial, Optional<Attester> attester, List<AgentEvent> events)
            throws Exception {
        return new Agent.Setup(
                keys,
                serial,
                server.home(),
                List.of(),
                attester,
                Agent.Habits.USUAL,
                StateStore.inFile(Disk.local(), folder.resolve("state")),
                Network.ofThisMachine(),
                InstantSource.system(),
                new Random(1),
                Agent.Pace.USUAL,
                events::add);
    }

    /// Enrols, renews with a new key, refurbishes; the key in use is another each time, and works after a
    /// restart.
    private void live(DeviceKeys keys, String serial, Optional<Attester> attester) throws Exception {
        List<AgentEvent> events = new ArrayList<>();
        try (DeviceServer server = new DeviceServer(serial)) {
            Agent.Setup setup = setup(server, keys, serial, attester, events);
            Agent.start(setup).step();
            assertThat(server.issued).as(events.toString()).hasSize(1);
            server.place(new OrderContent.RenewKey());
            Agent killed = Agent.start(setup(server, new Deadly(keys), serial, attester, events));
            assertThatThrownBy(killed::step).isInstanceOf(CutDisk.PowerCut.class);
            Agent.start(setup).step();
            server.state = dev.tegata.protocol.CheckInAnswer.State.REFURBISHING;
            server.place(new OrderContent.Refurbish());
            Agent.start(setup).step();
            assertThat(server.issued).as(events.toString()).hasSize(3);
            assertThat(server.issued.stream()
                            .map(each -> each.publicKeyEncoded())
                            .distinct())
                    .hasSize(3);
            assertThat(server.results.values()).allMatch(result -> result.status() == CheckIn.Status.DONE);
            if (attester.isPresent()) {
                server.place(new OrderContent.Attest(Bytes.sha256(new byte[] {3})));
                Agent.start(setup).step();
                assertThat(server.checkIns.stream().flatMap(each -> each.evidence().stream()))
                        .hasSize(1);
            }
            assertThat(server.lastShown()).isEqualTo(server.newest().encoded());
        }
    }

    private static void contract(DeviceKeys keys) throws Exception {
        DeviceKeys.Made made = keys.make(keys.nameNext(Set.of()));
        byte[] message = {7};
        DeviceKey again = keys.open(made.name());
        assertThat(again.publicKey()).isEqualTo(made.key().publicKey());
        assertThat(again.publicKey().verifies(SignatureAlgorithm.ECDSA_SHA256, message, again.sign(message)))
                .isTrue();
        DeviceKeys.Made other = keys.make(keys.nameNext(Set.of(made.name())));
        assertThat(other.name()).isNotEqualTo(made.name());
        assertThat(keys.open(made.name()).publicKey()).isEqualTo(made.key().publicKey());
        assertThatThrownBy(() -> keys.open("nonsense")).isInstanceOf(IOException.class);
        keys.forget(other.name());
        keys.forget(keys.nameNext(Set.of(made.name())));
    }

    /// Keys of an agent that is killed as soon as one is made.
    private record Deadly(DeviceKeys keys) implements DeviceKeys {
        @Override
        public DeviceIdentity birth() throws IOException {
            return keys.birth();
        }

        @Override
        public String nameNext(Set<String> inUse) throws IOException {
            return keys.nameNext(inUse);
        }

        @Override
        public Made make(String name) throws IOException {
            keys.make(name);
            throw new CutDisk.PowerCut();
        }

        @Override
        public DeviceKey open(String name) throws IOException {
            return keys.open(name);
        }

        @Override
        public void forget(String name) throws IOException {
            keys.forget(name);
        }

        @Override
        public void close() {}
    }

    @Test
    @DisplayName("a chip behind a TCP port")
    void chipOverTcp() throws Exception {
        VirtualChip chip = new ChipFactory(RANDOM).make(Preset.TRUST_GO, Instant.parse("2026-01-01T00:00:00Z"));
        InetSocketAddress any = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        try (ChipServer port = ChipServer.start(any, chip, 60_000);
                ChipKeys keys = ChipKeys.of(new Ecc608(Transport.tcp(port.address(), 10_000), RANDOM))) {
            contract(keys);
            String serial = java.util.HexFormat.of().formatHex(keys.chip().serial());
            live(keys, serial, Optional.of(new ChipAttester(keys.chip())));
        }
    }

    @Test
    @DisplayName("a chip like TrustMANAGER, with a birth key made in the field and room for one key more")
    void trustManager() throws Exception {
        VirtualChip chip = new ChipFactory(RANDOM).make(Preset.TRUST_MANAGER, Instant.parse("2026-01-01T00:00:00Z"));
        ChipKeys keys = ChipKeys.of(new Ecc608(Transport.of(chip), RANDOM));
        assertThat(keys.birth().chain()).isEmpty();
        assertThat(ChipKeys.of(new Ecc608(Transport.of(chip), RANDOM))
                        .birth()
                        .key()
                        .publicKey())
                .as("made once")
                .isEqualTo(keys.birth().key().publicKey());
        assertThat(keys.make(keys.nameNext(Set.of())).name()).isEqualTo("slot-3");
        assertThatThrownBy(() -> keys.make(keys.nameNext(Set.of("slot-3"))))
                .isInstanceOf(DeviceKeys.NoRoomException.class);
        for (String none : List.of("slot-0", "slot-1", "slot-2", "slot-19", "slot-", "nonsense")) {
            assertThatThrownBy(() -> keys.open(none)).isInstanceOf(IOException.class);
            assertThatThrownBy(() -> keys.forget(none)).isInstanceOf(IOException.class);
        }
        String serial = java.util.HexFormat.of().formatHex(keys.chip().serial());
        List<AgentEvent> events = new ArrayList<>();
        try (DeviceServer server = new DeviceServer(serial)) {
            Agent agent = Agent.start(new Agent.Setup(
                    keys,
                    serial,
                    server.home(),
                    List.of(),
                    Optional.of(new ChipAttester(keys.chip())),
                    new Agent.Habits(0.6, true, dev.tegata.protocol.CheckInForm.CBOR),
                    StateStore.inFile(Disk.local(), folder.resolve("state")),
                    Network.ofThisMachine(),
                    InstantSource.system(),
                    new Random(1),
                    Agent.Pace.USUAL,
                    events::add));
            agent.step();
            var newKey = server.place(new OrderContent.RenewKey());
            var renewal = server.place(new OrderContent.RenewCertificate());
            agent.step();
            agent.step();
            assertThat(server.results.get(newKey)).as(events.toString()).satisfies(result -> {
                assertThat(result.status()).isEqualTo(CheckIn.Status.FAILED);
                assertThat(result.detail()).contains("no room");
            });
            assertThat(server.results.get(renewal))
                    .as(events.toString())
                    .satisfies(result -> assertThat(result.status()).isEqualTo(CheckIn.Status.DONE));
            // Its habit is a new key each time: it renews with the one that it has instead.
            server.time = InstantSource.offset(InstantSource.system(), java.time.Duration.ofMinutes(150));
            agent.step();
            agent.step();
            // It oversleeps, and comes as it was born.
            server.time = InstantSource.offset(InstantSource.system(), java.time.Duration.ofHours(9));
            agent.step();
            agent.step();
            assertThat(server.issued.stream().map(each -> each.publicKeyEncoded()))
                    .as(events.toString())
                    .hasSize(4)
                    .containsOnly(server.issued.getFirst().publicKeyEncoded());
            server.state = dev.tegata.protocol.CheckInAnswer.State.REFURBISHING;
            server.place(new OrderContent.Refurbish());
            agent.step();
            agent.step();
            assertThat(server.newest().publicKeyEncoded())
                    .as(events.toString())
                    .isNotEqualTo(server.issued.getFirst().publicKeyEncoded());
            assertThat(server.lastShown()).isEqualTo(server.newest().encoded());
        }
    }

    @Test
    @DisplayName("files that only their owner can read; a forgotten one is gone")
    void files() throws Exception {
        SoftwareKey birth = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        Path keysFolder = folder.resolve("keys");
        FileKeys unborn = FileKeys.of(Disk.local(), keysFolder, birth.pkcs8(), List.of(), RANDOM);
        List<Bytes> chain = birthChain(unborn.birth().key());
        FileKeys keys = FileKeys.of(Disk.local(), keysFolder, birth.pkcs8(), chain, RANDOM);
        contract(keys);
        try (var files = Files.list(keysFolder)) {
            assertThat(files.toList()).hasSize(1).allMatch(file -> {
                try {
                    return PosixFilePermissions.toString(Files.getPosixFilePermissions(file))
                            .equals("rw-------");
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            });
        }
        live(keys, SERIAL, Optional.of(psa(keys)));
    }

    private static PsaAttester psa(FileKeys keys) throws Exception {
        return new PsaAttester(
                keys.birth().key(),
                List.of(),
                Bytes.sha256(new byte[] {1}),
                List.of(new dev.tegata.attestation.psa.SoftwareComponent(
                        "app", Bytes.sha256(new byte[] {2}), "1.0.0", null, null)));
    }

    @Test
    @DisplayName("PSA tokens of the software root of trust verify")
    void psaToken() throws Exception {
        SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        PsaAttester attester = psa(FileKeys.of(Disk.local(), folder.resolve("psa"), key.pkcs8(), List.of(), RANDOM));
        Bytes nonce = Bytes.sha256(new byte[] {5});
        CheckIn.Evidence evidence = attester.attest(nonce, Optional.empty());
        var message = dev.tegata.attestation.psa.PsaToken.parseEnvelope(evidence.value());
        assertThat(message.verifies(new dev.tegata.attestation.cose.CoseKey.Public(key.publicKey())))
                .isTrue();
        var token = dev.tegata.attestation.psa.PsaToken.parse(message.content());
        assertThat(token.nonce()).isEqualTo(nonce);
        assertThat(token.components()).hasSize(1);
        assertThatThrownBy(() -> attester.attest(Bytes.of(new byte[20]), Optional.empty()))
                .isInstanceOf(IOException.class);
    }

    @Test
    @DisplayName("a TPM 2.0, with quotes as evidence")
    void tpm() throws Exception {
        long birthHandle = 0x81010001L;
        long quoteHandle = 0x81010002L;
        try (Swtpm swtpm = Swtpm.start();
                Tpm tpm = swtpm.connect()) {
            for (long handle : new long[] {birthHandle, quoteHandle}) {
                Tpm.Kind kind = handle == birthHandle ? Tpm.Kind.SIGNING : Tpm.Kind.ATTESTATION;
                long primary = tpm.createPrimary(Tpm.OWNER, kind).handle();
                tpm.evict(primary, handle);
                tpm.flush(primary);
            }
            TpmKeys unborn = TpmKeys.of(tpm, birthHandle, List.of());
            List<Bytes> chain = birthChain(unborn.birth().key());
            TpmKeys keys = TpmKeys.of(tpm, birthHandle, chain);
            contract(keys);
            TpmAttester attester = new TpmAttester(tpm, quoteHandle, List.of(), Optional.empty(), Optional.empty());
            Bytes nonce = Bytes.sha256(new byte[] {3});
            CheckIn.Evidence evidence = attester.attest(nonce, Optional.empty());
            var verified = TpmEvidence.parse(evidence.value()).verify();
            assertThat(verified.attest().extraData()).isEqualTo(nonce);
            live(keys, SERIAL, Optional.of(attester));
        }
    }

    @Test
    @DisplayName("a PKCS#11 token (SoftHSM)")
    void pkcs11() throws Exception {
        Path library = Path.of("/usr/lib/softhsm/libsofthsm2.so");
        if (!Files.exists(library)) {
            throw new IllegalStateException("SoftHSM is not installed: apt-get install softhsm2");
        }
        SoftHsmEnvironment.configure(folder);
        SoftHsmEnvironment.run(
                folder, "--init-token", "--free", "--label", "device", "--so-pin", "1234", "--pin", "4321");
        Pkcs11Config token = Pkcs11Config.sharedToken(library, "device", Secret.of("4321"));
        KeySpace label = new KeySpace("device-keys");
        KeyHandle birth;
        Bytes publicKey;
        try (Pkcs11Vault factory = Pkcs11Vault.open(token, RANDOM)) {
            birth = factory.generate(label, KeyAlgorithm.EC_P256);
            publicKey = factory.publicKey(label, birth).encoded();
        }
        List<Bytes> chain;
        try (EstDouble maker = new EstDouble("maker")) {
            chain = List.of(maker.certify(publicKey).encoded());
        }
        try (Pkcs11Keys keys = Pkcs11Keys.open(token, label, birth, chain, RANDOM)) {
            contract(keys);
            String name = keys.nameNext(Set.of());
            keys.make(name);
            PublicKeyInfo last = keys.make(name).key().publicKey();
            assertThat(keys.open(name).publicKey()).isEqualTo(last);
            keys.forget(name);
            long before = objects();
            live(keys, SERIAL, Optional.empty());
            assertThat(objects()).as("both halves of the key in use").isEqualTo(before + 2);
        }
    }

    /// In the token, in its files.
    private long objects() throws IOException {
        try (var files = Files.walk(folder.resolve("tokens"))) {
            return files.filter(file -> file.toString().endsWith(".object")).count();
        }
    }
}
