// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.LintException.Finding;
import dev.tegata.pki.der.CanonicalDer;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Checks the octets that are about to be signed against RFC 5280, the profile and what was decided.
///
/// It reads the encoding, not the values it was made from: a slip of the encoder is found as well as
/// one of a profile.
final class Linter {
    private static final int MAX_SERIAL_BITS = 20 * 8 - 1;

    private final CertificateProfile profile;
    private final Optional<Certificate> issuer;
    private final Set<Oid> expectedExtensions;
    private final List<Oid> purposes;
    private final int keyUsageBits;

    /// @param issuer null where the certificates are self-signed
    Linter(CertificateProfile profile, @Nullable Certificate issuer) {
        this.profile = profile;
        this.issuer = Optional.ofNullable(issuer);
        this.expectedExtensions = expectedExtensions(profile, issuer != null);
        this.purposes = profile.purposes();
        this.keyUsageBits = KeyUsage.bits(profile.keyUsages());
    }

    /// A TBSCertificate that keeps all rules, as it was read.
    record Passed(TbsCertificate tbs, KnownExtensions known) {}

    /// Checks a DER TBSCertificate.
    ///
    /// @throws LintException where it breaks a rule
    Passed lint(byte[] encoded, GrantedRequest granted) {
        Run run = new Run(encoded, granted);
        Passed passed = run.all();
        if (passed == null || !run.findings.isEmpty()) {
            throw new LintException(run.findings);
        }
        return passed;
    }

    private static Set<Oid> expectedExtensions(CertificateProfile profile, boolean hasIssuer) {
        Set<Oid> expected = new HashSet<>(
                List.of(Extension.BASIC_CONSTRAINTS, Extension.KEY_USAGE, Extension.SUBJECT_KEY_IDENTIFIER));
        CertificateProfile.Locations locations = profile.locations();
        expect(Extension.AUTHORITY_KEY_IDENTIFIER, hasIssuer, expected);
        expect(Extension.EXTENDED_KEY_USAGE, !profile.extendedKeyUsages().isEmpty(), expected);
        expect(Extension.SUBJECT_ALTERNATIVE_NAME, !profile.alternativeNames().isEmpty(), expected);
        expect(Extension.OCSP_NO_CHECK, profile.kind() == CertificateProfile.Kind.OCSP_RESPONDER, expected);
        expect(Extension.CRL_DISTRIBUTION_POINTS, !locations.crls().isEmpty(), expected);
        boolean hasAccess = !locations.ocsp().isEmpty() || !locations.issuers().isEmpty();
        expect(Extension.AUTHORITY_INFORMATION_ACCESS, hasAccess, expected);
        return Set.copyOf(expected);
    }

    private static void expect(Oid type, boolean isExpected, Set<Oid> expected) {
        if (isExpected) {
            expected.add(type);
        }
    }

    /// The checks of one encoding.
    private final class Run {
        private final byte[] encoded;
        private final GrantedRequest granted;
        private final List<Finding> findings = new ArrayList<>();

        Run(byte[] encoded, GrantedRequest granted) {
            this.encoded = encoded;
            this.granted = granted;
        }

        /// Null where it cannot even be read, which is a finding too.
        @Nullable
        Passed all() {
            try {
                DerReader reader = DerReader.of(encoded);
                TbsCertificate tbs = TbsCertificate.read(reader);
                reader.end();
                return check(tbs);
            } catch (EncodingException e) {
                add(LintRule.FORM, e.getMessage());
                return null;
            }
        }

        private @Nullable Passed check(TbsCertificate tbs) {
            checkCanonical(tbs);
            checkHead(tbs);
            checkValidity(tbs.validity());
            checkSubject(tbs);
            checkExtensions(tbs.extensions());
            try {
                KnownExtensions known = KnownExtensions.read(tbs.extensions());
                checkRewriting(tbs.extensions(), known);
                checkAuthority(known);
                checkUsages(known);
                checkAlternativeNames(known, tbs.subject());
                checkKeyIdentifiers(known);
                checkLocations(tbs.extensions());
                return new Passed(tbs, known);
            } catch (EncodingException e) {
                add(LintRule.EXTENSION_FORM, e.getMessage());
                return null;
            }
        }

        private void checkCanonical(TbsCertificate tbs) {
            try {
                CanonicalDer.require(encoded);
                for (Extension extension : tbs.extensions()) {
                    CanonicalDer.require(extension.value().toArray());
                }
            } catch (EncodingException e) {
                add(LintRule.CANONICAL, e.getMessage());
            }
            // Finds what the form of single elements cannot tell: defaults that are spelled out, and
            // spec| RFC 5280 §4.1.2.5: UTCTime through the year 2049, GeneralizedTime from 2050 on
            DerWriter again = new DerWriter();
            tbs.write(again);
            demand(
                    LintRule.CANONICAL,
                    Arrays.equals(again.toArray(), encoded),
                    "writing the same values anew gives other octets");
        }

