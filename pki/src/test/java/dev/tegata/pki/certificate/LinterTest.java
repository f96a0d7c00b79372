// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SignatureAlgorithm;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/// Each rule is broken once in an encoding that is good otherwise, and found.
class LinterTest {
    private static final TestAuthority ROOT = TestAuthority.root();
    private static final TestAuthority ISSUING = ROOT.issuing();
    private static final Set<LintRule> SEEN = EnumSet.noneOf(LintRule.class);

    private static final GrantedRequest LEAF = granted(ISSUING, CertificateProfile.device(), TestKeys.p256());
    private static final GrantedRequest AUTHORITY = granted(ROOT, CertificateProfile.issuing(), TestKeys.p256());

    private static GrantedRequest granted(TestAuthority issuer, CertificateProfile profile, TestKeys keys) {
        try {
            return Issuance.of(issuer.certificate(), profile)
                    .grant(
                            keys.proven("CN=x"),
                            TestAuthority.VARIABLES,
                            new SerialNumber(BigInteger.valueOf(77)),
                            TestAuthority.NOW);
        } catch (InvalidRequestException | InvalidCertificateException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Set<LintRule> broken(GrantedRequest granted, byte[] encoded) {
        Set<LintRule> rules = EnumSet.noneOf(LintRule.class);
        findings(granted.issuance().linter(), encoded, granted).forEach(finding -> rules.add(finding.rule()));
        SEEN.addAll(rules);
        return rules;
    }

    private static Set<LintRule> broken(GrantedRequest granted, UnaryOperator<TbsCertificate> change) {
        DerWriter writer = new DerWriter();
        change.apply(tbs(granted)).write(writer);
        return broken(granted, writer.toArray());
    }

    private static TbsCertificate tbs(GrantedRequest granted) {
        try {
            return TbsCertificate.read(
                    DerReader.of(granted.issuance().template().fill(granted)));
        } catch (EncodingException e) {
            throw new IllegalStateException(e);
        }
    }

    private static TbsCertificate with(TbsCertificate tbs, List<Extension> extensions) {
        return new TbsCertificate(
                tbs.version(),
                tbs.serial(),
                tbs.signatureIdentifier(),
                tbs.issuer(),
                tbs.validity(),
                tbs.subject(),
                tbs.publicKey(),
                extensions);
    }

    private static Set<LintRule> brokenWithExtension(GrantedRequest granted, Oid type, boolean critical, String value) {
        return broken(granted, tbs -> {
            List<Extension> extensions = new ArrayList<>(tbs.extensions());
            extensions.replaceAll(extension ->
                    extension.type().equals(type) ? new Extension(type, critical, Bytes.ofHex(value)) : extension);
            return with(tbs, extensions);
        });
    }

    private static Set<LintRule> brokenWithout(GrantedRequest granted, Oid type) {
        return broken(
                granted,
                tbs -> with(
                        tbs,
                        tbs.extensions().stream()
                                .filter(extension -> !extension.type().equals(type))
                                .toList()));
    }

    @AfterAll
    static void everyRuleWasBroken() {
        assertThat(SEEN).containsExactlyInAnyOrder(LintRule.values());
    }

    @Test
    void whatWeMakeIsClean() {
        assertThat(broken(LEAF, tbs -> tbs)).isEmpty();
        assertThat(broken(AUTHORITY, tbs -> tbs)).isEmpty();
    }

    @Test
    void form() {
        byte[] good = LEAF.issuance().template().fill(LEAF);
        assertThat(broken(LEAF, Arrays.copyOf(good, good.length - 1))).containsExactly(LintRule.FORM);
        assertThat(broken(LEAF, Arrays.copyOf(good, good.length + 1))).containsExactly(LintRule.FORM);
    }

    @Test
    @DisplayName("RFC 5280 §4.1.2.5: a date before 2050 is UTCTime")
    void timesInTheWrongForm() {
        String good = Bytes.of(LEAF.issuance().template().fill(LEAF)).hex();
        // the same instant as GeneralizedTime; outer lengths grow by two
        String notBefore = "170d3236303330343034303030305a";
        assertThat(good).contains(notBefore);
        byte[] changed = Bytes.ofHex(good.replace(notBefore, "180f32303236303330343034303030305a"))
                .toArray();
        int outer = (changed[2] & 0xff) << 8 | changed[3] & 0xff;
        changed[2] = (byte) (outer + 2 >> 8);
        changed[3] = (byte) (outer + 2);
        int validity = new String(changed, StandardCharsets.ISO_8859_1).indexOf("20260304040000Z") - 3;
        changed[validity] += 2;
        assertThat(broken(LEAF, changed)).containsExactly(LintRule.CANONICAL);
    }

    @Test
    void valuesThatAreNotInTheirShortestForm() {
        assertThat(brokenWithExtension(LEAF, Extension.BASIC_CONSTRAINTS, true, "3003010100"))
                .containsExactly(LintRule.CANONICAL);
        assertThat(brokenWithExtension(LEAF, Extension.KEY_USAGE, true, "03020080"))
                .containsExactly(LintRule.CANONICAL);
    }

    @Test
    void head() {
        assertThat(broken(
                        LEAF,
                        tbs -> new TbsCertificate(
                                1,
                                tbs.serial(),
                                tbs.signatureIdentifier(),
                                tbs.issuer(),
                                tbs.validity(),
                                tbs.subject(),
                                tbs.publicKey(),
                                List.of())))
                .contains(LintRule.VERSION);
        for (String serial : List.of("0", "-5", "78", "1" + "0".repeat(60))) {
            assertThat(broken(
                            LEAF,
                            tbs -> new TbsCertificate(
                                    3,
                                    new BigInteger(serial),
                                    tbs.signatureIdentifier(),
                                    tbs.issuer(),
                                    tbs.validity(),
                                    tbs.subject(),
                                    tbs.publicKey(),
                                    tbs.extensions())))
                    .containsExactly(LintRule.SERIAL);
        }
        assertThat(broken(
                        LEAF,
                        tbs -> new TbsCertificate(
                                3,
                                tbs.serial(),
                                SignatureAlgorithm.RSA_SHA256.identifier(),
                                tbs.issuer(),
                                tbs.validity(),
                                tbs.subject(),
                                tbs.publicKey(),
                                tbs.extensions())))
                .containsExactly(LintRule.SIGNATURE_ALGORITHM);
        assertThat(broken(
                        LEAF,
                        tbs -> new TbsCertificate(
                                3,
                                tbs.serial(),
                                tbs.signatureIdentifier(),
                                Name.EMPTY,
                                tbs.validity(),
                                tbs.subject(),
                                tbs.publicKey(),
                                tbs.extensions())))
                .containsExactly(LintRule.ISSUER);
    }

    @Test
    void validity() {
        Validity decided = LEAF.validity();
        assertThat(broken(LEAF, tbs -> withValidity(tbs, new Validity(decided.notAfter(), decided.notBefore()))))
                .contains(LintRule.VALIDITY_ORDER, LintRule.VALIDITY_DECIDED);
        assertThat(broken(
                        LEAF,
                        tbs -> withValidity(
                                tbs,
                                new Validity(
                                        decided.notBefore(), decided.notAfter().plus(Duration.ofDays(4000))))))
                .contains(LintRule.VALIDITY_ISSUER);
    }

    private static TbsCertificate withValidity(TbsCertificate tbs, Validity validity) {
        return new TbsCertificate(
                3,
                tbs.serial(),
                tbs.signatureIdentifier(),
                tbs.issuer(),
                validity,
                tbs.subject(),
                tbs.publicKey(),
                tbs.extensions());
    }

    @Test
    void subjectAndKey() throws Exception {
        assertThat(broken(LEAF, tbs -> withSubject(tbs, Name.parse("CN=other"), tbs.publicKey())))
                .containsExactly(LintRule.SUBJECT_DECIDED);
        // CN as PrintableString, which we do not write; and one with a NUL
        for (String name : List.of("300c310a300806035504031301" + "41", "300c310a30080603550403" + "0c0100")) {
            Name other = Name.decode(Bytes.ofHex(name));
            assertThat(broken(LEAF, tbs -> withSubject(tbs, other, tbs.publicKey())))
                    .contains(LintRule.SUBJECT_BOUNDS);
        }
        Bytes otherKey = TestKeys.p256().publicKey().encoded();
        assertThat(broken(LEAF, tbs -> withSubject(tbs, tbs.subject(), otherKey)))
                .containsExactly(LintRule.KEY_PROVEN);
        assertThat(broken(AUTHORITY, tbs -> withSubject(tbs, Name.EMPTY, tbs.publicKey())))
                .contains(LintRule.SUBJECT_DECIDED, LintRule.ALTERNATIVE_NAMES);
    }

    private static TbsCertificate withSubject(TbsCertificate tbs, Name subject, Bytes publicKey) {
        return new TbsCertificate(
                3,
                tbs.serial(),
                tbs.signatureIdentifier(),
                tbs.issuer(),
                tbs.validity(),
                subject,
                publicKey,
                tbs.extensions());
    }

    @Test
    void aKeyThatTheProfileDoesNotAllow() {
        TestKeys keys = TestKeys.generate(KeyAlgorithm.EC_P384);
        CertificateProfile device = CertificateProfile.device();
        CertificateProfile p256Only = new CertificateProfile(
                device.name(),
                device.kind(),
                device.subject(),
                device.lifetime(),
                device.backdate(),
                List.of(KeyAlgorithm.EC_P256),
                null,
                device.keyUsages(),
                device.extendedKeyUsages(),
                List.of(),
                device.locations(),
                device.requestedExtensions());
        GrantedRequest good = granted(ISSUING, device, keys);
        Linter strict = new Linter(p256Only, ISSUING.certificate());
        List<LintException.Finding> findings =
                findings(strict, good.issuance().template().fill(good), good);
        assertThat(findings).extracting(LintException.Finding::rule).containsExactly(LintRule.KEY_ALLOWED);
        SEEN.add(LintRule.KEY_ALLOWED);
    }

    private static List<LintException.Finding> findings(Linter linter, byte[] encoded, GrantedRequest granted) {
        try {
            linter.lint(encoded, granted);
            return List.of();
        } catch (LintException e) {
            return e.findings();
        }
    }

    @Test
    void aUsageThatTheKeyCannotServe() {
        CertificateProfile device = CertificateProfile.device();
        CertificateProfile encipherment = new CertificateProfile(
                device.name(),
                device.kind(),
                device.subject(),
                device.lifetime(),
                device.backdate(),
                device.keyAlgorithms(),
                null,
                List.of(KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_ENCIPHERMENT),
                device.extendedKeyUsages(),
                List.of(),
                device.locations(),
                device.requestedExtensions());
        assertThat(broken(granted(ISSUING, encipherment, TestKeys.p256()), tbs -> tbs))
                .containsExactly(LintRule.KEY_USAGE_FITS);
        assertThat(broken(granted(ISSUING, encipherment, TestKeys.generate(KeyAlgorithm.RSA_2048)), tbs -> tbs))
                .isEmpty();
    }

    @Test
    void extensions() {
        assertThat(broken(LEAF, tbs -> {
                    List<Extension> twice = new ArrayList<>(tbs.extensions());
                    twice.add(twice.getFirst());
                    return with(tbs, twice);
                }))
                .containsExactly(LintRule.EXTENSION_ONCE);
        assertThat(broken(LEAF, tbs -> {
                    List<Extension> more = new ArrayList<>(tbs.extensions());
                    more.add(new Extension(Oid.of("1.2.3"), false, Bytes.ofHex("0500")));
                    return with(tbs, more);
                }))
                .containsExactly(LintRule.EXTENSION_EXPECTED);
        assertThat(brokenWithExtension(LEAF, Extension.KEY_USAGE, false, "03020780"))
                .containsExactly(LintRule.EXTENSION_EXPECTED);
        assertThat(brokenWithout(AUTHORITY, Extension.AUTHORITY_KEY_IDENTIFIER))
                .containsExactlyInAnyOrder(LintRule.EXTENSION_EXPECTED, LintRule.AUTHORITY_KEY_IDENTIFIER);
        assertThat(brokenWithExtension(LEAF, Extension.KEY_USAGE, true, "0500")).contains(LintRule.EXTENSION_FORM);
    }

    @Test
    void locations() {
        CertificateProfile profile = CertificateProfile.device()
                .withLocations(new CertificateProfile.Locations(
                        List.of("http://x/" + CertificateProfile.Locations.PARTITION), List.of(), List.of()));
        GrantedRequest granted = granted(ISSUING, profile, TestKeys.p256());
        assertThat(broken(granted.inPartition(42), tbs -> tbs)).isEmpty();
        // Another partition: http://x/000043
        assertThat(brokenWithExtension(
                        granted.inPartition(42),
                        Extension.CRL_DISTRIBUTION_POINTS,
                        false,
                        "30173015a013a011860f" + "687474703a2f2f782f303030303433"))
                .containsExactly(LintRule.LOCATIONS);
        assertThatThrownBy(granted::lint).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void authority() {
        assertThat(brokenWithExtension(LEAF, Extension.BASIC_CONSTRAINTS, true, "30030101ff"))
                .containsExactly(LintRule.BASIC_CONSTRAINTS);
        assertThat(brokenWithExtension(AUTHORITY, Extension.BASIC_CONSTRAINTS, true, "3000"))
                .containsExactly(LintRule.BASIC_CONSTRAINTS);
        assertThat(brokenWithExtension(AUTHORITY, Extension.BASIC_CONSTRAINTS, true, "30060101ff020101"))
                .containsExactly(LintRule.PATH_LENGTH);
        assertThat(brokenWithExtension(AUTHORITY, Extension.BASIC_CONSTRAINTS, true, "30030101ff"))
                .containsExactly(LintRule.PATH_LENGTH);
    }

    @Test
    void usages() {
        // digitalSignature and keyCertSign
        assertThat(brokenWithExtension(LEAF, Extension.KEY_USAGE, true, "03020284"))
                .containsExactly(LintRule.KEY_USAGE);
        // clientAuth and any
        assertThat(brokenWithExtension(
                        LEAF, Extension.EXTENDED_KEY_USAGE, false, "301006082b0601050507030206" + "04551d2500"))
                .containsExactly(LintRule.EXTENDED_KEY_USAGE);
    }

    @Test
    void namesAndIdentifiers() {
        GrantedRequest server =
                granted(ISSUING, CertificateProfile.tlsServer(List.of("dns:a.example")), TestKeys.p256());
        assertThat(brokenWithExtension(server, Extension.SUBJECT_ALTERNATIVE_NAME, true, "30038201" + "62"))
                .containsExactly(LintRule.ALTERNATIVE_NAMES);
        assertThat(brokenWithExtension(
                        server,
                        Extension.SUBJECT_ALTERNATIVE_NAME,
                        false,
                        "300f820d" + "612e6578616d706c65" + "00000000"))
                .contains(LintRule.EXTENSION_EXPECTED);
        assertThat(brokenWithExtension(LEAF, Extension.SUBJECT_KEY_IDENTIFIER, false, "0401" + "00"))
                .containsExactly(LintRule.SUBJECT_KEY_IDENTIFIER);
        assertThat(brokenWithExtension(LEAF, Extension.AUTHORITY_KEY_IDENTIFIER, false, "3003800100"))
                .containsExactly(LintRule.AUTHORITY_KEY_IDENTIFIER);
    }
}
