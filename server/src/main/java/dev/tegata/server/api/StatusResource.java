// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.key.WatchedVault;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.device.DeviceCounts;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

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
    record Installation(String version, WatchedVault vault) {}

    /// How the vault signs for the tenant, on the node that answers.
    ///
    /// @param works false where the last signature failed
    /// @param signedAt null where none was made since the node was started
    /// @param failedAt of the last failure, which may be over
    /// @param problem null where it works
    record SigningView(
            boolean works,
            @Nullable Instant signedAt,
            @Nullable Instant failedAt,
            @Nullable String problem) {
        static SigningView of(WatchedVault.Signing signing) {
            WatchedVault.Failure last = signing.failure();
            return new SigningView(
                    signing.failing().isEmpty(),
                    signing.signedAt(),
                    last == null ? null : last.at(),
                    signing.failing().map(WatchedVault.Failure::told).orElse(null));
        }
    }

    record View(
            String version,
            String vault,
            SigningView signing,
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
                installation.vault().kind(),
                SigningView.of(installation.vault().signing(call.tenant().keySpace())),
                clock.instant(),
                call.tenant().value(),
                call.caller().keyId(),
                call.caller().role().id(),
                counts));
    }
}
