// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.tpm;

import dev.tegata.agent.tpm.TpmBytes.Reader;
import dev.tegata.agent.tpm.TpmBytes.Writer;
import dev.tegata.pki.Bytes;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/// A TPM 2.0 by its commands. Hierarchies and keys have empty authorizations, as on machines whose owner is
/// the operating system; all keys are on P-256, all digests SHA-256.
///
/// Safe for use by many threads, which then take turns.
public final class Tpm implements AutoCloseable {
    /// The storage hierarchy.
    public static final long OWNER = 0x40000001L;

    /// The endorsement hierarchy.
    public static final long ENDORSEMENT = 0x4000000BL;

    private static final long NONE = 0x40000007L;
    private static final long PASSWORD = 0x40000009L;

    private static final int NO_SESSIONS = 0x8001;
    private static final int SESSIONS = 0x8002;

    /// Where the handles of keys in its memory begin, and of sessions there.
    private static final long[] IN_MEMORY = {0x80000000L, 0x02000000L};

    private static final int MOST_IN_MEMORY = 64;
    private static final int CAP_HANDLES = 1;
    private static final int STARTUP_CLEAR = 0;

    private static final int CC_EVICT_CONTROL = 0x120;
    private static final int CC_CREATE_PRIMARY = 0x131;
    private static final int CC_STARTUP = 0x144;
    private static final int CC_ACTIVATE_CREDENTIAL = 0x147;
    private static final int CC_CERTIFY_CREATION = 0x14A;
    private static final int CC_NV_READ = 0x14E;
    private static final int CC_POLICY_SECRET = 0x151;
    private static final int CC_CREATE = 0x153;
    private static final int CC_LOAD = 0x157;
    private static final int CC_QUOTE = 0x158;
    private static final int CC_SIGN = 0x15D;
    private static final int CC_FLUSH_CONTEXT = 0x165;
    private static final int CC_NV_READ_PUBLIC = 0x169;
    private static final int CC_READ_PUBLIC = 0x173;
    private static final int CC_START_AUTH_SESSION = 0x176;
    private static final int CC_GET_CAPABILITY = 0x17A;
    private static final int CC_PCR_READ = 0x17E;
    private static final int CC_PCR_EXTEND = 0x182;

    private static final int ALG_AES = 0x06;
    private static final int ALG_SHA256 = 0x0B;
    private static final int ALG_NULL = 0x10;
    private static final int ALG_ECDSA = 0x18;
    private static final int ALG_ECC = 0x23;
    private static final int ALG_CFB = 0x43;
    private static final int CURVE_P256 = 0x03;
    private static final int HASHCHECK = 0x8024;

    private static final int FIXED = 0x02 | 0x10 | 0x20;
    private static final int USER_WITH_AUTH = 0x40;
    private static final int ADMIN_WITH_POLICY = 0x80;
    private static final int NO_DICTIONARY = 0x400;
    private static final int RESTRICTED = 1 << 16;
    private static final int DECRYPT = 1 << 17;
    private static final int SIGN = 1 << 18;

    private static final int NV_CHUNK = 512;
    private static final int MAX_NV = 8192;
    private static final int PCRS = 24;

    /// The policy of endorsement keys by the TCG's default templates: whoever may use the endorsement
    /// hierarchy.
    private static final Bytes ENDORSEMENT_POLICY =
            Bytes.ofHex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa");

    private final TpmPort port;

    /// What is at the end of a new way was not started and cleared yet.
    private boolean neglected;

    public Tpm(TpmPort port) {
        this.port = port;
    }

    /// A key that was made: loadable blobs, and what proves where it was made.
    ///
    /// @param publicArea TPMT_PUBLIC
    public record Created(Bytes privatePart, Bytes publicArea, Bytes creationHash, Bytes creationTicket) {}

    /// A key in the TPM's memory.
    public record Loaded(long handle, Bytes publicArea, Bytes name, Bytes creationHash, Bytes creationTicket) {}

    /// A statement that the TPM signed.
    ///
    /// @param statement TPMS_ATTEST
    /// @param signature TPMT_SIGNATURE
    public record Signed(Bytes statement, Bytes signature) {}

    // ---- keys

