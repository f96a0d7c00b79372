// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.certificate.InvalidRequestException.Reason;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.PublicKeyInfo;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// How one issuer makes certificates by one profile. What they have in common is encoded here once: keep
/// it, and use it from as many threads as you like.
///
/// Subjects come from the profile and from what is known of the device, never from the request; neither do
/// extensions. That the request asks for another subject is for the caller to see:
/// [CertificateRequest#subject].
public final class Issuance {
    private final CertificateProfile profile;
    private final @Nullable Certificate issuer;
    private final @Nullable PublicKeyInfo issuerKey;
    private final NameTemplate subject;
    private final List<AlternativeNameTemplate> alternativeNames;
    private final Function<Instant, Validity> profileValidity;

    private final TbsTemplate template;
    private final Linter linter;
    private volatile boolean signerProven;

    private Issuance(CertificateProfile asked, @Nullable Certificate issuer, @Nullable PublicKeyInfo issuerKey) {
        this.profile = asked.ready();
        this.issuer = issuer;
        this.issuerKey = issuerKey;
        this.subject = NameTemplate.parse(profile.subject());
        this.alternativeNames = profile.alternativeNames().stream()
                .map(AlternativeNameTemplate::parse)
                .toList();
        this.profileValidity = profile.validity();
        this.template = TbsTemplate.of(profile, issuer, issuerKey);
        this.linter = new Linter(profile, issuer);
    }

    /// Certificates by `profile` under `issuer`.
    ///
    /// @throws InvalidCertificateException where the issuer's certificate does not allow it to make them
    public static Issuance of(Certificate issuer, CertificateProfile profile) throws InvalidCertificateException {
        if (profile.kind() == CertificateProfile.Kind.ROOT) {
            throw new InvalidCertificateException("a root has no issuer: use an issuing profile");
        }
        if (!issuer.isAuthority() || !issuer.allows(KeyUsage.KEY_CERT_SIGN)) {
            throw new InvalidCertificateException("the issuer's certificate is not that of an authority");
        }
        if (!profile.purposes().stream().allMatch(issuer::allows)) {
            throw new InvalidCertificateException("the issuer's certificate is only for other extended key usages");
        }
        if (profile.kind().isAuthority()) {
            requirePathLength(issuer, profile);
        }
        try {
            requireCompressible(profile, issuer.publicKey());
            return new Issuance(profile, issuer, issuer.publicKey());
        } catch (InvalidKeyInfoException e) {
            throw new InvalidCertificateException("the issuer's key cannot be used: " + e.getMessage());
        }
    }

    private static void requireCompressible(CertificateProfile profile, PublicKeyInfo issuerKey)
            throws InvalidCertificateException {
        if (isCompressible(profile) && issuerKey.algorithm() != KeyAlgorithm.EC_P256) {
            throw new InvalidCertificateException(
                    "the compressed form holds signatures of P-256 keys, and the issuer's key is "
                            + issuerKey.algorithm().id());
        }
    }

    private static boolean isCompressible(CertificateProfile profile) {
        return profile.form() == CertificateProfile.Form.COMPRESSIBLE;
    }

    private static void requirePathLength(Certificate issuer, CertificateProfile profile)
            throws InvalidCertificateException {
        // spec| RFC 5280 §4.2.1.9: a self-issued certificate, as at the change of a root's key, takes no room in a path
        if (profile.isFor(issuer.subject())) {
            return;
        }
        Integer pathLength = profile.pathLength();
        OptionalInt limit =
                issuer.basicConstraints().map(BasicConstraints::pathLength).orElse(OptionalInt.empty());
        if (limit.isPresent() && limit.getAsInt() == 0) {
            throw new InvalidCertificateException("the issuer may not have authorities below it (pathLength 0)");
        }
        if (limit.isPresent() && (pathLength == null || pathLength >= limit.getAsInt())) {
            throw new InvalidCertificateException(
                    "pathLength must be less than the issuer's, which is " + limit.getAsInt());
        }
    }

