// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cmp;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.KeyUsage;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.platform.enrol.DeviceCredential;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.bouncycastle.asn1.cmp.PKIFailureInfo;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;

/// What a message's protection, once verified, says of its sender: that it holds a key, or knows a
/// secret. Which device that makes it is not decided here.
sealed interface Protection {
    /// What enrolment is shown.
    DeviceCredential credential();

    /// The same for all messages of one sender.
    Bytes peer();

    /// @param chain the certificate whose key signed, and those that came with it
    record Signed(List<Bytes> chain) implements Protection {
        @Override
        public DeviceCredential credential() {
            return new DeviceCredential.SignedMessage(chain);
        }

        @Override
        public Bytes peer() {
            return chain.getFirst().sha256();
        }
    }

    record Mac(MacScheme scheme, String reference, String secret) implements Protection {
        @Override
        public DeviceCredential credential() {
            return new DeviceCredential.ClaimToken(secret);
        }

        @Override
        public Bytes peer() {
            return Bytes.sha256(("reference " + reference).getBytes(StandardCharsets.UTF_8));
        }

        @Override
        public String toString() {
            return "Mac[" + reference + "]";
        }
    }

    /// Verifies a message's protection.
    ///
    /// @param secrets finds the secret of a reference
    /// @throws CmpFailure where there is none, or it is wrong
    static Protection verify(CmpMessage message, Function<String, Optional<String>> secrets) throws CmpFailure {
        AlgorithmIdentifier algorithm = message.protectionAlgorithm()
                .filter(_ -> !message.protection().isEmpty())
                .orElseThrow(() -> new CmpFailure(
                        PKIFailureInfo.badMessageCheck, "The message is not protected by a signature or a MAC."));
        return MacScheme.isMac(algorithm)
                ? verifyMac(message, algorithm, secrets)
                : verifySignature(message, algorithm);
    }

    private static Protection verifyMac(
            CmpMessage message, AlgorithmIdentifier algorithm, Function<String, Optional<String>> secrets)
            throws CmpFailure {
        MacScheme scheme = MacScheme.of(algorithm);
        // spec| RFC 9483 §3.1: for MAC-based protection senderKID is the reference of the shared secret
        String reference = new String(message.senderKeyId().toArray(), StandardCharsets.US_ASCII);
        String secret =
                secrets.apply(reference).orElseThrow(() -> wrong("No secret that is still good has this reference."));
        byte[] expected = scheme.mac(secret, message.protectedPart());
        if (!MessageDigest.isEqual(expected, message.protection().toArray())) {
            throw wrong("The message's MAC was not made with the secret of its reference.");
        }
        return new Mac(scheme, reference, secret);
    }

    private static Protection verifySignature(CmpMessage message, AlgorithmIdentifier identifier) throws CmpFailure {
        // spec| RFC 9483 §3.3: the protection certificate comes first in extraCerts
        if (message.extraCertificates().isEmpty()) {
            throw wrong("The certificate of the signature is missing: it must be the first of extraCerts.");
        }
        SignatureAlgorithm algorithm = algorithm(identifier);
        try {
            Certificate leaf = Certificate.parse(message.extraCertificates().getFirst());
            boolean right = leaf.allows(KeyUsage.DIGITAL_SIGNATURE)
                    && leaf.publicKey()
                            .verifies(
                                    algorithm,
                                    message.protectedPart().toArray(),
                                    message.protection().toArray());
            if (!right) {
                throw wrong("The message's signature does not verify under the first of extraCerts.");
            }
            return new Signed(message.extraCertificates());
        } catch (InvalidCertificateException | InvalidKeyInfoException e) {
            throw wrong("The first of extraCerts cannot be read.");
        }
    }

    private static SignatureAlgorithm algorithm(AlgorithmIdentifier identifier) throws CmpFailure {
        Bytes encoded;
        try {
            encoded = Bytes.of(identifier.getEncoded());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return Arrays.stream(SignatureAlgorithm.values())
                .filter(known -> known.identifier().equals(encoded))
                .findFirst()
                .orElseThrow(() -> new CmpFailure(
                        PKIFailureInfo.badAlg, "The algorithm of the message's signature is not known here."));
    }

    private static CmpFailure wrong(String sentence) {
        return new CmpFailure(PKIFailureInfo.badMessageCheck, sentence);
    }
}
