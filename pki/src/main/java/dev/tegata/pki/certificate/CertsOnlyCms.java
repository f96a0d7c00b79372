// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import java.util.ArrayList;
import java.util.List;

/// Certificates wrapped as CMS SignedData without content or signers (RFC 5652 §5.1), the `certs-only` form in
/// which EST hands them out (RFC 7030 §4.1.3).
public final class CertsOnlyCms {
    private static final int MAX_SIZE = 1 << 20;
    private static final int MAX_CERTIFICATES = 64;
    private static final Oid SIGNED_DATA = Oid.of("1.2.840.113549.1.7.2");
    private static final Oid DATA = Oid.of("1.2.840.113549.1.7.1");
    private static final int CONTENT_TAG = Tag.context(0);
    private static final int CERTIFICATES_TAG = Tag.context(0);
    private static final int CRLS_TAG = Tag.context(1);

    private CertsOnlyCms() {}

    public static Bytes encode(List<Certificate> certificates) {
        DerWriter writer = new DerWriter();
        writer.sequence(() -> {
            writer.oid(SIGNED_DATA);
            writer.nested(CONTENT_TAG, () -> writer.sequence(() -> writeSignedData(certificates, writer)));
        });
        return writer.toBytes();
    }

    private static void writeSignedData(List<Certificate> certificates, DerWriter writer) {
        // spec| RFC 5652 §5.1: version is 1 where there are only certificates and the content is data
        writer.integer(1);
        writer.set(() -> {});
        writer.sequence(() -> writer.oid(DATA));
        writer.setOf(
                CERTIFICATES_TAG,
                certificates.stream().map(Certificate::encoded).toList());
        writer.set(() -> {});
    }

    /// The certificates of a certs-only message in their order there, which means nothing. At least one.
    public static List<Certificate> decode(Bytes encoded) throws InvalidCertificateException {
        if (encoded.size() > MAX_SIZE) {
            throw new InvalidCertificateException("a message of certificates has at most " + MAX_SIZE + " bytes");
        }
        try {
            DerReader outer = DerReader.of(encoded);
            DerReader contentInfo = outer.sequence();
            outer.end();
            require(contentInfo.oid().equals(SIGNED_DATA), "the message is not SignedData");
            DerReader explicit = contentInfo.enter(CONTENT_TAG);
            contentInfo.end();
            DerReader signedData = explicit.sequence();
            explicit.end();
            return readSignedData(signedData);
        } catch (EncodingException e) {
            throw new InvalidCertificateException("the message cannot be read: " + e.getMessage());
        }
    }

    private static List<Certificate> readSignedData(DerReader signedData)
            throws EncodingException, InvalidCertificateException {
        signedData.smallInteger();
        require(!signedData.set().hasMore(), "the message is signed, not certs-only");
        DerReader content = signedData.sequence();
        require(content.oid().equals(DATA) && !content.hasMore(), "the message has content, it is not certs-only");
        List<Certificate> certificates = new ArrayList<>();
        if (signedData.nextIs(CERTIFICATES_TAG)) {
            DerReader set = signedData.enter(CERTIFICATES_TAG);
            while (set.hasMore()) {
                require(
                        certificates.size() < MAX_CERTIFICATES,
                        "the message has more than " + MAX_CERTIFICATES + " certificates");
                certificates.add(Certificate.parse(set.element()));
            }
        }
        if (signedData.nextIs(CRLS_TAG)) {
            signedData.skip();
        }
        require(!signedData.set().hasMore(), "the message is signed, not certs-only");
        signedData.end();
        require(!certificates.isEmpty(), "the message has no certificate");
        return List.copyOf(certificates);
    }

    private static void require(boolean condition, String otherwise) throws EncodingException {
        if (!condition) {
            throw new EncodingException(otherwise);
        }
    }
}
