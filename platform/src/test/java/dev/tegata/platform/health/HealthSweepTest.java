// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.health;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.CertificateProfile.Locations;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.pki.key.WatchedVault;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.enrol.EnrolmentOutcome;
import dev.tegata.platform.enrol.EnrolmentWorld;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.testing.TestDatabase;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("The look through all chains")
final class HealthSweepTest {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    @Test
    @DisplayName("stores whom a finding affects, how fresh it is, and forgets what is right again")
    void sweeps() {
        try (EnrolmentWorld world = new EnrolmentWorld(testDatabase.database());
                HealthSweep health = new HealthSweep(
                        world.database,
                        world.authorities,
                        new HealthRules(AlgorithmPolicy.standard()),
                        StatusProbe.NONE,
                        new WatchedVault(world.vault, world.clock),
                        world.clock)) {
            FleetId fleet = world.fleet(FleetPolicy.standard());
            AuthorityId issuer = world.created.authorities().getLast().id();
            EnrolmentWorld.Unit unit = world.claim(fleet, "0c01aa");
            SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            EnrolmentOutcome.Issued issued = (EnrolmentOutcome.Issued) world.enrol(fleet, unit.birth(), key);
            world.clock.advance(Duration.ofDays(350));

            health.run(world.tenant);

            assertThat(health.findings(world.tenant, Page.Request.first()).items())
                    .extracting(Finding::code)
                    .contains(FindingCode.CERTIFICATE_ENDS_SOON, FindingCode.CRL_MISSING)
                    .doesNotContain(FindingCode.KEY_SHARED, FindingCode.CERTIFICATE_OUTLIVES_ISSUER);
            assertThat(health.affected(world.tenant, FindingCode.CERTIFICATE_ENDS_SOON, issuer, Page.Request.first())
                            .items())
                    .containsExactly(unit.id());
            assertThat(health.freshness(world.tenant).finishedAt()).isNotNull();

            world.reEnrol(fleet, issued.certificate(), SoftwareKey.generate(KeyAlgorithm.EC_P256));
            health.run(world.tenant);

            assertThat(health.findings(world.tenant, Page.Request.first()).items())
                    .extracting(Finding::code)
                    .doesNotContain(FindingCode.CERTIFICATE_ENDS_SOON);
        }
    }

    private static HealthSweep quiet(EnrolmentWorld world) {
        return new HealthSweep(
                world.database,
                world.authorities,
                new HealthRules(AlgorithmPolicy.standard()),
                StatusProbe.NONE,
                new WatchedVault(world.vault, world.clock),
                world.clock);
    }

    private static List<String> found(HealthSweep health, EnrolmentWorld world, FindingCode code) {
        health.run(world.tenant);
        return health.findings(world.tenant, Page.Request.first()).items().stream()
                .filter(finding -> finding.code() == code)
                .map(Finding::subject)
                .toList();
    }

    @Test
    @DisplayName("watches the status of retired authorities as long as certificates of devices lead to them")
    void retired() {
        try (EnrolmentWorld world = new EnrolmentWorld(testDatabase.database());
                HealthSweep health = quiet(world)) {
            FleetId fleet = world.fleet(FleetPolicy.standard());
            AuthorityId root = world.created.authorities().getFirst().id();
            AuthorityId issuer = world.created.authorities().getLast().id();
            EnrolmentWorld.Unit unit = world.claim(fleet, "0c01ab");
            world.enrol(fleet, unit.birth(), SoftwareKey.generate(KeyAlgorithm.EC_P256));
            world.authorities.retire(world.tenant, EnrolmentWorld.OPERATOR, issuer);
            world.authorities.retire(world.tenant, EnrolmentWorld.OPERATOR, root);

            assertThat(found(health, world, FindingCode.CRL_MISSING))
                    .containsExactlyInAnyOrder("authority:" + root, "authority:" + issuer);
            assertThat(found(health, world, FindingCode.AUTHORITY_ALGORITHM)).isEmpty();

            world.clock.advance(Duration.ofDays(400));
            assertThat(found(health, world, FindingCode.CRL_MISSING)).isEmpty();
        }
    }

    @Test
    @DisplayName("leaves out authorities that were revoked: nobody asks for their lists")
    void revoked() {
        try (EnrolmentWorld world = new EnrolmentWorld(testDatabase.database());
                HealthSweep health = quiet(world)) {
            FleetId fleet = world.fleet(FleetPolicy.standard());
            AuthorityId root = world.created.authorities().getFirst().id();
            AuthorityId issuer = world.created.authorities().getLast().id();
            EnrolmentWorld.Unit unit = world.claim(fleet, "0c01ac");
            world.enrol(fleet, unit.birth(), SoftwareKey.generate(KeyAlgorithm.EC_P256));
            world.authorities.revoke(world.tenant, EnrolmentWorld.OPERATOR, issuer, 5);

            assertThat(found(health, world, FindingCode.CRL_MISSING)).containsExactly("authority:" + root);
        }
    }

    @Test
    @DisplayName("takes a key for no younger than its certificate, whenever the authority was taken in")
    void takenIn() {
        try (EnrolmentWorld world = new EnrolmentWorld(testDatabase.database());
                HealthSweep health = quiet(world)) {
            AuthorityId root = world.created.authorities().getFirst().id();
            world.clock.advance(Duration.ofDays(4000));
            world.database.inTenant(
                    world.tenant,
                    tx -> tx.createUpdate(
                                    "UPDATE authority SET created_at = :now WHERE tenant_id = :tenant AND authority_id = :id")
                            .bind("now", world.clock.instant())
                            .bind("tenant", world.tenant)
                            .bind("id", root)
                            .execute());

            assertThat(found(health, world, FindingCode.AUTHORITY_KEY_OLD)).contains("authority:" + root);
        }
    }

    @Test
    @DisplayName("asks the addresses that certificates carry, several at once, and tells which are silent")
    void addresses() {
        CountDownLatch together = new CountDownLatch(2);
        StatusProbe probe = (url, _) -> {
            together.countDown();
            boolean accompanied = await(together);
            return accompanied && !url.endsWith("/silent.crl") ? Optional.empty() : Optional.of("does not answer");
        };
        try (EnrolmentWorld world = new EnrolmentWorld(testDatabase.database())) {
            world.fleet(
                    FleetPolicy.standard(),
                    CertificateProfile.device()
                            .withLocations(new Locations(
                                    List.of("http://lists.example/silent.crl"),
                                    List.of("http://ocsp.example/"),
                                    List.of("http://lists.example/issuer.cer"))));
            try (HealthSweep health = new HealthSweep(
                    world.database,
                    world.authorities,
                    new HealthRules(AlgorithmPolicy.standard()),
                    probe,
                    new WatchedVault(world.vault, world.clock),
                    world.clock)) {
                health.run(world.tenant);

                assertThat(health.findings(world.tenant, Page.Request.first()).items())
                        .filteredOn(finding -> finding.code() == FindingCode.STATUS_UNREACHABLE)
                        .singleElement()
                        .satisfies(finding -> {
                            assertThat(finding.subject())
                                    .isEqualTo("authority:"
                                            + world.created
                                                    .authorities()
                                                    .getLast()
                                                    .id());
                            assertThat(finding.detail()).isEqualTo("http://lists.example/silent.crl: does not answer");
                        });
            }
        }
    }

    private static boolean await(CountDownLatch latch) {
        try {
            return latch.await(60, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
