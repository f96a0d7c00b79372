// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.ManifestId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.Texts;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.claim.ImportOptions;
import dev.tegata.platform.claim.ManifestIssue;
import dev.tegata.platform.claim.ManifestReport;
import dev.tegata.platform.claim.ManifestUpload;
import dev.tegata.platform.claim.Manifests;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Manifests: uploaded as a stream, imported as they arrive, and what came of them.
final class ManifestResource {
    static final String PATH = "/api/v1/manifests";
    private static final long LARGEST = 64L << 30;
    private static final Duration LONGEST = Duration.ofHours(12);
    private static final int LONGEST_NAME = 200;
    private static final Set<String> UPLOAD_PARAMETERS = Set.of("fileName", "statement", "id");

    private final Manifests manifests;

    ManifestResource(Manifests manifests) {
        this.manifests = manifests;
    }

    record View(
            String id,
            String fleet,
            String fileName,
            @Nullable String format,
            @Nullable String digest,
            String state,
            @Nullable String failure,
            long elements,
            long claimed,
            long alreadyClaimed,
            long rejected,
            long conflicts,
            Instant startedAt,
            Instant updatedAt) {
        static View of(ManifestReport report) {
            Bytes digest = report.digest();
            return new View(
                    report.id().toString(),
                    report.fleet().value(),
                    report.fileName(),
                    report.format(),
                    digest == null ? null : digest.hex(),
                    Names.of(report.state()),
                    report.failure(),
                    report.elements(),
                    report.claimed(),
                    report.alreadyClaimed(),
                    report.rejected(),
                    report.conflicts(),
                    report.startedAt(),
                    report.updatedAt());
        }
    }

    record IssueView(
            long position, String outcome, @Nullable String serial, String reason, String detail) {
        static IssueView of(ManifestIssue issue) {
            return new IssueView(
                    issue.position(), Names.of(issue.outcome()), issue.serial(), issue.reason(), issue.detail());
        }
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.creating(FleetResource.PATH + "/{fleet}/manifests", Permission.IMPORT_MANIFESTS, this::upload)
                        .withStreamedBody()
                        .withBodyLimit(LARGEST)
                        .withTimeout(LONGEST),
                gate.route("GET", PATH, Permission.READ_MANIFESTS, this::list),
                gate.route("GET", PATH + "/{manifest}", Permission.READ_MANIFESTS, this::get),
                gate.route("GET", PATH + "/{manifest}/issues", Permission.READ_MANIFESTS, this::issues),
                gate.route("POST", PATH + "/{manifest}/cancel", Permission.IMPORT_MANIFESTS, this::cancel));
    }

    private Response upload(Call call) {
        Request request = call.request();
        Queries.requireKnown(request, UPLOAD_PARAMETERS);
        String fileName = request.query("fileName").orElse("");
        if (fileName.isBlank() || fileName.length() > LONGEST_NAME) {
            throw Fields.invalid("fileName", "must have 1 to " + LONGEST_NAME + " characters");
        }
        ManifestUpload upload = new ManifestUpload(
                new FleetId(call.path("fleet")),
                Texts.quoted(fileName),
                request.stream(),
                new ImportOptions(statement(request)),
                request.query("id").map(ManifestId::parse).orElse(null));
        ManifestReport report = manifests.importManifest(call.tenant(), call.actor(), upload, _ -> {});
        return Response.json(201, View.of(report)).with("Location", PATH + "/" + report.id());
    }

    private static boolean statement(Request request) {
        return switch (request.query("statement").orElse("false")) {
            case "true" -> true;
            case "false" -> false;
            default -> throw new RefusedException(ErrorCode.INVALID_FIELD, "statement must be true or false");
        };
    }

    private Response list(Call call) {
        return Response.json(Queries.Listing.of(manifests.list(call.tenant(), Queries.page(call.request())), View::of));
    }

    private Response get(Call call) {
        return Response.json(View.of(manifests.get(call.tenant(), id(call))));
    }

    private Response issues(Call call) {
        return Response.json(Queries.Listing.of(
                manifests.issues(call.tenant(), id(call), Queries.page(call.request())), IssueView::of));
    }

    private Response cancel(Call call) {
        return Response.json(View.of(manifests.cancel(call.tenant(), call.actor(), id(call))));
    }

    private static ManifestId id(Call call) {
        return ManifestId.parse(call.path("manifest"));
    }
}
