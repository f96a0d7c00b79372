// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Tag;
import java.math.BigInteger;
import java.time.Instant;
import java.util.List;

/// The part of a certificate that is signed (RFC 5280 §4.1), field by field, as it was read or is to be written.
///
/// @param version 1 or 3
/// @param signatureIdentifier the DER AlgorithmIdentifier of the signature
/// @param publicKey the DER SubjectPublicKeyInfo
/// @param extensions empty in version 1
record TbsCertificate(
        int version,
        BigInteger serial,
        Bytes signatureIdentifier,
        Name issuer,
        Validity validity,
        Name subject,
        Bytes publicKey,
        List<Extension> extensions) {
    private static final int VERSION_TAG = Tag.context(0);
    private static final int EXTENSIONS_TAG = Tag.context(3);

    static TbsCertificate read(DerReader outer) throws EncodingException {
        DerReader tbs = outer.sequence();
        int version = 1;
        if (tbs.nextIs(VERSION_TAG)) {
            DerReader explicit = tbs.enter(VERSION_TAG);
            version = explicit.smallInteger() + 1;
            explicit.end();
        }
        if (version != 1 && version != 3) {
            throw new EncodingException("version " + version + " of certificates is not supported");
        }
        BigInteger serial = tbs.integer();
        Bytes signatureIdentifier = tbs.element();
        Name issuer = Name.read(tbs);
        Validity validity = validity(tbs.sequence());
        Name subject = Name.read(tbs);
        Bytes publicKey = tbs.element();
        List<Extension> extensions = List.of();
        if (version == 3 && tbs.nextIs(EXTENSIONS_TAG)) {
            DerReader explicit = tbs.enter(EXTENSIONS_TAG);
            extensions = Extension.readAll(explicit);
            explicit.end();
        }
        tbs.end();
        return new TbsCertificate(
                version, serial, signatureIdentifier, issuer, validity, subject, publicKey, extensions);
    }

    private static Validity validity(DerReader sequence) throws EncodingException {
        Instant notBefore = sequence.time();
        Instant notAfter = sequence.time();
        sequence.end();
        return new Validity(notBefore, notAfter);
    }

    void write(DerWriter writer) {
        writer.sequence(() -> {
            if (version > 1) {
                writer.nested(VERSION_TAG, () -> writer.integer(version - 1));
            }
            writer.integer(serial);
            writer.raw(signatureIdentifier);
            writer.raw(issuer.encoded());
            writer.sequence(() -> {
                writer.time(validity.notBefore());
                writer.time(validity.notAfter());
            });
            writer.raw(subject.encoded());
            writer.raw(publicKey);
            if (!extensions.isEmpty()) {
                writer.nested(
                        EXTENSIONS_TAG,
                        () -> writer.sequence(() -> extensions.forEach(extension -> extension.write(writer))));
            }
        });
    }
}
