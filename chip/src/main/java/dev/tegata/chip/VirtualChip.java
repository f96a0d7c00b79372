// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A virtual secure element of the ECC608 family, at command level.
///
/// It takes the packets that the real chip takes and refuses what the real chip's configuration would
/// refuse, with the same status. A new chip sleeps; while it is not awake it does not answer. Its watchdog
/// never bites.
///
/// Safe for use by many threads; each command is done whole before the next.
public final class VirtualChip {
    private static final byte[] NO_ANSWER = {};

    private final Preset preset;
    private final ChipState state;

    private boolean awake;

    @Nullable
    private ChipFile file;

    private VirtualChip(Preset preset, ChipMemory memory, SecureRandom random) {
        this.preset = preset;
        this.state = new ChipState(memory, random);
    }

    /// A new chip as the factory of this kind ships it, except for certificates.
    public static VirtualChip create(Preset preset, SecureRandom random) {
        return new VirtualChip(preset, preset.provision(random), random);
    }

    /// The chip that was kept in this file, freshly powered; it goes on being kept there.
    public static VirtualChip open(Path path, SecureRandom random) throws IOException {
        ChipFile file = new ChipFile(path);
        ChipFile.Content content = file.read();
        VirtualChip chip = new VirtualChip(content.preset(), content.memory(), random);
        chip.file = file;
        return chip;
    }

    /// Keeps the chip's memory in this file from now on. Whatever a command changes is on the disk before
    /// its answer is given.
    public synchronized void keepIn(Path path) throws IOException {
        ChipFile fresh = new ChipFile(path);
        fresh.write(preset, state.memory);
        file = fresh;
    }

    /// A second chip with all that this one keeps, secrets too, as nobody can make of a real one. It is
    /// kept in no file.
    public synchronized VirtualChip duplicate(SecureRandom random) {
        return new VirtualChip(preset, ChipMemory.of(state.memory.image()), random);
    }

    // ---- the bus

    /// Wakes the chip from sleep or idle; the answer says so.
    public synchronized byte[] wake() {
        if (!awake) {
            awake = true;
            state.clearDigests();
        }
        return Packet.answer(Status.AWAKE.answer());
    }

    /// Stops answering until the next wake and keeps what is in the registers.
    public synchronized void idle() {
        awake = false;
    }

    /// Stops answering until the next wake and forgets all that is volatile.
    public synchronized void sleep() {
        awake = false;
        state.clearVolatile();
    }

    /// Takes the power away and gives it back: as sleep, and the persistent latch falls too.
    public synchronized void powerCycle() {
        sleep();
        state.persistentLatch = false;
        state.selfTestResult = 0;
    }

    /// Does a command: a packet from its count to its checksum, without word address. The answer has the
    /// same frame; it is empty where the chip is not awake.
    public synchronized byte[] execute(byte[] packet) {
        if (!awake) {
            return NO_ANSWER;
        }
        Packet command = Packet.decode(packet).orElse(null);
        if (command == null) {
            return Packet.answer(Status.CRC_ERROR.answer());
        }
        if (packet.length > Packet.MAX_LENGTH) {
            return Packet.answer(Status.PARSE_ERROR.answer());
        }
        try {
            return Packet.answer(durably(() -> dispatch(command)));
        } catch (Refusal refusal) {
            return Packet.answer(refusal.status().answer());
        }
    }

    private byte[] dispatch(Packet command) {
        Opcode opcode = Opcode.of(command.opcode()).orElseThrow(() -> new Refusal(Status.PARSE_ERROR));
        return switch (opcode) {
            case AES -> CipherCommands.aes(state, command);
            case CHECK_MAC -> DigestCommands.checkMac(state, command);
            case COUNTER -> MemoryCommands.counter(state, command);
            case DERIVE_KEY -> DigestCommands.deriveKey(state, command);
            case ECDH -> KeyCommands.ecdh(state, command);
            case GEN_DIG -> DigestCommands.genDig(state, command);
            case GEN_KEY -> KeyCommands.genKey(state, command);
            case INFO -> MemoryCommands.info(state, command);
            case KDF -> CipherCommands.kdf(state, command);
            case LOCK -> MemoryCommands.lock(state, command);
            case MAC -> DigestCommands.mac(state, command);
            case NONCE -> DigestCommands.nonce(state, command);
            case PRIV_WRITE -> KeyCommands.privWrite(state, command);
            case RANDOM -> DigestCommands.random(state, command);
            case READ -> MemoryCommands.read(state, command);
            case SECURE_BOOT -> KeyCommands.secureBoot(state, command);
            case SELF_TEST -> CipherCommands.selfTest(state, command);
            case SHA -> DigestCommands.sha(state, command);
            case SIGN -> KeyCommands.sign(state, command);
            case UPDATE_EXTRA -> MemoryCommands.updateExtra(state, command);
            case VERIFY -> KeyCommands.verify(state, command);
            case WRITE -> MemoryCommands.write(state, command);
        };
    }

