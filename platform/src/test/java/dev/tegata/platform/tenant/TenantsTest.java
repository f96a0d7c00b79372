// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.tenant;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.certificate.BasicConstraints;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.KeyUsage;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.access.Caller;
import dev.tegata.platform.access.Role;
import dev.tegata.platform.audit.AuditRecord;
import dev.tegata.platform.authority.Authority;
import dev.tegata.platform.authority.Authority.Kind;
import dev.tegata.platform.authority.Authority.State;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.TestPlatform;
import dev.tegata.platform.testing.TestVault;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

@DisplayName("Making tenants")
final class TenantsTest {
    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private static final TestClock CLOCK = TestClock.create();
    private static final TenantSubject SUBJECT =
            new TenantSubject("Müller & Söhne {Geräte}, GmbH", "de", "Pumpen", "Köln", "NRW");

    private static TestPlatform platform;

    @BeforeAll
    static void open() {
        platform = TestPlatform.software(DATABASE.database(), CLOCK);
    }

    @AfterAll
    static void close() {
        platform.close();
    }

    static Stream<Arguments> layoutsAndAlgorithms() {
        return Stream.of(AuthorityLayout.values())
                .flatMap(layout -> Stream.of(KeyAlgorithm.EC_P256, KeyAlgorithm.EC_P384, KeyAlgorithm.ED25519)
                        .map(algorithm -> Arguments.of(layout, algorithm)));
    }

    @ParameterizedTest
    @MethodSource("layoutsAndAlgorithms")
    void everyLayoutWithEveryKindOfKey(AuthorityLayout layout, KeyAlgorithm algorithm) throws Exception {
        CreatedTenant created =
                platform.tenants.create(Actor.OPERATOR, new NewTenant("Pumps", SUBJECT, layout, algorithm));
        checkLayout(created, layout, algorithm);
        assertThat(platform.apiKeys.authenticate(created.adminKey().text(), "::1"))
                .extracting(Caller::tenant, Caller::role)
                .containsExactly(created.tenant().id(), Role.OWNER);
    }

    @Test
    void rsaKeys() throws Exception {
        CreatedTenant created = platform.tenants.create(
                Actor.OPERATOR, new NewTenant("Pumps", SUBJECT, AuthorityLayout.ONE_TIER, KeyAlgorithm.RSA_2048));
        checkLayout(created, AuthorityLayout.ONE_TIER, KeyAlgorithm.RSA_2048);
    }

    @ParameterizedTest
    @EnumSource(TestVault.class)
    void everyVault(TestVault kind) throws Exception {
        try (TestPlatform other = new TestPlatform(DATABASE.database(), kind.open(DATABASE.database()), CLOCK)) {
            for (AuthorityLayout layout : AuthorityLayout.values()) {
                NewTenant wanted = new NewTenant("Pumps", SUBJECT, layout, KeyAlgorithm.EC_P256);
                CreatedTenant created = other.tenants.create(Actor.OPERATOR, wanted);
                checkLayout(created, layout, KeyAlgorithm.EC_P256);
            }
        }
    }

    private static void checkLayout(CreatedTenant created, AuthorityLayout layout, KeyAlgorithm algorithm)
            throws Exception {
        TenantId id = created.tenant().id();
        List<Authority> authorities = created.authorities();
        assertThat(authorities).allMatch(authority -> authority.algorithm() == algorithm);
        assertThat(platform.authorities.list(id, Page.Request.first()).items())
                .containsExactlyInAnyOrderElementsOf(authorities);
        switch (layout) {
            case ONE_TIER -> {
                assertThat(authorities).extracting(Authority::kind).containsExactly(Kind.ROOT);
                checkRoot(authorities.getFirst(), 0);
                assertThat(authorities.getFirst().isForAuthorities()).isFalse();
            }
            case TWO_TIER -> {
                assertThat(authorities).extracting(Authority::kind).containsExactly(Kind.ROOT, Kind.ISSUING);
                checkRoot(authorities.getFirst(), 1);
                assertThat(authorities.getFirst().isForAuthorities()).isTrue();
                checkIssuing(id, authorities.getFirst(), authorities.getLast());
            }
            case OWN_ROOT -> {
                assertThat(authorities).extracting(Authority::state).containsExactly(State.PENDING_CERTIFICATE);
                checkPending(id, authorities.getFirst());
            }
            case IMPORTED -> assertThat(authorities).isEmpty();
        }
    }

