// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cmp;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.server.RunningServer;
import dev.tegata.server.est.EstTenant;
import java.math.BigInteger;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.MessageDigest;
import java.util.Random;
import org.bouncycastle.asn1.ASN1Sequence;
import org.bouncycastle.asn1.DERNull;
import org.bouncycastle.asn1.DERSequence;
import org.bouncycastle.asn1.cmp.CMPObjectIdentifiers;
import org.bouncycastle.asn1.cmp.CertRepMessage;
import org.bouncycastle.asn1.cmp.CertResponse;
import org.bouncycastle.asn1.cmp.CertStatus;
import org.bouncycastle.asn1.cmp.GenMsgContent;
import org.bouncycastle.asn1.cmp.GenRepContent;
import org.bouncycastle.asn1.cmp.InfoTypeAndValue;
import org.bouncycastle.asn1.cmp.PBMParameter;
import org.bouncycastle.asn1.cmp.PKIBody;
import org.bouncycastle.asn1.cmp.PKIFailureInfo;
import org.bouncycastle.asn1.cmp.PKIMessage;
import org.bouncycastle.asn1.cmp.PKIStatus;
import org.bouncycastle.asn1.cmp.PKIStatusInfo;
import org.bouncycastle.asn1.cmp.PollReqContent;
import org.bouncycastle.asn1.cmp.RootCaKeyUpdateContent;
import org.bouncycastle.asn1.crmf.CertReqMessages;
import org.bouncycastle.asn1.oiw.OIWObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.Certificate;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/// CMP message by message, for what no well-behaved client does.
@DisplayName("CMP")
class CmpTest {
    private static final EstTenant TENANT = new EstTenant("CMP");
    private static final String FLEET = TENANT.fleet("");

    private final SoftwareKey birth = SoftwareKey.generate(KeyAlgorithm.EC_P256);
    private final SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
    private final CmpDevice device = new CmpDevice(FLEET);

    private PKIMessage enrol() {
        return device.send(CmpDevice.signed(device.message(PKIBody.TYPE_INIT_REQ, CmpDevice.request(key, key)), birth));
    }

    private static CertResponse response(PKIMessage answer) {
        return CertRepMessage.getInstance(answer.getBody().getContent()).getResponse()[0];
    }

    private static Certificate issued(PKIMessage answer) {
        return response(answer)
                .getCertifiedKeyPair()
                .getCertOrEncCert()
                .getCertificate()
                .getX509v3PKCert();
    }

    private byte[] confirmation(byte[] hash, int status) {
        PKIStatusInfo info = new PKIStatusInfo(PKIStatus.getInstance(new org.bouncycastle.asn1.ASN1Integer(status)));
        return CmpDevice.signed(
                device.message(PKIBody.TYPE_CERT_CONFIRM, new DERSequence(new CertStatus(hash, BigInteger.ZERO, info))),
                birth);
    }

    private static byte[] hash(PKIMessage answer) throws Exception {
        return MessageDigest.getInstance("SHA-256").digest(issued(answer).getEncoded());
    }

    @Test
    @DisplayName("RFC 9481 §6.1.2 PBMAC1: enrols, and is answered with PBMAC1 under a salt of ours")
    void pbmac1() {
        String id = TENANT.claim(FLEET);
        JsonNode secret = TENANT.sharedSecret(id);
        PKIMessage answer = device.send(CmpDevice.withPbmac1(
                device.message(PKIBody.TYPE_INIT_REQ, CmpDevice.request(key, key)),
                secret.path("reference").asString(),
                secret.path("secret").asString()));
        assertThat(answer.getBody().getType()).isEqualTo(PKIBody.TYPE_INIT_REP);
        assertThat(response(answer).getCertifiedKeyPair()).isNotNull();
        assertThat(CmpDevice.protectionAlgorithm(answer).getAlgorithm()).isEqualTo(CmpDevice.PBMAC1);
        assertThat(TENANT.state(id)).isEqualTo("active");
    }

    @Test
    @DisplayName("RFC 9810 §5.1.3.1: more iterations than anybody needs are refused before they are carried out")
    void expensiveMac() {
        AlgorithmIdentifier greedy = new AlgorithmIdentifier(
                CMPObjectIdentifiers.passwordBasedMac,
                new PBMParameter(
                        new byte[16],
                        new AlgorithmIdentifier(OIWObjectIdentifiers.idSHA1),
                        Integer.MAX_VALUE,
                        new AlgorithmIdentifier(new org.bouncycastle.asn1.ASN1ObjectIdentifier("1.3.6.1.5.5.8.1.2"))));
        PKIMessage answer = device.send(
                CmpDevice.withAlgorithm(device.message(PKIBody.TYPE_INIT_REQ, CmpDevice.request(key, key)), greedy));
        assertThat(CmpDevice.failure(answer)).isEqualTo(PKIFailureInfo.badAlg);
    }

