// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.health.Finding;
import dev.tegata.platform.health.FindingCode;
import dev.tegata.platform.health.HealthSweep;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What is wrong with the chains of a tenant.
final class HealthResource {
    private static final String PATH = "/api/v1/health/findings";

    private final HealthSweep health;

    HealthResource(HealthSweep health) {
        this.health = health;
    }

    record View(
            String code,
            String severity,
            String subject,
            long affected,
            String detail,
            String next,
            String call,
            Instant foundAt) {
        static View of(Finding finding) {
            return new View(
                    finding.code().id(),
                    Names.of(finding.code().severity()),
                    finding.subject(),
                    finding.affected(),
                    finding.detail(),
                    finding.code().next(),
                    finding.code().call(),
                    finding.foundAt());
        }
    }

    record Findings(
            List<View> items,
            @Nullable String next,
            @Nullable Instant sweptAt,
            boolean sweeping,
            long devices) {}

    record DeviceView(String device) {}

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_DEVICES, this::list),
                gate.route("GET", PATH + "/{code}/{authority}/devices", Permission.READ_DEVICES, this::devices));
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

    private static FindingCode code(String text) {
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
}
