// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.coap;

import dev.tegata.platform.FleetId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.enrol.Enrolments;
import java.util.concurrent.Executor;
import java.util.concurrent.Semaphore;
import org.eclipse.californium.core.CoapResource;
import org.eclipse.californium.core.server.resources.Resource;
import org.jspecify.annotations.Nullable;

/// `/.well-known/est`, below which each fleet's id leads to its operations. No listing shows which
/// fleets there are.
final class EstResource extends CoapResource {
    /// How many requests are carried out at once; beyond it a device is told to come back.
    private static final int MAX_RUNNING = 256;

    private final Enrolments enrolments;
    private final Semaphore running = new Semaphore(MAX_RUNNING);
    private final Executor threads = work -> Thread.ofVirtual().name("coap").start(work);

    EstResource(Enrolments enrolments) {
        super("est");
        this.enrolments = enrolments;
    }

    @Override
    public @Nullable Resource getChild(String name) {
        try {
            return new FleetResource(new FleetId(name));
        } catch (RefusedException e) {
            return null;
        }
    }

    private final class FleetResource extends CoapResource {
        private final FleetId fleet;

        FleetResource(FleetId fleet) {
            super(fleet.value());
            this.fleet = fleet;
        }

        @Override
        public @Nullable Resource getChild(String name) {
            return EstOperation.named(name)
                    .map(operation -> new EstOperation(operation, fleet, enrolments, running, threads))
                    .orElse(null);
        }
    }
}
