// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cmp;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.SignatureAlgorithm;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Map;
import org.bouncycastle.asn1.cmp.PKIFailureInfo;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.jspecify.annotations.Nullable;

/// The hash by which a device says which certificate it confirms.
final class CertificateHash {
    private static final Map<String, String> NAMED = Map.of(
            "2.16.840.1.101.3.4.2.1", "SHA-256",
            "2.16.840.1.101.3.4.2.2", "SHA-384",
            "2.16.840.1.101.3.4.2.3", "SHA-512");

    private CertificateHash() {}

    /// @param named the hash that the confirmation names; without one it is that of the certificate's
    ///     signature
    static Bytes of(Certificate certificate, @Nullable AlgorithmIdentifier named) throws CmpFailure {
        String digest = named == null
                ? ofSignature(certificate)
                : NAMED.get(named.getAlgorithm().getId());
        if (digest == null) {
            throw new CmpFailure(PKIFailureInfo.badAlg, "The hash of the confirmation is not known here.");
        }
        try {
            return Bytes.of(MessageDigest.getInstance(digest)
                    .digest(certificate.encoded().toArray()));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has " + digest, e);
        }
    }

    /// spec| RFC 9481 §2: for signatures that name no hash, such as Ed25519, it is SHA-512
    private static String ofSignature(Certificate certificate) {
        String name =
                certificate.signatureAlgorithm().map(SignatureAlgorithm::name).orElse("");
        return name.endsWith("SHA256") ? "SHA-256" : name.endsWith("SHA384") ? "SHA-384" : "SHA-512";
    }
}
