// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cmp;

import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.server.RunningServer;
import dev.tegata.server.http.TlsClient;
import java.io.IOException;
import java.math.BigInteger;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Instant;
import java.util.Date;
import java.util.concurrent.ThreadLocalRandom;
import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.cmp.ErrorMsgContent;
import org.bouncycastle.asn1.cmp.PKIBody;
import org.bouncycastle.asn1.cmp.PKIFailureInfo;
import org.bouncycastle.asn1.cmp.PKIMessage;
import org.bouncycastle.asn1.cmp.PKIStatusInfo;
import org.bouncycastle.asn1.crmf.CertReqMessages;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.cert.cmp.ProtectedPKIMessageBuilder;
import org.bouncycastle.cert.crmf.CertificateRequestMessageBuilder;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.pkcs.jcajce.JcePBMac1CalculatorBuilder;

/// A CMP client made of Bouncy Castle's builders, which does what the test tells it to.
final class CmpDevice {
    private static final GeneralName NOBODY = new GeneralName(new X500Name("CN=x"));

    private final HttpClient client =
            TlsClient.trusting(RunningServer.shared().server().authorityFile().orElseThrow());
    private final URI uri;

    byte[] transactionId = random(16);
    byte[] nonce = random(16);
    byte[] recipientNonce = new byte[0];

    CmpDevice(String fleet) {
        uri = URI.create(RunningServer.shared().server().devicesUrl() + "/.well-known/cmp/p/" + fleet);
    }

    static byte[] random(int size) {
        byte[] bytes = new byte[size];
        ThreadLocalRandom.current().nextBytes(bytes);
        return bytes;
    }

    /// A message with the header's fields as they are set now.
    ProtectedPKIMessageBuilder message(int type, ASN1Encodable content) {
        ProtectedPKIMessageBuilder builder = new ProtectedPKIMessageBuilder(NOBODY, NOBODY)
                .setMessageTime(new Date())
                .setBody(new PKIBody(type, content));
        if (transactionId.length > 0) {
            builder.setTransactionID(transactionId);
        }
        if (nonce.length > 0) {
            builder.setSenderNonce(nonce);
        }
        if (recipientNonce.length > 0) {
            builder.setRecipNonce(recipientNonce);
        }
        return builder;
    }

    static byte[] withPbmac1(ProtectedPKIMessageBuilder builder, String reference, String secret) {
        try {
            return builder.setSenderKID(reference.getBytes(java.nio.charset.StandardCharsets.US_ASCII))
                    .build(new JcePBMac1CalculatorBuilder("HmacSHA256", 256)
                            .setProvider(new org.bouncycastle.jce.provider.BouncyCastleProvider())
                            .setIterationCount(1000)
                            .setPrf(JcePBMac1CalculatorBuilder.PRF_SHA256)
                            .build(secret.toCharArray()))
                    .toASN1Structure()
                    .getEncoded("DER");
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /// Claims a protection that it does not have.
    static byte[] withAlgorithm(ProtectedPKIMessageBuilder builder, AlgorithmIdentifier algorithm) {
        try {
            return builder.setSenderKID(new byte[] {'x'})
                    .build(new org.bouncycastle.operator.MacCalculator() {
                        @Override
                        public AlgorithmIdentifier getAlgorithmIdentifier() {
                            return algorithm;
                        }

                        @Override
                        public java.io.OutputStream getOutputStream() {
                            return java.io.OutputStream.nullOutputStream();
                        }

                        @Override
                        public byte[] getMac() {
                            return new byte[20];
                        }

                        @Override
                        public org.bouncycastle.operator.GenericKey getKey() {
                            throw new UnsupportedOperationException();
                        }
                    })
                    .toASN1Structure()
                    .getEncoded("DER");
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    static byte[] signed(ProtectedPKIMessageBuilder builder, SoftwareKey key) {
        try {
            return builder.addCMPCertificate(birthCertificate(key))
                    .build(signer(key))
                    .toASN1Structure()
                    .getEncoded("DER");
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /// One self-signed certificate per key: signatures differ each time, and a peer is known by its
    /// certificate.
    private static final java.util.Map<SoftwareKey, X509CertificateHolder> BIRTH =
            new java.util.concurrent.ConcurrentHashMap<>();

    static X509CertificateHolder birthCertificate(SoftwareKey key) {
        return BIRTH.computeIfAbsent(key, made -> {
            X500Name name = new X500Name("CN=chip");
            return new X509v3CertificateBuilder(
                            name,
                            BigInteger.ONE,
                            Date.from(Instant.now().minusSeconds(60)),
                            Date.from(Instant.now().plusSeconds(86_400)),
                            name,
                            publicKey(made))
                    .build(signer(made));
        });
    }

    private static SubjectPublicKeyInfo publicKey(SoftwareKey key) {
        return SubjectPublicKeyInfo.getInstance(key.publicKey().encoded().toArray());
    }

    private static ContentSigner signer(SoftwareKey key) {
        try {
            return new JcaContentSignerBuilder("SHA256withECDSA").build(key.privateKey());
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /// A request for `key`, whose possession `prover` proves.
    static CertReqMessages request(SoftwareKey key, SoftwareKey prover) {
        try {
            return new CertReqMessages(new CertificateRequestMessageBuilder(BigInteger.ZERO)
                    .setSubject(new X500Name("CN=x"))
                    .setPublicKey(publicKey(key))
                    .setProofOfPossessionSigningKeySigner(signer(prover))
                    .build()
                    .toASN1Structure());
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    HttpResponse<byte[]> post(byte[] message) {
        return post(message, "application/pkixcmp");
    }

    HttpResponse<byte[]> post(byte[] message, String contentType) {
        try {
            return client.send(
                    HttpRequest.newBuilder(uri)
                            .header("Content-Type", contentType)
                            .POST(BodyPublishers.ofByteArray(message))
                            .build(),
                    BodyHandlers.ofByteArray());
        } catch (IOException e) {
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    /// Sends a message and takes up the answer's nonce.
    PKIMessage send(byte[] message) {
        HttpResponse<byte[]> response = post(message);
        if (response.statusCode() != 200) {
            throw new AssertionError(
                    response + " " + new String(response.body(), java.nio.charset.StandardCharsets.UTF_8));
        }
        PKIMessage answer = PKIMessage.getInstance(response.body());
        recipientNonce = answer.getHeader().getSenderNonce().getOctets();
        return answer;
    }

    /// The failure that an error message names.
    static int failure(PKIMessage answer) {
        if (answer.getBody().getType() != PKIBody.TYPE_ERROR) {
            throw new AssertionError("an answer of type " + answer.getBody().getType());
        }
        PKIStatusInfo status =
                ErrorMsgContent.getInstance(answer.getBody().getContent()).getPKIStatusInfo();
        return new PKIFailureInfo(status.getFailInfo()).intValue();
    }

    static AlgorithmIdentifier protectionAlgorithm(PKIMessage answer) {
        return answer.getHeader().getProtectionAlg();
    }

    static final ASN1ObjectIdentifier PBMAC1 = PKCSObjectIdentifiers.id_PBMAC1;
}
