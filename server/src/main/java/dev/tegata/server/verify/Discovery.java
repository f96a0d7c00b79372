// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.verify;

import dev.tegata.platform.TenantId;
import dev.tegata.platform.appraisal.ResultKeys;
import dev.tegata.server.http.Json;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.util.List;
import java.util.Map;

/// What anybody may know of a tenant's verifier: the keys that its results are checked with, and what
/// it understands.
public final class Discovery {
    private static final String VERIFICATION_TYPE = "application/vnd.veraison.discovery+json";

    private final ResultKeys resultKeys;
    private final String version;

    /// @param version of the program
    public Discovery(ResultKeys resultKeys, String version) {
        this.resultKeys = resultKeys;
        this.version = version;
    }

    /// For relying parties, who have no API key: under the tenant's own prefix.
    public List<Route> routes() {
        return List.of(
                Route.get("/tenants/{tenant}/.well-known/jwks.json", this::keys),
                Route.get(
                        "/tenants/{tenant}/.well-known/veraison/verification",
                        request -> verification(tenant(request))));
    }

    private static TenantId tenant(Request request) {
        return new TenantId(request.pathParameter("tenant"));
    }

    private record KeySet(List<Map<String, String>> keys) {}

    private Response keys(Request request) {
        KeySet keys = new KeySet(resultKeys.published(tenant(request)).stream()
                .map(ResultKeys.ResultKey::jwk)
                .toList());
        return Response.of(200, "application/jwk-set+json", Json.write(keys)).with("Cache-Control", "max-age=60");
    }

    /// The tenant's verifier as clients discover it.
    public Response verification(TenantId tenant) {
        Map<String, Object> document = Map.of(
                "ear-verification-key",
                resultKeys.published(tenant).getFirst().jwk(),
                "media-types",
                EvidenceTypes.ALL,
                "version",
                version,
                "service-state",
                "READY",
                "api-endpoints",
                Map.of("newChallengeResponseSession", "/challenge-response/v1/newSession"));
        return Response.of(200, VERIFICATION_TYPE, Json.write(document));
    }
}
