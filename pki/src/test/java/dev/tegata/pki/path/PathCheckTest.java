// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.path;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.CertificateProfile.Kind;
import dev.tegata.pki.certificate.CertificateProfile.Locations;
import dev.tegata.pki.certificate.CertificateProfile.RequestedExtensions;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.KeyUsage;
import dev.tegata.pki.certificate.TestAuthority;
import dev.tegata.pki.certificate.TestKeys;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Tag;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.path.PathResult.Invalid;
import dev.tegata.pki.path.PathResult.Reason;
import dev.tegata.pki.path.PathResult.Valid;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class PathCheckTest {
    private static final Instant NOW = TestAuthority.NOW;
    private static final TestAuthority ROOT = TestAuthority.root();
    private static final TestAuthority ISSUING = ROOT.issuing();
    private static final Certificate DEVICE = ISSUING.device();
    private static final TrustAnchors ANCHORS = TrustAnchors.of(ROOT.certificate());

    private final PathCheck paths = new PathCheck(100);

    private PathResult check(Presented presented, TrustAnchors anchors, Instant at) {
        return paths.check(presented, anchors, at, Purpose.CLIENT);
    }

    private static Reason reason(PathResult result) {
        return ((Invalid) result).reason();
    }

    @Test
    void aDeviceLeadsToItsRoot() {
        PathResult result = check(Presented.of(DEVICE, ISSUING.certificate()), ANCHORS, NOW);
        assertThat(result).isEqualTo(new Valid(List.of(DEVICE, ISSUING.certificate(), ROOT.certificate())));
        // Once more, from what is remembered
        assertThat(check(Presented.of(DEVICE, ISSUING.certificate()), ANCHORS, NOW))
                .isEqualTo(result);
    }

    @Test
    void theOrderAndUnrelatedCertificatesDoNotMatter() {
        TestAuthority other = TestAuthority.root().issuing();
        Presented presented =
                Presented.of(List.of(DEVICE, ROOT.certificate(), other.certificate(), ISSUING.certificate()));
        assertThat(check(presented, ANCHORS, NOW).isValid()).isTrue();
    }

    @Test
    void anIssuingAuthorityMayBeAnAnchor() {
        assertThat(check(Presented.of(DEVICE), TrustAnchors.of(ISSUING.certificate()), NOW)
                        .isValid())
                .isTrue();
    }

    @Test
    void anIssuerThatIsMissing() {
        PathResult result = check(Presented.of(DEVICE), ANCHORS, NOW);
        assertThat(reason(result)).isEqualTo(Reason.NO_ISSUER);
        assertThat(((Invalid) result).sentence()).contains("CN=Issuing CA").contains("CN=dev-0001");
        assertThat(reason(check(Presented.of(DEVICE, ISSUING.certificate()), TrustAnchors.of(), NOW)))
                .isEqualTo(Reason.NO_ISSUER);
    }

    @Test
    @DisplayName("an authority of the same name with another key")
    void anImpostor() {
        TestAuthority impostor = TestAuthority.root();
        assertThat(reason(check(
                        Presented.of(DEVICE, ISSUING.certificate()), TrustAnchors.of(impostor.certificate()), NOW)))
                .isEqualTo(Reason.BAD_SIGNATURE);
        TrustAnchors both = TrustAnchors.of(impostor.certificate(), ROOT.certificate());
        assertThat(check(Presented.of(DEVICE, ISSUING.certificate()), both, NOW).isValid())
                .isTrue();
    }

    @Test
    void time() {
        Presented presented = Presented.of(DEVICE, ISSUING.certificate());
        Instant end = DEVICE.validity().notAfter();
        assertThat(check(presented, ANCHORS, end.plusMillis(999)).isValid()).isTrue();
        assertThat(reason(check(presented, ANCHORS, end.plusSeconds(1)))).isEqualTo(Reason.EXPIRED);
        Instant start = DEVICE.validity().notBefore();
        assertThat(reason(check(presented, ANCHORS, start.minusMillis(1)))).isEqualTo(Reason.NOT_YET_VALID);
    }

    @Test
    void aBirthCertificateOutlivesItsDatesButNotItsIssuer() {
        Presented presented = Presented.of(DEVICE, ISSUING.certificate());
        Instant later = DEVICE.validity().notAfter().plusSeconds(1_000_000);
        assertThat(paths.checkBirth(presented, ANCHORS, later, Purpose.ANY).isValid())
                .isTrue();
        Instant muchLater = ISSUING.certificate().validity().notAfter().plusSeconds(1);
        assertThat(reason(paths.checkBirth(presented, ANCHORS, muchLater, Purpose.ANY)))
                .isEqualTo(Reason.EXPIRED);
    }

    @Test
    void purposes() {
        Presented device = Presented.of(DEVICE, ISSUING.certificate());
        assertThat(reason(paths.check(device, ANCHORS, NOW, Purpose.SERVER))).isEqualTo(Reason.WRONG_PURPOSE);
        assertThat(reason(paths.check(device, ANCHORS, NOW, Purpose.AUTHORITY))).isEqualTo(Reason.WRONG_PURPOSE);
        assertThat(paths.check(device, ANCHORS, NOW, Purpose.ANY).isValid()).isTrue();
        Presented authority = Presented.of(ISSUING.certificate());
        assertThat(paths.check(authority, ANCHORS, NOW, Purpose.AUTHORITY).isValid())
                .isTrue();
        TestAuthority serversOnly = ROOT.issuing(authority(0, List.of("serverAuth")));
        Presented limited = Presented.of(resigned(DEVICE, serversOnly), serversOnly.certificate());
        assertThat(reason(check(limited, ANCHORS, NOW))).isEqualTo(Reason.WRONG_PURPOSE);
    }

    @Test
    @DisplayName("a device that poses as an authority")
    void aDeviceIsNoAuthority() {
        TestKeys keys = TestKeys.p256();
        TestAuthority device = new TestAuthority(keys, ISSUING.issue(keys, CertificateProfile.device()));
        Certificate forged = resigned(DEVICE, device);
        assertThat(reason(check(Presented.of(forged, device.certificate(), ISSUING.certificate()), ANCHORS, NOW)))
                .isEqualTo(Reason.NOT_AN_AUTHORITY);
    }

    @Test
    @DisplayName("RFC 5280 §4.2.1.9: pathLenConstraint")
    void pathLength() {
        TestAuthority below = new TestAuthority(TestKeys.p256(), ISSUING.certificate());
        Certificate second =
                resigned(ROOT.issue(below.keys(), authority(0, List.of()).withSubject("CN=Second CA")), ISSUING);
        TestAuthority secondAuthority = new TestAuthority(below.keys(), second);
        Certificate leaf = resigned(DEVICE, secondAuthority);
        assertThat(reason(check(Presented.of(leaf, second, ISSUING.certificate()), ANCHORS, NOW)))
                .isEqualTo(Reason.PATH_TOO_LONG);
    }

    @Test
    void pathsOfEightCertificatesAtMost() {
        List<Certificate> chain = new ArrayList<>();
        TestAuthority last = ROOT;
        for (int i = 0; i < 7; i++) {
            last = last.issuing(authority(null, List.of()).withSubject("CN=CA " + i));
            chain.addFirst(last.certificate());
        }
        Certificate ninth = last.device();
        assertThat(reason(check(new Presented(ninth, chain), ANCHORS, NOW))).isEqualTo(Reason.PATH_TOO_LONG);
        List<Certificate> shorter = chain.subList(1, 7);
        Certificate leaf = resigned(ninth, last);
        assertThat(reason(check(new Presented(leaf, shorter), ANCHORS, NOW))).isEqualTo(Reason.NO_ISSUER);
    }

    @Test
    @DisplayName("RFC 5280 §4.2: an unrecognised critical extension is refused")
    void criticalExtensions() {
        // The profile's EKU extension, renamed to an unknown OID and made critical by hand
        Certificate unknown = withExtension("06032a0304" + "0101ff" + "04020500");
        assertThat(reason(check(Presented.of(unknown, ISSUING.certificate()), ANCHORS, NOW)))
                .isEqualTo(Reason.UNKNOWN_CRITICAL_EXTENSION);
        Certificate constrained = withExtension("0603551d1e" + "04023000");
        assertThat(reason(check(Presented.of(constrained, ISSUING.certificate()), ANCHORS, NOW)))
                .isEqualTo(Reason.NAME_CONSTRAINTS);
    }

    @Test
    void workIsBounded() {
        TestKeys keys = TestKeys.p256();
        // Authorities of one name and one key that all certify each other
        List<Certificate> web = new ArrayList<>();
        TestAuthority self = TestAuthority.root();
        for (int i = 0; i < 16; i++) {
            Certificate issued = self.issue(keys, authority(null, List.of()).withSubject("CN=Web"));
            web.add(withIssuer(issued, issued, new TestAuthority(keys, issued)));
        }
        Certificate leaf = withIssuer(DEVICE, web.getFirst(), new TestAuthority(keys, web.getFirst()));
        assertThat(reason(check(new Presented(leaf, web), ANCHORS, NOW))).isEqualTo(Reason.TOO_MUCH_WORK);
        Presented tooMany = new Presented(DEVICE, Collections.nCopies(17, ISSUING.certificate()));
        assertThat(reason(check(tooMany, ANCHORS, NOW))).isEqualTo(Reason.TOO_MUCH_WORK);
    }

    @Test
    void keysAndAlgorithmsThatAreNotSupported() {
        // ecdsa-with-SHA1 in place of ecdsa-with-SHA512, which has the same length
        TestAuthority root = TestAuthority.root(KeyAlgorithm.EC_P384);
        Certificate issued = root.issuing().certificate();
        Certificate changed = parse(issued.encoded().hex().replace("2a8648ce3d040303", "2a8648ce3d040301"));
        assertThat(reason(paths.check(
                        Presented.of(changed), TrustAnchors.of(root.certificate()), NOW, Purpose.AUTHORITY)))
                .isEqualTo(Reason.UNSUPPORTED_ALGORITHM);
    }

    private static CertificateProfile authority(@Nullable Integer pathLength, List<String> purposes) {
        return new CertificateProfile(
                "authority",
                Kind.ISSUING,
                "CN=Issuing CA,O={tenant.organization}",
                "P10Y",
                "PT1H",
                List.of(KeyAlgorithm.EC_P256),
                pathLength,
                List.of(KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN),
                purposes,
                List.of(),
                Locations.NONE,
                RequestedExtensions.IGNORE);
    }

    /// A certificate with the content of another, under a new issuer who need not be allowed to.
    private static Certificate resigned(Certificate certificate, TestAuthority issuer) {
        return withIssuer(certificate, issuer.certificate(), issuer);
    }

    private static Certificate withIssuer(Certificate certificate, Certificate issuer, TestAuthority signer) {
        return rewritten(certificate, issuer, signer, "");
    }

    private static Certificate withExtension(String extension) {
        return rewritten(DEVICE, ISSUING.certificate(), ISSUING, extension);
    }

    private static Certificate rewritten(
            Certificate certificate, Certificate issuer, TestAuthority signer, String extension) {
        try {
            DerReader tbs = DerReader.of(certificate.tbs()).sequence();
            Bytes version = tbs.element();
            Bytes serial = tbs.element();
            tbs.skip();
            tbs.skip();
            Bytes validity = tbs.element();
            Bytes subject = tbs.element();
            Bytes key = tbs.element();
            Bytes extensions = tbs.enter(Tag.context(3)).content(Tag.SEQUENCE);
            Bytes algorithm =
                    signer.keys().publicKey().algorithm().signatureAlgorithm().identifier();
            DerWriter writer = new DerWriter();
            writer.sequence(() -> {
                List.of(version, serial, algorithm, issuer.subject().encoded(), validity, subject, key)
                        .forEach(writer::raw);
                writer.nested(
                        Tag.context(3),
                        () -> writer.sequence(() -> {
                            writer.raw(extensions);
                            if (!extension.isEmpty()) {
                                writer.sequence(() -> writer.raw(Bytes.ofHex(extension)));
                            }
                        }));
            });
            byte[] signed = writer.toArray();
            byte[] signature = signer.keys().sign(signed);
            DerWriter outer = new DerWriter();
            outer.sequence(() -> {
                outer.raw(signed);
                outer.raw(algorithm);
                outer.bitString(signature);
            });
            return Certificate.parse(outer.toBytes());
        } catch (EncodingException | InvalidCertificateException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Certificate parse(String hex) {
        try {
            return Certificate.parse(Bytes.ofHex(hex));
        } catch (InvalidCertificateException e) {
            throw new IllegalStateException(e);
        }
    }
}