    /// What a key is for.
    public enum Kind {
        /// Parent of other keys.
        STORAGE,
        /// Signs what it is given.
        SIGNING,
        /// Signs what the TPM itself says, and nothing else.
        ATTESTATION,
        /// Decrypts credentials: by the TCG's default template for P-256.
        ENDORSEMENT
    }

    private static byte[] template(Kind kind) {
        Writer area = new Writer().u16(ALG_ECC).u16(ALG_SHA256);
        switch (kind) {
            case STORAGE ->
                area.u32(FIXED | USER_WITH_AUTH | NO_DICTIONARY | RESTRICTED | DECRYPT)
                        .sized();
            case SIGNING ->
                area.u32(FIXED | USER_WITH_AUTH | NO_DICTIONARY | SIGN).sized();
            case ATTESTATION ->
                area.u32(FIXED | USER_WITH_AUTH | NO_DICTIONARY | RESTRICTED | SIGN)
                        .sized();
            case ENDORSEMENT ->
                area.u32(FIXED | ADMIN_WITH_POLICY | RESTRICTED | DECRYPT).sized(ENDORSEMENT_POLICY);
        }
        switch (kind) {
            case STORAGE, ENDORSEMENT -> area.u16(ALG_AES).u16(128).u16(ALG_CFB).u16(ALG_NULL);
            case SIGNING -> area.u16(ALG_NULL).u16(ALG_NULL);
            case ATTESTATION -> area.u16(ALG_NULL).u16(ALG_ECDSA).u16(ALG_SHA256);
        }
        byte[] unique = kind == Kind.ENDORSEMENT ? new byte[32] : new byte[0];
        return area.u16(CURVE_P256).u16(ALG_NULL).sized(unique).sized(unique).bytes();
    }

    private static byte[] creation(Kind kind) {
        byte[] noSecret = new Writer().sized().sized().bytes();
        return new Writer().sized(noSecret).sized(template(kind)).sized().u32(0).bytes();
    }

    /// Makes the one key of this kind that a hierarchy's seed leads to: each time the same.
    public Loaded createPrimary(long hierarchy, Kind kind) throws IOException {
        Reader answer = execute(CC_CREATE_PRIMARY, 1, List.of(hierarchy), PASSWORD_ONLY, creation(kind));
        long handle = answer.u32();
        answer.u32();
        Bytes publicArea = answer.sized();
        answer.sized();
        Bytes creationHash = answer.sized();
        Bytes ticket = ticket(answer);
        return new Loaded(handle, publicArea, answer.sized(), creationHash, ticket);
    }

    /// Makes a new key under a parent.
    public Created create(long parent, Kind kind) throws IOException {
        Reader answer = execute(CC_CREATE, 0, List.of(parent), PASSWORD_ONLY, creation(kind));
        answer.u32();
        Bytes privatePart = answer.sized();
        Bytes publicArea = answer.sized();
        answer.sized();
        Bytes creationHash = answer.sized();
        return new Created(privatePart, publicArea, creationHash, ticket(answer));
    }

    private static Bytes ticket(Reader answer) throws IOException {
        int from = answer.position();
        answer.u16();
        answer.u32();
        answer.sized();
        return answer.between(from, answer.position());
    }

    /// Loads a key that was made under this parent.
    ///
    /// @return its handle
    public long load(long parent, Bytes privatePart, Bytes publicArea) throws IOException {
        byte[] parameters = new Writer().sized(privatePart).sized(publicArea).bytes();
        return execute(CC_LOAD, 1, List.of(parent), PASSWORD_ONLY, parameters).u32();
    }

    /// The public area (TPMT_PUBLIC) of a key.
    public Bytes readPublic(long handle) throws IOException {
        return execute(CC_READ_PUBLIC, 0, List.of(handle), List.of(), new byte[0])
                .sized();
    }

    /// Keeps a key in the TPM for good, or takes it away where it is there.
    ///
    /// @param object the key's handle, or the persistent handle itself to take it away
    public void evict(long object, long persistent) throws IOException {
        execute(
                CC_EVICT_CONTROL,
                0,
                List.of(OWNER, object),
                PASSWORD_ONLY,
                new Writer().u32(persistent).bytes());
    }

