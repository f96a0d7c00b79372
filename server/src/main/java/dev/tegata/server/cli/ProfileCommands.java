// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import tools.jackson.databind.node.ObjectNode;

/// Which server the commands speak to, and with which key.
@Command
final class ProfileCommands {
    private final Session session;

    ProfileCommands(Session session) {
        this.session = session;
    }

    @Command(
            description =
                    "Show where the server's address, the API key and the CA come from. The key itself is not shown.",
            footer = "  tegata profile show")
    void show() {
        Access access = session.access();
        ObjectNode shown = ApiClient.object();
        shown.put("profile", session.profileFile().toString());
        shown.put("url", access.url().value()).put("urlFrom", access.url().from());
        shown.put("apiKey", access.apiKey().map(key -> publicPart(key.value())).orElse(null));
        shown.put("apiKeyFrom", access.apiKey().map(Access.Found::from).orElse(null));
        shown.put("ca", access.ca().map(Access.Found::value).orElse(null));
        shown.put("caFrom", access.ca().map(Access.Found::from).orElse(null));
        Output output = session.output();
        output.fields(shown);
        if (access.apiKey().isEmpty()) {
            output.say("No API key yet: %1$s tenant create --help, or %1$s profile set --api-key-file FILE"
                    .formatted(session.program()));
        }
    }

    /// `tgt_<tenant>_<key>` of `tgt_<tenant>_<key>_<secret>`, by which listings name a key; of anything else nothing.
    private static String publicPart(String key) {
        String[] parts = key.split("_", 4);
        return parts.length == 4 && parts[0].equals("tgt") ? parts[0] + "_" + parts[1] + "_" + parts[2] + "_…" : "set";
    }

    @Command(
            description = "Store the server's address (--url), the API key or the CA in the profile.",
            footer = {
                "  tegata profile set --url https://tegata.example:8443 --ca ca.pem",
                "  tegata profile set --api-key-file - < key.txt"
            })
    void set(
            @Option(
                            names = "--api-key-file",
                            paramLabel = "FILE",
                            description =
                                    "File with the API key; - reads it from the input. Keys do not stand on command"
                                            + " lines, which other users see.")
                    @Nullable
                    Path apiKeyFile,
            @Option(
                            names = "--ca",
                            paramLabel = "FILE",
                            description = "PEM file with the CA of the server's certificate.")
                    @Nullable
                    Path ca) {
        if (session.url == null && apiKeyFile == null && ca == null) {
            throw CommandFailure.usage("nothing to store: give --url, --api-key-file or --ca");
        }
        Path file = session.profileFile();
        Profile old = Profile.read(file);
        new Profile(
                        Optional.ofNullable(session.url)
                                .map(url -> Profile.uri(url).toString())
                                .or(old::url),
                        Optional.ofNullable(apiKeyFile)
                                .map(key -> Inputs.text(key, session.terminal()))
                                .or(old::apiKey),
                        Optional.ofNullable(ca)
                                .map(path -> path.toAbsolutePath().toString())
                                .or(old::ca))
                .save(file);
        session.output().done("Stored in " + file + ".");
    }
}
