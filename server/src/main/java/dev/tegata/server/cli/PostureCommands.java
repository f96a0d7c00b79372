// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Posture: how devices are, by their last evidence.
@Command
final class PostureCommands {
    private final Session session;

    PostureCommands(Session session) {
        this.session = session;
    }

    @Command(
            description = "Count devices by release, verdict and age of the evidence.",
            footer = "  tegata posture summary --csv > posture.csv")
    void summary(
            @Option(names = "--fleet", paramLabel = "FLEET", description = "Of this fleet only.") @Nullable
                    String fleet,
            @Option(names = "--csv", description = "Print CSV.") boolean csv) {
        String ofFleet = fleet == null ? "" : "&fleet=" + ApiClient.segment(fleet);
        try (ApiClient api = session.api()) {
            if (csv) {
                session.output().stream(api, "/posture-summary?format=csv" + ofFleet);
                return;
            }
            Map<String, Object> query = new LinkedHashMap<>();
            Paging.filter(query, "fleet", fleet);
            session.output()
                    .table(
                            api.get("/posture-summary", query),
                            "No evidence was appraised yet. Ask a fleet's devices for it: %s fleet update FLEET --freshness 24h"
                                    .formatted(session.program()),
                            "release",
                            "status",
                            "age",
                            "devices");
        }
    }

    @Command(description = "List devices with their postures.", footer = "  tegata posture list --status warning")
    void list(
            @Option(
                            names = "--status",
                            paramLabel = "STATUS",
                            description = "Only affirming, warning, contraindicated or none.")
                    @Nullable
                    String status,
            @Mixin Paging paging) {
        Map<String, Object> query = paging.query();
        Paging.filter(query, "status", status);
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get("/postures", query),
                            "There are no such devices.",
                            "device",
                            "fleet",
                            "posture",
                            "release",
                            "trend",
                            "age",
                            "STALE=staleAt");
        }
    }

    @Command(description = "Show how a device is, and why.", footer = "  tegata posture show DEVICE")
    void show(@Parameters(paramLabel = "DEVICE", description = "Its id, as listed.") String device) {
        try (ApiClient api = session.api()) {
            session.output().print(api.get("/devices/" + ApiClient.segment(device) + "/posture"));
        }
    }
}