    /// Takes a key or a session out of the TPM's memory, where it is still there. Where the TPM is not
    /// reached, that was told already, or will be by the next command.
    public void flush(long handle) {
        try {
            execute(
                    CC_FLUSH_CONTEXT,
                    0,
                    List.of(),
                    List.of(),
                    new Writer().u32(handle).bytes());
        } catch (IOException e) {
            // A lost connection or a loss of power has cleared the TPM's memory, or the next one will.
        }
    }

    /// Signs a SHA-256 digest; r ‖ s, 64 bytes.
    public byte[] sign(long key, byte[] digest) throws IOException {
        byte[] parameters = new Writer()
                .sized(digest)
                .u16(ALG_ECDSA)
                .u16(ALG_SHA256)
                .u16(HASHCHECK)
                .u32(NONE)
                .sized()
                .bytes();
        Reader answer = execute(CC_SIGN, 0, List.of(key), PASSWORD_ONLY, parameters);
        answer.u32();
        if (answer.u16() != ALG_ECDSA || answer.u16() != ALG_SHA256) {
            throw new IOException("the TPM signs with another algorithm than it was told");
        }
        byte[] raw = new byte[64];
        place(answer.sized(), raw, 32);
        place(answer.sized(), raw, 64);
        return raw;
    }

    private static void place(Bytes number, byte[] raw, int end) throws IOException {
        int from = 0;
        while (number.size() - from > 32 && number.at(from) == 0) {
            from++;
        }
        int length = number.size() - from;
        if (length > 32) {
            throw new IOException("the TPM's signature is too long");
        }
        System.arraycopy(number.toArray(), from, raw, end - length, length);
    }

    // ---- platform state

    /// States what some PCRs of the SHA-256 bank hold.
    public Signed quote(long key, Bytes nonce, List<Integer> pcrs) throws IOException {
        byte[] parameters =
                new Writer().sized(nonce).u16(ALG_NULL).raw(selection(pcrs)).bytes();
        return signed(execute(CC_QUOTE, 0, List.of(key), PASSWORD_ONLY, parameters));
    }

    private static Signed signed(Reader answer) throws IOException {
        long length = answer.u32();
        int from = answer.position();
        Bytes statement = answer.sized();
        Bytes signature = answer.raw(length - (answer.position() - from));
        return new Signed(statement, signature);
    }

    private static byte[] selection(List<Integer> pcrs) {
        byte[] bitmap = new byte[PCRS / 8];
        for (int pcr : pcrs) {
            bitmap[pcr / 8] |= (byte) (1 << pcr % 8);
        }
        return new Writer().u32(1).u16(ALG_SHA256).u8(bitmap.length).raw(bitmap).bytes();
    }

    /// What PCRs of the SHA-256 bank hold.
    public SortedMap<Integer, Bytes> readPcrs(List<Integer> pcrs) throws IOException {
        SortedMap<Integer, Bytes> values = new TreeMap<>();
        List<Integer> left = new ArrayList<>(pcrs);
        while (!left.isEmpty()) {
            Reader answer = execute(CC_PCR_READ, 0, List.of(), List.of(), selection(left));
            answer.u32();
            List<Integer> read = selected(answer);
            long count = answer.u32();
            if (read.isEmpty() || count != read.size() || !left.containsAll(read)) {
                throw new IOException("the TPM does not read PCRs " + left + " of its SHA-256 bank");
            }
            for (int pcr : read) {
                values.put(pcr, answer.sized());
            }
            left.removeAll(read);
        }
        return values;
    }

    private static List<Integer> selected(Reader answer) throws IOException {
        List<Integer> pcrs = new ArrayList<>();
        long banks = answer.u32();
        for (int bank = 0; bank < Math.min(banks, 16); bank++) {
            answer.u16();
            Bytes bitmap = answer.raw(answer.u8());
            for (int pcr = 0; pcr < bitmap.size() * 8; pcr++) {
                if ((bitmap.at(pcr / 8) >> pcr % 8 & 1) == 1) {
                    pcrs.add(pcr);
                }
            }
        }
        return pcrs;
    }

    /// Extends a PCR of the SHA-256 bank.
    public void extendPcr(int pcr, Bytes digest) throws IOException {
        execute(
                CC_PCR_EXTEND,
                0,
                List.of((long) pcr),
                PASSWORD_ONLY,
                new Writer().u32(1).u16(ALG_SHA256).raw(digest).bytes());
    }

