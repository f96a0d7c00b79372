// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import java.math.BigInteger;
import java.security.KeyPair;
import java.time.Instant;
import java.util.Date;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.jspecify.annotations.Nullable;

/// Certificates for tests, valid in 2026.
public final class TestCertificates {
    private TestCertificates() {}

    /// An issuer and its key.
    public record Authority(String name, KeyPair pair, Certificate certificate) {}

    /// A self-signed authority.
    public static Authority root(String name) {
        KeyPair pair = TestKeys.pair("secp256r1");
        return new Authority(name, pair, issue(name, pair, name, pair, true, null, Bytes.EMPTY));
    }

    /// A certificate for a device's key.
    public static Certificate leaf(Authority issuer, String subject, KeyPair key) {
        return issue(issuer.name, issuer.pair, subject, key, false, null, Bytes.EMPTY);
    }

    /// An authority below another with a critical extension, as DICE layers have.
    public static Authority layer(Authority issuer, String subject, String extension, Bytes value) {
        KeyPair pair = TestKeys.pair("secp256r1");
        return new Authority(subject, pair, issue(issuer.name, issuer.pair, subject, pair, true, extension, value));
    }

    private static Certificate issue(
            String issuer,
            KeyPair issuerKey,
            String subject,
            KeyPair key,
            boolean authority,
            @Nullable String extension,
            Bytes value) {
        try {
            X509v3CertificateBuilder builder = new JcaX509v3CertificateBuilder(
                    new X500Name("CN=" + issuer),
                    BigInteger.valueOf(System.nanoTime()),
                    Date.from(Instant.parse("2026-01-01T00:00:00Z")),
                    Date.from(Instant.parse("2027-01-01T00:00:00Z")),
                    new X500Name("CN=" + subject),
                    key.getPublic());
            builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(authority));
            builder.addExtension(
                    Extension.keyUsage,
                    true,
                    new KeyUsage(authority ? KeyUsage.keyCertSign : KeyUsage.digitalSignature));
            if (extension != null) {
                builder.addExtension(new ASN1ObjectIdentifier(extension), true, value.toArray());
            }
            byte[] encoded = builder.build(new JcaContentSignerBuilder("SHA256withECDSA").build(issuerKey.getPrivate()))
                    .getEncoded();
            return Certificate.parse(Bytes.of(encoded));
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
