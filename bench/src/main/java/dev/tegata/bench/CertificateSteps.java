// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.GrantedRequest;
import dev.tegata.pki.certificate.InvalidRequestException;
import dev.tegata.pki.certificate.Issuance;
import dev.tegata.pki.certificate.LintedTbs;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.certificate.ProvenRequest;
import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.math.BigInteger;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x500.X500NameBuilder;
import org.bouncycastle.asn1.x500.style.BCStyle;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.AuthorityKeyIdentifier;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.asn1.x509.SubjectKeyIdentifier;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.asn1.x9.X9ObjectIdentifiers;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.operator.ContentSigner;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/// Micro benchmarks. Requests take turns, so that nothing is found in a cache that a real device would
/// miss.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class CertificateSteps {
    private static final int REQUESTS = 256;
    private static final Instant NOW = Instant.parse("2026-01-02T03:04:05Z");

    private static final AlgorithmIdentifier ECDSA = new AlgorithmIdentifier(X9ObjectIdentifiers.ecdsa_with_SHA256);

    private final SecureRandom random = new SecureRandom();
    private final SoftwareKey authorityKey = SoftwareKey.generate(KeyAlgorithm.EC_P256);
    private final Issuance issuance;
    private final Bytes[] encoded = new Bytes[REQUESTS];
    private final ProvenRequest[] proven = new ProvenRequest[REQUESTS];
    private final byte[] toSign;
    private final X500Name issuerName;
    private final byte[] issuerKeyId;
    private int turn;

    public CertificateSteps() {
        try {
            Certificate authority = authority();
            issuance = Issuance.of(authority, CertificateProfile.device());
            issuerName = X500Name.getInstance(authority.subject().encoded().toArray());
            issuerKeyId = authority.subjectKeyIdentifier().orElseThrow().toArray();
            for (int i = 0; i < REQUESTS; i++) {
                encoded[i] = Unit.newRequest();
                proven[i] = CertificateRequest.parse(encoded[i]).prove();
            }
            toSign = grant(0).lint().encoded().toArray();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    @Benchmark
    public CertificateRequest readRequest() throws InvalidRequestException {
        return CertificateRequest.parse(encoded[next()]);
    }

    @Benchmark
    public ProvenRequest readAndProveRequest() throws InvalidRequestException {
        return CertificateRequest.parse(encoded[next()]).prove();
    }

    @Benchmark
    public GrantedRequest grant() throws InvalidRequestException {
        return grant(next());
    }

    @Benchmark
    public LintedTbs grantEncodeAndLint() throws InvalidRequestException {
        return grant(next()).lint();
    }

    @Benchmark
    public byte[] sign() {
        return sign(toSign);
    }

    @Benchmark
    public Certificate grantEncodeLintAndSign() throws InvalidRequestException {
        return grant(next()).lint().redeem(this::sign);
    }

    /// The same certificate by the builder of Bouncy Castle, which lints nothing, with the same signature.
    @Benchmark
    public byte[] bouncyCastleBuildAndSign() throws IOException {
        SubjectPublicKeyInfo key = SubjectPublicKeyInfo.getInstance(
                proven[next()].publicKey().encoded().toArray());
        X500Name subject = new X500NameBuilder()
                .addRDN(BCStyle.CN, "01234567-89ab-cdef-0123-456789abcdef")
                .build();
        X509v3CertificateBuilder builder = new X509v3CertificateBuilder(
                issuerName,
                new BigInteger(159, random),
                Date.from(NOW),
                Date.from(NOW.plus(Duration.ofDays(365))),
                subject,
                key);
        builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(false));
        builder.addExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature));
        builder.addExtension(Extension.extendedKeyUsage, false, new ExtendedKeyUsage(KeyPurposeId.id_kp_clientAuth));
        builder.addExtension(Extension.authorityKeyIdentifier, false, new AuthorityKeyIdentifier(issuerKeyId));
        builder.addExtension(
                Extension.subjectKeyIdentifier,
                false,
                new SubjectKeyIdentifier(Bytes.sha256(key.getPublicKeyData().getBytes())
                        .slice(0, 20)
                        .toArray()));
        return builder.build(new Signing()).getEncoded();
    }

    private final class Signing implements ContentSigner {
        private final ByteArrayOutputStream content = new ByteArrayOutputStream();

        @Override
        public AlgorithmIdentifier getAlgorithmIdentifier() {
            return ECDSA;
        }

        @Override
        public OutputStream getOutputStream() {
            return content;
        }

        @Override
        public byte[] getSignature() {
            return sign(content.toByteArray());
        }
    }

    @Benchmark
    public Certificate everything() throws InvalidRequestException {
        ProvenRequest request = CertificateRequest.parse(encoded[next()]).prove();
        return grant(request).lint().redeem(this::sign);
    }

    private int next() {
        turn = (turn + 1) % REQUESTS;
        return turn;
    }

    private GrantedRequest grant(int i) throws InvalidRequestException {
        return grant(proven[i]);
    }

    private GrantedRequest grant(ProvenRequest request) throws InvalidRequestException {
        return issuance.grant(
                request, Map.of("device.id", "01234567-89ab-cdef-0123-456789abcdef"), SerialNumber.random(random), NOW);
    }

    private byte[] sign(byte[] data) {
        return authorityKey.sign(SignatureAlgorithm.ECDSA_SHA256, data);
    }

    private Certificate authority() throws InvalidRequestException {
        CertificateRequest request =
                CertificateRequest.create(Name.parse("CN=Bench CA"), authorityKey.publicKey(), List.of(), this::sign);
        return Issuance.selfSigned(CertificateProfile.root())
                .grant(request.prove(), Map.of("tenant.organization", "Bench"), SerialNumber.random(random), NOW)
                .lint()
                .redeem(this::sign);
    }
}
