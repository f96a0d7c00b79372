// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.tenant.AuthorityLayout;
import dev.tegata.platform.tenant.CreatedTenant;
import dev.tegata.platform.tenant.NewTenant;
import dev.tegata.platform.tenant.Tenant;
import dev.tegata.platform.tenant.TenantSubject;
import dev.tegata.platform.tenant.Tenants;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Tenants: made and listed by the installation's operator, seen by themselves.
final class TenantResource {
    private final Tenants tenants;

    TenantResource(Tenants tenants) {
        this.tenants = tenants;
    }

    record SubjectBody(
            String organization,
            String country,
            @Nullable String organizationalUnit,
            @Nullable String locality,
            @Nullable String state) {
        static SubjectBody of(TenantSubject subject) {
            return new SubjectBody(
                    subject.organization(),
                    subject.country(),
                    subject.organizationalUnit(),
                    subject.locality(),
                    subject.state());
        }

        TenantSubject toSubject() {
            return new TenantSubject(organization, country, organizationalUnit, locality, state);
        }
    }

    record Body(
            String name,
            SubjectBody subject,
            @Nullable String authorities,
            @Nullable String algorithm,
            @Nullable String rootLifetime,
            @Nullable String issuingLifetime) {
        NewTenant toNewTenant() {
            return new NewTenant(
                    name,
                    subject.toSubject(),
                    authorities == null
                            ? AuthorityLayout.TWO_TIER
                            : Names.constant(AuthorityLayout.class, "authorities", authorities),
                    algorithm == null ? KeyAlgorithm.EC_P256 : Names.algorithm("algorithm", algorithm),
                    rootLifetime,
                    issuingLifetime);
        }
    }

    record View(String id, String name, SubjectBody subject, Instant createdAt) {
        static View of(Tenant tenant) {
            return new View(tenant.id().value(), tenant.name(), SubjectBody.of(tenant.subject()), tenant.createdAt());
        }
    }

    record CreatedView(View tenant, List<AuthorityResource.View> authorities, ApiKeyResource.CreatedView apiKey) {}

    List<Route> routes(Gate gate) {
        return List.of(
                gate.operatorRoute("GET", "/api/v1/tenants", this::list),
                gate.operatorRoute("POST", "/api/v1/tenants", this::create),
                gate.operatorRoute("GET", "/api/v1/tenants/{tenant}", this::get),
                gate.route("GET", "/api/v1/tenant", Permission.READ_TENANT, this::own));
    }

    private Response list(Request request, Actor operator) {
        return Response.json(Queries.Listing.of(tenants.list(Queries.page(request)), View::of));
    }

    private Response create(Request request, Actor operator) {
        CreatedTenant created =
                tenants.create(operator, request.json(Body.class).toNewTenant());
        CreatedView view = new CreatedView(
                View.of(created.tenant()),
                created.authorities().stream().map(AuthorityResource.View::of).toList(),
                ApiKeyResource.CreatedView.of(created.adminKey()));
        return Response.json(201, view)
                .with("Location", "/api/v1/tenants/" + created.tenant().id());
    }

    private Response get(Request request, Actor operator) {
        return Response.json(View.of(tenants.get(new TenantId(request.pathParameter("tenant")))));
    }

    private Response own(Call call) {
        return Response.json(View.of(tenants.get(call.tenant())));
    }
}
