// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import java.io.IOException;
import java.io.PrintWriter;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.stream.IntStream;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.DERBitString;
import org.bouncycastle.asn1.DERSequence;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.asn1.x509.TBSCertificate;
import org.bouncycastle.asn1.x509.Time;
import org.bouncycastle.asn1.x509.V3TBSCertificateGenerator;

/// A device before its first connection, with all that it will send prepared.
///
/// @param birth the key that its manifest lists
/// @param certificate a self-signed one around the birth key, DER
/// @param request a PKCS#10 request for another key of its own
record Unit(SoftwareKey birth, Bytes certificate, Bytes request) {
    private static final int P256_POINT = 64;
    private static final X500Name NAME = new X500Name("CN=device");
    private static final Date FROM = Date.from(Instant.parse("2026-01-01T00:00:00Z"));
    private static final Date TO = Date.from(Instant.parse("2046-01-01T00:00:00Z"));
    private static final AlgorithmIdentifier ECDSA = AlgorithmIdentifier.getInstance(
            SignatureAlgorithm.ECDSA_SHA256.identifier().toArray());

    /// Makes devices, each with keys of its own.
    static List<Unit> make(int count) {
        return IntStream.range(0, count).parallel().mapToObj(_ -> make()).toList();
    }

    private static Unit make() {
        SoftwareKey birth = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        return new Unit(birth, selfSigned(birth), newRequest());
    }

    /// A request for a key that nobody has seen before.
    static Bytes newRequest() {
        SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        return CertificateRequest.create(
                        Name.EMPTY, key.publicKey(), List.of(), data -> key.sign(SignatureAlgorithm.ECDSA_SHA256, data))
                .encoded();
    }

    /// Writes the list with which the devices can be claimed.
    static void writeManifest(List<Unit> units, Path file) throws IOException {
        try (PrintWriter out = new PrintWriter(Files.newBufferedWriter(file, StandardCharsets.US_ASCII))) {
            out.println("serial,public_key");
            for (int i = 0; i < units.size(); i++) {
                Bytes info = units.get(i).birth().publicKey().encoded();
                out.printf("BENCH-%08d,%s%n", i, info.hex().substring(2 * (info.size() - P256_POINT)));
            }
        }
    }

    private static Bytes selfSigned(SoftwareKey key) {
        V3TBSCertificateGenerator generator = new V3TBSCertificateGenerator();
        generator.setSerialNumber(new ASN1Integer(BigInteger.ONE));
        generator.setIssuer(NAME);
        generator.setSubject(NAME);
        generator.setSignature(ECDSA);
        generator.setStartDate(new Time(FROM));
        generator.setEndDate(new Time(TO));
        generator.setSubjectPublicKeyInfo(
                SubjectPublicKeyInfo.getInstance(key.publicKey().encoded().toArray()));
        TBSCertificate tbs = generator.generateTBSCertificate();
        try {
            ASN1EncodableVector parts = new ASN1EncodableVector();
            parts.add(tbs);
            parts.add(ECDSA);
            parts.add(new DERBitString(key.sign(SignatureAlgorithm.ECDSA_SHA256, tbs.getEncoded("DER"))));
            return Bytes.of(new DERSequence(parts).getEncoded("DER"));
        } catch (IOException e) {
            throw new IllegalStateException("a certificate in memory can be encoded", e);
        }
    }
}
