// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.der.Oid;
import dev.tegata.pki.key.KeyAlgorithm;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.Period;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;
import java.time.temporal.ChronoUnit;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.BinaryOperator;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The rules that certificates of one kind follow, as plain data. Checked when made: an
/// `IllegalArgumentException` names the field and what is wrong with it.
///
/// A certificate starts at the full hour before `backdate` ago: devices whose clocks run late accept it at
/// once. A `lifetime` in days, months or years counts from there (both ends then fall on the hour, as the
/// compressed form of secure elements needs); one in hours or minutes counts from now. No certificate
/// outlives its issuer: its end is cut.
///
/// @param name of the profile, 1 to 64 characters
/// @param subject a [NameTemplate]
/// @param lifetime an ISO 8601 period or duration such as `P1Y`, `P90D` or `PT12H`; or `unlimited`,
///     which RFC 5280
///     writes as 99991231235959Z
/// @param backdate an ISO 8601 duration of at most 7 days
/// @param keyAlgorithms those that the subject's key may have, the preferred one first
/// @param pathLength how many authorities may follow below this one, 0 to 6; null where no limit is
///     written, and in
///     certificates that are not of authorities
/// @param extendedKeyUsages names such as `clientAuth`, or dotted object identifiers
/// @param alternativeNames `uri:`, `dns:` or `ip:` followed by a text with variables, such as
/// `uri:urn:uuid:{device.id}`
/// @param requestedExtensions what becomes of extensions that a request asks for; they are never copied
/// @param form `FULL` where none is given
public record CertificateProfile(
        String name,
        Kind kind,
        String subject,
        String lifetime,
        String backdate,
        List<KeyAlgorithm> keyAlgorithms,
        @Nullable Integer pathLength,
        List<KeyUsage> keyUsages,
        List<String> extendedKeyUsages,
        List<String> alternativeNames,
        Locations locations,
        RequestedExtensions requestedExtensions,
        Form form) {
    /// The lifetime of a certificate without a well-defined end.
    public static final String UNLIMITED = "unlimited";

    private static final List<KeyAlgorithm> ROOT_KEYS = List.of(
            KeyAlgorithm.EC_P384,
            KeyAlgorithm.EC_P256,
            KeyAlgorithm.RSA_4096,
            KeyAlgorithm.RSA_3072,
            KeyAlgorithm.ML_DSA_87,
            KeyAlgorithm.ML_DSA_65,
            KeyAlgorithm.ML_DSA_44);
    private static final List<KeyAlgorithm> ISSUING_KEYS = List.of(
            KeyAlgorithm.EC_P256,
            KeyAlgorithm.EC_P384,
            KeyAlgorithm.RSA_3072,
            KeyAlgorithm.RSA_4096,
            KeyAlgorithm.ML_DSA_65,
            KeyAlgorithm.ML_DSA_87,
            KeyAlgorithm.ML_DSA_44);
    private static final int MAX_PATH_LENGTH = 6;
    private static final int MAX_YEARS = 100;
    private static final int MAX_ENTRIES = 16;
    private static final Duration MAX_BACKDATE = Duration.ofDays(7);
    // Periods have no length of their own; they are compared by where they end from here.
    private static final Pattern URL = Pattern.compile("https?://[\\x21-\\x7e]{1,500}");
    private static final Instant REFERENCE = Instant.parse("2001-01-01T00:00:00Z");

    /// What a certificate is for.
    public enum Kind {
        /// A self-signed authority.
        ROOT,
        /// An authority under another.
        ISSUING,
        /// The operational identity of a device.
        DEVICE,
        TLS_SERVER,
        /// A delegated OCSP responder (RFC 6960 §4.2.2.2).
        OCSP_RESPONDER;

        public boolean isAuthority() {
            return this == ROOT || this == ISSUING;
        }
    }

    public enum RequestedExtensions {
        /// The certificate is made as if none had been asked for.
        IGNORE,
        /// A request that asks for any is refused.
        REFUSE
    }

    /// What a certificate must be able to be written as.
    public enum Form {
        /// DER alone.
        FULL,
        /// The [CompressedLeaf] of a secure element too.
        COMPRESSIBLE
    }

    /// Where relying parties find status and issuers: `http` or `https` URLs, possibly none.
    ///
    /// @param crls distribution points; [#PARTITION] in one stands for the six digits of the
    ///     certificate's own
    /// @param ocsp responders
    /// @param issuers the issuer's certificate
    /// @param standard whether the issuer's usual address stands where one of the lists is empty
    public record Locations(List<String> crls, List<String> ocsp, List<String> issuers, boolean standard) {
        public static final Locations NONE = new Locations(List.of(), List.of(), List.of());

        /// The issuer's usual addresses, whatever they are.
        public static final Locations STANDARD = new Locations(List.of(), List.of(), List.of(), true);

        /// The gap in a distribution point for the number of a partition, as wide as what fills it.
        public static final String PARTITION = "{part}";

        public Locations {
            crls = checkUrls("locations.crls", crls);
            ocsp = checkUrls("locations.ocsp", ocsp);
            issuers = checkUrls("locations.issuers", issuers);
        }

        /// These and no others.
        public Locations(List<String> crls, List<String> ocsp, List<String> issuers) {
            this(crls, ocsp, issuers, false);
        }

        /// These, with the lists of `usual` in place of empty ones where the standard is wanted.
        public Locations or(Locations usual) {
            return standard
                    ? new Locations(
                            crls.isEmpty() ? usual.crls : crls,
                            ocsp.isEmpty() ? usual.ocsp : ocsp,
                            issuers.isEmpty() ? usual.issuers : issuers)
                    : this;
        }

        /// Whether certificates are spread over partitions.
        public boolean spreadsOverPartitions() {
            return crls.stream().anyMatch(url -> url.contains(PARTITION));
        }
    }

    public CertificateProfile {
        form = Objects.requireNonNullElse(form, Form.FULL);
        keyAlgorithms = List.copyOf(keyAlgorithms);
        keyUsages = List.copyOf(keyUsages);
        extendedKeyUsages = List.copyOf(extendedKeyUsages);
        alternativeNames = List.copyOf(alternativeNames);
        require(
                name.matches("[\\p{Graph} ]{1,64}") && !name.isBlank(),
                "name",
                "must have 1 to 64 letters, digits and signs of plain ASCII");
        checkSubject(kind, subject, alternativeNames);
        checkLifetime(kind, lifetime, backdate);
        checkKeyAlgorithms(keyAlgorithms);
        checkPathLength(kind, pathLength);
        checkKeyUsages(kind, keyUsages);
        checkExtendedKeyUsages(kind, extendedKeyUsages);
        checkAlternativeNames(alternativeNames);
        if (form == Form.COMPRESSIBLE) {
            checkCompressible(kind, subject, lifetime, keyAlgorithms, alternativeNames);
        }
    }

    /// In full form.
    public CertificateProfile(
            String name,
            Kind kind,
            String subject,
            String lifetime,
            String backdate,
            List<KeyAlgorithm> keyAlgorithms,
            @Nullable Integer pathLength,
            List<KeyUsage> keyUsages,
            List<String> extendedKeyUsages,
            List<String> alternativeNames,
            Locations locations,
            RequestedExtensions requestedExtensions) {
        this(
                name,
                kind,
                subject,
                lifetime,
                backdate,
                keyAlgorithms,
                pathLength,
                keyUsages,
                extendedKeyUsages,
                alternativeNames,
                locations,
                requestedExtensions,
                Form.FULL);
    }

    /// Refuses a profile by which some of the certificates that it promises could never be made. For profiles that
    /// are to be stored: one that was stored before can always be read.
    ///
    /// @param variables values for the templates; those that differ from device to device by an example
    /// @throws IllegalArgumentException naming the field that is wrong
    public void requireUsable(Map<String, String> variables) {
        for (KeyAlgorithm algorithm : keyAlgorithms) {
            for (KeyUsage usage : KeyUsage.unfitFor(algorithm)) {
                require(
                        !keyUsages.contains(usage),
                        "keyUsages",
                        usage.text() + " is not for keys of the kind " + algorithm.id()
                                + ", which keyAlgorithms allows");
            }
        }
        Stream.concat(locations.ocsp().stream(), locations.issuers().stream())
                .forEach(url -> require(
                        !url.contains(Locations.PARTITION),
                        "locations",
                        Locations.PARTITION + " stands for the number of a CRL, and may stand in crls alone"));
        named("subject", () -> NameTemplate.parse(subject).render(variables));
        alternativeNames.forEach(entry -> named(
                "alternativeNames", () -> AlternativeNameTemplate.parse(entry).render(variables)));
    }

    /// Whether all its certificates have this subject.
    boolean isFor(Name name) {
        NameTemplate template = NameTemplate.parse(subject);
        return template.isLiteral() && template.render(Map.of()).equals(name);
    }

    /// A root: 25 years, as long as the products it will serve may last, since replacing it touches all
    /// of them.
    public static CertificateProfile root() {
        return new CertificateProfile(
                "root",
                Kind.ROOT,
                "CN=Root CA,O={tenant.organization}",
                "P25Y",
                "PT1H",
                ROOT_KEYS,
                null,
                List.of(KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN),
                List.of(),
                List.of(),
                Locations.NONE,
                RequestedExtensions.IGNORE);
    }

    /// An issuing authority: 10 years, no authority below it. `DIGITAL_SIGNATURE` lets it sign OCSP
    /// responses itself.
    public static CertificateProfile issuing() {
        return new CertificateProfile(
                "issuing",
                Kind.ISSUING,
                "CN=Issuing CA,O={tenant.organization}",
                "P10Y",
                "PT1H",
                ISSUING_KEYS,
                0,
                List.of(KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN, KeyUsage.DIGITAL_SIGNATURE),
                List.of(),
                List.of(),
                Locations.STANDARD,
                RequestedExtensions.IGNORE);
    }

    /// A device's operational identity: one year. A device that renews from two thirds of it may sleep for
    /// four months and still renew with what it has; and a revocation that some target never hears of ends
    /// by itself.
    public static CertificateProfile device() {
        return new CertificateProfile(
                "device",
                Kind.DEVICE,
                "CN={device.id}",
                "P1Y",
                "PT1H",
                List.of(
                        KeyAlgorithm.EC_P256,
                        KeyAlgorithm.EC_P384,
                        KeyAlgorithm.RSA_2048,
                        KeyAlgorithm.RSA_3072,
                        KeyAlgorithm.RSA_4096),
                null,
                List.of(KeyUsage.DIGITAL_SIGNATURE),
                List.of("clientAuth"),
                List.of(),
                Locations.STANDARD,
                RequestedExtensions.IGNORE);
    }

    /// A TLS server with these host names (`dns:`) or addresses (`ip:`): 90 days.
    public static CertificateProfile tlsServer(List<String> alternativeNames) {
        return new CertificateProfile(
                "tls-server",
                Kind.TLS_SERVER,
                "",
                "P90D",
                "PT1H",
                List.of(KeyAlgorithm.EC_P256, KeyAlgorithm.EC_P384, KeyAlgorithm.RSA_2048, KeyAlgorithm.RSA_3072),
                null,
                List.of(KeyUsage.DIGITAL_SIGNATURE),
                List.of("serverAuth"),
                alternativeNames,
                Locations.NONE,
                RequestedExtensions.IGNORE);
    }

    /// A delegated OCSP responder: 30 days, as nobody checks whether it was revoked.
    public static CertificateProfile ocspResponder() {
        return new CertificateProfile(
                "ocsp-responder",
                Kind.OCSP_RESPONDER,
                "CN=OCSP responder,O={tenant.organization}",
                "P30D",
                "PT1H",
                List.of(KeyAlgorithm.values()),
                null,
                List.of(KeyUsage.DIGITAL_SIGNATURE),
                List.of("OCSPSigning"),
                List.of(),
                Locations.NONE,
                RequestedExtensions.IGNORE);
    }

    public CertificateProfile withSubject(String newSubject) {
        return new CertificateProfile(
                name,
                kind,
                newSubject,
                lifetime,
                backdate,
                keyAlgorithms,
                pathLength,
                keyUsages,
                extendedKeyUsages,
                alternativeNames,
                locations,
                requestedExtensions,
                form);
    }

    public CertificateProfile withLifetime(String newLifetime) {
        return new CertificateProfile(
                name,
                kind,
                subject,
                newLifetime,
                backdate,
                keyAlgorithms,
                pathLength,
                keyUsages,
                extendedKeyUsages,
                alternativeNames,
                locations,
                requestedExtensions,
                form);
    }

    public CertificateProfile withLocations(Locations newLocations) {
        return new CertificateProfile(
                name,
                kind,
                subject,
                lifetime,
                backdate,
                keyAlgorithms,
                pathLength,
                keyUsages,
                extendedKeyUsages,
                alternativeNames,
                newLocations,
                requestedExtensions,
                form);
    }

    /// With these host names beside the alternative names that there are, and `serverAuth` beside the
    /// purposes. The request asks for them by an extension, so that it may have some. A device's id
    /// goes from the common name to the serialNumber: TLS clients, and ACME's, take a common name for
    /// a host name.
    public CertificateProfile withHostNames(List<String> hostNames) {
        Stream<String> names = hostNames.stream().map(hostName -> "dns:" + hostName);
        return new CertificateProfile(
                name,
                kind,
                subject.replace("CN={device.id}", "serialNumber={device.id}"),
                lifetime,
                backdate,
                keyAlgorithms,
                pathLength,
                keyUsages,
                Stream.concat(extendedKeyUsages.stream(), Stream.of("serverAuth"))
                        .distinct()
                        .toList(),
                Stream.concat(alternativeNames.stream(), names).distinct().toList(),
                locations,
                RequestedExtensions.IGNORE);
    }

    BasicConstraints basicConstraints() {
        return new BasicConstraints(
                kind.isAuthority(), pathLength == null ? OptionalInt.empty() : OptionalInt.of(pathLength));
    }

    /// The purposes as object identifiers.
    List<Oid> purposes() {
        return extendedKeyUsages.stream().map(KeyPurpose::of).toList();
    }

    /// Gives the validity of a certificate by when it is made, before it is cut to that of its issuer.
    Function<Instant, Validity> validity() {
        Duration earlier = Duration.parse(backdate);
        BinaryOperator<Instant> end = end();
        return now -> {
            Instant hour = now.minus(earlier).truncatedTo(ChronoUnit.HOURS);
            Instant begin = form == Form.COMPRESSIBLE ? CompressedLeaf.beginning(hour) : hour;
            return new Validity(begin, end.apply(now, begin));
        };
    }

    /// Gives the end by when a certificate is made and when its validity begins.
    private BinaryOperator<Instant> end() {
        if (lifetime.equals(UNLIMITED)) {
            return (now, begin) -> Validity.NO_EXPIRY;
        }
        Optional<Period> period = period(lifetime);
        if (period.isPresent()) {
            Period days = period.get();
            return (now, begin) -> plus(begin, days);
        }
        Duration time = Duration.parse(lifetime);
        return (now, begin) -> now.plus(time).truncatedTo(ChronoUnit.SECONDS);
    }

    private static Optional<Period> period(String text) {
        try {
            return Optional.of(Period.parse(text));
        } catch (DateTimeParseException e) {
            return Optional.empty();
        }
    }

    private static Instant plus(Instant from, Period period) {
        return from.atOffset(ZoneOffset.UTC).plus(period).toInstant();
    }

    private static void checkSubject(Kind kind, String subject, List<String> alternativeNames) {
        NameTemplate template = named("subject", () -> NameTemplate.parse(subject));
        require(
                !template.isEmpty() || !kind.isAuthority() && !alternativeNames.isEmpty(),
                "subject",
                "may be empty only where there are alternativeNames and the kind is not an authority");
    }

    private static void checkLifetime(Kind kind, String lifetime, String backdate) {
        Duration back = named("backdate", () -> Duration.parse(backdate));
        require(!back.isNegative() && back.compareTo(MAX_BACKDATE) <= 0, "backdate", "must be from PT0S to P7D");
        if (lifetime.equals(UNLIMITED)) {
            require(
                    kind != Kind.TLS_SERVER && kind != Kind.OCSP_RESPONDER,
                    "lifetime",
                    "may be 'unlimited' for authorities and devices only");
            return;
        }
        Optional<Period> period = period(lifetime);
        Instant end = period.map(value -> named("lifetime", () -> plus(REFERENCE, value)))
                .orElseGet(() -> named("lifetime", () -> REFERENCE.plus(Duration.parse(lifetime))));
        require(end.isAfter(REFERENCE), "lifetime", "must be positive");
        require(
                !end.isAfter(plus(REFERENCE, Period.ofYears(MAX_YEARS))),
                "lifetime",
                "must be at most " + MAX_YEARS + " years, or '" + UNLIMITED + "'");
        require(
                period.isEmpty() || end.isAfter(REFERENCE.plus(back).plus(Duration.ofHours(1))),
                "lifetime",
                "must be more than an hour longer than backdate");
    }

    private static void checkKeyAlgorithms(List<KeyAlgorithm> keyAlgorithms) {
        require(!keyAlgorithms.isEmpty(), "keyAlgorithms", "must name at least one");
        requireDistinct("keyAlgorithms", keyAlgorithms);
    }

    private static void checkPathLength(Kind kind, @Nullable Integer pathLength) {
        if (pathLength != null) {
            require(kind.isAuthority(), "pathLength", "is for authorities only");
            require(pathLength >= 0 && pathLength <= MAX_PATH_LENGTH, "pathLength", "must be 0 to " + MAX_PATH_LENGTH);
        }
    }

    private static void checkKeyUsages(Kind kind, List<KeyUsage> keyUsages) {
        require(!keyUsages.isEmpty(), "keyUsages", "must name at least one");
        requireDistinct("keyUsages", keyUsages);
        for (KeyUsage usage : List.of(KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN)) {
            require(
                    keyUsages.contains(usage) == kind.isAuthority(),
                    "keyUsages",
                    kind.isAuthority()
                            ? "must have " + usage.text()
                            : "may have " + usage.text() + " for authorities only");
        }
        require(
                !keyUsages.contains(KeyUsage.ENCIPHER_ONLY) && !keyUsages.contains(KeyUsage.DECIPHER_ONLY)
                        || keyUsages.contains(KeyUsage.KEY_AGREEMENT),
                "keyUsages",
                "may have encipherOnly or decipherOnly only beside keyAgreement");
    }

    private static void checkExtendedKeyUsages(Kind kind, List<String> extendedKeyUsages) {
        require(extendedKeyUsages.size() <= MAX_ENTRIES, "extendedKeyUsages", "may have at most " + MAX_ENTRIES);
        List<Oid> purposes = named(
                "extendedKeyUsages",
                () -> extendedKeyUsages.stream().map(KeyPurpose::of).toList());
        requireDistinct("extendedKeyUsages", purposes);
        require(
                !purposes.contains(KeyPurpose.ANY),
                "extendedKeyUsages",
                "must not be anyExtendedKeyUsage: leave it empty instead");
        require(
                kind.isAuthority() || purposes.contains(KeyPurpose.OCSP_SIGNING) == (kind == Kind.OCSP_RESPONDER),
                "extendedKeyUsages",
                "must have OCSPSigning where the kind is OCSP_RESPONDER, and nowhere else");
        require(
                kind != Kind.TLS_SERVER || purposes.contains(KeyPurpose.SERVER_AUTH),
                "extendedKeyUsages",
                "must have serverAuth where the kind is TLS_SERVER");
    }

    private static void checkAlternativeNames(List<String> alternativeNames) {
        require(alternativeNames.size() <= MAX_ENTRIES, "alternativeNames", "may have at most " + MAX_ENTRIES);
        requireDistinct("alternativeNames", alternativeNames);
        alternativeNames.forEach(entry -> named("alternativeNames", () -> AlternativeNameTemplate.parse(entry)));
    }

    private static void checkCompressible(
            Kind kind,
            String subject,
            String lifetime,
            List<KeyAlgorithm> keyAlgorithms,
            List<String> alternativeNames) {
        require(kind == Kind.DEVICE, "form", "may be 'compressible' for devices only");
        require(
                keyAlgorithms.equals(List.of(KeyAlgorithm.EC_P256)),
                "keyAlgorithms",
                "must be ec-p256 alone where the form is compressible");
        require(
                lifetime.equals(UNLIMITED) || lifetime.matches("P([1-9]|[12][0-9]|3[01])Y"),
                "lifetime",
                "must be P1Y to P31Y or 'unlimited' where the form is compressible");
        for (String template :
                Stream.concat(Stream.of(subject), alternativeNames.stream()).toList()) {
            require(
                    !template.replace("{device.id}", "").contains("{device."),
                    "subject",
                    "and alternativeNames may vary by {device.id} alone where the form is compressible");
        }
    }

    /// Without what differs from one certificate to the next, in compressible form.
    CertificateProfile ready() {
        return form == Form.FULL || !locations.spreadsOverPartitions()
                ? this
                : withLocations(new Locations(
                        locations.crls().stream()
                                .filter(url -> !url.contains(Locations.PARTITION))
                                .toList(),
                        locations.ocsp(),
                        locations.issuers(),
                        locations.standard()));
    }

    public CertificateProfile withForm(Form newForm) {
        return new CertificateProfile(
                name,
                kind,
                subject,
                lifetime,
                backdate,
                keyAlgorithms,
                pathLength,
                keyUsages,
                extendedKeyUsages,
                alternativeNames,
                locations,
                requestedExtensions,
                newForm);
    }

    public CertificateProfile withKeyAlgorithms(List<KeyAlgorithm> newKeyAlgorithms) {
        return new CertificateProfile(
                name,
                kind,
                subject,
                lifetime,
                backdate,
                newKeyAlgorithms,
                pathLength,
                keyUsages,
                extendedKeyUsages,
                alternativeNames,
                locations,
                requestedExtensions,
                form);
    }

    private static List<String> checkUrls(String field, List<String> urls) {
        require(urls.size() <= MAX_ENTRIES, field, "may have at most " + MAX_ENTRIES);
        requireDistinct(field, urls);
        for (String url : urls) {
            require(
                    URL.matcher(url).matches(),
                    field,
                    "must be http or https URLs of at most 500 ASCII characters: '" + url + "'");
        }
        return List.copyOf(urls);
    }

    private static void requireDistinct(String field, List<?> values) {
        require(new HashSet<>(values).size() == values.size(), field, "names something twice");
    }

    private static void require(boolean condition, String field, String problem) {
        if (!condition) {
            throw new IllegalArgumentException(field + ": " + problem);
        }
    }

    /// Runs a check of its own and puts the field's name before what it complains about.
    private static <T> T named(String field, Supplier<T> check) {
        try {
            return check.get();
        } catch (DateTimeParseException e) {
            throw new IllegalArgumentException(field + ": is no ISO 8601 period or duration, such as P90D or PT12H", e);
        } catch (DateTimeException | ArithmeticException e) {
            throw new IllegalArgumentException(field + ": is too long", e);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(field + ": " + e.getMessage(), e);
        }
    }
}
