// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.est;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.CertsOnlyCms;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.server.http.TlsClient;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.math.BigInteger;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Date;
import java.util.List;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.jspecify.annotations.Nullable;

/// A device that speaks HTTP as the test tells it to, byte by byte.
public final class EstDevice implements AutoCloseable {
    private final HttpClient client;

    private EstDevice(HttpClient client) {
        this.client = client;
    }

    /// A device that shows no certificate.
    public static EstDevice anonymous(Path tlsAuthority) {
        return new EstDevice(client(tlsAuthority, null, null));
    }

    /// A device that shows a self-signed certificate around its key.
    public static EstDevice showing(Path tlsAuthority, SoftwareKey key) {
        return new EstDevice(client(tlsAuthority, key, new X509Certificate[] {selfSigned(key)}));
    }

    /// A device that shows these certificates, its own first.
    public static EstDevice showing(Path tlsAuthority, SoftwareKey key, Certificate... chain) {
        return new EstDevice(client(
                tlsAuthority, key, Arrays.stream(chain).map(EstDevice::x509).toArray(X509Certificate[]::new)));
    }

    private static HttpClient client(Path tlsAuthority, @Nullable SoftwareKey key, X509Certificate @Nullable [] chain) {
        try {
            return HttpClient.newBuilder()
                    .sslContext(TlsClient.context(tlsAuthority, key == null ? null : key.privateKey(), chain))
                    .connectTimeout(Duration.ofSeconds(60))
                    .version(HttpClient.Version.HTTP_1_1)
                    .build();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    public HttpResponse<byte[]> get(URI uri) {
        return send(HttpRequest.newBuilder(uri));
    }

    /// Posts a body as most clients do.
    public HttpResponse<byte[]> post(URI uri, byte[] body) {
        return send(HttpRequest.newBuilder(uri)
                .header("Content-Type", "application/pkcs10")
                .POST(BodyPublishers.ofByteArray(body)));
    }

    public HttpResponse<byte[]> post(URI uri, CertificateRequest request) {
        return post(uri, request.encoded().base64().getBytes(StandardCharsets.US_ASCII));
    }

    public HttpResponse<byte[]> send(HttpRequest.Builder request) {
        try {
            return client.send(request.timeout(Duration.ofSeconds(60)).build(), BodyHandlers.ofByteArray());
        } catch (IOException e) {
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() {
        client.close();
    }

    public static String text(HttpResponse<byte[]> response) {
        return new String(response.body(), StandardCharsets.UTF_8);
    }

    /// The certificates in an answer.
    public static List<Certificate> certificates(HttpResponse<byte[]> response) {
        try {
            return CertsOnlyCms.decode(Bytes.ofBase64(text(response)));
        } catch (InvalidCertificateException | IllegalArgumentException e) {
            throw new AssertionError(response + ": " + text(response), e);
        }
    }

    /// A request for a key, without a subject.
    public static CertificateRequest request(SoftwareKey key) {
        return CertificateRequest.create(Name.EMPTY, key.publicKey(), List.of(), signer(key));
    }

    public static dev.tegata.pki.certificate.Signer signer(SoftwareKey key) {
        return data -> key.sign(key.publicKey().algorithm().signatureAlgorithm(), data);
    }

    public static X509Certificate selfSigned(SoftwareKey key) {
        X500Name name = new X500Name("CN=device");
        Instant now = Instant.now();
        try {
            return x509(Certificate.parse(Bytes.of(new X509v3CertificateBuilder(
                            name,
                            BigInteger.ONE,
                            Date.from(now.minus(Duration.ofDays(1))),
                            Date.from(now.plus(Duration.ofDays(3650))),
                            name,
                            SubjectPublicKeyInfo.getInstance(
                                    key.publicKey().encoded().toArray()))
                    .build(new JcaContentSignerBuilder(algorithm(key)).build(key.privateKey()))
                    .getEncoded())));
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static String algorithm(SoftwareKey key) {
        return switch (key.publicKey().algorithm()) {
            case EC_P256 -> "SHA256withECDSA";
            case EC_P384 -> "SHA384withECDSA";
            case ED25519 -> "Ed25519";
            case RSA_2048, RSA_3072, RSA_4096 -> "SHA256withRSA";
            case ML_DSA_44 -> "ML-DSA-44";
            case ML_DSA_65 -> "ML-DSA-65";
            case ML_DSA_87 -> "ML-DSA-87";
        };
    }

    public static X509Certificate x509(Certificate certificate) {
        try {
            return (X509Certificate) CertificateFactory.getInstance("X.509")
                    .generateCertificate(
                            new ByteArrayInputStream(certificate.encoded().toArray()));
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
