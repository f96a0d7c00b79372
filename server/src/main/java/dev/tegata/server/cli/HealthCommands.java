// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.util.HashMap;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;

/// What is wrong with the chains of a tenant.
@Command
final class HealthCommands {
    private static final String PATH = "/health/findings";

    private final Session session;

    HealthCommands(Session session) {
        this.session = session;
    }

    @Command(
            description = "List what is wrong with the chains of authorities and devices, or will be.",
            footer = "  tegata health findings")
    void findings(@Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH, paging.query()),
                            "Nothing is wrong, as far as has been looked.",
                            "severity",
                            "code",
                            "subject",
                            "affected",
                            "detail",
                            "TO DO=next");
        }
    }

    @Command(
            description = "Do what mends a finding: send the request that the finding names. A rollover is prepared and"
                    + " not started by it.",
            footer = "  tegata health fix crl-stale AUTHORITY")
    void fix(
            @Parameters(paramLabel = "CODE", description = "Of the finding.") String code,
            @Parameters(paramLabel = "AUTHORITY", description = "The one in the finding's subject.") String authority) {
        try (ApiClient api = session.api()) {
            JsonNode finding = find(api, code, "authority:" + authority);
            String path = finding.at("/fix/path").asString().substring("/api/v1".length());
            JsonNode body = finding.at("/fix/body");
            session.output().fields(body.isObject() ? api.create(path, body) : api.act(path));
        }
    }

    private static JsonNode find(ApiClient api, String code, String subject) {
        Map<String, Object> query = new HashMap<>();
        while (true) {
            JsonNode page = api.get(PATH, query);
            for (JsonNode finding : page.path("items")) {
                if (finding.path("code").asString().equals(code)
                        && finding.path("subject").asString().equals(subject)) {
                    return finding;
                }
            }
            if (!page.hasNonNull("next")) {
                throw CommandFailure.refused("there is no such finding");
            }
            query.put("cursor", page.path("next").asString());
        }
    }

    @Command(
            description = "List the devices that a finding affects.",
            footer = "  tegata health devices certificate-ends-soon AUTHORITY")
    void devices(
            @Parameters(paramLabel = "CODE", description = "Of the finding.") String code,
            @Parameters(paramLabel = "AUTHORITY", description = "The one in the finding's subject.") String authority,
            @Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(
                                    PATH + "/" + ApiClient.segment(code) + "/" + ApiClient.segment(authority)
                                            + "/devices",
                                    paging.query()),
                            "It affects no device.",
                            "device");
        }
    }
}
