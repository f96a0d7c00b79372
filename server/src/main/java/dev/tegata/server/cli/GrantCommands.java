// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Grants: temporary use of devices by other tenants.
@Command
final class GrantCommands {
    private static final String HELD = "/granted-devices";

    private final Session session;

    GrantCommands(Session session) {
        this.session = session;
    }

    private static String path(String device) {
        return "/devices/" + ApiClient.segment(device) + "/grants";
    }

    @Command(
            description = "Let another tenant use a device until a date. It ends by itself.",
            footer = "  tegata grant give DEVICE --to TENANT --until 2026-08-31T10:00:00Z")
    void give(
            @Parameters(paramLabel = "DEVICE", description = "The device's id.") String device,
            @Option(names = "--to", paramLabel = "TENANT", required = true, description = "Who may use it.") String to,
            @Option(names = "--until", paramLabel = "INSTANT", required = true, description = "When it ends.")
                    String until) {
        try (ApiClient api = session.api()) {
            session.output()
                    .fields(api.create(
                            path(device), ApiClient.object().put("to", to).put("until", until)));
        }
    }

    @Command(description = "List the grants of a device.", footer = "  tegata grant list DEVICE")
    void list(@Parameters(paramLabel = "DEVICE", description = "The device's id.") String device) {
        try (ApiClient api = session.api()) {
            session.output().table(api.get(path(device)), "There are no grants.", "id", "to", "createdAt", "endsAt");
        }
    }

    @Command(description = "End a grant now.", footer = "  tegata grant revoke DEVICE GRANT")
    void revoke(
            @Parameters(paramLabel = "DEVICE", description = "The device's id.") String device,
            @Parameters(paramLabel = "GRANT", description = "The grant's id.") String grant) {
        try (ApiClient api = session.api()) {
            api.delete(path(device) + "/" + ApiClient.segment(grant));
            session.output().done("The grant has ended.");
        }
    }

    @Command(description = "List devices of others that this tenant may use.", footer = "  tegata grant held")
    void held(@Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(api.get(HELD, paging.query()), "There are none.", "device", "from", "endsAt", "grant");
        }
    }

    @Command(description = "Show a device of another that this tenant may use.", footer = "  tegata grant show DEVICE")
    void show(@Parameters(paramLabel = "DEVICE", description = "The device's id.") String device) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.get(HELD + "/" + ApiClient.segment(device)));
        }
    }
}
