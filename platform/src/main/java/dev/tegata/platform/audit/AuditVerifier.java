// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.audit;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.audit.AuditVerification.Broken;
import dev.tegata.platform.audit.AuditVerification.Intact;
import dev.tegata.platform.store.Json;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/// Checks an export: the chain is whole, its sequence has no gap, its checkpoints are signed, and it ends where the
/// checkpoint in its first line says. Needs the file and nothing else.
public final class AuditVerifier {
    private static final int MAX_LINE = 1 << 20;
    private static final int HASH_END = AuditExport.HASH_PREFIX.length() + 64;
    private static final int RECORD_START = HASH_END + AuditExport.RECORD_PREFIX.length();

    private final InputStream in;
    private long line;
    private long checkpoints;

    private AuditVerifier(InputStream in) {
        this.in = in;
    }

    /// Reads `in` to its end.
    ///
    /// @throws IOException where it cannot be read; whatever it holds is an answer
    public static AuditVerification verify(InputStream in) throws IOException {
        AuditVerifier verifier = new AuditVerifier(new BufferedInputStream(in, 1 << 16));
        try {
            return verifier.run();
        } catch (BrokenException e) {
            return new Broken(verifier.line, e.sequence, e.reason);
        }
    }

    /// Ends the reading where the file breaks.
    private static final class BrokenException extends Exception {
        private static final long serialVersionUID = 1L;

        private final long sequence;
        private final String reason;

        BrokenException(long sequence, String reason) {
            super(reason, null, false, false);
            this.sequence = sequence;
            this.reason = reason;
        }
    }

    private record Header(TenantId tenant, PublicKeyInfo key, AuditCheckpoint last) {}

    private AuditVerification run() throws IOException, BrokenException {
        Header header = header();
        AuditChain.Head head = AuditChain.start(header.tenant());
        for (String text = nextLine(1); text != null; text = nextLine(head.sequence() + 1)) {
            if (text.startsWith(AuditExport.HASH_PREFIX)) {
                head = record(header, head, text);
            } else {
                checkpoint(header, head, text);
            }
        }
        checkEnd(header, head);
        return new Intact(
                header.tenant(), head.sequence(), checkpoints, header.key().fingerprint(), head.hash());
    }

    private Header header() throws IOException, BrokenException {
        String text = nextLine(1);
        if (text == null) {
            throw new BrokenException(1, "the file is empty");
        }
        JsonNode json = parse(1, text);
        if (!AuditChain.FORMAT.equals(text(1, json, "format"))) {
            throw new BrokenException(1, "the file is not an audit export of a format that is known here");
        }
        PublicKeyInfo key;
        TenantId tenant;
        try {
            key = PublicKeyInfo.parse(bytes(1, json, "publicKey"));
            tenant = new TenantId(text(1, json, "tenant"));
        } catch (InvalidKeyInfoException e) {
            throw new BrokenException(1, "the public key in the first line cannot be used");
        } catch (RefusedException e) {
            throw new BrokenException(1, e.detail());
        }
        if (key.algorithm() != KeyAlgorithm.EC_P256) {
            throw new BrokenException(1, "the public key of an audit chain is a P-256 key, this one is not");
        }
        JsonNode records = json.path("records");
        if (!records.isIntegralNumber() || !records.canConvertToLong() || records.asLong() < 1) {
            throw new BrokenException(1, "the first line does not say how many records follow");
        }
        AuditCheckpoint last =
                new AuditCheckpoint(records.asLong(), text(1, json, "checkpoint"), bytes(1, json, "signature"));
        checkSignature(1, key, last);
        return new Header(tenant, key, last);
    }

    private AuditChain.Head record(Header header, AuditChain.Head before, String text) throws BrokenException {
        long expected = before.sequence() + 1;
        if (text.length() <= RECORD_START
                || !text.startsWith(AuditExport.RECORD_PREFIX, HASH_END)
                || !text.endsWith("}")) {
            throw new BrokenException(expected, "the line is not a record of an export");
        }
        String hash = text.substring(AuditExport.HASH_PREFIX.length(), HASH_END);
        String record = text.substring(RECORD_START, text.length() - 1);
        JsonNode json = parse(expected, record);
        JsonNode sequence = json.path("sequence");
        if (!sequence.isIntegralNumber() || !sequence.canConvertToLong()) {
            throw new BrokenException(expected, "the record has no sequence number");
        }
        if (sequence.asLong() != expected) {
            throw new BrokenException(
                    expected,
                    "record " + expected + " is missing: record " + sequence.asLong() + " stands in its place");
        }
        if (!before.hash().hex().equals(text(expected, json, "previous"))) {
            throw new BrokenException(
                    expected, "record " + expected + " does not follow the record before it: one of them was changed");
        }
        AuditChain.Head after = before.after(record);
        if (!after.hash().hex().equals(hash)) {
            throw new BrokenException(expected, "record " + expected + " was changed: its hash is another one");
        }
        if (expected == 1) {
            checkFirst(header, json);
        }
        if (expected == header.last().sequence() && !header.last().states(header.tenant(), after)) {
            throw new BrokenException(
                    expected, "the checkpoint in the first line was signed for another chain than this one");
        }
        if (expected > header.last().sequence()) {
            throw new BrokenException(expected, "record " + expected + " was added behind the end of the export");
        }
        return after;
    }

