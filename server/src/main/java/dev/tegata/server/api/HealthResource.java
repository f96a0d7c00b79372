// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.fleet.Fleets;
import dev.tegata.platform.health.Finding;
import dev.tegata.platform.health.FindingCode;
import dev.tegata.platform.health.HealthSweep;
import dev.tegata.platform.health.Readiness;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What is wrong with the chains of a tenant.
final class HealthResource {
    private static final String PATH = "/api/v1/health/findings";
    private static final String FLEET = FleetResource.PATH + "/{fleet}/readiness";

    private final HealthSweep health;
    private final Readiness readiness;
    private final Fleets fleets;

    HealthResource(HealthSweep health, Readiness readiness, Fleets fleets) {
        this.health = health;
        this.readiness = readiness;
        this.fleets = fleets;
    }

    record View(
            String code,
            String severity,
            String subject,
            long affected,
            String detail,
            String next,
            FindingCode.@Nullable Call fix,
            Instant foundAt) {
        static View of(Finding finding) {
            return new View(
                    finding.code().id(),
                    Names.of(finding.code().severity()),
                    finding.subject(),
                    finding.affected(),
                    finding.detail(),
                    finding.code().next(),
                    finding.fix(),
                    finding.foundAt());
        }
    }

    record Findings(
            List<View> items,
            @Nullable String next,
            @Nullable Instant sweptAt,
            boolean sweeping,
            long devices) {}

    record SweepView(@Nullable Instant sweptAt, boolean sweeping, long devices) {}

    record DeviceView(String device) {}

    record AlgorithmView(String algorithm, long able, long lacking) {
        static AlgorithmView of(Readiness.Count count) {
            return new AlgorithmView(count.algorithm().id(), count.able(), count.lacking());
        }
    }

    record ReadinessView(
            List<AlgorithmView> items, @Nullable Instant sweptAt, boolean sweeping) {}

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_DEVICES, this::list),
                gate.route("GET", PATH + "/{code}/{authority}/devices", Permission.READ_DEVICES, this::devices),
                gate.route("POST", "/api/v1/health/sweep", Permission.MANAGE_DEVICES, this::again),
                gate.route("GET", FLEET, Permission.READ_DEVICES, this::readiness),
                gate.route("GET", FLEET + "/{algorithm}/devices", Permission.READ_DEVICES, this::lacking));
    }

    private Response list(Call call) {
        Page<Finding> page = health.findings(call.tenant(), Queries.page(call.request()));
        HealthSweep.Freshness fresh = health.freshness(call.tenant());
        return Response.json(new Findings(
                page.items().stream().map(View::of).toList(),
                page.next(),
                fresh.finishedAt(),
                fresh.underWay(),
                fresh.devices()));
    }

    private Response again(Call call) {
        HealthSweep.Freshness fresh = health.again(call.tenant());
        return Response.json(202, new SweepView(fresh.finishedAt(), fresh.underWay(), fresh.devices()));
    }

    static FindingCode code(String text) {
        return Arrays.stream(FindingCode.values())
                .filter(code -> code.id().equals(text))
                .findFirst()
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no such finding"));
    }

    private Response devices(Call call) {
        FindingCode code = code(call.path("code"));
        AuthorityId authority = AuthorityId.parse(call.path("authority"));
        return Response.json(Queries.Listing.of(
                health.affected(call.tenant(), code, authority, Queries.page(call.request())),
                device -> new DeviceView(device.toString())));
    }

    private FleetId fleet(Call call) {
        return fleets.get(call.tenant(), new FleetId(call.path("fleet"))).id();
    }

    private Response readiness(Call call) {
        FleetId fleet = fleet(call);
        HealthSweep.Freshness fresh = health.freshness(call.tenant());
        return Response.json(new ReadinessView(
                readiness.counts(call.tenant(), fleet).stream()
                        .map(AlgorithmView::of)
                        .toList(),
                fresh.finishedAt(),
                fresh.underWay()));
    }

    private Response lacking(Call call) {
        FleetId fleet = fleet(call);
        return Response.json(Queries.Listing.of(
                readiness.lacking(
                        call.tenant(),
                        fleet,
                        Names.algorithm("algorithm", call.path("algorithm")),
                        Queries.page(call.request())),
                device -> new DeviceView(device.toString())));
    }
}
