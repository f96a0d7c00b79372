// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server;

import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.util.List;
import java.util.function.BooleanSupplier;

/// What anybody may fetch over plain HTTP: CA certificates, which carry their own proof, and whether the server is
/// well.
final class PublicPki {
    private static final String SUFFIX = ".cer";

    private final Authorities authorities;
    private final BooleanSupplier ready;

    PublicPki(Authorities authorities, BooleanSupplier ready) {
        this.authorities = authorities;
        this.ready = ready;
    }

    List<Route> routes() {
        return List.of(
                Route.get("/ca/{tenant}/{file}", this::certificate),
                Route.get("/livez", _ -> Response.text(200, "text/plain", "alive\n")),
                Route.get("/readyz", _ -> readiness()));
    }

    /// spec| RFC 5280 §4.2.2.1: the URI MUST point to a single DER encoded certificate, application/pkix-cert
    private Response certificate(Request request) {
        String file = request.pathParameter("file");
        if (!file.endsWith(SUFFIX)) {
            throw new RefusedException(ErrorCode.NOT_FOUND, "the address of a CA certificate ends in " + SUFFIX);
        }
        TenantId tenant = new TenantId(request.pathParameter("tenant"));
        AuthorityId authority = AuthorityId.parse(file.substring(0, file.length() - SUFFIX.length()));
        byte[] der = authorities.chain(tenant, authority).getFirst().encoded().toArray();
        return Response.of(200, "application/pkix-cert", der).with("Cache-Control", "public, max-age=3600");
    }

    private Response readiness() {
        if (!ready.getAsBoolean()) {
            throw new RefusedException(ErrorCode.UNAVAILABLE, "the database does not answer");
        }
        return Response.text(200, "text/plain", "ready\n");
    }
}
