// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.fleet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.assertj.core.api.Assertions.tuple;

import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.Broken;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.audit.AuditRecord;
import dev.tegata.platform.authority.NewAuthority;
import dev.tegata.platform.device.Device;
import dev.tegata.platform.device.DeviceQuery;
import dev.tegata.platform.enrol.EnrolmentOutcome;
import dev.tegata.platform.enrol.EnrolmentWorld;
import dev.tegata.platform.enrol.EnrolmentWorld.Unit;
import dev.tegata.platform.testing.TestDatabase;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("A change of a fleet's rules that would break chains")
class ChainBreaksTest {
    private static final int P256 = 25;
    // Chips have one owner in an installation, and tests share one.
    private static final AtomicInteger SERIALS = new AtomicInteger();

    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private EnrolmentWorld world;
    private FleetId fleet;
    private List<String> p256;
    private List<String> p384;

    @BeforeEach
    void makeDevices() {
        world = new EnrolmentWorld(DATABASE.database());
        fleet = world.fleet(FleetPolicy.standard());
        p256 = activate(KeyAlgorithm.EC_P256, P256);
        p384 = activate(KeyAlgorithm.EC_P384, 2);
        world.claim(fleet, "cb" + SERIALS.incrementAndGet());
    }

    @AfterEach
    void close() {
        world.close();
    }

    private List<String> activate(KeyAlgorithm algorithm, int count) {
        List<Unit> units = world.claim(
                fleet,
                IntStream.range(0, count)
                        .mapToObj(_ -> "cb" + SERIALS.incrementAndGet())
                        .toList());
        for (Unit unit : units) {
            assertThat(world.enrol(fleet, unit.birth(), SoftwareKey.generate(algorithm)))
                    .isInstanceOf(EnrolmentOutcome.Issued.class);
        }
        return units.stream().map(unit -> unit.id().toString()).toList();
    }

    private Fleet change(UnaryOperator<CertificateProfile> profile, @Nullable AuthorityId authority) {
        Fleet before = world.fleets.get(world.tenant, fleet);
        return world.fleets.update(
                world.tenant, EnrolmentWorld.OPERATOR, fleet, before.version(), settings(before, profile, authority));
    }

    private static FleetSettings settings(
            Fleet before, UnaryOperator<CertificateProfile> profile, @Nullable AuthorityId authority) {
        return new FleetSettings(
                before.name(),
                authority == null ? before.authority() : authority,
                profile.apply(before.profile()),
                before.policy());
    }

    private RefusedException refused(UnaryOperator<CertificateProfile> profile, @Nullable AuthorityId authority) {
        int version = world.fleets.get(world.tenant, fleet).version();
        RefusedException refused = catchThrowableOfType(RefusedException.class, () -> change(profile, authority));
        assertThat(refused).isNotNull();
        assertThat(world.fleets.get(world.tenant, fleet).version())
                .as("version after a refusal")
                .isEqualTo(version);
        return refused;
    }

    @Test
    @DisplayName("names the devices whose keys would get no certificate, by kind of key; all are listed page by page")
    void keys() {
        RefusedException refused = refused(rsaOnly(), null);

        assertThat(refused.code()).isEqualTo(ErrorCode.BREAKS_CHAINS);
        assertThat(refused.broken()).extracting(Broken::reason).containsOnly("key-not-allowed");
        assertThat(refused.broken()).extracting(Broken::count).containsExactly((long) P256, 2L);
        assertThat(refused.broken().getFirst().first()).hasSize(Broken.NAMED).isSubsetOf(p256);
        assertThat(refused.broken().getLast().first()).containsExactlyInAnyOrderElementsOf(p384);
        assertThat(refused.broken().getFirst().path())
                .isEqualTo("/api/v1/devices?fleet=" + fleet + "&keyAlgorithm=ec-p256");
        assertThat(listed(KeyAlgorithm.EC_P256)).containsExactlyInAnyOrderElementsOf(p256);
    }

    private List<String> listed(KeyAlgorithm algorithm) {
        DeviceQuery query = new DeviceQuery(fleet, null, null, null, false, null, null, null, null, null, algorithm);
        List<String> listed = new ArrayList<>();
        @Nullable String cursor = null;
        do {
            Page<Device> page = world.devices.search(world.tenant, query, Page.Request.of(cursor, 10));
            page.items().forEach(device -> listed.add(device.id().toString()));
            cursor = page.next();
        } while (cursor != null);
        return listed;
    }

