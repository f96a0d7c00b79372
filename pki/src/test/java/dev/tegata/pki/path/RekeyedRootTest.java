// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.path;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.KeyUsage;
import dev.tegata.pki.certificate.TestAuthority;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.path.PathResult.Valid;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertPathValidator;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Date;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

@DisplayName("RFC 4210 §4.4: roots of one name with several keys")
class RekeyedRootTest {
    private static final TestAuthority OLD = TestAuthority.root();
    private static final TestAuthority NEW = TestAuthority.root();
    private static final TestAuthority STRANGER = TestAuthority.root();
    private static final TestAuthority OLD_ISSUING = OLD.issuing();
    private static final TestAuthority NEW_ISSUING = NEW.issuing();
    private static final Certificate NEW_WITH_OLD = cross(NEW, OLD);
    private static final Certificate OLD_WITH_NEW = cross(OLD, NEW);
    private static final Certificate OLD_DEVICE = OLD_ISSUING.device();
    private static final Certificate NEW_DEVICE = NEW_ISSUING.device();

    @TempDir
    Path folder;

    private static Certificate cross(TestAuthority subject, TestAuthority issuer) {
        return issuer.issue(
                subject.keys(),
                new CertificateProfile(
                        "cross",
                        CertificateProfile.Kind.ISSUING,
                        subject.certificate().subject().toString(),
                        "P10Y",
                        "PT1H",
                        List.of(KeyAlgorithm.EC_P256),
                        null,
                        List.of(KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN),
                        List.of(),
                        List.of(),
                        CertificateProfile.Locations.NONE,
                        CertificateProfile.RequestedExtensions.IGNORE));
    }

    static Stream<Arguments> chains() {
        Certificate oldIssuing = OLD_ISSUING.certificate();
        Certificate newIssuing = NEW_ISSUING.certificate();
        List<Certificate> joined = List.of(NEW_WITH_OLD, OLD_WITH_NEW, NEW.certificate(), OLD.certificate());
        List<Certificate> anchors = List.of(STRANGER.certificate(), OLD.certificate(), NEW.certificate());
        return Stream.of(
                arguments("any of three, old", true, OLD_DEVICE, List.of(oldIssuing), anchors),
                arguments("any of three, new", true, NEW_DEVICE, List.of(newIssuing), anchors),
                arguments(
                        "new, joined, from old",
                        true,
                        NEW_DEVICE,
                        with(newIssuing, joined),
                        List.of(OLD.certificate())),
                arguments(
                        "old, joined, from new",
                        true,
                        OLD_DEVICE,
                        with(oldIssuing, joined),
                        List.of(NEW.certificate())),
                arguments("new from old only", false, NEW_DEVICE, List.of(newIssuing), List.of(OLD.certificate())),
                arguments(
                        "joined, from a stranger", false, NEW_DEVICE, with(newIssuing, joined), anchors.subList(0, 1)),
                arguments("both issuers", true, NEW_DEVICE, List.of(oldIssuing, newIssuing), anchors));
    }

    private static List<Certificate> with(Certificate issuing, List<Certificate> joined) {
        return Stream.concat(Stream.of(issuing), joined.stream()).toList();
    }

    @ParameterizedTest(name = "{0}: {1}")
    @MethodSource("chains")
    @DisplayName("are told apart as the JDK and OpenSSL tell them")
    void allAgree(String name, boolean good, Certificate leaf, List<Certificate> between, List<Certificate> anchors)
            throws Exception {
        List<Certificate> backwards = new ArrayList<>(anchors);
        Collections.reverse(backwards);
        for (List<Certificate> order : List.of(anchors, backwards)) {
            PathResult ours = new PathCheck(10)
                    .check(new Presented(leaf, between), TrustAnchors.of(order), TestAuthority.NOW, Purpose.CLIENT);
            assertThat(ours.isValid()).as("%s", ours).isEqualTo(good);
            switch (ours) {
                case Valid(List<Certificate> path) -> requireValidInTheJdk(path, order);
                case PathResult.Invalid _ ->
                    assertThat(foundByTheJdk(leaf, between, order)).isFalse();
            }
        }
        assertThat(openssl(leaf, between, anchors)).isEqualTo(good);
    }

