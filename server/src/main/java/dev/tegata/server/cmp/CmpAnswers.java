// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cmp;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.Vault;
import dev.tegata.platform.authority.IssuingAuthority;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.Date;
import java.util.List;
import java.util.stream.Stream;
import org.bouncycastle.asn1.ASN1GeneralizedTime;
import org.bouncycastle.asn1.ASN1Object;
import org.bouncycastle.asn1.DERBitString;
import org.bouncycastle.asn1.DERNull;
import org.bouncycastle.asn1.DERSequence;
import org.bouncycastle.asn1.cmp.CMPCertificate;
import org.bouncycastle.asn1.cmp.CMPObjectIdentifiers;
import org.bouncycastle.asn1.cmp.InfoTypeAndValue;
import org.bouncycastle.asn1.cmp.PKIBody;
import org.bouncycastle.asn1.cmp.PKIHeader;
import org.bouncycastle.asn1.cmp.PKIHeaderBuilder;
import org.bouncycastle.asn1.cmp.PKIMessage;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.GeneralName;

/// Writes answers and protects them in the way of their request: signed with the fleet's authority, or
/// with a MAC.
final class CmpAnswers {
    private static final int NONCE = 16;
    private static final GeneralName NOBODY = new GeneralName(new X500Name(new org.bouncycastle.asn1.x500.RDN[0]));

    private final Vault vault;
    private final InstantSource clock;
    private final SecureRandom random;

    CmpAnswers(Vault vault, InstantSource clock, SecureRandom random) {
        this.vault = vault;
        this.clock = clock;
        this.random = random;
    }

    Bytes nonce() {
        byte[] nonce = new byte[NONCE];
        random.nextBytes(nonce);
        return Bytes.of(nonce);
    }

    /// What is said to somebody.
    ///
    /// @param nonce ours, which the next message must repeat
    /// @param implicitConfirm whether the device is told that no confirmation is needed
    /// @param chain of the certificate in it; empty where there is none
    record Reply(PKIBody body, Bytes nonce, boolean implicitConfirm, List<Certificate> chain) {}

    byte[] protectedAnswer(CmpMessage request, Protection protection, IssuingAuthority authority, Reply reply) {
        PKIBody body = reply.body();
        PKIHeaderBuilder header = header(request, sender(authority), reply.nonce());
        if (reply.implicitConfirm()) {
            header.setGeneralInfo(new InfoTypeAndValue(CMPObjectIdentifiers.it_implicitConfirm, DERNull.INSTANCE));
        }
        // While the authority is being replaced, the certificate may be of the new one already, or the peer may not
        // know the root of this one yet.
        CMPCertificate[] extra = Stream.of(List.of(authority.certificate()), authority.shown(), reply.chain())
                .flatMap(List::stream)
                .distinct()
                .filter(certificate -> certificate.equals(authority.certificate())
                        || !certificate.isSelfIssued()
                        || IssuingAuthority.isCross(certificate))
                .map(CmpAnswers::cmp)
                .toArray(CMPCertificate[]::new);
        return switch (protection) {
            case Protection.Mac(MacScheme scheme, String reference, String secret) -> {
                MacScheme ours = scheme.forAnswer(random);
                PKIHeader complete = header.setProtectionAlg(ours.asSent())
                        .setSenderKID(reference.getBytes(java.nio.charset.StandardCharsets.US_ASCII))
                        .build();
                yield message(complete, body, ours.mac(secret, protectedPart(complete, body)), extra);
            }
            case Protection.Signed ignored -> {
                PKIHeader complete = header.setProtectionAlg(AlgorithmIdentifier.getInstance(authority
                                .algorithm()
                                .signatureAlgorithm()
                                .identifier()
                                .toArray()))
                        .setSenderKID(authority
                                .certificate()
                                .subjectKeyIdentifier()
                                .orElse(Bytes.EMPTY)
                                .toArray())
                        .build();
                byte[] signature = authority
                        .signer(vault)
                        .sign(protectedPart(complete, body).toArray());
                yield message(complete, body, signature, extra);
            }
        };
    }

    /// An answer to somebody who has not shown who they are: neither worth the authority's key, nor
    /// anybody's secret.
    byte[] unprotectedAnswer(CmpMessage request, IssuingAuthority authority, PKIBody body) {
        return encoded(
                new PKIMessage(header(request, sender(authority), nonce()).build(), body));
    }

    /// An answer to what could not even be read.
    byte[] answerToNobody(PKIBody body) {
        return encoded(new PKIMessage(
                new PKIHeaderBuilder(PKIHeader.CMP_2000, NOBODY, NOBODY)
                        .setMessageTime(now())
                        .setSenderNonce(nonce().toArray())
                        .build(),
                body));
    }

    private PKIHeaderBuilder header(CmpMessage request, GeneralName sender, Bytes nonce) {
        int version = request.version() == 0 ? PKIHeader.CMP_2000 : request.version();
        return new PKIHeaderBuilder(version, sender, request.sender())
                .setMessageTime(now())
                .setTransactionID(request.header().getTransactionID())
                .setSenderNonce(nonce.toArray())
                .setRecipNonce(request.header().getSenderNonce());
    }

    private ASN1GeneralizedTime now() {
        return new ASN1GeneralizedTime(Date.from(clock.instant()));
    }

    private static GeneralName sender(IssuingAuthority authority) {
        return new GeneralName(
                X500Name.getInstance(authority.certificate().subject().encoded().toArray()));
    }

    static CMPCertificate cmp(Certificate certificate) {
        return new CMPCertificate(org.bouncycastle.asn1.x509.Certificate.getInstance(
                certificate.encoded().toArray()));
    }

    private static Bytes protectedPart(PKIHeader header, PKIBody body) {
        return Bytes.of(encoded(new DERSequence(new ASN1Object[] {header, body})));
    }

    private static byte[] message(PKIHeader header, PKIBody body, byte[] protection, CMPCertificate[] extra) {
        return encoded(new PKIMessage(header, body, new DERBitString(protection), extra));
    }

    private static byte[] encoded(ASN1Object object) {
        try {
            return object.getEncoded("DER");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
