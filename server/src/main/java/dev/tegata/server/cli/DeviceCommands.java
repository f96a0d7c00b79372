// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
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

/// Devices: what is known of them, and what operators do to them.
@Command
final class DeviceCommands {
    private static final String PATH = "/devices";
    private static final String NO_HISTORY = "Nothing has happened to it yet.";

    private final Session session;

    DeviceCommands(Session session) {
        this.session = session;
    }

    /// Which device a command is about.
    static final class Target {
        @Parameters(paramLabel = "DEVICE", description = "Its id, as listed.")
        String id = "";

        String path() {
            return PATH + "/" + ApiClient.segment(id);
        }
    }

    /// Why something is done to a device.
    static final class Why {
        @Option(
                names = "--reason",
                paramLabel = "TEXT",
                required = true,
                description = "Why, for the device's history.")
        String reason = "";
    }

    static final class Filters {
        @Option(names = "--fleet", paramLabel = "FLEET", description = "Only devices of this fleet.")
        @Nullable
        String fleet;

        @Option(
                names = "--state",
                paramLabel = "STATE",
                description = "Only devices that are claimed, active, suspended, refurbishing, revoked or retired.")
        @Nullable
        String state;

        @Option(names = "--serial", paramLabel = "SERIAL", description = "Only the chip with this serial number.")
        @Nullable
        String serial;

        @Option(
                names = "--text",
                paramLabel = "TEXT",
                description = "Only devices whose serial number or id begins so.")
        @Nullable
        String text;
    }

    @Command(
            description = "List and search devices. All filters that are given must match.",
            footer = {"  tegata device list --fleet FLEET --state active", "  tegata device list --text 0123 --json"})
    void list(@Mixin Filters filters, @Mixin Paging paging) {
        Map<String, Object> query = paging.query();
        Paging.filter(query, "fleet", filters.fleet);
        Paging.filter(query, "state", filters.state);
        Paging.filter(query, "serial", filters.serial);
        Paging.filter(query, "text", filters.text);
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH, query),
                            "There are no such devices. Claim some: %s manifest import FILE --fleet FLEET"
                                    .formatted(session.program()),
                            "id",
                            "serial",
                            "model",
                            "state",
                            "fleet",
                            "LAST SEEN=lastSeenAt");
        }
    }

    @Command(description = "Show a device.", footer = "  tegata device show DEVICE")
    void show(@Mixin Target device) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.get(device.path()));
        }
    }

    @Command(
            description = "List the operational certificates of a device, newest first.",
            footer = "  tegata device certificates DEVICE")
    void certificates(@Mixin Target device) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(device.path() + "/certificates"),
                            "It has no certificate yet: it gets one when it enrols.",
                            "SERIAL NUMBER=certificate.serialNumber",
                            "SUBJECT=certificate.subject",
                            "VALID FROM=certificate.notBefore",
                            "VALID UNTIL=certificate.notAfter",
                            "current",
                            "REVOKED=revokedAt");
        }
    }

    @Command(description = "List what happened to a device.", footer = "  tegata device history DEVICE")
    void history(@Mixin Target device, @Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(device.path() + "/history", paging.query()),
                            NO_HISTORY,
                            "time",
                            "action",
                            "actor",
                            "detail");
        }
    }

    @Command(description = "List what a device was told to do, oldest first.", footer = "  tegata device orders DEVICE")
    void orders(@Mixin Target device, @Mixin OrderCommands.State state, @Mixin Paging paging) {
        Map<String, Object> query = paging.query();
        Paging.filter(query, "state", state.state);
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(device.path() + "/orders", query),
                            "It was told nothing yet.",
                            OrderCommands.COLUMNS);
        }
    }

    /// What an order says beyond its kind.
    static final class Content {
        @Option(
                names = "--life",
                paramLabel = "TIME",
                converter = Bodies.Length.class,
                description = "How long the order stands (default: 30d).")
        @Nullable
        String life;

        @Option(names = "--name", paramLabel = "NAME", description = "For store: the name of the object.")
        @Nullable
        String name;

        @Option(names = "--file", paramLabel = "FILE", description = "For store: the object, at most 16 KiB.")
        @Nullable
        Path file;

        @Option(
                names = "--nonce",
                paramLabel = "BASE64URL",
                description = "For attest: what the evidence must contain (default: a random one).")
        @Nullable
        String nonce;

        @Option(
                names = "--anchor",
                paramLabel = "FILE",
                description = "For update-trust-anchors: a PEM certificate; repeat it for each that is to be trusted.")
        List<Path> anchors = new ArrayList<>();
    }

    @Command(
            description =
                    "Tell a device to do something: renew-certificate, renew-key, update-trust-anchors, attest or store.",
            footer = {
                "  tegata device order DEVICE renew-key",
                "  tegata device order DEVICE store --name settings --file settings.cbor --life 7d"
            })
    void order(
            @Mixin Target device,
            @Parameters(index = "1", paramLabel = "KIND", description = "What to do.") String kind,
            @Mixin Content content) {
        ObjectNode body = ApiClient.object().put("kind", kind);
        Bodies.put(body, "life", content.life);
        Bodies.put(body, "name", content.name);
        Bodies.put(body, "nonce", content.nonce);
        if (content.file != null) {
            byte[] value = Inputs.bytes(content.file, session.terminal());
            body.put("value", Base64.getUrlEncoder().withoutPadding().encodeToString(value));
        }
        if (!content.anchors.isEmpty()) {
            ArrayNode anchors = body.putArray("anchors");
            content.anchors.forEach(file -> anchors.add(Inputs.text(file, session.terminal())));
        }
        try (ApiClient api = session.api()) {
            session.output().fields(api.create(device.path() + "/orders", body));
        }
    }

    @Command(
            description = "Let a device that waits for approval have its first certificate.",
            footer = "  tegata device approve DEVICE")
    void approve(@Mixin Target device) {
        decide(device, "approve", "Approved: it gets its certificate when it asks the next time.");
    }

    @Command(description = "Refuse a device that waits for approval.", footer = "  tegata device reject DEVICE")
    void reject(@Mixin Target device) {
        decide(device, "reject", "Rejected: it gets no certificate.");
    }

    private void decide(Target device, String decision, String said) {
        try (ApiClient api = session.api()) {
            api.act(device.path() + "/" + decision);
            session.output().done(said);
        }
    }

    @Command(
            description = "Shut a device out for good. Its certificates are revoked.",
            footer = "  tegata device revoke DEVICE --reason \"stolen from the depot\"")
    void revoke(@Mixin Target device, @Mixin Why why) {
        change(device, "revoke", why);
    }

    @Command(
            description = "Shut a device out for a while. Its certificates are put on hold.",
            footer = "  tegata device suspend DEVICE --reason \"odd traffic\"")
    void suspend(@Mixin Target device, @Mixin Why why) {
        change(device, "suspend", why);
    }

    @Command(
            description = "Let a suspended device back in.",
            footer = "  tegata device resume DEVICE --reason \"traffic explained\"")
    void resume(@Mixin Target device, @Mixin Why why) {
        change(device, "resume", why);
    }

    private void change(Target device, String action, Why why) {
        try (ApiClient api = session.api()) {
            JsonNode changed =
                    api.act(device.path() + "/" + action, ApiClient.object().put("reason", why.reason));
            session.output().fields(changed);
        }
    }
}
