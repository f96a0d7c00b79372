// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.math.BigInteger;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Base64;
import java.util.Date;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("A server that is not to be trusted is not spoken to, and what to do depends on why")
final class DistrustTest {
    private static final Instant NOW = InstantSource.system().instant();
    private static final Instant TOMORROW = NOW.plus(Duration.ofDays(1));

    private final KeyPair authority = newKey();
    private final KeyPair key = newKey();

    @TempDir
    Path home;

    @Test
    @DisplayName("a certificate that has expired: compare the clocks, renew it")
    void expired() throws Exception {
        Shell.Result result = status(NOW.minusSeconds(60), "localhost");

        assertThat(result.exitCode()).isEqualTo(3);
        assertThat(result.err()).contains("cannot be trusted", "not valid now").doesNotContain("TEGATA_CA");
    }

    @Test
    @DisplayName("a certificate for another name: use its name, or give the server yours")
    void otherName() throws Exception {
        Shell.Result result = status(TOMORROW, "devices.example");

        assertThat(result.exitCode()).isEqualTo(3);
        assertThat(result.err()).contains("cannot be trusted", "--tls-names").doesNotContain("TEGATA_CA");
    }

    private Shell.Result status(Instant notAfter, String name) throws Exception {
        X509Certificate ca = certificate(TOMORROW, new BasicConstraints(true), "ca.example", authority);
        X509Certificate leaf = certificate(notAfter, new BasicConstraints(false), name, key);
        Path pem = Files.writeString(
                home.resolve("ca.pem"),
                "-----BEGIN CERTIFICATE-----\n" + Base64.getMimeEncoder().encodeToString(ca.getEncoded())
                        + "\n-----END CERTIFICATE-----\n");
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setKeyEntry("server", key.getPrivate(), new char[0], new X509Certificate[] {leaf, ca});
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, new char[0]);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        try (SSLServerSocket server = (SSLServerSocket)
                context.getServerSocketFactory().createServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Thread.startVirtualThread(() -> greet(server));
            return Shell.in(home)
                    .with("TEGATA_URL", "https://localhost:" + server.getLocalPort())
                    .with("TEGATA_CA", pem.toString())
                    .with("TEGATA_API_KEY", "none")
                    .run("status");
        }
    }

    private static void greet(SSLServerSocket server) {
        try (SSLSocket socket = (SSLSocket) server.accept()) {
            socket.startHandshake();
        } catch (IOException e) {
            // The client does not want this server.
        }
    }

    private X509Certificate certificate(Instant notAfter, BasicConstraints constraints, String name, KeyPair subject)
            throws Exception {
        return new JcaX509CertificateConverter()
                .getCertificate(new JcaX509v3CertificateBuilder(
                                new X500Name("CN=ca.example"),
                                BigInteger.valueOf(notAfter.getEpochSecond()),
                                Date.from(NOW.minus(Duration.ofDays(2))),
                                Date.from(notAfter),
                                new X500Name("CN=" + name),
                                subject.getPublic())
                        .addExtension(Extension.basicConstraints, true, constraints)
                        .addExtension(
                                Extension.subjectAlternativeName,
                                false,
                                new GeneralNames(new GeneralName(GeneralName.dNSName, name)))
                        .build(new JcaContentSignerBuilder("SHA256withECDSA").build(authority.getPrivate())));
    }

    private static KeyPair newKey() {
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
            generator.initialize(256);
            return generator.generateKeyPair();
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
