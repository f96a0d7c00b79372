// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Usage: what counts in which month, and why.
@Command
final class UsageCommands {
    private static final String PATH = "/usage";

    private final Session session;

    UsageCommands(Session session) {
        this.session = session;
    }

    @Command(
            description = "Show the months, or the devices that count in one and what they did.",
            footer = {"  tegata usage show", "  tegata usage show 2026-07 --json"})
    void show(
            @Parameters(paramLabel = "MONTH", arity = "0..1", description = "Such as 2026-07, in UTC.") @Nullable
                    String month,
            @Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            if (month == null) {
                session.output()
                        .table(
                                api.get(PATH),
                                "Nothing counts yet: claimed devices are free.",
                                "month",
                                "state",
                                "devices",
                                "adjustments",
                                "CLOSED=closedAt",
                                "digest");
                return;
            }
            session.output()
                    .table(
                            api.get(PATH + "/" + ApiClient.segment(month) + "/devices", paging.query()),
                            "Nothing counts in this month.",
                            "device",
                            "fleet",
                            "operation",
                            "TIME=occurredAt",
                            "certificate",
                            "late");
        }
    }

    @Command(
            description = "Print a month as CSV, or as CloudEvents, one in each line.",
            footer = {
                "  tegata usage export 2026-07 > 2026-07.csv",
                "  tegata usage export 2026-07 --format cloudevents"
            })
    void export(
            @Parameters(paramLabel = "MONTH", description = "Such as 2026-07, in UTC.") String month,
            @Option(
                            names = "--format",
                            paramLabel = "FORMAT",
                            defaultValue = "csv",
                            description = "csv (the default) or cloudevents.")
                    String format) {
        try (ApiClient api = session.api()) {
            session.output().stream(
                    api, PATH + "/" + ApiClient.segment(month) + "/export?format=" + ApiClient.segment(format));
        }
    }

    @Command(
            description = "Close a month that is over. Months close by themselves a day after their end.",
            footer = "  tegata usage close 2026-07")
    int close(@Parameters(paramLabel = "MONTH", description = "Such as 2026-07, in UTC.") String month) {
        try (ApiClient api = session.api()) {
            return new JobProgress(session, api).follow(api.act(PATH + "/" + ApiClient.segment(month) + "/close"));
        }
    }
}
