// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.pki.status.CertificateId;
import dev.tegata.pki.status.CertificateStatus;
import dev.tegata.pki.status.OcspAnswer;
import dev.tegata.pki.status.OcspReply;
import dev.tegata.pki.status.OcspRequest;
import dev.tegata.pki.status.OcspResponder;
import java.io.IOException;
import java.math.BigInteger;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.DERBitString;
import org.bouncycastle.asn1.DERSequence;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.CRLDistPoint;
import org.bouncycastle.asn1.x509.DistributionPoint;
import org.bouncycastle.asn1.x509.DistributionPointName;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.Extensions;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.asn1.x509.Time;
import org.bouncycastle.asn1.x509.V2TBSCertListGenerator;
import org.bouncycastle.asn1.x509.V3TBSCertificateGenerator;
import org.jspecify.annotations.Nullable;

/// A chip vendor's CA, made with other code than ours.
public final class BirthCa {
    private static final X500Name NAME = new X500Name("O=Vendor,CN=Birth CA");
    private static final AlgorithmIdentifier ECDSA = AlgorithmIdentifier.getInstance(
            SignatureAlgorithm.ECDSA_SHA256.identifier().toArray());

    private final SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
    private final Instant from;
    private final Certificate certificate;

    private BirthCa(Instant from) throws Exception {
        this.from = from;
        this.certificate = Certificate.parse(issue(NAME, NAME, key, key, from, true));
    }

    public static BirthCa create(Instant now) throws Exception {
        return new BirthCa(now.minus(Duration.ofDays(1)));
    }

    public Certificate certificate() {
        return certificate;
    }

    /// What a device with such a birth certificate shows.
    public DeviceCredential birth(String commonName, SoftwareKey device) {
        return new DeviceCredential.TlsCertificate(
                List.of(issue(NAME, new X500Name("CN=" + commonName), key, device, from, false)));
    }

    /// The same with a certificate that says where its CA's revocation list is.
    public DeviceCredential birth(String commonName, SoftwareKey device, String list) {
        CRLDistPoint points = new CRLDistPoint(new DistributionPoint[] {
            new DistributionPoint(
                    new DistributionPointName(
                            new GeneralNames(new GeneralName(GeneralName.uniformResourceIdentifier, list))),
                    null,
                    null)
        });
        Extensions extensions;
        try {
            extensions = new Extensions(Extension.create(Extension.cRLDistributionPoints, false, points));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
        return new DeviceCredential.TlsCertificate(
                List.of(issue(NAME, new X500Name("CN=" + commonName), key, device, from, extensions)));
    }

    /// A revocation list with these serial numbers.
    public Bytes revoke(Instant thisUpdate, Instant nextUpdate, BigInteger... serials) throws IOException {
        V2TBSCertListGenerator tbs = new V2TBSCertListGenerator();
        tbs.setIssuer(NAME);
        tbs.setSignature(ECDSA);
        tbs.setThisUpdate(new Time(Date.from(thisUpdate)));
        tbs.setNextUpdate(new Time(Date.from(nextUpdate)));
        for (BigInteger serial : serials) {
            tbs.addCRLEntry(new ASN1Integer(serial), new Time(Date.from(thisUpdate)), 1);
        }
        byte[] signed = tbs.generateTBSCertList().getEncoded("DER");
        ASN1EncodableVector parts = new ASN1EncodableVector();
        parts.add(tbs.generateTBSCertList());
        parts.add(ECDSA);
        parts.add(new DERBitString(key.sign(SignatureAlgorithm.ECDSA_SHA256, signed)));
        return Bytes.of(new DERSequence(parts).getEncoded("DER"));
    }

    /// An OCSP answer of its own about what it has issued.
    public Bytes answer(Certificate about, CertificateStatus status, Instant thisUpdate, Instant nextUpdate)
            throws Exception {
        Bytes question = OcspReply.question(certificate, about.serial().content());
        CertificateId id = OcspRequest.parse(question.toArray()).certificates().getFirst();
        OcspResponder responder =
                new OcspResponder(certificate, certificate, data -> key.sign(SignatureAlgorithm.ECDSA_SHA256, data));
        return Bytes.of(responder.sign(List.of(new OcspAnswer(id, status, thisUpdate, nextUpdate)), null, thisUpdate));
    }

    public static Bytes selfSigned(SoftwareKey key) {
        X500Name name = new X500Name("CN=self");
        return issue(name, name, key, key, Instant.EPOCH, false);
    }

    private static Bytes issue(
            X500Name issuer, X500Name subject, SoftwareKey signer, SoftwareKey of, Instant from, boolean authority) {
        try {
            Extensions extensions = authority
                    ? new Extensions(new Extension[] {
                        Extension.create(Extension.basicConstraints, true, new BasicConstraints(true)),
                        Extension.create(
                                Extension.keyUsage, true, new KeyUsage(KeyUsage.keyCertSign | KeyUsage.cRLSign))
                    })
                    : null;
            return issue(issuer, subject, signer, of, from, extensions);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Bytes issue(
            X500Name issuer,
            X500Name subject,
            SoftwareKey signer,
            SoftwareKey of,
            Instant from,
            @Nullable Extensions extensions) {
        try {
            V3TBSCertificateGenerator tbs = new V3TBSCertificateGenerator();
            tbs.setSerialNumber(new ASN1Integer(BigInteger.valueOf(Math.abs(subject.hashCode()) + 1L)));
            tbs.setIssuer(issuer);
            tbs.setSubject(subject);
            tbs.setSignature(ECDSA);
            tbs.setStartDate(new Time(Date.from(from)));
            tbs.setEndDate(new Time(Date.from(from.plus(Duration.ofDays(3650)))));
            tbs.setSubjectPublicKeyInfo(
                    SubjectPublicKeyInfo.getInstance(of.publicKey().encoded().toArray()));
            if (extensions != null) {
                tbs.setExtensions(extensions);
            }
            byte[] signed = tbs.generateTBSCertificate().getEncoded("DER");
            ASN1EncodableVector parts = new ASN1EncodableVector();
            parts.add(tbs.generateTBSCertificate());
            parts.add(ECDSA);
            parts.add(new DERBitString(signer.sign(SignatureAlgorithm.ECDSA_SHA256, signed)));
            return Bytes.of(new DERSequence(parts).getEncoded("DER"));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
