// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ManifestId;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.claim.ClaimToken;
import dev.tegata.platform.claim.ClaimTokens;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Duration;
import java.time.Instant;
import java.util.List;

/// One-time secrets for devices whose manifest lists no keys.
final class ClaimTokenResource {
    private final ClaimTokens tokens;

    ClaimTokenResource(ClaimTokens tokens) {
        this.tokens = tokens;
    }

    record Body(Duration validity) {}

    /// `secret` is shown this once.
    record View(String device, String serial, String secret, Instant expiresAt) {
        static View of(ClaimToken token) {
            return new View(token.device().toString(), token.serial(), token.secret(), token.expiresAt());
        }

        /// Without the secret.
        @Override
        public String toString() {
            return "View[" + device + "]";
        }
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.creating(
                        DeviceResource.PATH + "/{device}/claim-tokens", Permission.MANAGE_DEVICES, this::ofDevice),
                gate.creating(
                        ManifestResource.PATH + "/{manifest}/claim-tokens",
                        Permission.MANAGE_DEVICES,
                        this::ofManifest));
    }

    private Response ofDevice(Call call) {
        DeviceId device = DeviceId.parse(call.path("device"));
        Duration validity = call.request().json(Body.class).validity();
        return Response.json(201, View.of(tokens.create(call.tenant(), call.actor(), device, validity)));
    }

    private Response ofManifest(Call call) {
        ManifestId manifest = ManifestId.parse(call.path("manifest"));
        Duration validity = call.request().json(Body.class).validity();
        return Response.json(
                201,
                Queries.Listing.of(
                        tokens.create(call.tenant(), call.actor(), manifest, validity, Queries.page(call.request())),
                        View::of));
    }
}
