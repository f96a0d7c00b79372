// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// Which devices a command changes: one, those of a filter, or those of a file.
final class DeviceSelection {
    private static final int LARGEST_FILE = 24 << 20;
    private static final Set<String> FLAGS = Set.of("waiting", "all");

    @Parameters(
            paramLabel = "DEVICE",
            arity = "0..1",
            description = "One device: its id, as listed, or its serial number.")
    @Nullable
    String idOrSerial;

    @Option(
            names = "--filter",
            paramLabel = "NAME=VALUE",
            split = ",",
            description = "All devices that match: fleet, state, serial, text, waiting, manifest, authority,"
                    + " expires-before, not-seen-since; or all=true.")
    @Nullable
    Map<String, String> filter;

    @Option(
            names = "--from-file",
            paramLabel = "FILE",
            description = "All devices of a list: an id or serial number on each line, or CSV with a column id, device"
                    + " or serial; - is the standard input.")
    @Nullable
    Path file;

    @Option(names = "--dry-run", description = "Find out only what would be done, and what refused.")
    boolean dryRun;

    @Option(names = "--no-wait", description = "Do not wait for the job.")
    boolean noWait;

    /// Carries out a change.
    ///
    /// @param change the body of the request: reason and such
    /// @return the exit code
    int change(Session session, String action, ObjectNode change) {
        if ((idOrSerial == null ? 0 : 1) + (filter == null ? 0 : 1) + (file == null ? 0 : 1) != 1) {
            throw CommandFailure.usage("say which devices: an id or serial number, --filter or --from-file");
        }
        try (ApiClient api = session.api()) {
            if (idOrSerial != null && !dryRun) {
                JsonNode answer = api.act(DeviceCommands.path(api, idOrSerial) + "/" + action, change);
                if (answer.isEmpty()) {
                    session.output().done("Done.");
                } else {
                    session.output().fields(answer);
                }
                return 0;
            }
            JsonNode job = file == null
                    ? api.create("/devices/bulk", body(api, action, change))
                    : upload(session, api, action, change);
            if (noWait) {
                session.output().fields(job);
                session.output()
                        .say("\nIts progress: %s job wait %s"
                                .formatted(session.program(), job.path("id").asString()));
                return 0;
            }
            return new JobProgress(session, api).follow(job);
        }
    }

    private ObjectNode body(ApiClient api, String action, ObjectNode change) {
        ObjectNode body = change.deepCopy().put("action", action);
        if (dryRun) {
            body.put("dryRun", true);
        }
        if (idOrSerial != null) {
            body.putArray("ids").add(DeviceCommands.id(api, idOrSerial));
        }
        if (filter != null) {
            ObjectNode members = body.putObject("filter");
            filter.forEach((name, value) -> {
                if (FLAGS.contains(name)) {
                    members.put(name, Boolean.parseBoolean(value));
                } else {
                    members.put(camelCase(name), value);
                }
            });
        }
        return body;
    }

    private static String camelCase(String name) {
        StringBuilder text = new StringBuilder();
        for (String word : name.split("-", -1)) {
            text.append(
                    text.isEmpty() || word.isEmpty()
                            ? word
                            : Character.toUpperCase(word.charAt(0)) + word.substring(1));
        }
        return text.toString();
    }

    private JsonNode upload(Session session, ApiClient api, String action, ObjectNode change) {
        Map<String, Object> query = new LinkedHashMap<>();
        query.put("action", action);
        change.propertyStream()
                .forEach(member -> query.put(member.getKey(), member.getValue().asString()));
        query.put("dryRun", dryRun);
        return api.createFrom("/devices/bulk", query, "text/csv", csv(session.terminal()));
    }

    /// The file with a header: a plain list is CSV of one column without one.
    private byte[] csv(Terminal terminal) {
        Path path = Objects.requireNonNull(file);
        try (InputStream in = Inputs.open(path, terminal)) {
            byte[] content = in.readNBytes(LARGEST_FILE);
            String text = new String(content, StandardCharsets.UTF_8);
            String first = text.lines().findFirst().orElse("");
            boolean headed = first.toLowerCase(Locale.ROOT).matches("(.*[,\"\ufeff])?(id|device|serial)([,\"].*)?");
            return headed ? content : ("id\n" + text).getBytes(StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw Inputs.unreadable(path);
        }
    }
}
