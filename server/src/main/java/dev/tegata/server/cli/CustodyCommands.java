// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.platform.custody.CustodyStep;
import dev.tegata.platform.custody.CustodyVerification.Broken;
import dev.tegata.platform.custody.CustodyVerification.Intact;
import dev.tegata.platform.custody.CustodyVerifier;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Custody: who owned a device, as a signed chain.
@Command
final class CustodyCommands {
    private static final String PATH = "/custody/";

    private final Session session;

    CustodyCommands(Session session) {
        this.session = session;
    }

    @Command(
            description = "Show the custody chain of a device that this tenant owns or has owned.",
            footer = "  tegata custody show DEVICE")
    void show(@Parameters(paramLabel = "DEVICE", description = "The device's id.") String device) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH + ApiClient.segment(device)),
                            "The chain is empty.",
                            "sequence",
                            "at",
                            "kind",
                            "owner",
                            "ownerName",
                            "next");
        }
    }

    @Command(
            description = "Show what earlier owners handed over of a device's history.",
            footer = "  tegata custody history DEVICE --json")
    void history(@Parameters(paramLabel = "DEVICE", description = "The device's id.") String device) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH + ApiClient.segment(device) + "/history"),
                            "Nothing was handed over.",
                            "at",
                            "from",
                            "records");
        }
    }

    @Command(
            description = "Write the custody chain as a file that verifies with nothing else.",
            footer = "  tegata custody export DEVICE --out lock.json")
    void export(
            @Parameters(paramLabel = "DEVICE", description = "The device's id.") String device,
            @Option(names = "--out", paramLabel = "FILE", description = "Where to; otherwise the output.") @Nullable
                    Path file) {
        try (ApiClient api = session.api()) {
            session.export(api, PATH + ApiClient.segment(device) + "/export", file, "custody verify");
        }
    }

    @Command(
            description = "Check an exported custody chain, with the file alone: no server, no key.",
            footer = "  tegata custody verify lock.json")
    int verify(@Parameters(paramLabel = "FILE", description = "The export; - reads it from the input.") Path file) {
        try (InputStream in = Inputs.open(file, session.terminal())) {
            return switch (CustodyVerifier.verify(in)) {
                case Intact intact -> show(intact);
                case Broken broken -> show(broken);
            };
        } catch (IOException e) {
            throw Inputs.unreadable(file);
        }
    }

    private int show(Intact intact) {
        Output output = session.output();
        CustodyStep first = intact.steps().getFirst();
        ObjectNode result = ApiClient.object()
                .put("intact", true)
                .put("device", intact.device().toString())
                .put("entries", intact.steps().size())
                .put("firstOwner", first.owner())
                .put("firstOwnerKey", first.ownerKey().hex())
                .put("exportedBy", intact.sealedBy())
                .put("exportedAt", intact.sealedAt().toString())
                .put("exportedByOwner", intact.byOwner());
        ArrayNode steps = ApiClient.object().putArray("items");
        for (CustodyStep step : intact.steps()) {
            ObjectNode item = steps.addObject()
                    .put("at", step.at().toString())
                    .put("kind", step.kind().id())
                    .put("owner", step.owner())
                    .put("ownerName", step.ownerName());
            Bodies.put(item, "next", step.next());
        }
        if (output.isJson()) {
            result.set("steps", steps);
            output.print(result);
            return 0;
        }
        output.fields(result);
        output.rows(steps, "at", "kind", "owner", "ownerName", "next");
        output.say(
                "The chain is intact up to the export. Compare the first owner's key with one that you know to be the"
                        + " maker's: a chain that was made up from its beginning has another.");
        return 0;
    }

    private int show(Broken broken) {
        Output output = session.output();
        if (output.isJson()) {
            output.print(ApiClient.object()
                    .put("intact", false)
                    .put("entry", broken.entry())
                    .put("reason", broken.reason()));
            return CommandFailure.REFUSED;
        }
        throw CommandFailure.refused("the chain is broken at entry %d: %s".formatted(broken.entry(), broken.reason()));
    }
}
