// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.KeyUsage;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.certificate.NameAttribute;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// Leads birth certificates to a CA that is known.
///
/// A birth certificate says what was true when the chip was made, so that the CAs above it are judged by the moment at
/// which it was issued, not by now.
///
/// Thousands of certificates share the few CAs above them: what is found out about those is kept.
final class BirthChains {
    private static final int MAX_UPPER = 4;
    private static final int MAX_KNOWN = 1000;

    /// The roots of Microchip's chips, by their names and numbers.
    static final List<Anchor> BUILT_IN = List.of(
            microchipRoot(
                    "ATECC Root CA 001",
                    "e45fbf8edf9e9220e3c3f81de6e03a8f4e5dd95d8aa24d8d535bf3705ed9c7d9"
                            + "04bd1b68f9b7c0d547e6b377742134eaea8ccd067894d58c16e9eae6489c05bd"),
            microchipRoot(
                    "Crypto Authentication Root CA 002",
                    "bd54e66de3875484006b53ae1580d50aa069e78adf5578d85ce2d54dd5b83029"
                            + "6bffdd6e6f7256fbd99ef1a116b11d33ad49103aa1858739dcfae437e19d634e"));

    private final List<Anchor> anchors;
    private final Map<List<Bytes>, Upper> known = new ConcurrentHashMap<>();

    BirthChains(List<Anchor> anchors) {
        this.anchors = List.copyOf(anchors);
    }

    /// A CA that is trusted, as RFC 5280 §6.1.1 (d) has it: a name and a key.
    record Anchor(Name subject, PublicKeyInfo key) {
        static Anchor of(Certificate certificate) throws InvalidKeyInfoException {
            return new Anchor(certificate.subject(), certificate.publicKey());
        }

        String name() {
            return subject.commonName().orElseGet(subject::toString);
        }
    }

    /// What is known of the CAs above some certificates.
    ///
    /// @param issuer the lowest of them
    /// @param from when the last of them became valid
    /// @param to when the first of them ends
    /// @param anchor the trusted CA above, or among, them
    private record Upper(
            Certificate issuer,
            PublicKeyInfo key,
            Instant from,
            Instant to,
            @Nullable Anchor anchor) {}

    /// The name of the anchor that `leaf` leads to through the certificates in `upper`, nearest first; nothing where
    /// the last issuer is not known.
    ///
    /// @throws RejectedException where the chain is broken, or claims an issuer that it does not have
    Optional<String> anchor(Certificate leaf, List<Bytes> upper) throws RejectedException {
        if (upper.isEmpty()) {
            return anchorAbove(leaf).map(Anchor::name);
        }
        Upper above = above(upper);
        if (!leaf.issuer().equals(above.issuer().subject()) || !leaf.isSignedBy(above.key())) {
            throw broken("the birth certificate is not signed by the CA certificate that comes with it");
        }
        Instant issued = leaf.validity().notBefore();
        if (issued.isBefore(above.from()) || issued.isAfter(above.to())) {
            throw broken("a CA above the birth certificate was not valid when that was issued");
        }
        return Optional.ofNullable(above.anchor()).map(Anchor::name);
    }

    private Upper above(List<Bytes> upper) throws RejectedException {
        Upper found = known.get(upper);
        if (found == null) {
            found = examine(upper);
            if (known.size() < MAX_KNOWN) {
                known.put(List.copyOf(upper), found);
            }
        }
        return found;
    }

    private Upper examine(List<Bytes> encoded) throws RejectedException {
        if (encoded.size() > MAX_UPPER) {
            throw broken("there are more than " + MAX_UPPER + " CA certificates above the birth certificate");
        }
        List<Certificate> chain = new ArrayList<>();
        Instant from = Instant.MIN;
        Instant to = Instant.MAX;
        for (Bytes der : encoded) {
            Certificate certificate = authority(der);
            Instant notBefore = certificate.validity().notBefore();
            Instant notAfter = certificate.validity().notAfter();
            from = notBefore.isAfter(from) ? notBefore : from;
            to = notAfter.isBefore(to) ? notAfter : to;
            chain.add(certificate);
        }
        return new Upper(chain.getFirst(), key(chain.getFirst()), from, to, anchorOf(chain));
    }

    private @Nullable Anchor anchorOf(List<Certificate> chain) throws RejectedException {
        for (int i = 0; i < chain.size(); i++) {
            Certificate certificate = chain.get(i);
            for (Anchor anchor : anchors) {
                if (anchor.subject().equals(certificate.subject())
                        && anchor.key().equals(key(certificate))) {
                    return anchor;
                }
            }
            if (i + 1 == chain.size()) {
                return anchorAbove(certificate).orElse(null);
            }
            Certificate issuer = chain.get(i + 1);
            if (!certificate.issuer().equals(issuer.subject()) || !certificate.isSignedBy(key(issuer))) {
                throw broken("the CA certificates above the birth certificate do not belong together");
            }
        }
        return null;
    }

    private Optional<Anchor> anchorAbove(Certificate certificate) throws RejectedException {
        boolean named = false;
        for (Anchor anchor : anchors) {
            if (anchor.subject().equals(certificate.issuer())) {
                if (certificate.isSignedBy(anchor.key())) {
                    return Optional.of(anchor);
                }
                named = true;
            }
        }
        if (named) {
            throw broken("the certificate names a trusted CA as its issuer, but is not signed by it");
        }
        return Optional.empty();
    }

    private static Certificate authority(Bytes der) throws RejectedException {
        try {
            Certificate certificate = Certificate.parse(der);
            if (certificate.isAuthority() && certificate.allows(KeyUsage.KEY_CERT_SIGN)) {
                return certificate;
            }
            throw broken("a certificate above the birth certificate is not one of a CA");
        } catch (InvalidCertificateException e) {
            throw broken("a certificate above the birth certificate cannot be read");
        }
    }

    private static PublicKeyInfo key(Certificate certificate) throws RejectedException {
        try {
            return certificate.publicKey();
        } catch (InvalidKeyInfoException e) {
            throw broken("the key of a CA above the birth certificate is not acceptable");
        }
    }

    private static RejectedException broken(String detail) {
        return new RejectedException(IssueReason.BAD_CHAIN, detail);
    }

    private static Anchor microchipRoot(String commonName, String point) {
        try {
            return new Anchor(
                    Name.of(
                            Name.Attribute.of(NameAttribute.ORGANIZATION, "Microchip Technology Inc"),
                            Name.Attribute.of(NameAttribute.COMMON_NAME, commonName)),
                    PublicKeyInfo.ofP256Point(
                            Bytes.ofHex(point.substring(0, 64)), Bytes.ofHex(point.substring(64, 128))));
        } catch (InvalidKeyInfoException e) {
            throw new IllegalStateException("the built-in root " + commonName + " is mistyped", e);
        }
    }
}
