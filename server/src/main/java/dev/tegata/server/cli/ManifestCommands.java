// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.platform.TimeOrderedIds;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;

/// Manifests: the chip vendors' lists of chips, and what came of taking them in.
@Command
final class ManifestCommands {
    private static final String PATH = "/manifests";
    private static final int SHOWN_ISSUES = 20;
    private static final String[] ISSUE_COLUMNS = {"position", "serial", "outcome", "reason", "detail"};

    private final Session session;

    ManifestCommands(Session session) {
        this.session = session;
    }

    /// Which import a command is about.
    static final class Target {
        @Parameters(paramLabel = "MANIFEST", description = "The import's id, as listed.")
        String id = "";

        String path() {
            return PATH + "/" + ApiClient.segment(id);
        }
    }

    @Command(
            name = "import",
            description = {
                "Claim the chips of a vendor's file: Microchip JSON, Infineon reel archive, Espressif CSV, plain CSV or PEM.",
                "Importing a file again changes nothing, and goes on where an import stopped. The exit code is 1 where"
                        + " some of it was not claimed."
            },
            footer = "  tegata manifest import reel-0815.json --fleet FLEET")
    int importManifest(
            @Parameters(
                            paramLabel = "FILE",
                            description = "The file as it came from the vendor; - reads it from the input.")
                    Path file,
            @Option(
                            names = "--fleet",
                            paramLabel = "FLEET",
                            required = true,
                            description = "The fleet that the devices become part of.")
                    String fleet,
            @Option(names = "--statement", description = "Claim chips that no vendor vouches for, on your own word.")
                    boolean statement,
            @Option(
                            names = "--name",
                            paramLabel = "NAME",
                            description = "What listings call it; otherwise the file's name.")
                    @Nullable
                    String name) {
        Map<String, Object> query = new TreeMap<>();
        String id = TimeOrderedIds.next(InstantSource.system().instant(), new SecureRandom())
                .toString();
        query.put("id", id);
        query.put("fileName", name == null ? fileName(file) : name);
        if (statement) {
            query.put("statement", true);
        }
        try (ApiClient api = session.api()) {
            JsonNode report = upload(api, "/fleets/" + ApiClient.segment(fleet) + "/manifests", query, file);
            show(api, report);
            boolean whole = report.path("state").asString().equals("completed")
                    && report.path("rejected").asLong()
                                    + report.path("conflicts").asLong()
                            == 0;
            return whole ? 0 : CommandFailure.REFUSED;
        }
    }

    private static String fileName(Path file) {
        return Inputs.isStandardInput(file) ? "standard input" : String.valueOf(file.getFileName());
    }

    private JsonNode upload(ApiClient api, String path, Map<String, Object> query, Path file) {
        Terminal terminal = session.terminal();
        if (Inputs.isStandardInput(file)) {
            begins(query);
            return api.upload(path, query, BodyPublishers.ofInputStream(terminal::in));
        }
        try (InputStream in = Inputs.open(file, terminal)) {
            long size = Files.size(file);
            if (!Files.isRegularFile(file)) {
                throw CommandFailure.usage(file + " is no file");
            }
            if (size == 0) {
                throw CommandFailure.usage("the file " + file + " is empty");
            }
            begins(query);
            if (!terminal.interactive() || session.json) {
                return api.upload(path, query, sized(in, size));
            }
            Progress progress = new Progress(in, size, terminal.err());
            try {
                return api.upload(path, query, sized(progress, size));
            } finally {
                progress.clear();
            }
        } catch (IOException e) {
            throw Inputs.unreadable(file);
        }
    }

    private void begins(Map<String, Object> query) {
        PrintWriter err = session.terminal().err();
        err.printf("Import %1$s begins. How far it is: %2$s manifest show %1$s%n", query.get("id"), session.program());
        err.flush();
    }

    private static BodyPublisher sized(InputStream in, long size) {
        return BodyPublishers.fromPublisher(BodyPublishers.ofInputStream(() -> in), size);
    }

