// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.platform.JobId;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.job.Job;
import dev.tegata.platform.job.JobIssue;
import dev.tegata.platform.job.Jobs;
import dev.tegata.platform.store.Json;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/// The tenant's jobs: long work, how far it is, and what came of it.
final class JobResource {
    static final String PATH = "/api/v1/jobs";

    private final Jobs jobs;

    JobResource(Jobs jobs) {
        this.jobs = jobs;
    }

    record View(
            String id,
            String kind,
            String state,
            @Nullable Long total,
            long done,
            long refused,
            String startedBy,
            JsonNode parameters,
            @Nullable JsonNode result,
            @Nullable String failure,
            Instant createdAt,
            Instant updatedAt) {
        static View of(Job job) {
            return new View(
                    job.id().toString(),
                    job.kind(),
                    Names.of(job.state()),
                    job.total(),
                    job.done(),
                    job.refused(),
                    job.actor().toString(),
                    Json.mapper().readTree(job.parameters()),
                    job.result() == null ? null : Json.mapper().readTree(job.result()),
                    job.failure(),
                    job.createdAt(),
                    job.updatedAt());
        }
    }

    record IssueView(String subject, String reason, String detail) {
        static IssueView of(JobIssue issue) {
            return new IssueView(issue.subject(), issue.reason(), issue.detail());
        }
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_DEVICES, this::list),
                gate.route("GET", PATH + "/{job}", Permission.READ_DEVICES, this::get),
                gate.route("GET", PATH + "/{job}/issues", Permission.READ_DEVICES, this::issues),
                gate.route("POST", PATH + "/{job}/cancel", Permission.MANAGE_DEVICES, this::cancel));
    }

    /// The answer of an operation that has started a job.
    static Response started(Job job) {
        return Response.json(202, View.of(job)).with("Location", PATH + "/" + job.id());
    }

    private Response list(Call call) {
        Request request = call.request();
        var page = Queries.page(request, "state");
        Job.State state = request.query("state")
                .map(text -> Names.constant(Job.State.class, "state", text))
                .orElse(null);
        return Response.json(Queries.Listing.of(jobs.list(call.tenant(), state, page), View::of));
    }

    private Response get(Call call) {
        return Response.json(View.of(jobs.get(call.tenant(), id(call))));
    }

    private Response issues(Call call) {
        return Response.json(
                Queries.Listing.of(jobs.issues(call.tenant(), id(call), Queries.page(call.request())), IssueView::of));
    }

    private Response cancel(Call call) {
        return Response.json(View.of(jobs.cancel(call.tenant(), id(call), call.actor())));
    }

    private static JobId id(Call call) {
        return JobId.parse(call.path("job"));
    }
}