    @Test
    @DisplayName("RFC 9483 §3.5: nonces and transaction ids that are missing, short, foreign or used")
    void nonces() throws Exception {
        TENANT.claim(FLEET, birth);
        device.nonce = new byte[0];
        assertThat(CmpDevice.failure(enrol())).isEqualTo(PKIFailureInfo.badSenderNonce);
        device.nonce = CmpDevice.random(8);
        assertThat(CmpDevice.failure(enrol())).isEqualTo(PKIFailureInfo.badSenderNonce);
        device.nonce = CmpDevice.random(16);
        device.transactionId = new byte[0];
        assertThat(CmpDevice.failure(enrol())).isEqualTo(PKIFailureInfo.badDataFormat);
        device.transactionId = CmpDevice.random(65);
        assertThat(CmpDevice.failure(enrol())).isEqualTo(PKIFailureInfo.badDataFormat);

        device.transactionId = CmpDevice.random(16);
        PKIMessage answer = enrol();
        assertThat(answer.getHeader().getRecipNonce().getOctets()).isEqualTo(device.nonce);
        assertThat(answer.getHeader().getTransactionID().getOctets()).isEqualTo(device.transactionId);
        byte[] ours = device.recipientNonce;

        assertThat(CmpDevice.failure(enrol())).isEqualTo(PKIFailureInfo.transactionIdInUse);
        device.recipientNonce = CmpDevice.random(16);
        assertThat(CmpDevice.failure(device.send(confirmation(hash(answer), 0))))
                .isEqualTo(PKIFailureInfo.badRecipientNonce);
        device.recipientNonce = ours;
        assertThat(CmpDevice.failure(device.send(confirmation(new byte[32], 0))))
                .isEqualTo(PKIFailureInfo.badCertId);
        device.recipientNonce = ours;
        assertThat(device.send(confirmation(hash(answer), 0)).getBody().getType())
                .isEqualTo(PKIBody.TYPE_CONFIRM);
        device.recipientNonce = ours;
        assertThat(CmpDevice.failure(device.send(confirmation(hash(answer), 0))))
                .isEqualTo(PKIFailureInfo.certConfirmed);
    }

    @Test
    @DisplayName("RFC 9810 §5.3.18: a certificate that the device rejects is revoked")
    void rejects() throws Exception {
        String id = TENANT.claim(FLEET, birth);
        PKIMessage answer = enrol();
        assertThat(device.send(confirmation(hash(answer), 2)).getBody().getType())
                .isEqualTo(PKIBody.TYPE_CONFIRM);
        assertThat(TENANT.revoked(id, TENANT.certificates(id).getFirst().serial()))
                .isTrue();
    }

    @Test
    @DisplayName("RFC 9483 §4.4: another device can neither poll nor confirm in a transaction that is not its own")
    void foreignTransaction() throws Exception {
        String fleet = TENANT.fleet("\"policy\":{\"approvalRequired\":true}");
        CmpDevice waiting = new CmpDevice(fleet);
        String id = TENANT.claim(fleet, birth);
        PKIMessage asked = waiting.send(
                CmpDevice.signed(waiting.message(PKIBody.TYPE_INIT_REQ, CmpDevice.request(key, key)), birth));
        assertThat(response(asked).getStatus().getStatus()).isEqualTo(BigInteger.valueOf(PKIStatus.WAITING));
        byte[] ours = waiting.recipientNonce;
        SoftwareKey stranger = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        TENANT.claim(fleet, stranger);
        TENANT.change(id, "approve");

        PollReqContent poll = new PollReqContent(BigInteger.ZERO);
        PKIMessage refused = waiting.send(CmpDevice.signed(waiting.message(PKIBody.TYPE_POLL_REQ, poll), stranger));
        assertThat(CmpDevice.failure(refused)).isEqualTo(PKIFailureInfo.badRequest);
        waiting.recipientNonce = ours;
        PKIMessage answer = waiting.send(CmpDevice.signed(waiting.message(PKIBody.TYPE_POLL_REQ, poll), birth));
        assertThat(answer.getBody().getType()).isEqualTo(PKIBody.TYPE_INIT_REP);
        assertThat(TENANT.certificates(id)).hasSize(1);
    }

