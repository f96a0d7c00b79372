// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ManifestId;
import dev.tegata.platform.Page;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.claim.ClaimToken;
import dev.tegata.platform.claim.ClaimTokens;
import dev.tegata.platform.claim.SharedSecret;
import dev.tegata.platform.claim.SharedSecrets;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One-time secrets for devices whose manifest lists no keys to enrol with.
final class ClaimTokenResource {
    private final ClaimTokens tokens;
    private final SharedSecrets sharedSecrets;

    ClaimTokenResource(ClaimTokens tokens, SharedSecrets sharedSecrets) {
        this.tokens = tokens;
        this.sharedSecrets = sharedSecrets;
    }

    /// @param cmp whether CMP can use it too, as its shared secret
    record Body(Duration validity, @Nullable Boolean cmp) {
        boolean shared() {
            return cmp != null && cmp;
        }
    }

    /// `secret` is shown this once.
    record View(
            String device,
            String serial,
            String secret,
            @Nullable String reference,
            Instant expiresAt) {
        static View of(ClaimToken token) {
            return new View(token.device().toString(), token.serial(), token.secret(), null, token.expiresAt());
        }

        static View of(SharedSecret shared) {
            ClaimToken token = shared.token();
            return new View(
                    token.device().toString(), token.serial(), token.secret(), shared.reference(), token.expiresAt());
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
        Body body = call.request().json(Body.class);
        View view = body.shared()
                ? View.of(sharedSecrets.create(call.tenant(), call.actor(), device, body.validity()))
                : View.of(tokens.create(call.tenant(), call.actor(), device, body.validity()));
        return Response.json(201, view);
    }

    private Response ofManifest(Call call) {
        ManifestId manifest = ManifestId.parse(call.path("manifest"));
        Body body = call.request().json(Body.class);
        Page.Request page = Queries.page(call.request());
        return Response.json(
                201,
                body.shared()
                        ? Queries.Listing.of(
                                sharedSecrets.create(call.tenant(), call.actor(), manifest, body.validity(), page),
                                View::of)
                        : Queries.Listing.of(
                                tokens.create(call.tenant(), call.actor(), manifest, body.validity(), page), View::of));
    }
}
