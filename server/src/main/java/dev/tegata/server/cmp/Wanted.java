// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cmp;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.platform.enrol.EnrolmentRequest.Form;
import dev.tegata.platform.enrol.EnrolmentRequest.Purpose;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.cmp.CMPCertificate;
import org.bouncycastle.asn1.cmp.CMPObjectIdentifiers;
import org.bouncycastle.asn1.cmp.CertRepMessage;
import org.bouncycastle.asn1.cmp.CertResponse;
import org.bouncycastle.asn1.cmp.PKIBody;
import org.bouncycastle.asn1.cmp.PKIFailureInfo;
import org.bouncycastle.asn1.crmf.AttributeTypeAndValue;
import org.bouncycastle.asn1.crmf.CertId;
import org.bouncycastle.asn1.crmf.CertReqMessages;
import org.bouncycastle.asn1.crmf.CertReqMsg;
import org.jspecify.annotations.Nullable;

/// The one request in a message that asks for a certificate.
///
/// @param id which the answer repeats
/// @param answerType of the body that answers it
record Wanted(Bytes request, Form form, Purpose purpose, ASN1Integer id, int answerType) {
    /// spec| RFC 9483 §4.1.4: certReqId of the answer to p10cr MUST be -1
    private static final ASN1Integer NO_ID = new ASN1Integer(-1);

    static Wanted in(CmpMessage message, Protection protection) throws CmpFailure {
        return switch (message.bodyType()) {
            case PKIBody.TYPE_P10_CERT_REQ ->
                new Wanted(message.bodyContent(), Form.PKCS10, Purpose.ENROL, NO_ID, PKIBody.TYPE_CERT_REP);
            case PKIBody.TYPE_INIT_REQ -> crmf(message, Purpose.ENROL, PKIBody.TYPE_INIT_REP);
            case PKIBody.TYPE_CERT_REQ -> crmf(message, Purpose.ENROL, PKIBody.TYPE_CERT_REP);
            case PKIBody.TYPE_KEY_UPDATE_REQ -> {
                requireUpdateOfItsOwn(message, protection);
                yield crmf(message, Purpose.RE_ENROL, PKIBody.TYPE_KEY_UPDATE_REP);
            }
            default -> throw new CmpFailure(PKIFailureInfo.badRequest, "The message asks for no certificate.");
        };
    }

    private static Wanted crmf(CmpMessage message, Purpose purpose, int answerType) throws CmpFailure {
        return new Wanted(
                onlyElement(message.bodyContent()),
                Form.CRMF,
                purpose,
                requestMessage(message).getCertReq().getCertReqId(),
                answerType);
    }

    /// The CertReqMsg as it was sent: the proof of possession is a signature over its octets.
    private static Bytes onlyElement(Bytes sequence) throws CmpFailure {
        try {
            DerReader reader = DerReader.of(sequence);
            DerReader inside = reader.sequence();
            reader.end();
            Bytes element = inside.element();
            inside.end();
            return element;
        } catch (EncodingException e) {
            throw new CmpFailure(PKIFailureInfo.badRequest, "A message asks for exactly one certificate.");
        }
    }

    private static CertReqMsg requestMessage(CmpMessage message) throws CmpFailure {
        CertReqMsg[] all =
                CmpContents.read(message, CertReqMessages::getInstance).toCertReqMsgArray();
        if (all.length != 1) {
            throw new CmpFailure(PKIFailureInfo.badRequest, "A message asks for exactly one certificate.");
        }
        return all[0];
    }

    /// spec| RFC 9483 §4.1.3: the message is protected with the key of the certificate to be updated,
    /// and oldCertID names that certificate
    private static void requireUpdateOfItsOwn(CmpMessage message, Protection protection) throws CmpFailure {
        if (!(protection instanceof Protection.Signed signed)) {
            throw new CmpFailure(
                    PKIFailureInfo.wrongIntegrity, "A key update is signed with the certificate to be updated.");
        }
        CertReqMsg request = requestMessage(message);
        if (request.getCertReq().getControls() == null) {
            return;
        }
        for (AttributeTypeAndValue control : request.getCertReq().getControls().toAttributeTypeAndValueArray()) {
            if (control.getType().equals(CMPObjectIdentifiers.regCtrl_oldCertID)) {
                requireSame(control, signed);
            }
        }
    }

    private static void requireSame(AttributeTypeAndValue control, Protection.Signed signed) throws CmpFailure {
        try {
            CertId old = CertId.getInstance(control.getValue());
            Certificate shown = Certificate.parse(signed.chain().getFirst());
            if (old.getSerialNumber().getValue().equals(shown.serial().value())) {
                return;
            }
        } catch (InvalidCertificateException | RuntimeException e) {
            // Said below.
        }
        throw new CmpFailure(
                PKIFailureInfo.badCertId, "oldCertID is not the certificate that the message is signed with.");
    }

    PKIBody answer(CMPCertificate @Nullable [] anchors, CertResponse response) {
        return new PKIBody(answerType, new CertRepMessage(anchors, new CertResponse[] {response}));
    }
}