        private void checkHead(TbsCertificate tbs) {
            demand(LintRule.VERSION, tbs.version() == 3, "the version is " + tbs.version());
            BigInteger serial = tbs.serial();
            demand(
                    LintRule.SERIAL,
                    serial.signum() > 0 && serial.bitLength() <= MAX_SERIAL_BITS,
                    "the serial number is not positive, or too long");
            demand(
                    LintRule.SERIAL,
                    serial.equals(granted.serial().value()),
                    "the serial number is not the one decided");
            demand(
                    LintRule.SIGNATURE_ALGORITHM,
                    tbs.signatureIdentifier()
                            .equals(granted.signatureAlgorithm().identifier()),
                    "the signature algorithm is not " + granted.signatureAlgorithm());
            demand(LintRule.ISSUER, !tbs.issuer().isEmpty(), "the issuer is empty");
            demand(
                    LintRule.ISSUER,
                    tbs.issuer().equals(granted.issuerName()),
                    "the issuer's name is not that of its certificate");
        }

        private void checkValidity(Validity validity) {
            demand(
                    LintRule.VALIDITY_ORDER,
                    validity.notBefore().isBefore(validity.notAfter()),
                    "the validity ends before it begins");
            demand(
                    LintRule.VALIDITY_DECIDED,
                    validity.equals(granted.validity()),
                    "the validity is not the one decided");
            issuer.map(Certificate::validity)
                    .ifPresent(limit -> demand(
                            LintRule.VALIDITY_ISSUER,
                            !validity.notBefore().isBefore(limit.notBefore())
                                    && !validity.notAfter().isAfter(limit.notAfter()),
                            "the validity goes beyond that of the issuer"));
        }

        private void checkSubject(TbsCertificate tbs) {
            demand(
                    LintRule.SUBJECT_DECIDED,
                    tbs.subject().equals(granted.subject())
                            && !(profile.kind().isAuthority() && tbs.subject().isEmpty()),
                    "the subject is empty, or not the one decided");
            try {
                demand(
                        LintRule.SUBJECT_BOUNDS,
                        Name.of(tbs.subject().attributes()).equals(tbs.subject()),
                        "an attribute of the subject has a string type of another kind");
            } catch (IllegalArgumentException e) {
                add(LintRule.SUBJECT_BOUNDS, String.valueOf(e.getMessage()));
            }
            demand(
                    LintRule.KEY_PROVEN,
                    tbs.publicKey().equals(granted.publicKey().encoded()),
                    "the key is not the one that was proven");
            demand(
                    LintRule.KEY_ALLOWED,
                    profile.keyAlgorithms().contains(granted.publicKey().algorithm()),
                    "the profile does not allow "
                            + granted.publicKey().algorithm().id());
        }

        private void checkExtensions(List<Extension> extensions) {
            Set<Oid> present = HashSet.newHashSet(extensions.size());
            for (Extension extension : extensions) {
                demand(LintRule.EXTENSION_ONCE, present.add(extension.type()), "an extension is there twice");
                if (extension.critical() != isCritical(extension.type())) {
                    String otherwise = extension.critical() ? " is critical" : " is not critical";
                    add(LintRule.EXTENSION_EXPECTED, extension.type() + otherwise);
                }
            }
            if (!present.equals(expectedExtensions)) {
                add(
                        LintRule.EXTENSION_EXPECTED,
                        "there are the extensions " + present + " instead of " + expectedExtensions);
            }
        }

        private boolean isCritical(Oid type) {
            // spec| RFC 5280 §4.2.1.9: CAs MUST mark basicConstraints as critical; §4.2.1.3: keyUsage SHOULD be
            return type.equals(Extension.BASIC_CONSTRAINTS)
                    || type.equals(Extension.KEY_USAGE)
                    // spec| RFC 5280 §4.2.1.6: if the subject is an empty sequence, subjectAltName MUST be critical
                    || type.equals(Extension.SUBJECT_ALTERNATIVE_NAME)
                            && granted.subject().isEmpty();
        }

        // What only the meaning of an extension tells:
        // spec| X.690 §11.5: a component with its default value, such as cA FALSE, is not encoded
        // spec| X.690 §11.2.2: named bits have no zeros at their end
        private void checkRewriting(List<Extension> extensions, KnownExtensions known) {
            BasicConstraints constraints = known.basicConstraints();
            Integer bits = known.keyUsageBits();
            for (Extension extension : extensions) {
                Consumer<DerWriter> writing;
                if (constraints != null && extension.type().equals(Extension.BASIC_CONSTRAINTS)) {
                    writing = constraints::write;
                } else if (bits != null && extension.type().equals(Extension.KEY_USAGE)) {
                    writing = writer -> writer.namedBits(bits);
                } else {
                    continue;
                }
                DerWriter again = new DerWriter();
                writing.accept(again);
                demand(
                        LintRule.CANONICAL,
                        again.toBytes().equals(extension.value()),
                        "writing an extension anew gives other octets");
            }
        }

