// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.time.Instant;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// The API keys of a tenant.
@Command
final class ApiKeyCommands {
    private static final String PATH = "/api-keys";

    private final Session session;

    ApiKeyCommands(Session session) {
        this.session = session;
    }

    @Command(
            description = "Make an API key, which is shown once.",
            footer = "  tegata apikey create --name \"ERP import\" --role device-import --expires 2027-01-01T00:00:00Z")
    void create(
            @Option(names = "--name", paramLabel = "NAME", required = true, description = "Who or what will use it.")
                    String name,
            @Option(
                            names = "--role",
                            paramLabel = "ROLE",
                            required = true,
                            description =
                                    "What it may do: owner, admin, operator, auditor, device-import or relying-party.")
                    String role,
            @Option(
                            names = "--expires",
                            paramLabel = "INSTANT",
                            description = "When it ends, in UTC: 2027-01-01T00:00:00Z. Without it, when it is revoked.")
                    @Nullable
                    Instant expires) {
        ObjectNode body = ApiClient.object().put("name", name).put("role", role);
        Bodies.put(body, "expiresAt", expires == null ? null : expires.toString());
        try (ApiClient api = session.api()) {
            JsonNode created = api.create(PATH, body);
            Output output = session.output();
            if (output.isJson()) {
                output.print(created);
                return;
            }
            output.fields(created.path("apiKey"));
            output.say("");
            output.say("The key, shown this once:");
            output.say("  " + created.path("secret").asString());
        }
    }

    @Command(
            description = "List the API keys; the secret part of a key is never shown.",
            footer = "  tegata apikey list")
    void list(@Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH, paging.query()),
                            "There are no API keys.",
                            "id",
                            "name",
                            "role",
                            "CREATED=createdAt",
                            "EXPIRES=expiresAt",
                            "LAST USED=lastUsedAt",
                            "REVOKED=revokedAt");
        }
    }

    @Command(description = "End an API key, at once.", footer = "  tegata apikey revoke KEY")
    void revoke(@Parameters(paramLabel = "KEY", description = "Its id, as listed.") String id) {
        try (ApiClient api = session.api()) {
            api.delete(PATH + "/" + ApiClient.segment(id));
            session.output().done("Revoked.");
        }
    }
}
