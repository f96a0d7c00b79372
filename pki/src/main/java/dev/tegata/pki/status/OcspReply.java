// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.status;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.Extension;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.KeyPurpose;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Tag;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.SignatureAlgorithm;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What the responder of another CA says about one certificate, once its answer was checked (RFC 6960
/// §3.2).
///
/// Asked in the form of RFC 5019: one certificate, named by SHA-1, without a nonce, so that a responder may
/// give an answer that it made before. As with revocation lists, the times in the answer bound how old it
/// may be.
///
/// @param nextUpdate null where the responder does not say
/// @param signer the CA, or whom it has given a certificate for it
public record OcspReply(
        CertificateStatus status,
        Instant thisUpdate,
        @Nullable Instant nextUpdate,
        Certificate signer) {
    /// The largest answer that is read.
    public static final int MAX_SIZE = 64 * 1024;

    private static final int MAX_ANSWERS = 64;
    private static final int MAX_CERTIFICATES = 8;
    private static final int GOOD = Tag.contextPrimitive(0);
    private static final int REVOKED = Tag.context(1);
    private static final int UNKNOWN = Tag.contextPrimitive(2);

    /// The question for a certificate's status, an OCSPRequest in DER.
    ///
    /// @param authority which has issued it
    /// @param serial the content octets of its serial number
    public static Bytes question(Certificate authority, Bytes serial) {
        DerWriter request = new DerWriter();
        request.sequence(() -> request.sequence(() -> request.sequence(() -> request.sequence(
                () -> request.raw(CertificateId.sha1(authority, serial).encoded())))));
        return request.toBytes();
    }

    /// Reads an answer and checks who signed it. Its times are the caller's to judge.
    ///
    /// @param authority which has issued the certificate that was asked about
    /// @param serial the content octets of that certificate's serial number
    public static OcspReply read(Bytes encoded, Certificate authority, Bytes serial, Instant now)
            throws RefusedAnswerException {
        try {
            DerReader response = responseOf(encoded);
            Bytes signed = response.element();
            Bytes algorithm = response.element();
            Bytes signature = response.bitString();
            List<Certificate> candidates = new ArrayList<>(List.of(authority));
            if (response.hasMore()) {
                DerReader explicit = response.enter(Tag.context(0));
                candidates.addAll(certificates(explicit.sequence()));
                explicit.end();
            }
            response.end();
            DerReader data = DerReader.of(signed).sequence();
            if (data.nextIs(Tag.context(0))) {
                DerReader version = data.enter(Tag.context(0));
                if (version.smallInteger() != 0) {
                    throw new RefusedAnswerException("is of a version that is not known");
                }
                version.end();
            }
            Certificate signer = signer(data, candidates);
            requireMay(signer, authority, now);
            requireSigned(signer, algorithm, signed, signature);
            data.time();
            DerReader answers = data.sequence();
            if (data.hasMore()) {
                DerReader explicit = data.enter(Tag.context(1));
                passOver(explicit);
            }
            data.end();
            return find(answers, CertificateId.sha1(authority, serial), signer);
        } catch (EncodingException e) {
            throw new RefusedAnswerException("cannot be read: " + e.getMessage());
        }
    }

    /// What is inside the frame of an OCSPResponse.
    private static DerReader responseOf(Bytes encoded) throws EncodingException, RefusedAnswerException {
        if (encoded.size() > MAX_SIZE) {
            throw new RefusedAnswerException("has more than " + MAX_SIZE + " bytes");
        }
        DerReader outer = DerReader.of(encoded);
        DerReader frame = outer.sequence();
        outer.end();
        Bytes status = frame.content(Tag.ENUMERATED);
        if (!status.equals(Bytes.ofHex("00"))) {
            throw new RefusedAnswerException(
                    switch (status.hex()) {
                        case "01" -> "is that the question is malformed";
                        case "02" -> "is that the responder has an internal error";
                        case "03" -> "is to try again later";
                        case "06" -> "is that the responder is not authorized to answer";
                        default -> "is none: its status is " + status.hex();
                    });
        }
        DerReader explicit = frame.enter(Tag.context(0));
        frame.end();
        DerReader bytes = explicit.sequence();
        explicit.end();
        if (!bytes.oid().equals(OcspResponder.BASIC)) {
            throw new RefusedAnswerException("is of a kind that is not known");
        }
        DerReader content = bytes.enter(Tag.OCTET_STRING);
        bytes.end();
        DerReader basic = content.sequence();
        content.end();
        return basic;
    }

    private static List<Certificate> certificates(DerReader list) throws EncodingException, RefusedAnswerException {
        List<Certificate> certificates = new ArrayList<>();
        while (list.hasMore()) {
            if (certificates.size() == MAX_CERTIFICATES) {
                throw new RefusedAnswerException("has more than " + MAX_CERTIFICATES + " certificates");
            }
            try {
                certificates.add(Certificate.parse(list.element()));
            } catch (InvalidCertificateException e) {
                throw new RefusedAnswerException("has a certificate that cannot be read: " + e.getMessage());
            }
        }
        return certificates;
    }

    private static Certificate signer(DerReader data, List<Certificate> candidates)
            throws EncodingException, RefusedAnswerException {
        Name name = null;
        Bytes key = null;
        if (data.nextIs(Tag.context(1))) {
            DerReader explicit = data.enter(Tag.context(1));
            name = Name.read(explicit);
            explicit.end();
        } else {
            DerReader explicit = data.enter(Tag.context(2));
            key = explicit.octetString();
            explicit.end();
        }
        for (Certificate each : candidates) {
            if (name != null ? each.subject().equals(name) : key != null && hasKey(each, key)) {
                return each;
            }
        }
        throw new RefusedAnswerException("does not bring the certificate of whom it names as its signer");
    }

    private static boolean hasKey(Certificate certificate, Bytes hash) {
        try {
            certificate.publicKey();
            return CertificateId.keyHash(certificate).equals(hash);
        } catch (InvalidKeyInfoException e) {
            return false;
        }
    }

    // spec| RFC 6960 §4.2.2.2: the CA itself, or who has a certificate with id-kp-OCSPSigning that was issued directly
    // spec| by the CA that is identified in the request
    private static void requireMay(Certificate signer, Certificate authority, Instant now)
            throws RefusedAnswerException {
        if (signer.equals(authority)) {
            return;
        }
        boolean delegated = signer.extendedKeyUsages()
                        .filter(purposes -> purposes.contains(KeyPurpose.OCSP_SIGNING))
                        .isPresent()
                && signer.issuer().equals(authority.subject())
                && signer.isSignedBy(key(authority));
        if (!delegated) {
            throw new RefusedAnswerException("is signed by somebody whom the CA has not given that right");
        }
        if (!signer.validity().contains(now)) {
            throw new RefusedAnswerException("is signed with a certificate that is not valid now");
        }
    }

    private static void requireSigned(Certificate signer, Bytes algorithm, Bytes signed, Bytes signature)
            throws RefusedAnswerException {
        for (SignatureAlgorithm each : SignatureAlgorithm.values()) {
            if (each.identifier().equals(algorithm)) {
                if (key(signer).verifies(each, signed.toArray(), signature.toArray())) {
                    return;
                }
                throw new RefusedAnswerException("has a signature that does not verify");
            }
        }
        throw new RefusedAnswerException("is signed with an algorithm that is not supported");
    }

    private static PublicKeyInfo key(Certificate certificate) throws RefusedAnswerException {
        try {
            return certificate.publicKey();
        } catch (InvalidKeyInfoException e) {
            throw new RefusedAnswerException("is signed with a key that cannot be used: " + e.getMessage());
        }
    }

    private static OcspReply find(DerReader answers, CertificateId asked, Certificate signer)
            throws EncodingException, RefusedAnswerException {
        for (int count = 0; answers.hasMore(); count++) {
            if (count == MAX_ANSWERS) {
                throw new RefusedAnswerException("is about more than " + MAX_ANSWERS + " certificates");
            }
            DerReader answer = answers.sequence();
            boolean about = CertificateId.read(answer).isSame(asked);
            CertificateStatus status = status(answer);
            Instant thisUpdate = answer.time();
            Instant nextUpdate = null;
            if (answer.nextIs(Tag.context(0))) {
                DerReader explicit = answer.enter(Tag.context(0));
                nextUpdate = explicit.time();
                explicit.end();
            }
            if (answer.hasMore()) {
                passOver(answer.enter(Tag.context(1)));
            }
            answer.end();
            if (about) {
                return new OcspReply(status, thisUpdate, nextUpdate, signer);
            }
        }
        throw new RefusedAnswerException("is about another certificate");
    }

    private static CertificateStatus status(DerReader answer) throws EncodingException {
        if (answer.nextIs(GOOD)) {
            answer.skip();
            return new CertificateStatus.Good();
        }
        if (answer.nextIs(UNKNOWN)) {
            answer.skip();
            return new CertificateStatus.Unknown();
        }
        DerReader revoked = answer.enter(REVOKED);
        Instant at = revoked.time();
        int reason = 0;
        if (revoked.hasMore()) {
            DerReader explicit = revoked.enter(Tag.context(0));
            Bytes code = explicit.content(Tag.ENUMERATED);
            if (code.size() != 1) {
                throw new EncodingException("a reason is no reason");
            }
            reason = code.at(0);
            explicit.end();
        }
        revoked.end();
        return new CertificateStatus.Revoked(at, reason);
    }

    private static void passOver(DerReader explicit) throws EncodingException, RefusedAnswerException {
        for (Extension extension : Extension.readAll(explicit)) {
            if (extension.critical()) {
                throw new RefusedAnswerException("has the critical extension " + extension.type());
            }
        }
        explicit.end();
    }
}