        private void checkAuthority(KnownExtensions known) {
            BasicConstraints constraints = known.basicConstraints();
            if (constraints == null || constraints.authority() != profile.kind().isAuthority()) {
                add(LintRule.BASIC_CONSTRAINTS, "the basic constraints do not fit the kind " + profile.kind());
                return;
            }
            OptionalInt pathLength = constraints.pathLength();
            demand(
                    LintRule.PATH_LENGTH,
                    pathLength.equals(profile.basicConstraints().pathLength()),
                    "the path length is not the profile's");
            OptionalInt limit = issuer.flatMap(Certificate::basicConstraints)
                    .map(BasicConstraints::pathLength)
                    .orElse(OptionalInt.empty());
            demand(
                    LintRule.PATH_LENGTH,
                    !constraints.authority()
                            || limit.isEmpty()
                            || issuer.filter(above -> profile.isFor(above.subject()))
                                    .isPresent()
                            || pathLength.isPresent() && pathLength.getAsInt() < limit.getAsInt(),
                    "the path length is not less than the issuer's");
        }

        private void checkUsages(KnownExtensions known) {
            Integer bits = known.keyUsageBits();
            if (bits == null || bits != keyUsageBits) {
                add(LintRule.KEY_USAGE, "the key usages are not the profile's");
                return;
            }
            Set<KeyUsage> usages = KeyUsage.of(bits);
            for (KeyUsage usage : List.of(KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN)) {
                demand(
                        LintRule.KEY_USAGE,
                        usages.contains(usage) == profile.kind().isAuthority(),
                        usage + " does not fit the kind " + profile.kind());
            }
            Set<KeyUsage> unfit = KeyUsage.unfitFor(granted.publicKey().algorithm());
            unfit.retainAll(usages);
            demand(
                    LintRule.KEY_USAGE_FITS,
                    unfit.isEmpty(),
                    "a key of the kind " + granted.publicKey().algorithm().id() + " is not for " + unfit);
            checkPurposes(known);
        }

        private void checkPurposes(KnownExtensions known) {
            List<Oid> actual = known.extendedKeyUsages() == null ? List.of() : known.extendedKeyUsages();
            demand(
                    LintRule.EXTENDED_KEY_USAGE,
                    actual.equals(purposes) && !actual.contains(KeyPurpose.ANY),
                    "the extended key usages are not the profile's");
            demand(
                    LintRule.EXTENDED_KEY_USAGE,
                    issuer.isEmpty() || actual.stream().allMatch(issuer.get()::allows),
                    "the issuer's certificate is not for one of the extended key usages");
        }

        private void checkAlternativeNames(KnownExtensions known, Name subject) {
            demand(
                    LintRule.ALTERNATIVE_NAMES,
                    known.alternativeNames().equals(granted.alternativeNames()),
                    "the alternative names are not those decided");
            demand(
                    LintRule.ALTERNATIVE_NAMES,
                    !subject.isEmpty() || !known.alternativeNames().isEmpty(),
                    "neither the subject nor an alternative name says whose certificate this is");
        }

        private void checkLocations(List<Extension> extensions) throws EncodingException {
            CertificateProfile.Locations wanted = profile.locations();
            CertificateProfile.Locations actual = WrittenLocations.read(extensions);
            boolean sameLists = wanted.spreadsOverPartitions()
                    ? actual.crls()
                            .equals(wanted.crls().stream()
                                    .map(url -> url.replace(
                                            CertificateProfile.Locations.PARTITION, granted.partitionDigits()))
                                    .toList())
                    : actual.crls().equals(wanted.crls());
            demand(
                    LintRule.LOCATIONS,
                    sameLists
                            && actual.ocsp().equals(wanted.ocsp())
                            && actual.issuers().equals(wanted.issuers()),
                    "the status or the issuer is to be found elsewhere than the profile says");
        }

        private void checkKeyIdentifiers(KnownExtensions known) {
            demand(
                    LintRule.SUBJECT_KEY_IDENTIFIER,
                    Objects.equals(
                            known.subjectKeyIdentifier(), granted.publicKey().keyIdentifier()),
                    "the subject key identifier is not that of the key");
            Optional<Bytes> issuerIdentifier = issuer.flatMap(Certificate::subjectKeyIdentifier);
            // An issuer of another make may be without; then ours is computed from its key.
            demand(
                    LintRule.AUTHORITY_KEY_IDENTIFIER,
                    issuerIdentifier.isEmpty()
                            || Objects.equals(known.authorityKeyIdentifier(), issuerIdentifier.get()),
                    "the authority key identifier is not that of the issuer");
        }

        private void demand(LintRule rule, boolean kept, String otherwise) {
            if (!kept) {
                add(rule, otherwise);
            }
        }

        private void add(LintRule rule, String detail) {
            findings.add(new Finding(rule, detail));
        }
    }
}
