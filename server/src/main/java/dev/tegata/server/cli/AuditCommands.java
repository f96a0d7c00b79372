// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.platform.audit.AuditVerification.Broken;
import dev.tegata.platform.audit.AuditVerification.Intact;
import dev.tegata.platform.audit.AuditVerifier;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.node.ObjectNode;

/// The audit chain: every change of trust, in a chain of hashes.
@Command
final class AuditCommands {
    private final Session session;

    AuditCommands(Session session) {
        this.session = session;
    }

    @Command(description = "List audit records.", footer = "  tegata audit list --subject device:DEVICE")
    void list(
            @Option(
                            names = "--subject",
                            paramLabel = "SUBJECT",
                            description = "Only what happened to this, such as device:… or fleet:….")
                    @Nullable
                    String subject,
            @Mixin Paging paging) {
        Map<String, Object> query = paging.query();
        Paging.filter(query, "subject", subject);
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get("/audit/records", query),
                            "There are no such records.",
                            "sequence",
                            "time",
                            "actor",
                            "action",
                            "subject",
                            "detail");
        }
    }

    @Command(
            description = "Write the whole chain as lines of JSON, to be kept and verified.",
            footer = "  tegata audit export --out audit.jsonl")
    void export(
            @Option(
                            names = "--out",
                            paramLabel = "FILE",
                            description = "Where to; otherwise the output. A file is there only once it is whole.")
                    @Nullable
                    Path file) {
        try (ApiClient api = session.api()) {
            session.export(api, "/audit/export", file, "audit verify");
        }
    }

    @Command(
            description = "Check an export, with the file alone: nothing was changed, left out, moved or cut off.",
            footer = "  tegata audit verify audit.jsonl")
    int verify(@Parameters(paramLabel = "FILE", description = "The export; - reads it from the input.") Path file) {
        try (InputStream in = Inputs.open(file, session.terminal())) {
            return switch (AuditVerifier.verify(in)) {
                case Intact intact -> show(intact);
                case Broken broken -> show(broken);
            };
        } catch (IOException e) {
            throw Inputs.unreadable(file);
        }
    }

    private int show(Intact intact) {
        Output output = session.output();
        ObjectNode result = ApiClient.object()
                .put("intact", true)
                .put("tenant", intact.tenant().value())
                .put("records", intact.records())
                .put("checkpoints", intact.checkpoints())
                .put("keyFingerprint", intact.keyFingerprint().hex())
                .put("head", intact.head().hex());
        output.fields(result);
        output.say("The chain is intact. Compare the key's fingerprint with one that you noted before: a chain that was"
                + " made up from its first record on has another.");
        return 0;
    }

    private int show(Broken broken) {
        Output output = session.output();
        if (output.isJson()) {
            output.print(ApiClient.object()
                    .put("intact", false)
                    .put("line", broken.line())
                    .put("sequence", broken.sequence())
                    .put("reason", broken.reason()));
            return CommandFailure.REFUSED;
        }
        throw CommandFailure.refused("the chain is broken at line %d: %s.%nNothing from record %d on can be trusted."
                .formatted(broken.line(), broken.reason(), broken.sequence()));
    }
}
