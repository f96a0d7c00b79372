// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import java.io.InputStream;
import java.net.InetAddress;
import java.net.http.HttpClient;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;

/// HTTP clients that trust a local CA file, with or without a certificate of their own.
public final class TlsClient {
    private TlsClient() {}

    public static HttpClient trusting(Path authorityFile) {
        return trustingFrom(authorityFile, null);
    }

    /// A client that connects from an address of this machine.
    public static HttpClient trustingFrom(Path authorityFile, @Nullable InetAddress source) {
        try {
            return HttpClient.newBuilder()
                    .sslContext(context(authorityFile, null, null))
                    .connectTimeout(Duration.ofSeconds(60))
                    .localAddress(source)
                    .build();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    public static SSLContext context(Path authorityFile, @Nullable PrivateKey key, Certificate @Nullable [] chain)
            throws Exception {
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        try (InputStream in = Files.newInputStream(authorityFile)) {
            trusted.setCertificateEntry(
                    "ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keyManagers(key, chain), trust.getTrustManagers(), null);
        return context;
    }

    private static KeyManager @Nullable [] keyManagers(@Nullable PrivateKey key, Certificate @Nullable [] chain)
            throws Exception {
        if (key == null) {
            return null;
        }
        KeyStore own = KeyStore.getInstance("PKCS12");
        own.load(null, null);
        own.setKeyEntry("own", key, new char[0], chain);
        KeyManagerFactory factory = KeyManagerFactory.getInstance("PKIX");
        factory.init(own, new char[0]);
        return factory.getKeyManagers();
    }
}
