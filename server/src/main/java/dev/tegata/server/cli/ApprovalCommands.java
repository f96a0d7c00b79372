// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.nio.charset.StandardCharsets;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/// Two-person approval.
@Command
final class ApprovalCommands {
    private static final String PATH = "/approvals";

    private final Session session;

    ApprovalCommands(Session session) {
        this.session = session;
    }

    @Command(
            description = "Have changes of trust need a second person. Needs two API keys of owners.",
            footer = "  tegata approval require")
    void require() {
        rule(true);
    }

    @Command(
            description = "Let one person change trust again. This needs a second person itself.",
            footer = "  tegata approval waive")
    void waive() {
        rule(false);
    }

    private void rule(boolean required) {
        byte[] body = ApiClient.object()
                .put("people", required ? "two" : "one")
                .toString()
                .getBytes(StandardCharsets.UTF_8);
        try (ApiClient api = session.api()) {
            session.output().fields(api.put("/tenant/approvals", "application/json", body));
        }
    }

    @Command(description = "List the requests that needed a second person.", footer = "  tegata approval list")
    void list(@Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH, paging.query()),
                            "Nothing waits for a second person.",
                            "id",
                            "state",
                            "request",
                            "BY=requestedBy",
                            "UNTIL=expiresAt");
        }
    }

    @Command(description = "Show a request.", footer = "  tegata approval show APPROVAL")
    void show(@Parameters(paramLabel = "APPROVAL", description = "Its id.") String id) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.get(PATH + "/" + ApiClient.segment(id)));
        }
    }

    @Command(description = "Approve a request of another API key.", footer = "  tegata approval approve APPROVAL")
    void approve(@Parameters(paramLabel = "APPROVAL", description = "Its id.") String id) {
        decide(id, "approve");
    }

    @Command(description = "Reject a request.", footer = "  tegata approval reject APPROVAL")
    void reject(@Parameters(paramLabel = "APPROVAL", description = "Its id.") String id) {
        decide(id, "reject");
    }

    private void decide(String id, String decision) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.act(PATH + "/" + ApiClient.segment(id) + "/" + decision));
        }
    }
}