    @Test
    @DisplayName("RFC 4211 §4.1: a proof made with another key is refused, and so are two requests at once")
    void possession() {
        String id = TENANT.claim(FLEET, birth);
        PKIMessage stolen = device.send(
                CmpDevice.signed(device.message(PKIBody.TYPE_INIT_REQ, CmpDevice.request(key, birth)), birth));
        assertThat(response(stolen).getStatus().getStatus()).isEqualTo(BigInteger.valueOf(PKIStatus.REJECTION));
        device.transactionId = CmpDevice.random(16);
        CertReqMessages one = CmpDevice.request(key, key);
        CertReqMessages two = new CertReqMessages(
                new org.bouncycastle.asn1.crmf.CertReqMsg[] {one.toCertReqMsgArray()[0], one.toCertReqMsgArray()[0]});
        PKIMessage both = device.send(CmpDevice.signed(device.message(PKIBody.TYPE_INIT_REQ, two), birth));
        assertThat(CmpDevice.failure(both)).isEqualTo(PKIFailureInfo.badRequest);
        assertThat(TENANT.certificates(id)).isEmpty();
    }

    @Test
    @DisplayName("RFC 9483 §4.3: CA certificates, the root's successor, the template of a request")
    void information() throws Exception {
        GenRepContent answer = ask(new InfoTypeAndValue(CMPObjectIdentifiers.id_it_caCerts));
        ASN1Sequence certificates = ASN1Sequence.getInstance(answer.toInfoTypeAndValueArray()[0].getInfoValue());
        assertThat(certificates.size()).isEqualTo(2);
        Certificate root = Certificate.getInstance(certificates.getObjectAt(1));

        InfoTypeAndValue same = ask(new InfoTypeAndValue(CMPObjectIdentifiers.id_it_rootCaCert, root))
                .toInfoTypeAndValueArray()[0];
        assertThat(same.getInfoType()).isEqualTo(CMPObjectIdentifiers.id_it_rootCaKeyUpdate);
        assertThat(same.getInfoValue()).isNull();
        InfoTypeAndValue other = ask(new InfoTypeAndValue(
                        CMPObjectIdentifiers.id_it_rootCaCert, certificates.getObjectAt(0)))
                .toInfoTypeAndValueArray()[0];
        assertThat(RootCaKeyUpdateContent.getInstance(other.getInfoValue())
                        .getNewWithNew()
                        .getX509v3PKCert()
                        .getEncoded())
                .isEqualTo(root.getEncoded());

        InfoTypeAndValue template = ask(new InfoTypeAndValue(CMPObjectIdentifiers.id_it_certReqTemplate))
                .toInfoTypeAndValueArray()[0];
        assertThat(ASN1Sequence.getInstance(template.getInfoValue()).size()).isEqualTo(2);
        assertThat(ask(new InfoTypeAndValue(CMPObjectIdentifiers.it_currentCRL)).toInfoTypeAndValueArray())
                .isEmpty();
    }

    @Test
    @DisplayName("RFC 9810 §5.3.19.15: a root's successor comes with what joins both roots")
    void rootUpdate() throws Exception {
        EstTenant tenant = new EstTenant("CMP roots");
        CmpDevice other = new CmpDevice(tenant.fleet(""));
        JsonNode root = RunningServer.body(tenant.running.get(tenant.tenant.ownerKey(), "/api/v1/authorities"))
                .path("items")
                .valueStream()
                .filter(item -> item.path("kind").asString().equals("root"))
                .findFirst()
                .orElseThrow();
        HttpResponse<String> prepared = tenant.running.post(
                tenant.tenant.ownerKey(),
                "/api/v1/rollovers",
                "{\"authority\":\"" + root.path("id").asString() + "\"}");
        assertThat(prepared.statusCode()).as(prepared.body()).isEqualTo(201);
        X509CertificateHolder old =
                holder(EstTenant.certificate(root.at("/certificate/pem").asString()));

        RootCaKeyUpdateContent update = RootCaKeyUpdateContent.getInstance(
                ask(other, new InfoTypeAndValue(CMPObjectIdentifiers.id_it_rootCaCert, old.toASN1Structure()))
                        .toInfoTypeAndValueArray()[0]
                        .getInfoValue());

        X509CertificateHolder fresh =
                new X509CertificateHolder(update.getNewWithNew().getX509v3PKCert());
        X509CertificateHolder newWithOld =
                new X509CertificateHolder(update.getNewWithOld().getX509v3PKCert());
        X509CertificateHolder oldWithNew =
                new X509CertificateHolder(update.getOldWithNew().getX509v3PKCert());
        JcaContentVerifierProviderBuilder verifiers = new JcaContentVerifierProviderBuilder();
        assertThat(fresh.isSignatureValid(verifiers.build(fresh))).isTrue();
        assertThat(newWithOld.getSubjectPublicKeyInfo()).isEqualTo(fresh.getSubjectPublicKeyInfo());
        assertThat(newWithOld.isSignatureValid(verifiers.build(old))).isTrue();
        assertThat(oldWithNew.getSubjectPublicKeyInfo()).isEqualTo(old.getSubjectPublicKeyInfo());
        assertThat(oldWithNew.isSignatureValid(verifiers.build(fresh))).isTrue();
        assertThat(ask(other, new InfoTypeAndValue(CMPObjectIdentifiers.id_it_rootCaCert, fresh.toASN1Structure()))
                        .toInfoTypeAndValueArray()[0]
                        .getInfoValue())
                .isNull();
        InfoTypeAndValue all = ask(other, new InfoTypeAndValue(CMPObjectIdentifiers.id_it_caCerts))
                .toInfoTypeAndValueArray()[0];
        // Both roots, what joins them both ways, and an issuing authority below each.
        assertThat(ASN1Sequence.getInstance(all.getInfoValue())).hasSize(6);
    }