    private static Set<TrustAnchor> trusted(List<Certificate> anchors) throws GeneralSecurityException {
        Set<TrustAnchor> trusted = new HashSet<>();
        for (Certificate anchor : anchors) {
            trusted.add(new TrustAnchor(x509(anchor), null));
        }
        return trusted;
    }

    /// The JDK's builder is not asked for these: it takes the first anchor of a name for the end of the
    /// path, and does not look for one that goes on.
    private static void requireValidInTheJdk(List<Certificate> path, List<Certificate> anchors)
            throws GeneralSecurityException {
        List<X509Certificate> withoutAnchor = new ArrayList<>();
        for (Certificate certificate : path.subList(0, path.size() - 1)) {
            withoutAnchor.add(x509(certificate));
        }
        PKIXParameters parameters = new PKIXParameters(trusted(anchors));
        parameters.setRevocationEnabled(false);
        parameters.setDate(Date.from(TestAuthority.NOW));
        CertPathValidator.getInstance("PKIX")
                .validate(CertificateFactory.getInstance("X.509").generateCertPath(withoutAnchor), parameters);
    }

    private static boolean foundByTheJdk(Certificate leaf, List<Certificate> between, List<Certificate> anchors)
            throws GeneralSecurityException {
        X509CertSelector target = new X509CertSelector();
        target.setCertificate(x509(leaf));
        List<X509Certificate> all = new ArrayList<>(List.of(x509(leaf)));
        for (Certificate certificate : between) {
            all.add(x509(certificate));
        }
        PKIXBuilderParameters parameters = new PKIXBuilderParameters(trusted(anchors), target);
        parameters.setRevocationEnabled(false);
        parameters.setDate(Date.from(TestAuthority.NOW));
        parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(all)));
        try {
            CertPathBuilder.getInstance("PKIX").build(parameters);
            return true;
        } catch (CertPathBuilderException e) {
            return false;
        }
    }

    private static X509Certificate x509(Certificate certificate) throws GeneralSecurityException {
        return (X509Certificate) CertificateFactory.getInstance("X.509")
                .generateCertificate(
                        new ByteArrayInputStream(certificate.encoded().toArray()));
    }

    private boolean openssl(Certificate leaf, List<Certificate> between, List<Certificate> anchors) throws Exception {
        Process process = new ProcessBuilder(
                        "openssl",
                        "verify",
                        "-attime",
                        String.valueOf(TestAuthority.NOW.getEpochSecond()),
                        "-purpose",
                        "sslclient",
                        "-no-CApath",
                        "-no-CAstore",
                        "-CAfile",
                        file("anchors.pem", anchors),
                        "-untrusted",
                        file("between.pem", between),
                        file("leaf.pem", List.of(leaf)))
                .redirectErrorStream(true)
                .start();
        process.getOutputStream().close();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(said).matches("(?s).*(: OK|verification failed).*");
        return process.exitValue() == 0;
    }

    private String file(String name, List<Certificate> certificates) throws Exception {
        return Files.writeString(folder.resolve(name), Certificate.pem(certificates))
                .toString();
    }

    @Test
    @DisplayName("are found among more than may be tried, by key identifier")
    void many() {
        List<Certificate> namesakes = new ArrayList<>(IntStream.range(0, 100)
                .mapToObj(_ -> TestAuthority.root().certificate())
                .toList());
        namesakes.add(OLD.certificate());
        Presented presented = Presented.of(OLD_DEVICE, OLD_ISSUING.certificate());
        PathResult found =
                new PathCheck(10).check(presented, TrustAnchors.of(namesakes), TestAuthority.NOW, Purpose.CLIENT);
        assertThat(found).isInstanceOf(Valid.class);
        PathResult none = new PathCheck(10)
                .check(presented, TrustAnchors.of(namesakes.subList(0, 100)), TestAuthority.NOW, Purpose.CLIENT);
        assertThat(none.isValid()).isFalse();
    }
}
