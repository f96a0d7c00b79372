// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.platform.access.Permission;
import dev.tegata.platform.approval.Approval;
import dev.tegata.platform.approval.ApprovalId;
import dev.tegata.platform.approval.Approvals;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Two-person approval: the rule, and the requests that wait for a second person.
final class ApprovalResource {
    private static final String PATH = "/api/v1/approvals";
    private static final String RULE = "/api/v1/tenant/approvals";

    private final Approvals approvals;

    ApprovalResource(Approvals approvals) {
        this.approvals = approvals;
    }

    /// How many people a change of trust takes.
    enum People {
        ONE,
        TWO
    }

    record Rule(String people) {
        static Rule of(boolean required) {
            return new Rule(Names.of(required ? People.TWO : People.ONE));
        }
    }

    record View(
            String id,
            String permission,
            String request,
            String description,
            String state,
            String requestedBy,
            Instant requestedAt,
            Instant expiresAt,
            @Nullable String decidedBy,
            @Nullable Instant decidedAt) {
        static View of(Approval approval) {
            return new View(
                    approval.id().toString(),
                    approval.permission().id(),
                    approval.method() + " " + approval.target(),
                    approval.description(),
                    Names.of(approval.state()),
                    approval.requestedBy(),
                    approval.requestedAt(),
                    approval.expiresAt(),
                    approval.decidedBy(),
                    approval.decidedAt());
        }
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", RULE, Permission.READ_TENANT, this::rule),
                gate.guarded("PUT", RULE, Permission.MANAGE_AUTHORITIES, this::setRule),
                gate.route("GET", PATH, Permission.READ_TENANT, this::list),
                gate.route("GET", PATH + "/{approval}", Permission.READ_TENANT, this::get),
                gate.route("POST", PATH + "/{approval}/approve", Permission.APPROVE, call -> decide(call, true)),
                gate.route("POST", PATH + "/{approval}/reject", Permission.APPROVE, call -> decide(call, false)));
    }

    private Response rule(Call call) {
        return Response.json(Rule.of(approvals.required(call.tenant())));
    }

    private Response setRule(Call call) {
        Rule rule = call.request().json(Rule.class);
        boolean required = Names.constant(People.class, "people", rule.people()) == People.TWO;
        approvals.require(call.tenant(), call.caller(), required);
        return Response.json(rule);
    }

    private Response list(Call call) {
        return Response.json(Queries.Listing.of(approvals.list(call.tenant(), Queries.page(call.request())), View::of));
    }

    private Response get(Call call) {
        return Response.json(View.of(approvals.get(call.tenant(), id(call))));
    }

    private Response decide(Call call, boolean approved) {
        return Response.json(View.of(approvals.decide(call.tenant(), call.caller(), id(call), approved)));
    }

    private static ApprovalId id(Call call) {
        return ApprovalId.parse(call.path("approval"));
    }
}
