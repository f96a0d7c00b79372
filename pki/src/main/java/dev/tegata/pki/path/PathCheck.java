// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.path;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.BasicConstraints;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.Extension;
import dev.tegata.pki.certificate.KeyUsage;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.path.PathResult.Invalid;
import dev.tegata.pki.path.PathResult.Reason;
import dev.tegata.pki.path.PathResult.Valid;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Finds and checks paths (RFC 5280 §6): names, signatures, validity, authority, path length, purpose, and
/// critical extensions. Says nothing of revocation.
///
/// Differs from the standard in being stricter: names are compared by their encoding, name constraints and
/// policy constraints are refused rather than processed, and the validity and constraints of the anchor
/// count as well.
///
/// Signatures that were right are remembered, so that the authorities of a fleet are verified once and not
/// with each device. For use by any number of threads.
public final class PathCheck {
    private static final int MAX_PATH = 8;
    private static final int MAX_INTERMEDIATES = 16;
    private static final int MAX_SIGNATURES = 64;

    // Those whose meaning is looked at here or, as policies that we do not ask for, does not matter.
    private static final Set<Oid> UNDERSTOOD = Set.of(
            Extension.BASIC_CONSTRAINTS,
            Extension.KEY_USAGE,
            Extension.EXTENDED_KEY_USAGE,
            Extension.SUBJECT_ALTERNATIVE_NAME,
            Extension.CERTIFICATE_POLICIES,
            Extension.SUBJECT_KEY_IDENTIFIER,
            Extension.AUTHORITY_KEY_IDENTIFIER);

    // Only right signatures are kept: nobody without an authority's key can push others out. Guarded by itself.
    private final Map<Link, Boolean> rightSignatures;

    private record Link(Bytes issuerFingerprint, Bytes fingerprint) {}

    /// @param cacheSize how many signatures are remembered, about 200 bytes each
    public PathCheck(int cacheSize) {
        this.rightSignatures = new LinkedHashMap<>(16, 0.75f, true) {
            private static final long serialVersionUID = 1L;

            @Override
            protected boolean removeEldestEntry(Map.Entry<Link, Boolean> eldest) {
                return size() > cacheSize;
            }
        };
    }

    /// Whether the leaf leads to one of `anchors`, with everything on the way valid at `at`.
    public PathResult check(Presented presented, TrustAnchors anchors, Instant at, Purpose purpose) {
        Optional<Invalid> outOfTime = checkValidity(presented.leaf(), at);
        return outOfTime.isPresent() ? outOfTime.get() : checkBirth(presented, anchors, at, purpose);
    }

    /// As [#check], but without a look at the validity of the leaf, as birth certificates need: they are
    /// made once, and outlive their dates. The validity of its issuers counts.
    public PathResult checkBirth(Presented presented, TrustAnchors anchors, Instant at, Purpose purpose) {
        Certificate leaf = presented.leaf();
        if (presented.intermediates().size() > MAX_INTERMEDIATES) {
            return new Invalid(
                    Reason.TOO_MUCH_WORK,
                    "more than " + MAX_INTERMEDIATES + " intermediate certificates are presented");
        }
        if (!purpose.fitsLeaf(leaf)) {
            return new Invalid(Reason.WRONG_PURPOSE, "'%s' may not be used for %s".formatted(leaf.subject(), purpose));
        }
        Optional<Invalid> unknown = checkCriticalExtensions(leaf);
        if (unknown.isPresent()) {
            return unknown.get();
        }
        return new Search(presented, anchors, at, purpose).run();
    }

    private static Optional<Invalid> checkValidity(Certificate certificate, Instant at) {
        if (certificate.validity().isOver(at)) {
            return Optional.of(new Invalid(
                    Reason.EXPIRED,
                    "'%s' expired at %s"
                            .formatted(
                                    certificate.subject(),
                                    certificate.validity().notAfter())));
        }
        if (!certificate.validity().contains(at)) {
            return Optional.of(new Invalid(
                    Reason.NOT_YET_VALID,
                    "'%s' is valid from %s only"
                            .formatted(
                                    certificate.subject(),
                                    certificate.validity().notBefore())));
        }
        return Optional.empty();
    }

    private static Optional<Invalid> checkCriticalExtensions(Certificate certificate) {
        for (Extension extension : certificate.extensions()) {
            if (extension.type().equals(Extension.NAME_CONSTRAINTS)) {
                return Optional.of(new Invalid(
                        Reason.NAME_CONSTRAINTS,
                        "'%s' has name constraints, which are not supported".formatted(certificate.subject())));
            }
            if (extension.critical() && !UNDERSTOOD.contains(extension.type())) {
                return Optional.of(new Invalid(
                        Reason.UNKNOWN_CRITICAL_EXTENSION,
                        "'%s' has the critical extension %s, which is not supported"
                                .formatted(certificate.subject(), extension.type())));
            }
        }
        return Optional.empty();
    }

    /// One depth-first search. Each step costs a signature check, and those are counted whether or not they
    /// are remembered: that bounds the whole search.
    private final class Search {
        private final Presented presented;
        private final TrustAnchors anchors;
        private final Instant at;
        private final Purpose purpose;
        private final List<Certificate> path = new ArrayList<>();
        private int signaturesLeft = MAX_SIGNATURES;
        private @Nullable Invalid furthest;
        private int furthestDepth;

        Search(Presented presented, TrustAnchors anchors, Instant at, Purpose purpose) {
            this.presented = presented;
            this.anchors = anchors;
            this.at = at;
            this.purpose = purpose;
        }