    /// The content of an index of the TPM's memory that its owner may read, such as an endorsement
    /// certificate.
    public Bytes readNv(long index) throws IOException {
        Reader answer = execute(CC_NV_READ_PUBLIC, 0, List.of(index), List.of(), new byte[0]);
        answer.u16();
        answer.u32();
        answer.u16();
        answer.u32();
        answer.sized();
        int size = answer.u16();
        if (size > MAX_NV) {
            throw new IOException("the TPM's index has " + size + " bytes");
        }
        Bytes content = Bytes.EMPTY;
        while (content.size() < size) {
            int length = Math.min(NV_CHUNK, size - content.size());
            byte[] parameters = new Writer().u16(length).u16(content.size()).bytes();
            Reader part = execute(CC_NV_READ, 0, List.of(OWNER, index), PASSWORD_ONLY, parameters);
            part.u32();
            Bytes read = part.sized();
            if (read.isEmpty()) {
                throw new IOException("the TPM's index ends too early");
            }
            content = content.concat(read);
        }
        return content;
    }

    // ---- proofs that keys are in one TPM

    /// States that this TPM made a key, over a nonce.
    ///
    /// @param attester handle of the attestation key
    public Signed certifyCreation(long attester, long key, Bytes nonce, Created made) throws IOException {
        byte[] parameters = new Writer()
                .sized(nonce)
                .sized(made.creationHash())
                .u16(ALG_NULL)
                .raw(made.creationTicket())
                .bytes();
        return signed(execute(CC_CERTIFY_CREATION, 0, List.of(attester, key), PASSWORD_ONLY, parameters));
    }

    /// Says the secret that a verifier wrapped for the TPM with this endorsement key and this attestation
    /// key.
    ///
    /// @param idObject TPM2B_ID_OBJECT, with its size
    /// @param encryptedSecret TPM2B_ENCRYPTED_SECRET, with its size
    public Bytes activateCredential(long attester, long endorsement, Bytes idObject, Bytes encryptedSecret)
            throws IOException {
        long session = startPolicySession();
        try {
            byte[] policy = new Writer().sized().sized().sized().u32(0).bytes();
            execute(CC_POLICY_SECRET, 0, List.of(ENDORSEMENT, session), PASSWORD_ONLY, policy);
            Reader answer = execute(
                    CC_ACTIVATE_CREDENTIAL,
                    0,
                    List.of(attester, endorsement),
                    List.of(PASSWORD, session),
                    new Writer().raw(idObject).raw(encryptedSecret).bytes());
            answer.u32();
            return answer.sized();
        } finally {
            flush(session);
        }
    }

    private long startPolicySession() throws IOException {
        byte[] parameters = new Writer()
                .sized(new byte[16])
                .sized()
                .u8(1)
                .u16(ALG_NULL)
                .u16(ALG_SHA256)
                .bytes();
        return execute(CC_START_AUTH_SESSION, 1, List.of(NONE, NONE), List.of(), parameters)
                .u32();
    }

    // ---- the wire

    private static final long YIELDED = 0x908;
    private static final long TESTING = 0x90a;
    private static final long RETRY = 0x922;
    private static final int ATTEMPTS = 100;
    private static final Duration PAUSE = Duration.ofMillis(50);

    private static final List<Long> PASSWORD_ONLY = List.of(PASSWORD);

    /// Sends a command. The response is read from behind its header.
    ///
    /// @param sessions handles of the sessions that authorize it, in the order of the handles
    private synchronized Reader execute(
            int command, int answerHandles, List<Long> handles, List<Long> sessions, byte[] parameters)
            throws IOException {
        neglected |= port.connect();
        if (neglected) {
            begin();
            neglected = false;
        }
        return transmit(command, answerHandles, handles, sessions, parameters);
    }

