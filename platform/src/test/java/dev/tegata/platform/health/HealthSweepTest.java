// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.health;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.CertificateProfile.Locations;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
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
