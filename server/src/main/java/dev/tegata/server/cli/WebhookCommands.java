// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Webhooks: events, signed and in order, posted to an address.
@Command
final class WebhookCommands {
    private static final String PATH = "/webhooks";
    private static final String[] COLUMNS = {"id", "name", "url", "state", "FAILING=failingSince", "reason"};

    private final Session session;

    WebhookCommands(Session session) {
        this.session = session;
    }

    /// Which webhook a command is about.
    static final class Target {
        @Parameters(paramLabel = "WEBHOOK", description = "Its id, as listed.")
        String id = "";

        String path() {
            return PATH + "/" + ApiClient.segment(id);
        }
    }

    @Command(
            description = "Make a webhook. The secret that its messages are signed with is shown once.",
            footer = "  tegata webhook create --name Tickets --to https://example.com/events --type dev.tegata.device")
    void create(
            @Option(names = "--name", paramLabel = "NAME", required = true, description = "What you call it.")
                    String name,
            @Option(names = "--to", paramLabel = "URL", required = true, description = "Where events are posted.")
                    String url,
            @Option(
                            names = "--type",
                            paramLabel = "TYPE",
                            description = "Only events of this type, or whose type begins so; may be repeated.")
                    @Nullable
                    List<String> types) {
        ObjectNode body = ApiClient.object().put("name", name).put("url", url);
        if (types != null) {
            ArrayNode array = body.putArray("types");
            types.forEach(array::add);
        }
        try (ApiClient api = session.api()) {
            session.output().fields(api.create(PATH, body));
        }
    }

    @Command(description = "List the webhooks.", footer = "  tegata webhook list")
    void list() {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH),
                            "There are none. Make one: %s webhook create --help".formatted(session.program()),
                            COLUMNS);
        }
    }

    @Command(description = "Show a webhook.", footer = "  tegata webhook show WEBHOOK")
    void show(@Mixin Target webhook) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.get(webhook.path()));
        }
    }

    @Command(description = "Remove a webhook with all that was on its way.", footer = "  tegata webhook delete WEBHOOK")
    void delete(@Mixin Target webhook) {
        try (ApiClient api = session.api()) {
            api.delete(webhook.path());
            session.output().done("The webhook is gone.");
        }
    }

    @Command(
            description = "Let nothing out. What happens meanwhile waits, for 30 days at the most.",
            footer = "  tegata webhook pause WEBHOOK")
    void pause(@Mixin Target webhook) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.act(webhook.path() + "/pause"));
        }
    }

    @Command(description = "Go on where it was paused.", footer = "  tegata webhook resume WEBHOOK")
    void resume(@Mixin Target webhook) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.act(webhook.path() + "/resume"));
        }
    }

    @Command(
            description = "List what went through a webhook, newest event first.",
            footer = "  tegata webhook deliveries WEBHOOK --state dead")
    void deliveries(
            @Mixin Target webhook,
            @Option(
                            names = "--state",
                            paramLabel = "STATE",
                            description = "Only deliveries that are pending, held, delivered or dead.")
                    @Nullable
                    String state,
            @Mixin Paging paging) {
        Map<String, Object> query = paging.query();
        Paging.filter(query, "state", state);
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(webhook.path() + "/deliveries", query),
                            "There are none.",
                            "id",
                            "type",
                            "subject",
                            "state",
                            "attempts",
                            "NEXT=dueAt",
                            "problem");
        }
    }

    @Command(
            description = "Send again what was given up, or one delivery that is over.",
            footer = "  tegata webhook redeliver WEBHOOK")
    void redeliver(
            @Mixin Target webhook,
            @Option(names = "--delivery", paramLabel = "DELIVERY", description = "Its id; without it, all dead ones.")
                    @Nullable
                    String delivery) {
        ObjectNode body = ApiClient.object();
        Bodies.put(body, "delivery", delivery);
        try (ApiClient api = session.api()) {
            session.output().fields(api.act(webhook.path() + "/redeliver", body));
        }
    }

    @Command(description = "Post a test event now, and show what came back.", footer = "  tegata webhook test WEBHOOK")
    void test(@Mixin Target webhook) {
        try (ApiClient api = session.api()) {
            JsonNode answer = api.act(webhook.path() + "/test");
            session.output().fields(answer);
        }
    }
}