    private static void checkPending(TenantId tenant, Authority authority) throws Exception {
        CertificateRequest request = platform.authorities.request(tenant, authority.id());
        request.prove();
        assertThat(request.subject().toString()).contains("Issuing CA,").contains("C=DE");
    }

    private static void checkRoot(Authority root, int pathLength) throws Exception {
        Certificate certificate = root.requireCertificate();
        assertThat(certificate.isSelfIssued()).isTrue();
        assertThat(certificate.isSignedBy(certificate.publicKey())).isTrue();
        assertThat(certificate.basicConstraints()).contains(new BasicConstraints(true, OptionalInt.of(pathLength)));
        assertThat(certificate.keyUsages())
                .hasValueSatisfying(usages -> assertThat(usages).contains(KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN));
        assertThat(certificate.validity().contains(CLOCK.instant())).isTrue();
    }

    private static void checkIssuing(TenantId tenant, Authority root, Authority issuing) throws Exception {
        Certificate certificate = issuing.requireCertificate();
        assertThat(certificate.issuer()).isEqualTo(root.requireCertificate().subject());
        assertThat(certificate.isSignedBy(root.requireCertificate().publicKey()))
                .isTrue();
        assertThat(certificate.basicConstraints()).contains(new BasicConstraints(true, OptionalInt.of(0)));
        assertThat(platform.authorities.chain(tenant, issuing.id()))
                .containsExactly(certificate, root.requireCertificate());
        assertThat(certificate.serial().value().bitLength()).isBetween(96, 128);
    }

    @Test
    void theNameOfTheCertificatesIsThatOfTheTenant() {
        CreatedTenant created = platform.tenants.create(Actor.OPERATOR, NewTenant.of("Pumps", SUBJECT));
        assertThat(created.authorities().getFirst().requireCertificate().subject())
                .hasToString("CN=Müller & Söhne {Geräte}\\, GmbH Root CA,OU=Pumpen,O=Müller & Söhne {Geräte}\\, GmbH,"
                        + "L=Köln,ST=NRW,C=DE");
        assertThat(created.tenant().subject()).isEqualTo(SUBJECT);
    }

    @Test
    @DisplayName("RFC 5280 appendix A: a common name has 64 characters at the most")
    void aLongOrganizationIsCutInTheCommonNameOnly() {
        String organization = "ü".repeat(60) + "Ende";
        TenantSubject subject = new TenantSubject(organization, "AT", null, null, null);
        var name = platform.tenants
                .create(Actor.OPERATOR, NewTenant.of("Long", subject))
                .authorities()
                .getFirst()
                .requireCertificate()
                .subject();
        assertThat(name.commonName()).contains("ü".repeat(56) + " Root CA");
        assertThat(name.toString()).contains("O=" + organization);
    }

    @ParameterizedTest
    @CsvSource({
        "'',IT,organization",
        "'  ',IT,organization",
        "Example,Italy,country",
        "Example,XX,country",
        "Example,'',country",
        "'a\tb',IT,organization",
        "'a\u202Eb',IT,organization",
    })
    void aWrongFieldIsNamed(String organization, String country, String field) {
        assertThatThrownBy(() -> new TenantSubject(organization, country, null, null, null))
                .isInstanceOfSatisfying(RefusedException.class, e -> {
                    assertThat(e.code()).isEqualTo(ErrorCode.INVALID_FIELD);
                    assertThat(e.detail()).startsWith(field + " ");
                });
    }

    @Test
    void authoritiesLiveAsLongAsTheTenantWants() {
        CreatedTenant created = platform.tenants.create(
                Actor.OPERATOR,
                new NewTenant("Pumps", SUBJECT, AuthorityLayout.TWO_TIER, KeyAlgorithm.EC_P256, "P40Y", "P15Y"));

        List<Integer> years = created.authorities().stream()
                .map(authority -> authority.requireCertificate().validity())
                .map(validity -> validity.notAfter().atOffset(ZoneOffset.UTC).getYear()
                        - validity.notBefore().atOffset(ZoneOffset.UTC).getYear())
                .toList();
        assertThat(years).containsExactly(40, 15);
        assertLifetimeRefused("rootLifetime", AuthorityLayout.TWO_TIER, "P200Y", null);
        assertLifetimeRefused("rootLifetime", AuthorityLayout.TWO_TIER, "long", null);
        assertLifetimeRefused("issuingLifetime", AuthorityLayout.TWO_TIER, null, "PT0S");
        assertLifetimeRefused("issuingLifetime", AuthorityLayout.ONE_TIER, "P40Y", "P1Y");
        assertLifetimeRefused("rootLifetime", AuthorityLayout.OWN_ROOT, "P40Y", null);
    }