    private void show(ApiClient api, JsonNode report) {
        Output output = session.output();
        output.fields(report);
        if (output.isJson()) {
            return;
        }
        String id = report.path("id").asString();
        long unclaimed =
                report.path("rejected").asLong() + report.path("conflicts").asLong();
        if (unclaimed > 0) {
            JsonNode issues = api.get(PATH + "/" + ApiClient.segment(id) + "/issues", Map.of("limit", SHOWN_ISSUES))
                    .path("items");
            output.say("");
            output.say("Not claimed:");
            output.rows(issues, ISSUE_COLUMNS);
            if (unclaimed > SHOWN_ISSUES) {
                output.say("All %d: %s manifest issues %s".formatted(unclaimed, session.program(), id));
            }
            advise(output, issues);
        }
        output.say("");
        output.say("Next: %s device list --fleet %s"
                .formatted(session.program(), report.path("fleet").asString()));
    }

    private static void advise(Output output, JsonNode issues) {
        output.say("");
        issues.valueStream()
                .map(issue -> issue.path("reason").asString())
                .distinct()
                .forEach(reason -> output.say(reason + ": " + advice(reason)));
    }

    /// What to do about an element that was not claimed.
    private static String advice(String reason) {
        return switch (reason) {
            case "malformed", "too-large", "serial-mismatch", "bad-certificate", "weak-key" ->
                "the vendor's file is wrong there. Send them the position and the serial number.";
            case "unsupported-version", "algorithm-not-allowed" ->
                "this kind of element is not known here. Ask the vendor for a manifest in a current format.";
            case "bad-signature", "bad-chain" ->
                "it was changed after it was signed. Fetch the file from the vendor again.";
            case "unknown-signer" ->
                "if the signer is yours or your vendor's, trust it and import again: tegata trust add --purpose"
                        + " manifest-signer";
            case "signer-not-valid" ->
                "the signer's certificate was not valid when the chip was made. Ask the vendor for a new manifest.";
            case "untrusted-issuer" ->
                "trust the CA and import again (tegata trust add --purpose birth-ca), or claim on your own word: --statement";
            case "ca-certificate" ->
                "a CA's certificate is no device's. If it is your vendor's, trust it and import again: tegata trust add"
                        + " --purpose birth-ca FILE, with this very file";
            case "no-proof" -> "nobody vouches for these chips. If you do, import with --statement.";
            case "other-keys", "key-taken" ->
                "what is claimed already says otherwise. Look at the device: tegata device list --serial SERIAL";
            case "taken" -> "somebody else has claimed it. Ask whoever sold it to you to release it.";
            default -> "see the detail.";
        };
    }

    @Command(description = "List the imports, latest first.", footer = "  tegata manifest list")
    void list(@Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH, paging.query()),
                            "Nothing has been imported yet. Begin: %s manifest import FILE --fleet FLEET"
                                    .formatted(session.program()),
                            "id",
                            "FILE=fileName",
                            "state",
                            "elements",
                            "claimed",
                            "alreadyClaimed",
                            "rejected",
                            "conflicts",
                            "STARTED=startedAt");
        }
    }

    @Command(description = "Show an import, while it runs or after.", footer = "  tegata manifest show MANIFEST")
    void show(@Mixin Target manifest) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.get(manifest.path()));
        }
    }

    @Command(
            description = "List what was not claimed: where in the file, and why.",
            footer = "  tegata manifest issues MANIFEST")
    void issues(@Mixin Target manifest, @Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            JsonNode page = api.get(manifest.path() + "/issues", paging.query());
            Output output = session.output();
            output.table(page, "All that was read of it was claimed.", ISSUE_COLUMNS);
            if (!page.path("items").isEmpty()) {
                advise(output, page.path("items"));
            }
        }
    }

    @Command(
            description = "Stop an import. What was claimed stays claimed.",
            footer = "  tegata manifest cancel MANIFEST")
    void cancel(@Mixin Target manifest) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.act(manifest.path() + "/cancel"));
        }
    }
}
