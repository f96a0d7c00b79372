// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.attestation.policy.PolicyTests;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.Texts;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.appraisal.Policies;
import dev.tegata.platform.appraisal.Policies.PolicyVersion;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Appraisal policies, their versions, and which one is in force.
final class AppraisalPolicyResource {
    private static final String PATH = "/api/v1/appraisal-policies";
    private static final String VERSION = PATH + "/{policy}/{version}";
    private static final long BODY_LIMIT = 600 * 1024;

    private final Policies policies;

    AppraisalPolicyResource(Policies policies) {
        this.policies = policies;
    }

    /// `document` is left out in listings.
    record View(
            String id,
            int version,
            boolean active,
            @Nullable Instant createdAt,
            @Nullable String createdBy,
            @Nullable JsonNode document) {
        static View listed(PolicyVersion version) {
            return new View(
                    version.id(), version.version(), version.active(), version.createdAt(), version.createdBy(), null);
        }

        static View of(PolicyVersion version) {
            return new View(
                    version.id(),
                    version.version(),
                    version.active(),
                    version.createdAt(),
                    version.createdBy(),
                    JsonMapper.shared().readTree(version.document()));
        }
    }

    record TestView(String name, boolean passed, @Nullable String difference) {
        static TestView of(PolicyTests.Outcome outcome) {
            return new TestView(outcome.name(), outcome.passed(), outcome.difference());
        }
    }

    record Tested(boolean passed, List<TestView> tests) {}

    record ActivationView(int number, String id, int version, Instant activatedAt, String activatedBy) {}

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_APPRAISALS, this::list),
                gate.creating(PATH, Permission.MANAGE_APPRAISAL, this::add).withBodyLimit(BODY_LIMIT),
                gate.route("POST", PATH + "/test", Permission.READ_APPRAISALS, this::test)
                        .withBodyLimit(BODY_LIMIT),
                gate.route("GET", PATH + "/activations", Permission.READ_APPRAISALS, this::activations),
                gate.guarded("POST", PATH + "/rollback", Permission.MANAGE_APPRAISAL, this::rollBack),
                gate.route("GET", VERSION, Permission.READ_APPRAISALS, this::show),
                gate.guarded("POST", VERSION + "/activate", Permission.MANAGE_APPRAISAL, this::activate));
    }

    private Response list(Call call) {
        return Response.json(new Queries.Listing<>(
                policies.list(call.tenant()).stream().map(View::listed).toList(), null));
    }

    private Response add(Call call) {
        return Response.json(201, View.of(policies.add(call.tenant(), call.actor(), document(call))));
    }

    private Response test(Call call) {
        List<TestView> tests =
                Policies.test(document(call)).stream().map(TestView::of).toList();
        return Response.json(new Tested(tests.stream().allMatch(TestView::passed), tests));
    }

    private static Bytes document(Call call) {
        if (!call.request().contentType().equals("application/json")) {
            throw new RefusedException(
                    ErrorCode.UNSUPPORTED_MEDIA_TYPE, "send the policy with 'Content-Type: application/json'");
        }
        return Bytes.of(call.request().body());
    }

    private Response show(Call call) {
        return Response.json(View.of(policies.get(call.tenant(), call.path("policy"), version(call))));
    }

    private Response activate(Call call) {
        return Response.json(
                View.of(policies.activate(call.tenant(), call.actor(), call.path("policy"), version(call))));
    }

    private static int version(Call call) {
        String text = call.path("version");
        if (!text.matches("[0-9]{1,9}")) {
            throw Fields.invalid("version", "must be a number, not '" + Texts.quoted(text) + "'");
        }
        return Integer.parseInt(text);
    }

    private Response rollBack(Call call) {
        return Response.json(View.of(policies.rollBack(call.tenant(), call.actor())));
    }

    private Response activations(Call call) {
        return Response.json(new Queries.Listing<>(
                policies.activations(call.tenant()).stream()
                        .map(each -> new ActivationView(each.number(), each.id(), each.version(), each.at(), each.by()))
                        .toList(),
                null));
    }
}
