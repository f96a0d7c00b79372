// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Claim tokens: one-time secrets for devices whose manifest lists no keys to enrol with.
@Command
final class TokenCommands {
    private static final int PAGE = 1000;

    private final Session session;

    TokenCommands(Session session) {
        this.session = session;
    }

    static final class For {
        @Option(names = "--device", paramLabel = "DEVICE", description = "Make one for this device.")
        @Nullable
        String device;

        @Option(
                names = "--manifest",
                paramLabel = "MANIFEST",
                description =
                        "Make one for each device of this manifest that has no key to enrol with and is still claimed.")
        @Nullable
        String manifest;

        String path() {
            return device != null
                    ? "/devices/" + ApiClient.segment(device)
                    : "/manifests/" + ApiClient.segment(String.valueOf(manifest));
        }
    }

    @Command(
            description = "Make claim tokens, which are shown once. A new one replaces one that was not used.",
            footer = {
                "  tegata token create --device DEVICE --validity 30d",
                "  tegata token create --manifest MANIFEST --json > tokens.json",
                "  tegata token create --device DEVICE --cmp --json"
            })
    void create(
            @ArgGroup(multiplicity = "1", heading = Tegata.ALTERNATIVES) For target,
            @Option(
                            names = "--validity",
                            paramLabel = "TIME",
                            defaultValue = "90d",
                            converter = Bodies.Length.class,
                            description = "How long they can be used (default: 90d).")
                    String validity,
            @Option(names = "--cmp", description = "Make them good for CMP too: with a reference, and kept sealed.")
                    boolean cmp) {
        ObjectNode body = ApiClient.object().put("validity", validity);
        if (cmp) {
            body.put("cmp", true);
        }
        ObjectNode all = ApiClient.object();
        ArrayNode items = all.putArray("items");
        try (ApiClient api = session.api()) {
            String path = target.path() + "/claim-tokens";
            if (target.device != null) {
                items.add(api.create(path, body));
            } else {
                collect(api, path, body, items);
            }
        }
        Output output = session.output();
        output.table(
                all,
                "No device of this manifest needs one: each has a key to enrol with, or is active already.",
                "device",
                "serial",
                "TOKEN=secret",
                "REFERENCE=reference",
                "EXPIRES=expiresAt");
    }

    private static void collect(ApiClient api, String path, ObjectNode body, ArrayNode items) {
        Map<String, Object> query = new LinkedHashMap<>();
        query.put("limit", PAGE);
        JsonNode page;
        do {
            page = api.create(path, query, body);
            page.path("items").forEach(items::add);
            query.put("cursor", page.path("next").asString(""));
        } while (page.hasNonNull("next"));
    }
}
