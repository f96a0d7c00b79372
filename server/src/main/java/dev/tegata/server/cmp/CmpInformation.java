// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cmp;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.authority.IssuingAuthority;
import dev.tegata.platform.fleet.IssuingFleet;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.DERSequence;
import org.bouncycastle.asn1.cmp.CMPCertificate;
import org.bouncycastle.asn1.cmp.CMPObjectIdentifiers;
import org.bouncycastle.asn1.cmp.GenMsgContent;
import org.bouncycastle.asn1.cmp.GenRepContent;
import org.bouncycastle.asn1.cmp.InfoTypeAndValue;
import org.bouncycastle.asn1.cmp.PKIFailureInfo;
import org.bouncycastle.asn1.cmp.RootCaKeyUpdateContent;
import org.bouncycastle.asn1.crmf.AttributeTypeAndValue;
import org.bouncycastle.asn1.edec.EdECObjectIdentifiers;
import org.bouncycastle.asn1.sec.SECObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x9.X9ObjectIdentifiers;
import org.jspecify.annotations.Nullable;

/// What a device may ask before it enrols (RFC 9483 §4.3): CA certificates, whether the root has a
/// successor, and what a request should look like.
final class CmpInformation {
    private static final int MAX_QUESTIONS = 8;

    private CmpInformation() {}

    /// Answers those questions that are known here, and leaves the others out.
    static GenRepContent answer(IssuingFleet fleet, List<Certificate> published, GenMsgContent questions)
            throws CmpFailure {
        InfoTypeAndValue[] asked = questions.toInfoTypeAndValueArray();
        if (asked.length > MAX_QUESTIONS) {
            throw new CmpFailure(
                    PKIFailureInfo.badRequest, "At most " + MAX_QUESTIONS + " questions may be asked at once.");
        }
        List<InfoTypeAndValue> answers = new ArrayList<>();
        for (InfoTypeAndValue question : asked) {
            answer(fleet, published, question).ifPresent(answers::add);
        }
        return new GenRepContent(answers.toArray(InfoTypeAndValue[]::new));
    }

    private static Optional<InfoTypeAndValue> answer(
            IssuingFleet fleet, List<Certificate> published, InfoTypeAndValue question) throws CmpFailure {
        ASN1ObjectIdentifier type = question.getInfoType();
        if (type.equals(CMPObjectIdentifiers.id_it_caCerts)) {
            return Optional.of(new InfoTypeAndValue(type, caCertificates(published)));
        }
        if (type.equals(CMPObjectIdentifiers.id_it_rootCaCert)) {
            return Optional.of(rootUpdate(fleet, published, question.getInfoValue()));
        }
        if (type.equals(CMPObjectIdentifiers.id_it_certReqTemplate)) {
            return Optional.of(new InfoTypeAndValue(type, requestTemplate(fleet)));
        }
        return Optional.empty();
    }

    /// While a root is being replaced, both roots and what joins them too.
    private static ASN1Encodable caCertificates(List<Certificate> published) {
        return new DERSequence(published.stream().map(CmpAnswers::cmp).toArray(CMPCertificate[]::new));
    }

    /// The newest root beside the one that is known, with what joins both (RFC 9810 §5.3.19.15). A root
    /// that is none of the fleet's is answered with the fleet's own, which nothing joins to it.
    ///
    /// spec| RFC 9483 §4.3.2: where there is no update, the infoValue is absent
    private static InfoTypeAndValue rootUpdate(IssuingFleet fleet, List<Certificate> published, ASN1Encodable named)
            throws CmpFailure {
        Bytes known = encoded(named);
        Optional<Certificate> old = published.stream()
                .filter(certificate ->
                        certificate.isSelfIssued() && certificate.encoded().equals(known))
                .findFirst();
        // A successor has the name of the root before it.
        Name name = old.orElse(fleet.authority().chain().getLast()).subject();
        List<Certificate> crosses = published.stream()
                .filter(certificate -> certificate.subject().equals(name) && IssuingAuthority.isCross(certificate))
                .toList();
        // The first one is for the newest root's key.
        Certificate newest = crosses.stream()
                .limit(1)
                .flatMap(cross -> published.stream()
                        .filter(certificate -> !crosses.contains(certificate)
                                && certificate.publicKeyEncoded().equals(cross.publicKeyEncoded())))
                .findFirst()
                .or(() -> old)
                .orElse(fleet.authority().chain().getLast());
        if (newest.encoded().equals(known)) {
            return new InfoTypeAndValue(CMPObjectIdentifiers.id_it_rootCaKeyUpdate);
        }
        return new InfoTypeAndValue(
                CMPObjectIdentifiers.id_it_rootCaKeyUpdate,
                new RootCaKeyUpdateContent(
                        CmpAnswers.cmp(newest),
                        old.map(root -> joining(crosses, newest, root)).orElse(null),
                        old.map(root -> joining(crosses, root, newest)).orElse(null)));
    }

    /// The key of `subject`, certified by `issuer`; null where it never was.
    private static @Nullable CMPCertificate joining(
            List<Certificate> crosses, Certificate subject, Certificate issuer) {
        return crosses.stream()
                .filter(cross -> cross.publicKeyEncoded().equals(subject.publicKeyEncoded())
                        && cross.authorityKeyIdentifier().equals(issuer.subjectKeyIdentifier()))
                .findFirst()
                .map(CmpAnswers::cmp)
                .orElse(null);
    }

    private static Bytes encoded(ASN1Encodable value) throws CmpFailure {
        if (value == null) {
            throw new CmpFailure(
                    PKIFailureInfo.badRequest, "A question after a root's successor names the root that is known.");
        }
        try {
            return Bytes.of(value.toASN1Primitive().getEncoded());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// An empty template, since the fleet's profile decides what stands in a certificate, and the
    /// kinds of keys that it takes.
    private static ASN1Encodable requestTemplate(IssuingFleet fleet) {
        ASN1EncodableVector keys = new ASN1EncodableVector();
        for (KeyAlgorithm algorithm : fleet.issuance().profile().keyAlgorithms()) {
            specification(algorithm).ifPresent(keys::add);
        }
        return new DERSequence(new ASN1Encodable[] {new DERSequence(), new DERSequence(keys)});
    }

    private static Optional<AttributeTypeAndValue> specification(KeyAlgorithm algorithm) {
        return switch (algorithm.id()) {
            case "ec-p256" -> Optional.of(curve(SECObjectIdentifiers.secp256r1));
            case "ec-p384" -> Optional.of(curve(SECObjectIdentifiers.secp384r1));
            case "ed25519" ->
                Optional.of(new AttributeTypeAndValue(
                        CMPObjectIdentifiers.id_regCtrl_algId,
                        new AlgorithmIdentifier(EdECObjectIdentifiers.id_Ed25519)));
            case "rsa-2048" -> Optional.of(rsa(2048));
            case "rsa-3072" -> Optional.of(rsa(3072));
            case "rsa-4096" -> Optional.of(rsa(4096));
            default -> Optional.empty();
        };
    }

    private static AttributeTypeAndValue curve(ASN1ObjectIdentifier curve) {
        return new AttributeTypeAndValue(
                CMPObjectIdentifiers.id_regCtrl_algId,
                new AlgorithmIdentifier(X9ObjectIdentifiers.id_ecPublicKey, curve));
    }

    private static AttributeTypeAndValue rsa(int bits) {
        return new AttributeTypeAndValue(CMPObjectIdentifiers.id_regCtrl_rsaKeyLen, new ASN1Integer(bits));
    }
}