    private static X509CertificateHolder holder(dev.tegata.pki.certificate.Certificate certificate) throws Exception {
        return new X509CertificateHolder(certificate.encoded().toArray());
    }

    private GenRepContent ask(InfoTypeAndValue question) {
        return ask(device, question);
    }

    private GenRepContent ask(CmpDevice device, InfoTypeAndValue question) {
        PKIMessage answer =
                device.send(CmpDevice.signed(device.message(PKIBody.TYPE_GEN_MSG, new GenMsgContent(question)), birth));
        return GenRepContent.getInstance(answer.getBody().getContent());
    }

    @Test
    @DisplayName("RFC 9811: other media types, other operations, messages that are too large")
    void http() {
        byte[] message = CmpDevice.signed(device.message(PKIBody.TYPE_CONFIRM, DERNull.INSTANCE), birth);
        assertThat(CmpDevice.failure(device.send(message))).isEqualTo(PKIFailureInfo.badRequest);
        assertThat(device.post(message, "application/octet-stream").statusCode())
                .isEqualTo(415);
        assertThat(device.post(new byte[1024 * 1024]).statusCode()).isEqualTo(413);
        assertThat(new CmpDevice(FLEET + "/nested").post(message).statusCode()).isEqualTo(404);
        assertThat(new CmpDevice("t000000000-000000").post(message).statusCode())
                .isEqualTo(404);
    }

    @Test
    @DisplayName("plain HTTP offers no CMP unless the operator wants it")
    void plainHttp() throws Exception {
        HttpResponse<byte[]> response = RunningServer.shared()
                .client()
                .send(
                        HttpRequest.newBuilder(java.net.URI.create(
                                        RunningServer.shared().server().publicUrl() + "/.well-known/cmp/p/" + FLEET))
                                .POST(HttpRequest.BodyPublishers.ofByteArray(new byte[1]))
                                .build(),
                        HttpResponse.BodyHandlers.ofByteArray());
        assertThat(response.statusCode()).isEqualTo(404);
    }

    @Test
    @DisplayName("changed messages are answered with an error, and nothing is issued")
    void fuzz() throws Exception {
        String id = TENANT.claim(FLEET, birth);
        byte[] good = CmpDevice.signed(device.message(PKIBody.TYPE_INIT_REQ, CmpDevice.request(key, key)), birth);
        // Behind it are the certificates, which nothing protects, and of which the key alone decides here.
        int end = good.length - CmpDevice.birthCertificate(birth).getEncoded().length - 8;
        Random random = new Random(42);
        for (int i = 0; i < 600; i++) {
            byte[] changed = good.clone();
            switch (random.nextInt(3)) {
                case 0 -> changed = java.util.Arrays.copyOf(changed, random.nextInt(changed.length));
                case 1 -> changed[random.nextInt(end)] = (byte) random.nextInt(256);
                default -> {
                    for (int n = 0; n < 8; n++) {
                        changed[random.nextInt(end)] ^= (byte) (1 << random.nextInt(8));
                    }
                }
            }
            if (java.util.Arrays.equals(changed, good)) {
                continue;
            }
            HttpResponse<byte[]> answer = device.post(changed);
            assertThat(answer.statusCode()).as("change %d", i).isIn(200, 400);
            assertThat(PKIMessage.getInstance(answer.body()).getBody().getType())
                    .as("change %d", i)
                    .isEqualTo(PKIBody.TYPE_ERROR);
        }
        assertThat(device.post(nested()).statusCode()).isEqualTo(400);
        assertThat(TENANT.certificates(id)).isEmpty();
        assertThat(response(device.send(good)).getCertifiedKeyPair()).isNotNull();
    }

    /// Nothing but the beginnings of structures in structures.
    private static byte[] nested() {
        byte[] bytes = new byte[40_000];
        for (int i = 0; i < bytes.length; i += 4) {
            int rest = bytes.length - i - 4;
            bytes[i] = (byte) 0xa0;
            bytes[i + 1] = (byte) 0x82;
            bytes[i + 2] = (byte) (rest >> 8);
            bytes[i + 3] = (byte) rest;
        }
        return bytes;
    }
}
