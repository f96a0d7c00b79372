// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.health;

import static org.assertj.core.api.Assertions.assertThat;

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
}
