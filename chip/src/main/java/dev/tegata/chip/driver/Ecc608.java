// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip.driver;

import dev.tegata.chip.ChipConfiguration;
import dev.tegata.chip.Messages;
import dev.tegata.chip.Opcode;
import dev.tegata.chip.P256;
import dev.tegata.chip.Packet;
import dev.tegata.chip.Status;
import dev.tegata.chip.VendorCertificates;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.List;

/// A driver for one ECC608 chip, virtual or real.
///
/// Each method wakes the chip, does its commands without anything between them, and lets the chip rest.
/// What the chip refuses is a [ChipException] with the chip's status; any other `IOException` means that
/// the chip was not reached. Public keys are X ‖ Y, signatures r ‖ s, digests SHA-256. Safe for use by many
/// threads, which then take turns.
public final class Ecc608 implements AutoCloseable {
    public static final int SLOTS = 16;

    /// How many bytes a verifier's challenge has.
    public static final int CHALLENGE_LENGTH = 20;

    private static final int TEMP_KEY = 0xFFFF;
    private static final int BLOCK = 32;
    private static final int SHA_BLOCK = 64;
    private static final int ATTEMPTS = 3;

    private static final int ZONE_CONFIG = 0;
    private static final int ZONE_OTP = 1;
    private static final int ZONE_DATA = 2;
    private static final int SIZE_32 = 0x80;
    private static final int ENCRYPTED = 0x40;

    private final Transport transport;
    private final SecureRandom random;

    /// A driver for the chip at the end of this transport, which it closes in the end.
    ///
    /// @param random the host's share of nonces
    public Ecc608(Transport transport, SecureRandom random) {
        this.transport = transport;
        this.random = random;
    }

    @FunctionalInterface
    private interface Session<T> {
        T run() throws IOException;
    }

    private synchronized <T> T awake(Session<T> session) throws IOException {
        transport.wake();
        try {
            return session.run();
        } finally {
            transport.idle();
        }
    }

    /// Does one command, for what has no method here; the content of its answer, empty where it is success
    /// alone.
    public byte[] command(Opcode opcode, int param1, int param2, byte... data) throws IOException {
        return awake(() -> send(opcode, param1, param2, data));
    }

    private byte[] send(Opcode opcode, int param1, int param2, byte... data) throws IOException {
        byte[] answer = exchange(Packet.of(opcode, param1, param2, data));
        if (answer.length != 1) {
            return answer;
        }
        Status status = Status.of(answer[0]);
        if (status != Status.SUCCESS) {
            throw new ChipException(opcode, status);
        }
        return new byte[0];
    }

