// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.coap;

import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Pem;
import dev.tegata.server.http.PemMaterial;
import dev.tegata.server.http.TlsIdentity;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.List;
import javax.security.auth.x500.X500Principal;
import org.eclipse.californium.scandium.dtls.CertificateIdentityResult;
import org.eclipse.californium.scandium.dtls.CertificateType;
import org.eclipse.californium.scandium.dtls.ConnectionId;
import org.eclipse.californium.scandium.dtls.HandshakeResultHandler;
import org.eclipse.californium.scandium.dtls.SignatureAndHashAlgorithm;
import org.eclipse.californium.scandium.dtls.cipher.CipherSuite.CertificateKeyAlgorithm;
import org.eclipse.californium.scandium.dtls.cipher.XECDHECryptography.SupportedGroup;
import org.eclipse.californium.scandium.dtls.x509.CertificateProvider;
import org.eclipse.californium.scandium.util.ServerNames;

/// The server's TLS identity for DTLS, taken up again when it is renewed.
final class DtlsIdentity implements CertificateProvider {
    private final TlsIdentity identity;
    private volatile Shown shown;

    /// @param material that the others were read from
    private record Shown(PemMaterial material, PrivateKey key, List<X509Certificate> chain) {}

    DtlsIdentity(TlsIdentity identity) {
        this.identity = identity;
        this.shown = read(identity.material());
    }

    private Shown current() {
        PemMaterial now = identity.material();
        if (shown.material() != now) {
            shown = read(now);
        }
        return shown;
    }

    private static Shown read(PemMaterial material) {
        try {
            List<X509Certificate> chain =
                    CertificateFactory.getInstance("X.509")
                            .generateCertificates(new ByteArrayInputStream(material.chain()))
                            .stream()
                            .map(X509Certificate.class::cast)
                            .toList();
            String algorithm = chain.getFirst().getPublicKey().getAlgorithm();
            byte[] pkcs8 = Pem.blocks(new String(material.key(), StandardCharsets.US_ASCII)).stream()
                    .filter(block -> block.label().equals("PRIVATE KEY"))
                    .findFirst()
                    .orElseThrow(() -> new GeneralSecurityException("no PKCS#8 key"))
                    .content()
                    .toArray();
            return new Shown(
                    material, KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(pkcs8)), chain);
        } catch (GeneralSecurityException | EncodingException e) {
            throw new IllegalStateException("the server's TLS identity cannot be used for DTLS: " + e.getMessage(), e);
        }
    }

    @Override
    public List<CertificateKeyAlgorithm> getSupportedCertificateKeyAlgorithms() {
        return List.of(CertificateKeyAlgorithm.getAlgorithm(
                current().chain().getFirst().getPublicKey()));
    }

    @Override
    public List<CertificateType> getSupportedCertificateTypes() {
        return List.of(CertificateType.X_509);
    }

    @Override
    public CertificateIdentityResult requestCertificateIdentity(
            ConnectionId connection,
            boolean client,
            List<X500Principal> issuers,
            ServerNames serverNames,
            List<CertificateKeyAlgorithm> keyAlgorithms,
            List<SignatureAndHashAlgorithm> signatures,
            List<SupportedGroup> curves) {
        Shown now = current();
        return new CertificateIdentityResult(connection, now.key(), now.chain());
    }

    @Override
    public void setResultHandler(HandshakeResultHandler handler) {
        // Answers at once.
    }
}