    /// Runs an action and puts what it changed on the disk, also where it ends in a refusal: a use was
    /// counted. A change that cannot be kept has not happened.
    private byte[] durably(Supplier<byte[]> action) {
        ChipFile kept = file;
        if (kept == null) {
            return action.get();
        }
        byte[] before = state.memory.image();
        byte[] answer = NO_ANSWER;
        Refusal refusal = null;
        try {
            answer = action.get();
        } catch (Refusal e) {
            refusal = e;
        }
        if (!Arrays.equals(before, state.memory.image())) {
            try {
                kept.write(preset, state.memory);
            } catch (IOException e) {
                state.memory.restore(before);
                throw new Refusal(Status.EXECUTION_ERROR);
            }
        }
        if (refusal != null) {
            throw refusal;
        }
        return answer;
    }

    // ---- in process

    public Preset preset() {
        return preset;
    }

    /// The nine bytes of the serial number: `01 23 … 01`.
    public synchronized byte[] serial() {
        return state.serial();
    }

    /// The four bytes that name the silicon's revision.
    synchronized byte[] revision() {
        return state.memory.readConfig(4, 4);
    }

    /// The public keys (X ‖ Y) of all slots that hold a private key, by slot.
    public synchronized SequencedMap<Integer, byte[]> publicKeys() {
        TreeMap<Integer, byte[]> keys = new TreeMap<>();
        for (int slot = 0; slot < ChipMemory.SLOTS; slot++) {
            if (hasPrivateKey(slot)) {
                keys.put(slot, publicKey(slot));
            }
        }
        return keys;
    }

    /// The public key (X ‖ Y) of a slot's private key.
    ///
    /// @throws IllegalArgumentException where the slot holds none
    public synchronized byte[] publicKey(int slot) {
        requirePrivateKey(slot);
        return P256.publicKey(state.memory.privateKey(slot));
    }

    /// Signs a SHA-256 digest made outside the chip, without the detour over the bus; r ‖ s.
    ///
    /// @throws IllegalArgumentException where the slot holds no private key, or its policy forbids external
    /// data
    public synchronized byte[] sign(int slot, byte[] digest) {
        requirePrivateKey(slot);
        if (digest.length != 32) {
            throw new IllegalArgumentException("a SHA-256 digest has 32 bytes");
        }
        try {
            return durably(() -> KeyCommands.signExternal(state, slot, digest));
        } catch (Refusal refusal) {
            throw new IllegalArgumentException("slot " + slot + " does not sign external data", refusal);
        }
    }

    private boolean hasPrivateKey(int slot) {
        return state.memory.policy(slot).isPrivateKey() && P256.isPrivateKey(state.memory.privateKey(slot));
    }

    private void requirePrivateKey(int slot) {
        if (slot < 0 || slot >= ChipMemory.SLOTS || !hasPrivateKey(slot)) {
            throw new IllegalArgumentException("slot " + slot + " holds no private key");
        }
    }

    /// The vendor's certificates as DER, device first, rebuilt from what the chip stores; empty where it
    /// has none.
    public synchronized List<byte[]> certificateChain() {
        ChipMemory memory = state.memory;
        byte[] device = memory.readSlot(VendorCertificates.DEVICE_CERTIFICATE_SLOT, 0, CompressedCertificate.LENGTH);
        if (preset != Preset.TRUST_GO || Arrays.equals(device, new byte[device.length])) {
            return List.of();
        }
        VendorCertificates.Stored stored = new VendorCertificates.Stored(
                device,
                memory.publicKey(VendorCertificates.SIGNER_KEY_SLOT),
                memory.readSlot(VendorCertificates.SIGNER_CERTIFICATE_SLOT, 0, CompressedCertificate.LENGTH),
                memory.readOtp(VendorCertificates.ROOT_KEY_ID_IN_OTP, VendorCertificates.ROOT_KEY_ID_LENGTH));
        return VendorCertificates.rebuild(serial(), publicKey(0), stored);
    }

    /// Puts the vendor's certificates in and locks their slots: the last step of the factory.
    synchronized void storeCertificates(VendorCertificates.Stored certificates) {
        ChipMemory memory = state.memory;
        memory.writeSlot(VendorCertificates.DEVICE_CERTIFICATE_SLOT, 0, certificates.device());
        memory.setPublicKey(VendorCertificates.SIGNER_KEY_SLOT, certificates.signerPublicKey());
        memory.writeSlot(VendorCertificates.SIGNER_CERTIFICATE_SLOT, 0, certificates.signer());
        memory.writeOtp(VendorCertificates.ROOT_KEY_ID_IN_OTP, certificates.rootKeyId());
        memory.lockSlot(VendorCertificates.DEVICE_CERTIFICATE_SLOT);
        memory.lockSlot(VendorCertificates.SIGNER_KEY_SLOT);
        memory.lockSlot(VendorCertificates.SIGNER_CERTIFICATE_SLOT);
    }

    /// For tests: what the chip keeps, secrets and all.
    ChipMemory memory() {
        return state.memory;
    }

    /// The serial number.
    @Override
    public String toString() {
        return "chip " + HexFormat.of().formatHex(serial());
    }
}
