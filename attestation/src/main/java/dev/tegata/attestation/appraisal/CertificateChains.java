// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.appraisal;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Reason;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.dice.DiceChain;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.path.PathResult;
import dev.tegata.pki.path.Presented;
import dev.tegata.pki.path.Purpose;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;

/// Certificates that come with evidence.
final class CertificateChains {
    private CertificateChains() {}

    static List<Certificate> parse(List<Bytes> encoded) throws MalformedException {
        List<Certificate> chain = new ArrayList<>();
        for (Bytes certificate : encoded) {
            try {
                chain.add(Certificate.parse(certificate));
            } catch (InvalidCertificateException e) {
                throw new MalformedException(Objects.requireNonNull(e.getMessage()));
            }
        }
        return chain;
    }

    /// The fingerprints of the certificates' keys.
    static List<Bytes> keys(List<Certificate> chain) {
        return chain.stream()
                .map(certificate -> certificate.publicKeyEncoded().sha256())
                .toList();
    }

    /// The leaf's key, where the chain leads to an anchor and nothing on the way is revoked.
    static CoseKey verify(List<Certificate> chain, Trust trust, Instant at) throws RejectedException {
        PathResult result = trust.paths().check(Presented.of(chain), trust.anchors(), at, Purpose.ANY);
        List<Certificate> path = switch (result) {
            case PathResult.Valid(List<Certificate> valid) -> valid;
            case PathResult.Invalid(PathResult.Reason _, String sentence) ->
                throw new RejectedException(Reason.UNTRUSTED_CERTIFICATE, sentence);
        };
        requireGood(path, trust);
        return CoseKey.of(key(chain.getFirst()));
    }

    /// As [#verify], for chains that carry DICE measurements.
    static CoseKey verifyDice(DiceChain chain, Trust trust, Instant at) throws RejectedException {
        String fault = chain.fault(trust.anchors(), at);
        if (fault != null) {
            throw new RejectedException(Reason.UNTRUSTED_CERTIFICATE, fault);
        }
        requireGood(chain.certificates(), trust);
        return CoseKey.of(key(chain.certificates().getFirst()));
    }

    /// One or the other, as the chain has measurements or not.
    static CoseKey verifyAny(List<Certificate> chain, Trust trust, Instant at)
            throws RejectedException, MalformedException {
        DiceChain dice = DiceChain.of(chain);
        return dice.layers().isEmpty() ? verify(chain, trust, at) : verifyDice(dice, trust, at);
    }

    private static void requireGood(List<Certificate> path, Trust trust) throws RejectedException {
        switch (trust.revocation().of(path)) {
            case GOOD -> {
                // As it should be.
            }
            case REVOKED ->
                throw new RejectedException(Reason.REVOKED_CERTIFICATE, "the attestation key's certificate is revoked");
            case UNKNOWN ->
                throw new RejectedException(
                        Reason.UNKNOWN_REVOCATION,
                        "it is not known whether the attestation key's certificate is revoked");
        }
    }

    static PublicKeyInfo key(Certificate certificate) throws RejectedException {
        try {
            return certificate.publicKey();
        } catch (InvalidKeyInfoException e) {
            throw new RejectedException(Reason.UNTRUSTED_CERTIFICATE, Objects.requireNonNull(e.getMessage()));
        }
    }

    // A subject's attribute has room for 64 characters: a UEID of 33 bytes stands there without its type byte.

    /// Whether a certificate is for the instance with this UEID: the UEID is the hash of its key, or stands
    /// in its subject in hex. Without this, one device could send another's token under its own
    /// certificate.
    static boolean isFor(Certificate certificate, PublicKeyInfo key, Bytes ueid) {
        Bytes hash = ueid.slice(1, ueid.size());
        Bytes spki = key.encoded();
        boolean hashOfKey = hash.equals(spki.sha256())
                || (spki.size() > 65
                        && hash.equals(spki.slice(spki.size() - 65, spki.size()).sha256()));
        return hashOfKey
                || certificate.subject().attributes().stream()
                        .map(Name.Attribute::value)
                        .map(value -> value.toLowerCase(Locale.ROOT))
                        .anyMatch(value -> value.equals(ueid.hex()) || value.equals(hash.hex()));
    }
}