    /// Self-signed certificates by `profile`, which is one for roots.
    public static Issuance selfSigned(CertificateProfile profile) {
        if (profile.kind() != CertificateProfile.Kind.ROOT) {
            throw new IllegalArgumentException("kind: only a ROOT is self-signed");
        }
        return new Issuance(profile, null, null);
    }

    public CertificateProfile profile() {
        return profile;
    }

    /// Empty where the certificates are self-signed.
    public Optional<Certificate> issuer() {
        return Optional.ofNullable(issuer);
    }

    /// Decides whether `request` gets a certificate, and which.
    ///
    /// @param variables the values for the profile's templates, by name
    /// @param serial not used before with this issuer; compressible certificates have one that follows from
    ///     key and dates
    public GrantedRequest grant(ProvenRequest request, Map<String, String> variables, SerialNumber serial, Instant now)
            throws InvalidRequestException {
        PublicKeyInfo key = request.publicKey();
        if (!profile.keyAlgorithms().contains(key.algorithm())) {
            throw new InvalidRequestException(
                    Reason.KEY_NOT_ALLOWED,
                    "the key is %s, the profile '%s' allows %s"
                            .formatted(key.algorithm().id(), profile.name(), allowedKeys()));
        }
        if (profile.requestedExtensions() == CertificateProfile.RequestedExtensions.REFUSE
                && !request.request().requestedExtensions().isEmpty()) {
            throw new InvalidRequestException(
                    Reason.EXTENSIONS_REFUSED,
                    "the request asks for extensions, which the profile '" + profile.name() + "' does not allow");
        }
        Validity validity = validity(now);
        try {
            return new GrantedRequest(
                    this,
                    request,
                    subject.render(variables),
                    renderAlternativeNames(variables),
                    isCompressible(profile) ? CompressedLeaf.serial(key, validity) : serial,
                    validity);
        } catch (IllegalArgumentException e) {
            throw new InvalidRequestException(
                    Reason.NAME_INVALID, "the profile '" + profile.name() + "' gives no valid name: " + e.getMessage());
        }
    }

    private String allowedKeys() {
        return String.join(
                ", ",
                profile.keyAlgorithms().stream()
                        .map(algorithm -> algorithm.id())
                        .toList());
    }

    private List<GeneralName> renderAlternativeNames(Map<String, String> variables) {
        List<GeneralName> names = new ArrayList<>(alternativeNames.size());
        for (AlternativeNameTemplate template : alternativeNames) {
            names.add(template.render(variables));
        }
        return names;
    }

    /// The profile's validity, cut to that of the issuer.
    private Validity validity(Instant now) throws InvalidRequestException {
        Validity wanted = profileValidity.apply(now);
        if (issuer == null) {
            return wanted;
        }
        Validity limit = issuer.validity();
        if (!limit.contains(now)) {
            throw new InvalidRequestException(
                    Reason.ISSUER_NOT_VALID,
                    "the issuer's certificate is valid from %s to %s only"
                            .formatted(limit.notBefore(), limit.notAfter()));
        }
        Validity cut = new Validity(
                wanted.notBefore().isBefore(limit.notBefore()) ? limit.notBefore() : wanted.notBefore(),
                wanted.notAfter().isAfter(limit.notAfter()) ? limit.notAfter() : wanted.notAfter());
        if (!isCompressible(profile)) {
            return cut;
        }
        return CompressedLeaf.within(cut)
                .orElseThrow(() -> new InvalidRequestException(
                        Reason.ISSUER_NOT_VALID,
                        "the compressed form counts in whole years from a full hour, and the issuer's certificate leaves"
                                + " no room for one"));
    }

    Optional<PublicKeyInfo> issuerKey() {
        return Optional.ofNullable(issuerKey);
    }

    TbsTemplate template() {
        return template;
    }

    Linter linter() {
        return linter;
    }

    /// Whether a signature is to be verified after it is made: always for authorities; for leaves until one
    /// was right, which finds a wrong key handle but spares the others the cost, as much as that of the
    /// signature itself.
    boolean verifiesSignature() {
        return profile.kind().isAuthority() || !signerProven;
    }

    void signerIsProven() {
        signerProven = true;
    }
}