        PathResult run() {
            path.add(presented.leaf());
            if (extend()) {
                return new Valid(path);
            }
            if (signaturesLeft == 0) {
                return new Invalid(
                        Reason.TOO_MUCH_WORK, "no path is found within " + MAX_SIGNATURES + " signature checks");
            }
            return furthest != null ? furthest : noIssuer();
        }

        private Invalid noIssuer() {
            return new Invalid(
                    Reason.NO_ISSUER,
                    "the certificate of '%s', which issued '%s', is neither trusted nor presented"
                            .formatted(path.getLast().issuer(), path.getLast().subject()));
        }

        /// Whether the path can be led on to an anchor; it is left as it was where not.
        private boolean extend() {
            Certificate last = path.getLast();
            boolean candidates = false;
            for (Certificate anchor : likeliestFirst(anchors.named(last.issuer()), last)) {
                candidates = true;
                if (!path.contains(anchor) && issued(anchor, last)) {
                    path.add(anchor);
                    return true;
                }
            }
            for (Certificate issuer : likeliestFirst(presented.intermediates(), last)) {
                if (!issuer.subject().equals(last.issuer()) || path.contains(issuer)) {
                    continue;
                }
                candidates = true;
                if (issued(issuer, last)) {
                    path.add(issuer);
                    if (extend()) {
                        return true;
                    }
                    path.removeLast();
                }
            }
            if (!candidates) {
                fail(noIssuer());
            }
            return false;
        }

        /// Authorities of one name may have several keys, as a root has that was given a new one. Key
        /// identifiers say which to try first; only the signature decides.
        private static List<Certificate> likeliestFirst(List<Certificate> issuers, Certificate subject) {
            Optional<Bytes> wanted = subject.authorityKeyIdentifier();
            return issuers.size() < 2 || wanted.isEmpty()
                    ? issuers
                    : issuers.stream()
                            .sorted(Comparator.comparing(
                                    issuer -> !issuer.subjectKeyIdentifier().equals(wanted)))
                            .toList();
        }

        private boolean issued(Certificate issuer, Certificate subject) {
            Optional<Invalid> problem = checkIssuer(issuer)
                    .or(() -> checkValidity(issuer, at))
                    .or(() -> checkCriticalExtensions(issuer))
                    .or(() -> checkSignature(issuer, subject));
            problem.ifPresent(this::fail);
            return problem.isEmpty();
        }

        private Optional<Invalid> checkIssuer(Certificate issuer) {
            // Version 1 has no way to say that it is an authority: such a one is trusted by decision only.
            boolean oldAnchor =
                    issuer.version() == 1 && anchors.named(issuer.subject()).contains(issuer);
            if (!oldAnchor && (!issuer.isAuthority() || !issuer.allows(KeyUsage.KEY_CERT_SIGN))) {
                return Optional.of(new Invalid(
                        Reason.NOT_AN_AUTHORITY, "'%s' may not issue certificates".formatted(issuer.subject())));
            }
            if (!purpose.fitsAuthority(issuer)) {
                return Optional.of(new Invalid(
                        Reason.WRONG_PURPOSE,
                        "'%s' may not issue certificates for %s".formatted(issuer.subject(), purpose)));
            }
            OptionalInt limit =
                    issuer.basicConstraints().map(BasicConstraints::pathLength).orElse(OptionalInt.empty());
            if (path.size() >= MAX_PATH || limit.isPresent() && authoritiesBelow() > limit.getAsInt()) {
                return Optional.of(new Invalid(
                        Reason.PATH_TOO_LONG, "the path is longer than '%s' allows".formatted(issuer.subject())));
            }
            return Optional.empty();
        }

        // spec| RFC 5280 §4.2.1.9: the number of non-self-issued intermediate certificates; the last one does not count
        private long authoritiesBelow() {
            return path.stream()
                    .skip(1)
                    .filter(certificate -> !certificate.isSelfIssued())
                    .count();
        }

        private Optional<Invalid> checkSignature(Certificate issuer, Certificate subject) {
            if (signaturesLeft == 0) {
                return Optional.of(new Invalid(Reason.TOO_MUCH_WORK, "too many signatures to check"));
            }
            signaturesLeft--;
            Link link = new Link(issuer.fingerprint(), subject.fingerprint());
            synchronized (rightSignatures) {
                if (rightSignatures.get(link) != null) {
                    return Optional.empty();
                }
            }
            PublicKeyInfo key;
            try {
                key = issuer.publicKey();
            } catch (InvalidKeyInfoException e) {
                return Optional.of(new Invalid(
                        Reason.UNSUPPORTED_ALGORITHM,
                        "the key of '%s' cannot be used: %s".formatted(issuer.subject(), e.getMessage())));
            }
            if (subject.signatureAlgorithm().isEmpty()) {
                return Optional.of(new Invalid(
                        Reason.UNSUPPORTED_ALGORITHM,
                        "'%s' is signed with an algorithm that is not supported".formatted(subject.subject())));
            }
            if (!subject.isSignedBy(key)) {
                return Optional.of(new Invalid(
                        Reason.BAD_SIGNATURE,
                        "'%s' is not signed with the key of '%s'".formatted(subject.subject(), issuer.subject())));
            }
            synchronized (rightSignatures) {
                rightSignatures.put(link, true);
            }
            return Optional.empty();
        }

        private void fail(Invalid problem) {
            if (furthest == null || path.size() > furthestDepth) {
                furthest = problem;
                furthestDepth = path.size();
            }
        }
    }
}