    /// Starts the TPM where it was not, and clears its memory: it has room for three keys, and who was killed
    /// in the middle of his work has left his there.
    private void begin() throws IOException {
        try {
            transmit(
                    CC_STARTUP,
                    0,
                    List.of(),
                    List.of(),
                    new Writer().u16(STARTUP_CLEAR).bytes());
        } catch (TpmException e) {
            if (e.code() != TpmException.INITIALIZE) {
                throw e;
            }
        }
        for (long first : IN_MEMORY) {
            byte[] range =
                    new Writer().u32(CAP_HANDLES).u32(first).u32(MOST_IN_MEMORY).bytes();
            Reader answer = transmit(CC_GET_CAPABILITY, 0, List.of(), List.of(), range);
            answer.u8();
            answer.u32();
            long count = answer.u32();
            for (int i = 0; i < Math.min(count, MOST_IN_MEMORY); i++) {
                transmit(
                        CC_FLUSH_CONTEXT,
                        0,
                        List.of(),
                        List.of(),
                        new Writer().u32(answer.u32()).bytes());
            }
        }
    }

    private Reader transmit(int command, int answerHandles, List<Long> handles, List<Long> sessions, byte[] parameters)
            throws IOException {
        Writer body = new Writer();
        handles.forEach(body::u32);
        if (!sessions.isEmpty()) {
            Writer area = new Writer();
            // Each: no nonce, to be kept, no secret.
            sessions.forEach(session -> area.u32(session).sized().u8(1).sized());
            byte[] bytes = area.bytes();
            body.u32(bytes.length).raw(bytes);
        }
        byte[] rest = body.raw(parameters).bytes();
        byte[] sent = new Writer()
                .u16(sessions.isEmpty() ? NO_SESSIONS : SESSIONS)
                .u32(10L + rest.length)
                .u32(command)
                .raw(rest)
                .bytes();
        byte[] received = exchange(sent);
        Reader answer = new Reader(received, 0);
        int tag = answer.u16();
        long length = answer.u32();
        long code = answer.u32();
        if (code != 0) {
            throw new TpmException(command, code);
        }
        if (length != received.length || tag != (sessions.isEmpty() ? NO_SESSIONS : SESSIONS)) {
            throw new IOException("what answers is no TPM");
        }
        requireParameters(received, answerHandles, sessions.isEmpty());
        return answer;
    }

    /// A TPM that tests itself, or is busy, has not begun, and wants to hear the same command again.
    private byte[] exchange(byte[] command) throws IOException {
        byte[] received = port.exchange(command);
        for (int attempt = 1; isBusy(received) && attempt < ATTEMPTS; attempt++) {
            try {
                Thread.sleep(PAUSE);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new InterruptedIOException("interrupted while the TPM is busy");
            }
            received = port.exchange(command);
        }
        return received;
    }

    private static boolean isBusy(byte[] received) throws IOException {
        Reader answer = new Reader(received, 6);
        long code = answer.u32();
        return code == YIELDED || code == TESTING || code == RETRY;
    }

    /// The length of the parameters must fit into the response.
    private static void requireParameters(byte[] received, int answerHandles, boolean noSessions) throws IOException {
        if (!noSessions) {
            Reader answer = new Reader(received, 10 + 4 * answerHandles);
            answer.raw(answer.u32());
        }
    }

    /// The TPM has understood a command and not done it.
    public static final class TpmException extends IOException {
        private static final long serialVersionUID = 1L;

        static final long INITIALIZE = 0x100;
        private static final long FAILURE = 0x101;
        private static final long OBJECT_MEMORY = 0x902;
        private static final long LOCKOUT = 0x921;

        private final long code;

        TpmException(int command, long code) {
            super("the TPM answered command %x with code %x%s".formatted(command, code, meaning(code)));
            this.code = code;
        }

        /// Of the codes that people meet.
        private static String meaning(long code) {
            if (code == INITIALIZE) {
                return ": it has not been started";
            } else if (code == FAILURE) {
                return ": it has failed its tests, or is a simulator that was not switched on"
                        + " (swtpm: --flags not-need-init)";
            } else if (code == OBJECT_MEMORY) {
                return ": others have left no room in its memory (tpm2_flushcontext -t)";
            } else if (code == LOCKOUT) {
                return ": it takes itself for under attack (tpm2_dictionarylockout -c)";
            }
            return "";
        }

        public long code() {
            return code;
        }
    }

    @Override
    public synchronized void close() throws IOException {
        port.close();
    }
}
