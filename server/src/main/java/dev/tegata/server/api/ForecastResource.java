// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.device.DeviceCounts;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Who will expire, and who of them has not been heard of since it should have renewed.
final class ForecastResource {
    private static final String PATH = "/api/v1/forecast/expiry";
    private static final String USUAL_HORIZONS = "7,30,90";
    private static final int MOST_HORIZONS = 12;

    private final DeviceCounts counts;

    ForecastResource(DeviceCounts counts) {
        this.counts = counts;
    }

    record HorizonView(int days, long expiring, long silent, long silentOf) {}

    record View(List<HorizonView> horizons) {}

    record DeviceView(
            String id,
            String fleet,
            String serial,
            Instant expiresAt,
            @Nullable Instant lastSeenAt,
            boolean silent) {
        static DeviceView of(DeviceCounts.Expiring device) {
            return new DeviceView(
                    device.id().toString(),
                    device.fleet().value(),
                    device.serial(),
                    device.expiresAt(),
                    device.lastSeenAt(),
                    device.silent());
        }
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_DEVICES, this::forecast),
                gate.route("GET", PATH + "/devices", Permission.READ_DEVICES, this::devices));
    }

    private Response forecast(Call call) {
        Request request = call.request();
        Queries.requireKnown(request, Set.of("fleet", "days"));
        List<Integer> days = Arrays.stream(
                        request.query("days").orElse(USUAL_HORIZONS).split(",", -1))
                .map(ForecastResource::number)
                .toList();
        if (days.size() > MOST_HORIZONS) {
            throw Fields.invalid("days", "may have " + MOST_HORIZONS + " numbers at the most");
        }
        return Response.json(new View(counts.forecast(call.tenant(), fleet(request), days).stream()
                .map(at -> new HorizonView(at.days(), at.expiring(), at.silent(), at.silentOf()))
                .toList()));
    }

    private Response devices(Call call) {
        Request request = call.request();
        var page = Queries.page(request, "fleet", "days", "silent");
        return Response.json(Queries.Listing.of(
                counts.expiring(
                        call.tenant(),
                        fleet(request),
                        number(request.query("days").orElse("30")),
                        Queries.flag(request, "silent"),
                        page),
                DeviceView::of));
    }

    private static @Nullable FleetId fleet(Request request) {
        return request.query("fleet").map(FleetId::new).orElse(null);
    }

    private static int number(String text) {
        try {
            return Integer.parseInt(text.strip());
        } catch (NumberFormatException e) {
            throw Fields.invalid("days", "must be numbers of days such as 7,30,90, not '" + Texts.quoted(text) + "'");
        }
    }
}
