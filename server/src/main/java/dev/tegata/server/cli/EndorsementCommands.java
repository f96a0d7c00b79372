// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.node.ObjectNode;

/// Manifests of reference values through their lives, and who may sign them.
@Command
final class EndorsementCommands {
    private static final String PATH = "/endorsements";
    private static final String SIGNERS = "/endorsement-signers";

    private final Session session;

    EndorsementCommands(Session session) {
        this.session = session;
    }

    private static String path(String id) {
        return PATH + "/" + ApiClient.segment(id);
    }

    @Command(
            description = "Submit a manifest (CoRIM): signed by an allowed signer, or unsigned. Twice changes nothing.",
            footer = "  tegata endorsement submit firmware-1.4.corim")
    void submit(
            @Parameters(paramLabel = "FILE", description = "The manifest in CBOR; - reads it from the input.")
                    Path file) {
        try (ApiClient api = session.api()) {
            session.output()
                    .fields(api.send(PATH, Map.of(), "application/rim+cbor", Inputs.bytes(file, session.terminal())));
        }
    }

    @Command(description = "List the manifests, the newest first.", footer = "  tegata endorsement list --state active")
    void list(
            @Option(names = "--state", paramLabel = "STATE", description = "active, superseded, withdrawn or expired.")
                    @Nullable
                    String state,
            @Mixin Paging paging) {
        Map<String, Object> query = paging.query();
        Paging.filter(query, "state", state);
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH, query),
                            "There are none. Submit a manifest: %s endorsement submit --help"
                                    .formatted(session.program()),
                            "id",
                            "name",
                            "signer",
                            "state",
                            "VALID UNTIL=notAfter",
                            "submittedAt");
        }
    }

    @Command(description = "Show a manifest with its statements.", footer = "  tegata endorsement show ID")
    void show(@Parameters(paramLabel = "ID", description = "The manifest, as listed.") String id) {
        try (ApiClient api = session.api()) {
            session.output().print(api.get(path(id)));
        }
    }

    @Command(
            description = "Take a manifest back: it counts no more from the next appraisal on.",
            footer = "  tegata endorsement withdraw ID")
    void withdraw(@Parameters(paramLabel = "ID", description = "The manifest, as listed.") String id) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.act(path(id) + "/withdraw"));
        }
    }

    @Command(
            description = "Allow a signer of manifests.",
            footer = "  tegata endorsement allow --name \"Firmware team\" signer.pem")
    void allow(
            @Parameters(paramLabel = "FILE", description = "A public key or a certificate in PEM.") Path file,
            @Option(names = "--name", paramLabel = "NAME", required = true, description = "As results call the signer.")
                    String name) {
        ObjectNode body = ApiClient.object()
                .put("name", name)
                .put("key", new String(Inputs.bytes(file, session.terminal()), StandardCharsets.UTF_8));
        try (ApiClient api = session.api()) {
            session.output().fields(api.create(SIGNERS, body));
        }
    }

    @Command(description = "List who may sign manifests.", footer = "  tegata endorsement signers")
    void signers() {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(SIGNERS),
                            "Nobody may: manifests come without signatures, by API keys.",
                            "name",
                            "algorithm",
                            "fingerprint",
                            "createdAt");
        }
    }

    @Command(
            description = "End the trust in a signer. Its manifests are withdrawn with it.",
            footer = "  tegata endorsement disallow FINGERPRINT")
    void disallow(
            @Parameters(paramLabel = "FINGERPRINT", description = "SHA-256 of the public key in hex, as listed.")
                    String fingerprint) {
        try (ApiClient api = session.api()) {
            api.delete(SIGNERS + "/" + ApiClient.segment(fingerprint));
            session.output().done("It may sign no more, and what it signed counts no more.");
        }
    }
}
