// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Decisions at the door: may a device come in now?
@Command
final class DecisionCommands {
    private static final String PARTIES = "/relying-parties";

    private final Session session;

    DecisionCommands(Session session) {
        this.session = session;
    }

    /// By what the device is known.
    static final class Subject {
        @Option(names = "--device", paramLabel = "DEVICE", description = "By its id.")
        @Nullable
        String device;

        @Option(names = "--certificate", paramLabel = "FILE", description = "By its certificate, in PEM.")
        @Nullable
        Path certificate;

        @Option(names = "--fingerprint", paramLabel = "HEX", description = "By the SHA-256 of its certificate.")
        @Nullable
        String fingerprint;

        @Option(names = "--passport", paramLabel = "FILE", description = "By a signed result, as a JWT.")
        @Nullable
        Path passport;
    }

    @Command(
            description = "Ask whether a device may come in now.",
            footer = "  tegata decision ask --certificate device.pem --party broker")
    void ask(
            @ArgGroup(multiplicity = "1", heading = Tegata.ALTERNATIVES) Subject subject,
            @Option(names = "--party", paramLabel = "NAME", description = "By whose policy.") @Nullable String party) {
        ObjectNode body = ApiClient.object();
        Bodies.put(body, "device", subject.device);
        Bodies.put(body, "fingerprint", subject.fingerprint);
        Bodies.put(body, "party", party);
        if (subject.certificate != null) {
            body.put("certificate", Inputs.text(subject.certificate, session.terminal()));
        }
        if (subject.passport != null) {
            body.put(
                    "passport",
                    Inputs.text(subject.passport, session.terminal()).strip());
        }
        try (ApiClient api = session.api()) {
            session.output().fields(api.act("/decisions", body));
        }
    }

    @Command(description = "List relying parties and what they require.", footer = "  tegata decision parties")
    void parties() {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PARTIES),
                            "There are none: everybody gets the default, active devices with fresh affirming evidence.",
                            "name",
                            "key",
                            "tier",
                            "allowStale",
                            "states",
                            "life");
        }
    }

    @Command(
            description = "Say what a relying party requires of devices.",
            footer = "  tegata decision require broker --tier warning --key KEY")
    void require(
            @Parameters(paramLabel = "NAME", description = "The relying party.") String name,
            @Option(names = "--key", paramLabel = "KEY", description = "The id of the API key that it asks with.")
                    @Nullable
                    String key,
            @Option(
                            names = "--tier",
                            paramLabel = "TIER",
                            description =
                                    "The worst verdict: affirming (the default), warning, or none for no evidence.")
                    @Nullable
                    String tier,
            @Option(names = "--allow-stale", description = "Let evidence be older than the fleet allows.")
                    boolean allowStale,
            @Option(
                            names = "--fleet",
                            paramLabel = "FLEET",
                            description = "Devices of this fleet only. Can be given several times.")
                    @Nullable
                    List<String> fleets,
            @Option(
                            names = "--life",
                            paramLabel = "TIME",
                            converter = Bodies.Length.class,
                            description = "How long a yes holds at most (default: 5m).")
                    @Nullable
                    String life) {
        ObjectNode body = ApiClient.object().put("name", name).put("allowStale", allowStale);
        Bodies.put(body, "key", key);
        Bodies.put(body, "tier", tier);
        Bodies.put(body, "life", life);
        if (fleets != null) {
            ArrayNode list = body.putArray("fleets");
            fleets.forEach(list::add);
        }
        try (ApiClient api = session.api()) {
            session.output().fields(api.act(PARTIES, body));
        }
    }

    @Command(
            description = "Remove a relying party. Its key gets the default policy.",
            footer = "  tegata decision remove broker")
    void remove(@Parameters(paramLabel = "NAME", description = "The relying party.") String name) {
        try (ApiClient api = session.api()) {
            api.delete(PARTIES + "/" + ApiClient.segment(name));
            session.output().done("It is removed.");
        }
    }
}