    @Test
    @DisplayName("is carried out for whoever leaves them behind, and the audit says how many")
    void leaveBehind() {
        Fleet before = world.fleets.get(world.tenant, fleet);
        world.fleets.updateLeavingBehind(
                world.tenant, EnrolmentWorld.OPERATOR, fleet, before.version(), settings(before, rsaOnly(), null));

        assertThat(world.fleets.get(world.tenant, fleet).profile().keyAlgorithms())
                .containsExactly(KeyAlgorithm.RSA_2048);
        assertThat(world.audit
                        .recordsAbout(world.tenant, "fleet:" + fleet, Page.Request.first())
                        .items())
                .extracting(AuditRecord::toString)
                .anySatisfy(record -> assertThat(record).contains("leftBehind").contains("key-not-allowed"));
    }

    @Test
    @DisplayName("is none where only the order of keys changes, or keys that nobody has go")
    void nobodyBreaks() {
        assertThat(change(
                                profile ->
                                        profile.withKeyAlgorithms(List.of(KeyAlgorithm.EC_P384, KeyAlgorithm.EC_P256)),
                                null)
                        .version())
                .isEqualTo(2);
        assertThat(change(profile -> profile.withLifetime("P30D"), null).version())
                .isEqualTo(3);
    }

    @Test
    @DisplayName("names the devices under a root that the other authority is not under")
    void otherRoot() {
        NewAuthority wanted = new NewAuthority("Other root", Name.parse("CN=Other root"), KeyAlgorithm.EC_P256);
        AuthorityId root = world.authorities
                .createRoot(world.tenant, EnrolmentWorld.OPERATOR, wanted)
                .id();
        AuthorityId other = issuing("Elsewhere", root);
        AuthorityId sibling =
                issuing("Beside", world.created.authorities().getFirst().id());

        assertThat(refused(UnaryOperator.identity(), other).broken())
                .extracting(Broken::reason, Broken::count)
                .containsExactly(tuple("root-changes", P256 + 2L));
        assertThat(change(UnaryOperator.identity(), sibling).authority()).isEqualTo(sibling);
    }

    private AuthorityId issuing(String name, AuthorityId root) {
        return world.authorities
                .createIssuing(
                        world.tenant,
                        EnrolmentWorld.OPERATOR,
                        root,
                        new NewAuthority(name, Name.parse("CN=" + name), KeyAlgorithm.EC_P256))
                .id();
    }

    @Test
    @DisplayName("names the devices for which an authority without a certificate could do nothing")
    void pendingAuthority() {
        AuthorityId pending = world.authorities
                .createPending(
                        world.tenant,
                        EnrolmentWorld.OPERATOR,
                        new NewAuthority("Pending", Name.parse("CN=Pending"), KeyAlgorithm.EC_P256))
                .id();

        assertThat(refused(UnaryOperator.identity(), pending).broken())
                .extracting(Broken::reason)
                .containsExactly("authority-not-ready");
    }

    @Test
    @DisplayName("names the devices whose certificates would lose a purpose")
    void purposes() {
        assertThat(refused(profile -> withPurposes(profile, List.of("serverAuth")), null)
                        .broken())
                .singleElement()
                .satisfies(broken -> {
                    assertThat(broken.reason()).isEqualTo("purpose-lost");
                    assertThat(broken.detail()).contains("clientAuth");
                    assertThat(broken.count()).isEqualTo(P256 + 2L);
                });
    }

    @Test
    @DisplayName("counts no device of another fleet, nor one that is retired")
    void others() {
        world.database.inTenant(
                world.tenant, tx -> tx.execute("UPDATE device SET state = 'RETIRED' WHERE key_algorithm = 'ec-p384'"));
        FleetId mine = fleet;
        fleet = world.fleet(FleetPolicy.standard());
        activate(KeyAlgorithm.RSA_2048, 1);
        fleet = mine;

        assertThat(refused(rsaOnly(), null).broken())
                .extracting(Broken::count)
                .isEqualTo(Collections.singletonList((long) P256));
    }

    private static UnaryOperator<CertificateProfile> rsaOnly() {
        return profile -> profile.withKeyAlgorithms(List.of(KeyAlgorithm.RSA_2048));
    }

    private static CertificateProfile withPurposes(CertificateProfile profile, List<String> purposes) {
        return new CertificateProfile(
                profile.name(),
                profile.kind(),
                profile.subject(),
                profile.lifetime(),
                profile.backdate(),
                profile.keyAlgorithms(),
                profile.pathLength(),
                profile.keyUsages(),
                purposes,
                profile.alternativeNames(),
                profile.locations(),
                profile.requestedExtensions());
    }
}
