// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.platform.access.ApiKey;
import dev.tegata.platform.access.ApiKeys;
import dev.tegata.platform.access.CreatedApiKey;
import dev.tegata.platform.access.NewApiKey;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.access.Role;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The API keys of a tenant.
final class ApiKeyResource {
    private static final String PATH = "/api/v1/api-keys";

    private final ApiKeys apiKeys;

    ApiKeyResource(ApiKeys apiKeys) {
        this.apiKeys = apiKeys;
    }

    record Body(String name, String role, @Nullable Instant expiresAt) {
        NewApiKey toNewApiKey() {
            return new NewApiKey(name, Names.constant(Role.class, "role", role), expiresAt);
        }
    }

    record View(
            String id,
            String prefix,
            String name,
            String role,
            Instant createdAt,
            @Nullable Instant expiresAt,
            @Nullable Instant lastUsedAt,
            @Nullable Instant revokedAt) {
        static View of(ApiKey key) {
            return new View(
                    key.keyId(),
                    key.prefix(),
                    key.name(),
                    key.role().id(),
                    key.createdAt(),
                    key.expiresAt(),
                    key.lastUsedAt(),
                    key.revokedAt());
        }
    }

    /// `secret` is the whole key, which is shown this once.
    record CreatedView(View apiKey, String secret) {
        static CreatedView of(CreatedApiKey created) {
            return new CreatedView(View.of(created.key()), created.text());
        }

        /// Without the secret.
        @Override
        public String toString() {
            return "CreatedView[" + apiKey + "]";
        }
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_API_KEYS, this::list),
                gate.creatingGuarded(PATH, Permission.MANAGE_API_KEYS, this::create),
                gate.route("DELETE", PATH + "/{apiKey}", Permission.MANAGE_API_KEYS, this::revoke));
    }

    private Response list(Call call) {
        return Response.json(Queries.Listing.of(apiKeys.list(call.tenant(), Queries.page(call.request())), View::of));
    }

    private Response create(Call call) {
        NewApiKey wanted = call.request().json(Body.class).toNewApiKey();
        CreatedApiKey created = apiKeys.create(call.tenant(), call.caller(), wanted);
        return Response.json(201, CreatedView.of(created))
                .with("Location", PATH + "/" + created.key().keyId());
    }

    private Response revoke(Call call) {
        apiKeys.revoke(call.tenant(), call.caller(), call.path("apiKey"));
        return Response.nothing();
    }
}
