// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.health;

import dev.tegata.pki.key.WatchedVault;
import dev.tegata.platform.enrol.EnrolmentWorld;

/// Looks through a tenant now.
public final class HealthSweepRunner {
    private HealthSweepRunner() {}

    public static void run(EnrolmentWorld world) {
        try (HealthSweep sweep = new HealthSweep(
                world.database,
                world.authorities,
                new HealthRules(AlgorithmPolicy.standard()),
                StatusProbe.NONE,
                new WatchedVault(world.vault, world.clock),
                world.clock)) {
            sweep.run(world.tenant);
        }
    }
}
