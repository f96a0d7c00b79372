// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.platform.access.Permission;
import dev.tegata.platform.device.DeviceCounts;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// What runs, and how many devices the tenant has in which state.
final class StatusResource {
    private final DeviceCounts devices;
    private final InstantSource clock;
    private final Installation installation;

    StatusResource(DeviceCounts devices, InstantSource clock, Installation installation) {
        this.devices = devices;
        this.clock = clock;
        this.installation = installation;
    }

    /// Facts of the installation that every tenant may know.
    ///
    /// @param vault `software` or `pkcs11`
    record Installation(String version, String vault) {}

    record View(
            String version,
            String vault,
            Instant time,
            String tenant,
            String apiKey,
            String role,
            Map<String, Long> devices) {}

    List<Route> routes(Gate gate) {
        return List.of(gate.route("GET", "/api/v1/status", Permission.READ_FLEETS, this::status));
    }

    private Response status(Call call) {
        Map<String, Long> counts = new TreeMap<>();
        devices.byState(call.tenant(), null).forEach((state, count) -> counts.put(Names.of(state), count));
        return Response.json(new View(
                installation.version(),
                installation.vault(),
                clock.instant(),
                call.tenant().value(),
                call.caller().keyId(),
                call.caller().role().id(),
                counts));
    }
}