    /// Sends a packet until it has arrived intact. A command whose answer is lost is not done twice.
    private byte[] exchange(Packet packet) throws IOException {
        byte[] bytes = packet.encode();
        byte[] answer = new byte[0];
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            answer = Packet.content(transport.execute(bytes))
                    .orElseThrow(() -> new IOException("the chip's answer did not arrive intact"));
            Status status = answer.length == 1 ? Status.of(answer[0]) : Status.SUCCESS;
            if (status == Status.WATCHDOG_ABOUT_TO_EXPIRE) {
                transport.idle();
                transport.wake();
            } else if (status != Status.CRC_ERROR) {
                break;
            }
        }
        return answer;
    }

    private byte[] expect(int length, byte[] answer) throws IOException {
        if (answer.length != length) {
            throw new IOException("the chip's answer has " + answer.length + " bytes instead of " + length);
        }
        return answer;
    }

    // ---- what the chip is

    /// The four bytes that name the silicon's revision.
    public byte[] revision() throws IOException {
        return awake(() -> expect(4, send(Opcode.INFO, 0, 0)));
    }

    /// The configuration zone: serial number, policies, locks.
    public ChipConfiguration configuration() throws IOException {
        return awake(this::readConfiguration);
    }

    private ChipConfiguration readConfiguration() throws IOException {
        byte[] zone = new byte[4 * BLOCK];
        for (int block = 0; block < 4; block++) {
            byte[] read = expect(BLOCK, send(Opcode.READ, ZONE_CONFIG | SIZE_32, block << 3));
            System.arraycopy(read, 0, zone, block * BLOCK, BLOCK);
        }
        return new ChipConfiguration(zone);
    }

    /// The nine bytes of the serial number.
    public byte[] serial() throws IOException {
        return awake(this::readSerial);
    }

    private byte[] readSerial() throws IOException {
        byte[] block = expect(BLOCK, send(Opcode.READ, ZONE_CONFIG | SIZE_32, 0));
        byte[] serial = Arrays.copyOf(block, 9);
        System.arraycopy(block, 8, serial, 4, 5);
        return serial;
    }

    /// The vendor's certificates as DER, device first, rebuilt from what a virtual chip stores.
    ///
    /// @throws IOException also where the chip stores none of the virtual vendor
    public List<byte[]> certificateChain() throws IOException {
        return awake(() -> {
            VendorCertificates.Stored stored = new VendorCertificates.Stored(
                    readSlot(VendorCertificates.DEVICE_CERTIFICATE_SLOT, 0, 72),
                    readStoredPublicKey(VendorCertificates.SIGNER_KEY_SLOT),
                    readSlot(VendorCertificates.SIGNER_CERTIFICATE_SLOT, 0, 72),
                    Arrays.copyOf(
                            expect(
                                    BLOCK,
                                    send(Opcode.READ, ZONE_OTP | SIZE_32, VendorCertificates.ROOT_KEY_ID_IN_OTP / 4)),
                            VendorCertificates.ROOT_KEY_ID_LENGTH));
            try {
                return VendorCertificates.rebuild(readSerial(), readPublicKey(0), stored);
            } catch (IllegalArgumentException e) {
                throw new IOException("the chip stores no certificates of the virtual vendor", e);
            }
        });
    }

    /// Runs the chip's tests of its own arithmetic.
    ///
    /// @return whether all passed
    public boolean selfTest() throws IOException {
        return awake(() -> expect(1, exchange(Packet.of(Opcode.SELF_TEST, 0x3B, 0)))[0] == 0);
    }

    // ---- keys

    /// Thirty-two random bytes of the chip.
    public byte[] random() throws IOException {
        return awake(() -> expect(BLOCK, send(Opcode.RANDOM, 0, 0)));
    }

    /// Whether a slot that is for private keys holds one.
    public boolean hasKey(int slot) throws IOException {
        return awake(() -> expect(4, send(Opcode.INFO, 0x01, slot))[0] == 1);
    }

    /// The public key of a slot's private key.
    public byte[] publicKey(int slot) throws IOException {
        return awake(() -> readPublicKey(slot));
    }

    private byte[] readPublicKey(int slot) throws IOException {
        return expect(P256.PUBLIC_KEY_LENGTH, send(Opcode.GEN_KEY, 0x00, slot));
    }

    /// Makes a new private key in a slot, in place of the old one; gives back its public key.
    public byte[] newKey(int slot) throws IOException {
        return awake(() -> expect(P256.PUBLIC_KEY_LENGTH, send(Opcode.GEN_KEY, 0x04, slot)));
    }

    /// Signs a digest made outside the chip.
    public byte[] sign(int slot, byte[] digest) throws IOException {
        return awake(() -> {
            load(digest);
            return expect(P256.SIGNATURE_LENGTH, send(Opcode.SIGN, 0x80, slot));
        });
    }

    /// Lets the attestation key in slot `attester` vouch for the key in `slot`.
    ///
    /// @param challenge the verifier's twenty bytes
    /// @param fresh make a new key first, by the same command
    public KeyAttestation attest(int attester, int slot, byte[] challenge, boolean fresh) throws IOException {
        return awake(() -> {
            ChipConfiguration configuration = readConfiguration();
            byte[] randomOut = expect(BLOCK, send(Opcode.NONCE, KeyAttestation.NONCE_MODE, 0, challenge));
            byte[] publicKey = expect(P256.PUBLIC_KEY_LENGTH, send(Opcode.GEN_KEY, fresh ? 0x0C : 0x08, slot));
            byte[] signature = expect(P256.SIGNATURE_LENGTH, send(Opcode.SIGN, KeyAttestation.SIGN_MODE, attester));
            return new KeyAttestation(
                    configuration.serial(),
                    attester,
                    slot,
                    fresh,
                    publicKey,
                    challenge.clone(),
                    randomOut,
                    configuration.slotConfig(slot),
                    configuration.keyConfig(slot),
                    configuration.isSlotLocked(slot),
                    signature);
        });
    }

    /// Whether the chip finds that a signature verifies under a public key.
    public boolean verify(byte[] publicKey, byte[] digest, byte[] signature) throws IOException {
        return awake(() -> {
            load(digest);
            return matches(Opcode.VERIFY, 0x02, 4, join(signature, publicKey));
        });
    }

    /// Whether the chip finds that a signature verifies under the public key stored in a slot.
    public boolean verify(int slot, byte[] digest, byte[] signature) throws IOException {
        return awake(() -> {
            load(digest);
            return matches(Opcode.VERIFY, 0x00, slot, signature);
        });
    }

    /// The secret that a slot's private key shares with another public key, in the clear.
    public byte[] ecdh(int slot, byte[] publicKey) throws IOException {
        return awake(() -> expect(BLOCK, send(Opcode.ECDH, 0x0C, slot, publicKey)));
    }

    /// Makes an ephemeral key in the chip and gives back the secret that it shares with another public key.
    ///
    /// @return the ephemeral public key, then the secret
    public List<byte[]> ephemeralEcdh(byte[] publicKey) throws IOException {
        return awake(() -> {
            byte[] ephemeral = expect(P256.PUBLIC_KEY_LENGTH, send(Opcode.GEN_KEY, 0x04, TEMP_KEY));
            return List.of(ephemeral, expect(BLOCK, send(Opcode.ECDH, 0x0D, 0, publicKey)));
        });
    }

    private void load(byte[] digest) throws IOException {
        if (digest.length != BLOCK) {
            throw new IllegalArgumentException("a digest has 32 bytes");
        }
        send(Opcode.NONCE, 0x03, 0, digest);
    }

    private boolean matches(Opcode opcode, int param1, int param2, byte[] data) throws IOException {
        try {
            send(opcode, param1, param2, data);
            return true;
        } catch (ChipException e) {
            if (e.status() == Status.MISMATCH) {
                return false;
            }
            throw e;
        }
    }

    // ---- symmetric keys and digests

    /// The SHA-256 digest of a message.
    public byte[] sha256(byte[] message) throws IOException {
        return awake(() -> {
            send(Opcode.SHA, 0x00, 0);
            return digest(message);
        });
    }

    /// HMAC-SHA-256 of a message under the key in a slot.
    public byte[] hmac(int slot, byte[] message) throws IOException {
        return awake(() -> {
            send(Opcode.SHA, 0x04, slot);
            return digest(message);
        });
    }

    private byte[] digest(byte[] message) throws IOException {
        int at = 0;
        for (; message.length - at >= SHA_BLOCK; at += SHA_BLOCK) {
            send(Opcode.SHA, 0x01, SHA_BLOCK, Arrays.copyOfRange(message, at, at + SHA_BLOCK));
        }
        byte[] last = Arrays.copyOfRange(message, at, message.length);
        return expect(BLOCK, send(Opcode.SHA, 0xC2, last.length, last));
    }

    /// Encrypts one block of sixteen bytes with an AES key.
    ///
    /// @param part which sixteen bytes of the slot are the key, 0 to 3
    public byte[] aesEncrypt(int slot, int part, byte[] block) throws IOException {
        return awake(() -> expect(16, send(Opcode.AES, part << 6, slot, block)));
    }

    /// Decrypts one block of sixteen bytes with an AES key.
    ///
    /// @param part which sixteen bytes of the slot are the key, 0 to 3
    public byte[] aesDecrypt(int slot, int part, byte[] block) throws IOException {
        return awake(() -> expect(16, send(Opcode.AES, part << 6 | 1, slot, block)));
    }

    /// The pseudo-random function of TLS 1.2 over a slot's first 32 bytes.
    ///
    /// @param message label and seed, 128 bytes at most
    /// @param length 32 or 64
    public byte[] tlsPrf(int slot, byte[] message, int length) throws IOException {
        byte[] details = {1, (byte) (length == 64 ? 1 : 0), 0, (byte) message.length};
        return awake(() -> expect(length, send(Opcode.KDF, 0x12, slot, join(details, message))));
    }

    /// The step that HKDF is made of: HMAC-SHA-256 under a slot's first 32 bytes.
    ///
    /// @param message 128 bytes at most
    public byte[] hkdfStep(int slot, byte[] message) throws IOException {
        byte[] details = {2, 0, 0, (byte) message.length};
        return awake(() -> expect(BLOCK, send(Opcode.KDF, 0x52, slot, join(details, message))));
    }

    /// The chip's MAC over a challenge of 32 bytes with the key in a slot; the whole serial number is in
    /// it.
    public byte[] mac(int slot, byte[] challenge) throws IOException {
        return awake(() -> expect(BLOCK, send(Opcode.MAC, 0x40, slot, challenge)));
    }

    // ---- memory

    /// Reads from a slot in the clear; `from` and `length` are multiples of four.
    public byte[] read(int slot, int from, int length) throws IOException {
        return awake(() -> readSlot(slot, from, length));
    }

    private byte[] readSlot(int slot, int from, int length) throws IOException {
        requireWords(from, length);
        ByteArrayOutputStream content = new ByteArrayOutputStream(length);
        int at = from;
        while (at < from + length) {
            int size = at % BLOCK == 0 && from + length - at >= BLOCK ? BLOCK : 4;
            int zone = ZONE_DATA | (size == BLOCK ? SIZE_32 : 0);
            content.writeBytes(expect(size, send(Opcode.READ, zone, address(slot, at))));
            at += size;
        }
        return content.toByteArray();
    }

    private byte[] readStoredPublicKey(int slot) throws IOException {
        byte[] stored = readSlot(slot, 0, 72);
        return join(Arrays.copyOfRange(stored, 4, 36), Arrays.copyOfRange(stored, 40, 72));
    }

    /// Writes to a slot in the clear; `from` and the content's length are multiples of four. Power lost
    /// between two blocks leaves the first of them written.
    public void write(int slot, int from, byte[] content) throws IOException {
        requireWords(from, content.length);
        awake(() -> {
            int at = 0;
            while (at < content.length) {
                int size = (from + at) % BLOCK == 0 && content.length - at >= BLOCK ? BLOCK : 4;
                int zone = ZONE_DATA | (size == BLOCK ? SIZE_32 : 0);
                send(Opcode.WRITE, zone, address(slot, from + at), Arrays.copyOfRange(content, at, at + size));
                at += size;
            }
            return at;
        });
    }

    /// Writes the first 32 bytes of a slot, encrypted and authenticated with the slot's write key.
    public void writeEncrypted(int slot, int writeKeySlot, byte[] writeKey, byte[] content) throws IOException {
        awake(() -> {
            byte[] serial = readSerial();
            byte[] session = sessionKey(serial, writeKeySlot, writeKey);
            int zone = ZONE_DATA | SIZE_32 | ENCRYPTED;
            int address = address(slot, 0);
            byte[] mac = Messages.writeMac(session, zone, address, serial, content);
            return send(Opcode.WRITE, zone, address, join(xor(content, session), mac));
        });
    }

    /// Reads the first 32 bytes of a slot that gives them out encrypted with its read key only.
    public byte[] readEncrypted(int slot, int readKeySlot, byte[] readKey) throws IOException {
        return awake(() -> {
            byte[] session = sessionKey(readSerial(), readKeySlot, readKey);
            return xor(expect(BLOCK, send(Opcode.READ, ZONE_DATA | SIZE_32, address(slot, 0))), session);
        });
    }

    private byte[] sessionKey(byte[] serial, int keySlot, byte[] key) throws IOException {
        byte[] numIn = new byte[CHALLENGE_LENGTH];
        random.nextBytes(numIn);
        byte[] randomOut = expect(BLOCK, send(Opcode.NONCE, 0, 0, numIn));
        send(Opcode.GEN_DIG, ZONE_DATA, keySlot);
        byte[] nonce = Messages.nonce(randomOut, numIn, 0, 0);
        return Messages.genDig(key, Messages.genDigHead(ZONE_DATA, keySlot), serial, nonce);
    }

    private static int address(int slot, int at) {
        return at / BLOCK << 8 | slot << 3 | at % BLOCK / 4;
    }

    private static void requireWords(int from, int length) {
        if (from < 0 || from % 4 != 0 || length % 4 != 0) {
            throw new IllegalArgumentException("a slot is read and written in words of four bytes");
        }
    }

    // ---- counters and locks

    /// The value of monotonic counter 0 or 1.
    public int counter(int which) throws IOException {
        return awake(() -> number(send(Opcode.COUNTER, 0, which)));
    }

    /// Counts one up; gives back the new value.
    public int increment(int which) throws IOException {
        return awake(() -> number(send(Opcode.COUNTER, 1, which)));
    }

    private int number(byte[] answer) throws IOException {
        expect(4, answer);
        return answer[0] & 0xFF | (answer[1] & 0xFF) << 8 | (answer[2] & 0xFF) << 16 | (answer[3] & 0xFF) << 24;
    }

    /// Locks the configuration zone for ever, provided the chip holds what the caller believes.
    public void lockConfiguration(ChipConfiguration expected) throws IOException {
        command(Opcode.LOCK, 0x00, expected.lockChecksum());
    }

    /// Locks the data zone for ever: from then on the slots' policies hold.
    public void lockData() throws IOException {
        command(Opcode.LOCK, 0x81, 0);
    }

    /// Locks one slot for ever.
    public void lockSlot(int slot) throws IOException {
        command(Opcode.LOCK, 0x02 | slot << 2, 0);
    }

    /// Puts the chip to sleep and gives the transport back.
    @Override
    public synchronized void close() throws IOException {
        try (transport) {
            transport.sleep();
        }
    }

    private static byte[] join(byte[] a, byte[] b) {
        byte[] joined = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, joined, a.length, b.length);
        return joined;
    }

    private static byte[] xor(byte[] a, byte[] b) {
        byte[] result = new byte[a.length];
        for (int i = 0; i < a.length; i++) {
            result[i] = (byte) (a[i] ^ b[i]);
        }
        return result;
    }
}
