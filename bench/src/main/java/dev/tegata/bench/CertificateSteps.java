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
import java.security.SecureRandom;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/// Micro benchmarks. Requests take turns, so that nothing is found in a cache that a real device would miss.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class CertificateSteps {
    private static final int REQUESTS = 256;
    private static final Instant NOW = Instant.parse("2026-01-02T03:04:05Z");

    private final SecureRandom random = new SecureRandom();
    private final SoftwareKey authorityKey = SoftwareKey.generate(KeyAlgorithm.EC_P256);
    private final Issuance issuance;
    private final Bytes[] encoded = new Bytes[REQUESTS];
    private final ProvenRequest[] proven = new ProvenRequest[REQUESTS];
    private final byte[] toSign;
    private int turn;

    public CertificateSteps() {
        try {
            issuance = Issuance.of(authority(), CertificateProfile.device());
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
