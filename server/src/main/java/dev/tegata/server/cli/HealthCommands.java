// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
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
            description = {
                "Do what mends a finding, or all findings of a kind: send the request that each names.",
                "Says what will be sent, and asks first. A rollover is prepared and not started by it."
            },
            footer = {"  tegata health fix crl-stale AUTHORITY", "  tegata health fix certificate-ends-soon --yes"})
    void fix(
            @Parameters(paramLabel = "CODE", description = "Of the finding.") String code,
            @Parameters(
                            paramLabel = "AUTHORITY",
                            arity = "0..1",
                            description = "The one in the finding's subject; all of them where it is left out.")
                    @Nullable
                    String authority,
            @Option(names = "--yes", description = "Do not ask.") boolean yes) {
        try (ApiClient api = session.api()) {
            List<JsonNode> findings = find(api, code, authority);
            if (!findings.getFirst().has("fix")) {
                throw CommandFailure.refused("no request mends that: "
                        + findings.getFirst().path("next").asString());
            }
            for (JsonNode finding : findings) {
                session.output()
                        .say("%s of %s, %s devices: %s %s %s"
                                .formatted(
                                        code,
                                        finding.path("subject").asString(),
                                        finding.path("affected").asString(),
                                        finding.at("/fix/method").asString(),
                                        finding.at("/fix/path").asString(),
                                        finding.at("/fix/body")));
            }
            if (!yes) {
                session.confirm("Send " + (findings.size() == 1 ? "it" : findings.size() + " requests") + "?");
            }
            for (JsonNode finding : findings) {
                session.output().fields(send(api, finding));
            }
        }
    }

    private static JsonNode send(ApiClient api, JsonNode finding) {
        String path = finding.at("/fix/path").asString().substring("/api/v1".length());
        JsonNode body = finding.at("/fix/body");
        return body.isObject() ? api.create(path, body) : api.act(path);
    }

    private static List<JsonNode> find(ApiClient api, String code, @Nullable String authority) {
        List<JsonNode> found = new ArrayList<>();
        Map<String, Object> query = new HashMap<>();
        JsonNode page;
        do {
            page = api.get(PATH, query);
            page.path("items")
                    .valueStream()
                    .filter(finding -> finding.path("code").asString().equals(code))
                    .filter(finding -> authority == null
                            || finding.path("subject").asString().equals("authority:" + authority))
                    .forEach(found::add);
            query.put("cursor", page.path("next").asString(""));
        } while (page.hasNonNull("next"));
        if (found.isEmpty()) {
            throw CommandFailure.refused("there is no such finding");
        }
        return found;
    }

    @Command(
            description = "Look through all authorities and devices anew, such as after a fix. Begins within seconds.",
            footer = "  tegata health sweep")
    void sweep() {
        try (ApiClient api = session.api()) {
            session.output().fields(api.act("/health/sweep"));
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