    private static void assertLifetimeRefused(
            String field, AuthorityLayout layout, @Nullable String root, @Nullable String issuing) {
        assertThatThrownBy(() -> new NewTenant("Pumps", SUBJECT, layout, KeyAlgorithm.EC_P256, root, issuing))
                .isInstanceOfSatisfying(RefusedException.class, e -> {
                    assertThat(e.code()).isEqualTo(ErrorCode.INVALID_FIELD);
                    assertThat(e.detail()).startsWith(field + " ");
                });
    }

    @Test
    void namesOfMoreThan64CharactersAreRefused() {
        assertThatThrownBy(() -> NewTenant.of("n".repeat(65), SUBJECT)).hasMessageStartingWith("name must have 64");
        assertThatThrownBy(() -> new TenantSubject("o".repeat(65), "IT", null, null, null))
                .hasMessageStartingWith("organization must have 64");
        assertThatThrownBy(() -> new TenantSubject("o", "IT", "u".repeat(65), null, null))
                .hasMessageStartingWith("organizationalUnit must have 64");
        assertThatThrownBy(() -> new TenantSubject("o", "IT", null, "", null))
                .hasMessageStartingWith("locality must not be empty");
    }

    @Test
    void tenantsOfOneNameShareNothing() throws Exception {
        CreatedTenant one = platform.tenant();
        CreatedTenant two = platform.tenant();
        Set<Object> seen = new HashSet<>();
        for (CreatedTenant each : List.of(one, two)) {
            assertThat(seen.add(each.tenant().id())).isTrue();
            assertThat(seen.add(each.adminKey().key().keyId())).isTrue();
            for (Authority authority : each.authorities()) {
                assertThat(seen.add(authority.id())).isTrue();
                assertThat(seen.add(authority.key())).isTrue();
                assertThat(seen.add(authority.requireCertificate().serial())).isTrue();
                assertThat(seen.add(authority.requireCertificate().publicKey().fingerprint()))
                        .isTrue();
            }
        }
    }

    @Test
    void listingPages() {
        List<TenantId> made = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            made.add(platform.tenant().tenant().id());
        }
        List<TenantId> listed = new ArrayList<>();
        Page<Tenant> page = platform.tenants.list(new Page.Request(null, 2));
        while (true) {
            page.items().forEach(tenant -> listed.add(tenant.id()));
            if (page.next() == null) {
                break;
            }
            page = platform.tenants.list(Page.Request.of(page.next(), 2));
        }
        assertThat(listed).containsAll(made).doesNotHaveDuplicates().isSorted();
        assertThat(platform.tenants.get(made.getFirst()).name()).isEqualTo("Example");
        assertThatThrownBy(() -> platform.tenants.get(new TenantId("t000000000")))
                .isInstanceOfSatisfying(
                        RefusedException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.NOT_FOUND));
    }

    @Test
    void everyStepIsAudited() {
        TenantId id = platform.tenant().tenant().id();
        assertThat(platform.audit.records(id, Page.Request.first()).items())
                .extracting(AuditRecord::action)
                .containsExactly(
                        "apikey.created", "authority.created", "authority.created", "tenant.created", "audit.begun");
    }

    @Test
    void certificatesOfAuthoritiesAreListedAsCertificates() {
        CreatedTenant created = platform.tenant();
        TenantId id = created.tenant().id();
        List<byte[]> encoded = DATABASE.database()
                .inTenant(
                        id,
                        tx -> tx.createQuery("SELECT encoded FROM certificate ORDER BY not_after DESC")
                                .mapTo(byte[].class)
                                .list());
        assertThat(encoded)
                .containsExactly(
                        created.authorities()
                                .getFirst()
                                .requireCertificate()
                                .encoded()
                                .toArray(),
                        created.authorities()
                                .getLast()
                                .requireCertificate()
                                .encoded()
                                .toArray());
    }

    @Test
    void theSecretOfTheKeyIsNotInItsText() {
        CreatedTenant created = platform.tenant();
        String secret = created.adminKey().text().split("_", 4)[3];
        assertThat(created.toString()).doesNotContain(secret);
    }
}
