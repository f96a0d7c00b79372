// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.authority;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.BasicConstraints;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertsOnlyCms;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.KeyUsage;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.platform.Fields;
import dev.tegata.platform.RefusedException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;

/// The certificate of an authority that was made elsewhere, and those above it up to a self-signed root: checked, and
/// in order.
public final class CertificateChain {
    private static final String FIELD = "certificate";
    private static final int MAX_LENGTH = 10;

    private final List<Certificate> all;

    private CertificateChain(List<Certificate> all) {
        this.all = List.copyOf(all);
    }

    /// Reads the certificates that somebody uploads, in any order: PEM, one in DER, or the certs-only CMS that some
    /// tools write.
    ///
    /// @throws RefusedException naming the field, where they cannot be read
    public static List<Certificate> read(Bytes encoded) {
        String text = new String(encoded.toArray(), StandardCharsets.ISO_8859_1);
        if (text.contains("PRIVATE KEY-----")) {
            throw Fields.invalid(FIELD, "comes with a private key, which was not read: send certificates alone");
        }
        try {
            return text.contains("-----BEGIN ") ? Certificate.parsePem(text) : readDer(encoded);
        } catch (InvalidCertificateException e) {
            throw Fields.invalid(FIELD, "is not accepted: " + e.getMessage());
        }
    }

    private static List<Certificate> readDer(Bytes encoded) throws InvalidCertificateException {
        try {
            return CertsOnlyCms.decode(encoded);
        } catch (InvalidCertificateException e) {
            return List.of(Certificate.parse(encoded));
        }
    }

    /// Builds the chain that begins with the certificate of `publicKey`, and checks it as RFC 5280 §6.1 does for
    /// authorities: names, signatures, validity now, basic constraints, path length and key usage.
    ///
    /// @param publicKey DER SubjectPublicKeyInfo
    /// @param certificates in any order
    /// @throws RefusedException naming the field and the certificate that is wrong
    public static CertificateChain of(Bytes publicKey, List<Certificate> certificates, Instant now) {
        if (certificates.size() > MAX_LENGTH) {
            throw Fields.invalid(FIELD, "must come with a chain of " + MAX_LENGTH + " at the most");
        }
        Set<Certificate> rest = new LinkedHashSet<>(certificates);
        Certificate own = rest.stream()
                .filter(certificate -> certificate.publicKeyEncoded().equals(publicKey))
                .findFirst()
                .orElseThrow(() -> Fields.invalid(FIELD, "is not for the key of this authority"));
        List<Certificate> chain = new ArrayList<>();
        move(own, rest, chain, now);
        while (!chain.getLast().isSelfIssued()) {
            move(issuer(chain.getLast(), rest), rest, chain, now);
        }
        return finished(chain, rest);
    }

    private static void move(Certificate next, Set<Certificate> rest, List<Certificate> chain, Instant now) {
        checkAuthority(next, chain.size(), now);
        rest.remove(next);
        chain.add(next);
    }

    private static CertificateChain finished(List<Certificate> chain, Set<Certificate> rest) {
        Certificate root = chain.getLast();
        if (!isSigned(root, root)) {
            throw Fields.invalid(FIELD, quoted(root) + " names itself as its issuer, but its signature is not its own");
        }
        if (!rest.isEmpty()) {
            throw Fields.invalid(
                    FIELD, "comes with " + quoted(rest.iterator().next()) + ", which is not part of its chain");
        }
        return new CertificateChain(chain);
    }

    private static Certificate issuer(Certificate certificate, Set<Certificate> candidates) {
        List<Certificate> named = candidates.stream()
                .filter(candidate -> candidate.subject().equals(certificate.issuer()))
                .toList();
        if (named.isEmpty()) {
            throw Fields.invalid(
                    FIELD,
                    "must come with its whole chain: the certificate of '" + certificate.issuer() + "' is missing");
        }
        return named.stream()
                .filter(candidate -> isSigned(certificate, candidate))
                .findFirst()
                .orElseThrow(() -> Fields.invalid(
                        FIELD, quoted(certificate) + " was not signed by the key of " + quoted(named.getFirst())));
    }

    private static boolean isSigned(Certificate certificate, Certificate issuer) {
        try {
            return certificate.isSignedBy(issuer.publicKey());
        } catch (InvalidKeyInfoException e) {
            throw Fields.invalid(FIELD, quoted(issuer) + " has a key that cannot be used: " + e.getMessage());
        }
    }

    private static void checkAuthority(Certificate certificate, int below, Instant now) {
        // spec| RFC 5280 §4.1.2.6: the subject of an authority must not be empty; it is the issuer of what it signs
        if (certificate.subject().isEmpty()) {
            throw Fields.invalid(FIELD, "has an empty subject, which no authority may have");
        }
        if (!certificate.isAuthority()) {
            throw Fields.invalid(FIELD, quoted(certificate) + " is not that of an authority (CA:TRUE is missing)");
        }
        if (!certificate.allows(KeyUsage.KEY_CERT_SIGN)) {
            throw Fields.invalid(FIELD, quoted(certificate) + " may not sign certificates (keyCertSign is missing)");
        }
        if (!certificate.validity().contains(now)) {
            throw Fields.invalid(
                    FIELD,
                    quoted(certificate) + " is valid from "
                            + certificate.validity().notBefore() + " to "
                            + certificate.validity().notAfter() + ", not now");
        }
        OptionalInt limit =
                certificate.basicConstraints().map(BasicConstraints::pathLength).orElse(OptionalInt.empty());
        // spec| RFC 5280 §4.2.1.9: the number of non-self-issued intermediate certificates that may follow
        if (limit.isPresent() && limit.getAsInt() < below) {
            throw Fields.invalid(
                    FIELD, quoted(certificate) + " allows " + limit.getAsInt() + " authorities below it, not " + below);
        }
    }

    private static String quoted(Certificate certificate) {
        return "'" + certificate.subject() + "'";
    }

    /// The certificate of the authority itself.
    public Certificate certificate() {
        return all.getFirst();
    }

    /// Those above it, nearest first; none where it is a root.
    public List<Certificate> above() {
        return all.subList(1, all.size());
    }

    /// All of them, the authority's own first.
    public List<Certificate> all() {
        return all;
    }
}
