// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.attestation.result.Tier;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.appraisal.AppraisalId;
import dev.tegata.platform.posture.Posture;
import dev.tegata.platform.posture.Postures;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// How devices are, one by one and all together.
final class PostureResource {
    private static final String PATH = "/api/v1/postures";

    private final Postures postures;
    private final InstantSource clock;

    PostureResource(Postures postures, InstantSource clock) {
        this.postures = postures;
        this.clock = clock;
    }

    record ReasonView(String claim, int value, String rule, String reason, String remedy) {}

    /// @param posture the status, or `stale`
    /// @param age of the evidence; null where there never was any
    record View(
            String device,
            String fleet,
            String posture,
            String status,
            @Nullable String previous,
            String trend,
            Map<String, Integer> vector,
            List<ReasonView> reasons,
            String release,
            String bootEpoch,
            @Nullable Duration age,
            @Nullable Instant appraisedAt,
            Instant judgedAt,
            Instant changedAt,
            @Nullable Instant staleAt,
            @Nullable String appraisal) {
        static View of(Posture posture, Instant now) {
            Tier previous = posture.previous();
            Instant appraisedAt = posture.appraisedAt();
            AppraisalId appraisal = posture.appraisal();
            return new View(
                    posture.device().toString(),
                    posture.fleet().toString(),
                    Postures.word(posture, now),
                    posture.status().word(),
                    previous == null ? null : previous.word(),
                    Names.of(posture.trend()),
                    posture.vector(),
                    posture.reasons().stream()
                            .map(reason -> new ReasonView(
                                    reason.claim(), reason.value(), reason.rule(), reason.sentence(), reason.remedy()))
                            .toList(),
                    posture.release(),
                    posture.bootEpoch(),
                    appraisedAt == null
                            ? null
                            : Duration.ofSeconds(
                                    Duration.between(appraisedAt, now).toSeconds()),
                    appraisedAt,
                    posture.judgedAt(),
                    posture.changedAt(),
                    posture.staleAt(),
                    appraisal == null ? null : appraisal.toString());
        }
    }

    record CountView(String release, String status, String age, long devices) {}

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_DEVICES, this::list),
                gate.route("GET", "/api/v1/posture-summary", Permission.READ_DEVICES, this::summary),
                gate.route("GET", DeviceResource.PATH + "/{device}/posture", Permission.READ_DEVICES, this::show));
    }

    private Response list(Call call) {
        Tier status = call.request()
                .query("status")
                .map(text -> Names.constant(Tier.class, Tier::word, "status", text))
                .orElse(null);
        Instant now = clock.instant();
        return Response.json(Queries.Listing.of(
                postures.list(call.tenant(), status, Queries.page(call.request(), "status")),
                posture -> View.of(posture, now)));
    }

    private Response show(Call call) {
        return Response.json(
                View.of(postures.get(call.tenant(), DeviceId.parse(call.path("device"))), clock.instant()));
    }

    private Response summary(Call call) {
        FleetId fleet = call.request().query("fleet").map(FleetId::new).orElse(null);
        List<CountView> counts = postures.summary(call.tenant(), fleet).stream()
                .map(count -> new CountView(count.release(), count.status().word(), count.age(), count.devices()))
                .toList();
        String format = call.request().query("format").orElse("json");
        return switch (format) {
            case "json" -> Response.json(new Queries.Listing<>(counts, null));
            case "csv" -> Response.text(200, "text/csv", csv(counts));
            default -> throw Fields.invalid("format", "must be json or csv");
        };
    }

    /// A version may begin with a sign that a spreadsheet would calculate with.
    private static String csv(List<CountView> counts) {
        StringBuilder text = new StringBuilder("release,status,age,devices\r\n");
        for (CountView each : counts) {
            String release = each.release.replace("\"", "\"\"");
            String safe = release.matches("[=+@\\t-].*") ? "'" + release : release;
            text.append('"').append(safe).append("\",").append(each.status).append(',');
            text.append(each.age).append(',').append(each.devices).append("\r\n");
        }
        return text.toString();
    }
}