    private static void checkFirst(Header header, JsonNode record) throws BrokenException {
        String key = text(1, record.path("detail"), "publicKey");
        if (!AuditChain.BEGUN.equals(text(1, record, "action"))
                || !key.equals(header.key().encoded().base64())) {
            throw new BrokenException(1, "the chain does not begin with the key that signed its checkpoints");
        }
    }

    private void checkpoint(Header header, AuditChain.Head head, String text) throws BrokenException {
        long sequence = head.sequence();
        JsonNode json = parse(sequence + 1, text);
        AuditCheckpoint checkpoint = new AuditCheckpoint(
                sequence, text(sequence + 1, json, "checkpoint"), bytes(sequence + 1, json, "signature"));
        checkSignature(sequence, header.key(), checkpoint);
        if (!checkpoint.states(header.tenant(), head)) {
            throw new BrokenException(sequence, "the checkpoint was signed for another chain than this one");
        }
        checkpoints++;
    }

    private static void checkSignature(long sequence, PublicKeyInfo key, AuditCheckpoint checkpoint)
            throws BrokenException {
        byte[] signed = AuditCheckpoint.signedBytes(checkpoint.text());
        if (!key.verifies(
                AuditCheckpoint.ALGORITHM, signed, checkpoint.signature().toArray())) {
            throw new BrokenException(sequence, "the signature of a checkpoint is wrong");
        }
    }

    private void checkEnd(Header header, AuditChain.Head head) throws BrokenException {
        long promised = header.last().sequence();
        if (head.sequence() < promised) {
            line++;
            throw new BrokenException(
                    head.sequence() + 1,
                    "the file ends after record " + head.sequence() + ", " + (promised - head.sequence())
                            + " records were cut off");
        }
    }

    private static JsonNode parse(long sequence, String text) throws BrokenException {
        try {
            JsonNode json = Json.mapper().readTree(text);
            if (json.isObject()) {
                return json;
            }
        } catch (JacksonException e) {
            // Said below: where in a line of JSON it breaks helps nobody.
        }
        throw new BrokenException(sequence, "the line is not a JSON object");
    }

    private static String text(long sequence, JsonNode json, String name) throws BrokenException {
        JsonNode value = json.path(name);
        if (!value.isString()) {
            throw new BrokenException(sequence, "'" + name + "' is missing");
        }
        return value.stringValue();
    }

    private static Bytes bytes(long sequence, JsonNode json, String name) throws BrokenException {
        String base64 = text(sequence, json, name);
        try {
            Bytes bytes = Bytes.ofBase64(base64);
            if (bytes.base64().equals(base64)) {
                return bytes;
            }
        } catch (IllegalArgumentException e) {
            // Said below, as for the other texts that are not what was written.
        }
        throw new BrokenException(sequence, "'" + name + "' is not base64");
    }

    /// The next line without its end, or null after the last one.
    ///
    /// @param sequence the record that would be lost
    private @Nullable String nextLine(long sequence) throws IOException, BrokenException {
        int next = in.read();
        if (next < 0) {
            return null;
        }
        line++;
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(1024);
        for (; next != '\n'; next = in.read()) {
            if (next < 0) {
                throw new BrokenException(sequence, "the file ends in the middle of a line");
            }
            if (bytes.size() == MAX_LINE) {
                throw new BrokenException(sequence, "the line is longer than any that is exported");
            }
            bytes.write(next);
        }
        String text = bytes.toString(StandardCharsets.UTF_8);
        // Bytes that are no UTF-8 would turn into others, which were hashed.
        if (text.indexOf('\uFFFD') >= 0 && !Arrays.equals(text.getBytes(StandardCharsets.UTF_8), bytes.toByteArray())) {
            throw new BrokenException(sequence, "the line is not UTF-8");
        }
        return text;
    }
}
