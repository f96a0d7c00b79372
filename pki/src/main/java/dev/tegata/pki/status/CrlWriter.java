// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.status;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Extension;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import dev.tegata.pki.key.LongData;
import dev.tegata.pki.key.PublicKeyInfo;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.function.Function;

/// Makes one revocation list of any size in little memory: entries go to a temporary file as they come,
/// since a list begins with its length and is hashed from its front.
///
/// Implementation note: add all entries, then [#sign] once; the file is gone after [#close].
public final class CrlWriter implements AutoCloseable {
    private static final Oid CRL_NUMBER = Oid.of("2.5.29.20");
    private static final Oid ISSUING_DISTRIBUTION_POINT = Oid.of("2.5.29.28");
    private static final int BUFFER = 64 * 1024;
    private static final int UNSPECIFIED = 0;
    private static final int HIGHEST_REASON = 10;

    /// reasonCode as an extension, up to the number of the reason (RFC 5280 §5.3.1).
    private static final byte[] REASON =
            Bytes.ofHex("300c300a0603551d1504030a01").toArray();

    private final Path spool;
    private final OutputStream out;
    private long length;
    private long entries;

    public CrlWriter() throws IOException {
        spool = Files.createTempFile("tegata", ".crl");
        out = new BufferedOutputStream(Files.newOutputStream(spool), BUFFER);
    }

    /// Adds a revoked certificate.
    ///
    /// @param serial the content octets of its serial number
    /// @param reason of RFC 5280 §5.3.1
    public void add(byte[] serial, Instant revokedAt, int reason) throws IOException {
        if (reason < 0 || reason > HIGHEST_REASON || reason == 7) {
            throw new IllegalArgumentException("there is no reason " + reason);
        }
        DerWriter entry = new DerWriter();
        entry.sequence(() -> {
            entry.primitive(Tag.INTEGER, serial);
            entry.time(revokedAt);
            // spec| RFC 5280 §5.3.1: the reason code extension SHOULD be absent instead of using unspecified (0)
            if (reason != UNSPECIFIED) {
                entry.raw(REASON);
                entry.raw(new byte[] {(byte) reason});
            }
        });
        byte[] encoded = entry.toArray();
        out.write(encoded);
        length += encoded.length;
        entries++;
    }

    public long entries() {
        return entries;
    }

    /// Has the list signed, and gives it.
    ///
    /// @param signer gets what is to be signed
    /// @throws InvalidCertificateException where the issuer may not sign lists
    /// @throws IllegalStateException where the signature is not one of the issuer's key
    public LongData sign(CrlHead head, Function<LongData, byte[]> signer)
            throws IOException, InvalidCertificateException {
        out.close();
        PublicKeyInfo key = head.signingKey();
        byte[] front = front(head, key);
        byte[] back = back(head, key);
        byte[] list = entries == 0 ? new byte[0] : heading(Tag.SEQUENCE, length);
        byte[] start = heading(Tag.SEQUENCE, front.length + list.length + length + back.length);
        LongData signed = to -> {
            to.write(start);
            to.write(front);
            to.write(list);
            Files.copy(spool, to);
            to.write(back);
        };
        byte[] signature = signer.apply(signed);
        DerWriter end = new DerWriter();
        end.raw(key.algorithm().signatureAlgorithm().identifier());
        end.bitString(signature);
        byte[] tail = end.toArray();
        byte[] first =
                heading(Tag.SEQUENCE, start.length + front.length + list.length + length + back.length + tail.length);
        return to -> {
            to.write(first);
            signed.writeTo(to);
            to.write(tail);
        };
    }

    private static byte[] front(CrlHead head, PublicKeyInfo key) {
        DerWriter writer = new DerWriter();
        writer.integer(1);
        writer.raw(key.algorithm().signatureAlgorithm().identifier());
        writer.raw(head.issuer().subject().encoded());
        writer.time(head.thisUpdate());
        writer.time(head.nextUpdate());
        return writer.toArray();
    }

    private static byte[] back(CrlHead head, PublicKeyInfo key) {
        DerWriter writer = new DerWriter();
        writer.nested(
                Tag.context(0),
                () -> writer.sequence(() -> {
                    extension(
                            writer,
                            Extension.AUTHORITY_KEY_IDENTIFIER,
                            false,
                            () -> writer.sequence(() -> writer.primitive(
                                    Tag.contextPrimitive(0),
                                    head.keyIdentifier(key).toArray())));
                    extension(writer, CRL_NUMBER, false, () -> writer.integer(head.number()));
                    // spec| RFC 5280 §5.2.5: the issuing distribution point is a critical CRL extension
                    extension(
                            writer,
                            ISSUING_DISTRIBUTION_POINT,
                            true,
                            () -> head.scope().write(writer));
                }));
        return writer.toArray();
    }

    private static void extension(DerWriter writer, Oid type, boolean critical, Runnable value) {
        writer.sequence(() -> {
            writer.oid(type);
            if (critical) {
                writer.bool(true);
            }
            writer.octetString(value);
        });
    }

    private static byte[] heading(int tag, long contentLength) {
        DerWriter writer = new DerWriter();
        writer.head(tag, Math.toIntExact(contentLength));
        return writer.toArray();
    }

    @Override
    public void close() throws IOException {
        out.close();
        Files.deleteIfExists(spool);
    }
}
