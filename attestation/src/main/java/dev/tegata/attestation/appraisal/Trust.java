// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.appraisal;

import dev.tegata.attestation.corim.Endorsements;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.pki.path.TrustAnchors;
import java.util.List;
import java.util.Optional;

/// Whom the verifier believes.
public record Trust(
        Endorsements endorsements, KnownKeys knownKeys, TrustAnchors anchors, PathCheck paths, Revocation revocation) {
    /// A key that signs evidence, what it speaks for, and how that is known (for people).
    public record KnownKey(CoseKey key, Environment environment, String source) {}

    /// The keys that the caller knows beside those in endorsements: activated ones, and those of claimed
    /// chips.
    public interface KnownKeys {
        /// The keys of the instance, as the evidence names it.
        List<KnownKey> ofInstance(Environment environment);

        /// The known key with this SHA-256 of its SubjectPublicKeyInfo.
        Optional<KnownKey> ofFingerprint(Bytes fingerprint);

        /// What the key of a certificate that leads to an anchor speaks for; empty where the caller does
        /// not know.
        Optional<Environment> ofCertificate(Certificate certificate);

        /// The instance whose identity key has this fingerprint, as endorsements of the caller say.
        default Optional<Environment> ofIdentity(Bytes fingerprint) {
            return Optional.empty();
        }

        /// Keys that all come from endorsements and certificates.
        static KnownKeys none() {
            return new KnownKeys() {
                @Override
                public List<KnownKey> ofInstance(Environment environment) {
                    return List.of();
                }

                @Override
                public Optional<KnownKey> ofFingerprint(Bytes fingerprint) {
                    return Optional.empty();
                }

                @Override
                public Optional<Environment> ofCertificate(Certificate certificate) {
                    return Optional.empty();
                }
            };
        }
    }

    /// Whether certificates are revoked, as far as the caller knows.
    public interface Revocation {
        /// The status of the path's certificates, the leaf's first. The anchor is the last and needs none.
        Status of(List<Certificate> path);

        /// What is known.
        enum Status {
            GOOD,
            REVOKED,
            UNKNOWN
        }
    }
}
