// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.status;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.Signer;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import dev.tegata.pki.key.InvalidKeyInfoException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Signs OCSP answers for one authority with a certificate that the authority gave out for it (RFC 6960
/// §4.2.2.2). For use by many threads.
public final class OcspResponder {
    /// The hashes by which a request may name an authority.
    private static final Map<Oid, String> HASHES = Map.of(
            CertificateId.SHA1,
            "SHA-1",
            Oid.of("2.16.840.1.101.3.4.2.1"),
            "SHA-256",
            Oid.of("2.16.840.1.101.3.4.2.2"),
            "SHA-384",
            Oid.of("2.16.840.1.101.3.4.2.3"),
            "SHA-512");

    static final Oid BASIC = Oid.of("1.3.6.1.5.5.7.48.1.1");
    private static final byte[] SUCCESSFUL = {(byte) Tag.ENUMERATED, 1, 0};
    private static final byte[] GOOD = {(byte) Tag.contextPrimitive(0), 0};
    private static final byte[] UNKNOWN = {(byte) Tag.contextPrimitive(2), 0};
    private static final int REVOKED = Tag.context(1);
    private static final int UNSPECIFIED = 0;

    private final Certificate certificate;
    private final Signer signer;
    private final Map<Oid, Issuer> issuers;
    private final byte[] id;
    private final byte[] algorithm;
    private final byte[] certificates;

    /// An authority's name and key under one hash.
    private record Issuer(Bytes name, Bytes key) {}

    /// @param signer signs with the key of `certificate`
    /// @throws InvalidCertificateException where the key of one of the certificates cannot be used
    public OcspResponder(Certificate authority, Certificate certificate, Signer signer)
            throws InvalidCertificateException {
        this.certificate = certificate;
        this.signer = signer;
        byte[] name = authority.subject().encoded().toArray();
        byte[] key = CertificateId.keyBits(authority);
        this.issuers = HASHES.entrySet().stream()
                .collect(Collectors.toUnmodifiableMap(
                        Map.Entry::getKey,
                        hash -> new Issuer(
                                CertificateId.hash(hash.getValue(), name), CertificateId.hash(hash.getValue(), key))));
        DerWriter byKey = new DerWriter();
        byKey.nested(
                Tag.context(2),
                () -> byKey.octetString(CertificateId.keyHash(certificate).toArray()));
        this.id = byKey.toArray();
        try {
            this.algorithm = certificate
                    .publicKey()
                    .algorithm()
                    .signatureAlgorithm()
                    .identifier()
                    .toArray();
        } catch (InvalidKeyInfoException e) {
            throw new InvalidCertificateException("the responder's key cannot be used: " + e.getMessage());
        }
        DerWriter list = new DerWriter();
        list.nested(Tag.context(0), () -> list.sequence(() -> list.raw(certificate.encoded())));
        this.certificates = list.toArray();
    }

    public Certificate certificate() {
        return certificate;
    }

    /// Whether `id` names a certificate of this authority.
    public boolean answersFor(CertificateId id) {
        return new Issuer(id.issuerName(), id.issuerKey()).equals(issuers.get(id.hash()));
    }

    /// Signs answers as one DER OCSPResponse.
    ///
    /// @param nonce of the request, null where it had none
    public byte[] sign(List<OcspAnswer> answers, @Nullable Bytes nonce, Instant producedAt) {
        DerWriter data = new DerWriter();
        data.sequence(() -> {
            data.raw(id);
            data.generalizedTime(producedAt);
            data.sequence(() -> answers.forEach(answer -> write(answer, data)));
            if (nonce != null) {
                writeNonce(nonce, data);
            }
        });
        byte[] signed = data.toArray();
        byte[] signature = signer.sign(signed);
        DerWriter response = new DerWriter();
        response.sequence(() -> {
            response.raw(SUCCESSFUL);
            response.nested(
                    Tag.context(0),
                    () -> response.sequence(() -> {
                        response.oid(BASIC);
                        response.octetString(() -> response.sequence(() -> {
                            response.raw(signed);
                            response.raw(algorithm);
                            response.bitString(signature);
                            response.raw(certificates);
                        }));
                    }));
        });
        return response.toArray();
    }

    private static void write(OcspAnswer answer, DerWriter writer) {
        writer.sequence(() -> {
            writer.raw(answer.certificate().encoded());
            switch (answer.status()) {
                case CertificateStatus.Good() -> writer.raw(GOOD);
                case CertificateStatus.Unknown() -> writer.raw(UNKNOWN);
                case CertificateStatus.Revoked(Instant at, int reason) ->
                    writer.nested(REVOKED, () -> {
                        writer.generalizedTime(at);
                        if (reason != UNSPECIFIED) {
                            writer.nested(
                                    Tag.context(0), () -> writer.primitive(Tag.ENUMERATED, new byte[] {(byte) reason}));
                        }
                    });
            }
            writer.generalizedTime(answer.thisUpdate());
            writer.nested(Tag.context(0), () -> writer.generalizedTime(answer.nextUpdate()));
        });
    }

    private static void writeNonce(Bytes nonce, DerWriter writer) {
        writer.nested(
                Tag.context(1),
                () -> writer.sequence(() -> writer.sequence(() -> {
                    writer.oid(OcspRequest.NONCE);
                    writer.octetString(() -> writer.octetString(nonce.toArray()));
                })));
    }
}
