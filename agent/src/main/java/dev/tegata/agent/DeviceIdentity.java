// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.InvalidRequestException;
import dev.tegata.pki.certificate.Issuance;
import dev.tegata.pki.certificate.KeyUsage;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.NativeProvider;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.math.BigInteger;
import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509ExtendedKeyManager;

/// What a device shows in TLS: a key that stays in its chip, and a certificate chain around it.
public final class DeviceIdentity {
    /// Earlier than any device that runs this.
    private static final Instant BORN = Instant.parse("2020-01-01T00:00:00Z");

    static {
        RecycledBuffers.use();
    }

    private final DeviceKey key;
    private final List<Bytes> encodedChain;
    private final X509Certificate[] chain;

    private DeviceIdentity(DeviceKey key, List<Bytes> encodedChain, X509Certificate[] chain) {
        this.key = key;
        this.encodedChain = encodedChain;
        this.chain = chain;
    }

    /// @param chain DER certificates, the key's own first
    /// @throws IllegalArgumentException where a certificate cannot be read
    public static DeviceIdentity of(DeviceKey key, List<Bytes> chain) {
        return new DeviceIdentity(key, List.copyOf(chain), certificates(chain).toArray(new X509Certificate[0]));
    }

    static List<X509Certificate> certificates(List<Bytes> encoded) {
        try {
            CertificateFactory factory = CertificateFactory.getInstance("X.509");
            List<X509Certificate> certificates = new ArrayList<>(encoded.size());
            for (Bytes der : encoded) {
                certificates.add(
                        (X509Certificate) factory.generateCertificate(new ByteArrayInputStream(der.toArray())));
            }
            return certificates;
        } catch (CertificateException e) {
            throw new IllegalArgumentException("not a certificate in DER", e);
        }
    }

    public DeviceKey key() {
        return key;
    }

    /// The DER certificates, the key's own first.
    public List<Bytes> chain() {
        return encodedChain;
    }

    /// The same key in a certificate of its own making, which says what the chip is called and proves no
    /// more than the key does. It is the same each time but for its signature: no clock is needed.
    DeviceIdentity selfSigned(String chipSerial) {
        CertificateProfile root = CertificateProfile.root();
        CertificateProfile profile = new CertificateProfile(
                "birth",
                root.kind(),
                "CN={device.serial}",
                "P100Y",
                root.backdate(),
                List.of(KeyAlgorithm.EC_P256),
                root.pathLength(),
                List.of(KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN),
                root.extendedKeyUsages(),
                root.alternativeNames(),
                root.locations(),
                root.requestedExtensions());
        Bytes fingerprint = key.publicKey().fingerprint();
        try {
            Certificate certificate = Issuance.selfSigned(profile)
                    .grant(
                            CertificateRequest.create(Name.EMPTY, key.publicKey(), List.of(), key::sign)
                                    .prove(),
                            Map.of("device.serial", "sn" + chipSerial),
                            new SerialNumber(
                                    new BigInteger(1, fingerprint.slice(0, 16).toArray())),
                            BORN)
                    .lint()
                    .redeem(key::sign);
            return of(key, List.of(certificate.encoded()));
        } catch (InvalidRequestException e) {
            throw new IllegalStateException("a key that signs has a certificate", e);
        }
    }

    /// Begins TLS on a connection, as this device, and makes sure of the server.
    ///
    /// @param plain closed in the end, also where this fails
    /// @param anchors what the server's certificate must chain to
    public SSLSocket secure(Socket plain, String host, List<Certificate> anchors, DeviceClock clock)
            throws IOException {
        try {
            SSLSocket socket = (SSLSocket) tls(new AnchoredTrust(anchors, clock, host))
                    .getSocketFactory()
                    .createSocket(plain, host, plain.getPort(), true);
            socket.startHandshake();
            return socket;
        } catch (IOException | RuntimeException e) {
            plain.close();
            key.requireSignatures();
            throw e;
        }
    }

    /// A TLS context that shows this identity and trusts what `trust` trusts.
    private SSLContext tls(TrustManager trust) {
        DeviceKeyProvider.register();
        try {
            Optional<Provider> nativeTls = NativeProvider.find();
            SSLContext context = nativeTls.isPresent()
                    ? SSLContext.getInstance("TLS", nativeTls.get())
                    : SSLContext.getInstance("TLS");
            context.init(new KeyManager[] {new OneKey(key, chain)}, new TrustManager[] {trust}, null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this JVM has no TLS", e);
        }
    }

    /// Offers the one key whatever the server asks for: the server decides whether it likes it.
    private static final class OneKey extends X509ExtendedKeyManager {
        private static final String ALIAS = "device";

        private final DeviceKey key;
        private final X509Certificate[] chain;

        OneKey(DeviceKey key, X509Certificate[] chain) {
            this.key = key;
            this.chain = chain;
        }

        @Override
        public String chooseClientAlias(String[] keyTypes, Principal[] issuers, Socket socket) {
            return ALIAS;
        }

        @Override
        public String chooseEngineClientAlias(String[] keyTypes, Principal[] issuers, SSLEngine engine) {
            return ALIAS;
        }

        @Override
        public X509Certificate[] getCertificateChain(String alias) {
            return chain.clone();
        }

        @Override
        public PrivateKey getPrivateKey(String alias) {
            return key;
        }

        @Override
        public String[] getClientAliases(String keyType, Principal[] issuers) {
            return new String[] {ALIAS};
        }

        @Override
        public String[] getServerAliases(String keyType, Principal[] issuers) {
            return new String[0];
        }

        @Override
        @SuppressWarnings("NullAway") // The JDK's contract for "no such key" is null.
        public String chooseServerAlias(String keyType, Principal[] issuers, Socket socket) {
            return null;
        }
    }
}
