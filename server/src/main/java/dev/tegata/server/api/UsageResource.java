// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.JobId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.Texts;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.job.Jobs;
import dev.tegata.platform.metering.Usage;
import dev.tegata.platform.metering.UsageMonth;
import dev.tegata.platform.metering.UsageRow;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.YearMonth;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// What counts in which month, why, and the closing of months.
final class UsageResource {
    private static final String PATH = "/api/v1/usage";
    private static final Duration LONGEST_EXPORT = Duration.ofHours(1);

    private final Usage usage;
    private final Jobs jobs;

    UsageResource(Usage usage, Jobs jobs) {
        this.usage = usage;
        this.jobs = jobs;
    }

    record MonthView(
            String month,
            String state,
            long devices,
            long adjustments,
            @Nullable Instant closedAt,
            @Nullable String digest) {
        static MonthView of(UsageMonth month) {
            return new MonthView(
                    month.month().toString(),
                    Names.of(month.state()),
                    month.devices(),
                    month.adjustments(),
                    month.closedAt(),
                    month.digest() == null ? null : month.digest().hex());
        }
    }

    record MonthsView(List<MonthView> items) {}

    record RowView(
            String device,
            String fleet,
            String operation,
            Instant occurredAt,
            @Nullable String certificate,
            boolean late) {
        static RowView of(UsageRow row) {
            return new RowView(
                    row.device().toString(),
                    row.fleet().value(),
                    Names.of(row.operation()),
                    row.occurredAt(),
                    row.certificate() == null ? null : row.certificate().hex(),
                    row.late());
        }
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_DEVICES, this::months),
                gate.route("GET", PATH + "/{month}/devices", Permission.READ_DEVICES, this::devices),
                gate.route("GET", PATH + "/{month}/export", Permission.READ_DEVICES, this::export)
                        .withTimeout(LONGEST_EXPORT),
                gate.route("POST", PATH + "/{month}/close", Permission.MANAGE_DEVICES, this::close));
    }

    private Response months(Call call) {
        Queries.requireKnown(call.request(), Set.of());
        return Response.json(new MonthsView(
                usage.months(call.tenant()).stream().map(MonthView::of).toList()));
    }

    private Response devices(Call call) {
        return Response.json(Queries.Listing.of(
                usage.devices(call.tenant(), month(call), Queries.page(call.request())), RowView::of));
    }

    private Response export(Call call) {
        Queries.requireKnown(call.request(), Set.of("format"));
        YearMonth month = month(call);
        usage.requireMonth(call.tenant(), month);
        String format = call.request().query("format").orElse("csv");
        return switch (format) {
            case "csv" -> Response.streamed("text/csv", out -> usage.writeCsv(call.tenant(), month, out));
            case "cloudevents" ->
                Response.streamed("application/x-ndjson", out -> usage.writeCloudEvents(call.tenant(), month, out));
            default -> throw Fields.invalid("format", "must be csv or cloudevents, not '" + Texts.quoted(format) + "'");
        };
    }

    private Response close(Call call) {
        JobId job = usage.close(call.tenant(), month(call), call.actor());
        return JobResource.started(jobs.get(call.tenant(), job));
    }

    private static YearMonth month(Call call) {
        String text = call.path("month");
        try {
            if (text.matches("\\d{4}-\\d{2}")) {
                return YearMonth.parse(text);
            }
        } catch (DateTimeException e) {
            // Said below.
        }
        throw new RefusedException(
                ErrorCode.INVALID_IDENTIFIER, "'" + Texts.quoted(text) + "' is no month such as 2026-07");
    }
}
