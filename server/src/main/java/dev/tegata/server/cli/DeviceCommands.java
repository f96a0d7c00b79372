// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
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
    private static final Pattern ID = Pattern.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}");
    private static final String NO_HISTORY = "Nothing has happened to it yet.";

    private final Session session;

    DeviceCommands(Session session) {
        this.session = session;
    }

    /// Which device a command is about.
    static final class Target {
        @Parameters(paramLabel = "DEVICE", description = "Its id, as listed, or its serial number.")
        String idOrSerial = "";

        String path(ApiClient api) {
            return DeviceCommands.path(api, idOrSerial);
        }
    }

    static String path(ApiClient api, String idOrSerial) {
        return PATH + "/" + ApiClient.segment(id(api, idOrSerial));
    }

    /// What is no id is looked for as the serial number that stands on the device's label.
    static String id(ApiClient api, String idOrSerial) {
        if (ID.matcher(idOrSerial).matches()) {
            return idOrSerial;
        }
        JsonNode found = api.get(PATH, Map.of("serial", idOrSerial)).path("items");
        if (found.size() == 1) {
            return found.path(0).path("id").asString();
        }
        throw CommandFailure.refused(
                found.isEmpty()
                        ? "there is no device with the id or serial number '" + idOrSerial + "'"
                        : "several devices have the serial number '" + idOrSerial + "': say the id, which 'device list"
                                + " --serial' tells");
    }

    /// Why something is done to a device.
    static final class Why {
        @Option(
                names = "--reason",
                paramLabel = "TEXT",
                required = true,
                description = "Why, for the device's history.")
        String reason = "";

        ObjectNode body() {
            return ApiClient.object().put("reason", reason);
        }
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

        @Option(names = "--waiting", description = "Only devices that wait for approval.")
        boolean waiting;

        @Option(names = "--manifest", paramLabel = "MANIFEST", description = "Only devices of this import.")
        @Nullable
        String manifest;

        @Option(
                names = "--expires-before",
                paramLabel = "TIME",
                description = "Only devices whose certificate ends before, such as 2027-01-31T00:00:00Z.")
        @Nullable
        String expiresBefore;

        @Option(
                names = "--not-seen-since",
                paramLabel = "TIME",
                description = "Only devices of which nothing was heard since.")
        @Nullable
        String notSeenSince;

        @Option(
                names = "--key",
                paramLabel = "ALGORITHM",
                description = "Only devices in service that live by such a key, as rsa-2048; with --fleet.")
        @Nullable
        String key;
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
        Paging.filter(query, "waiting", filters.waiting ? "true" : null);
        Paging.filter(query, "manifest", filters.manifest);
        Paging.filter(query, "expiresBefore", filters.expiresBefore);
        Paging.filter(query, "notSeenSince", filters.notSeenSince);
        Paging.filter(query, "keyAlgorithm", filters.key);
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
            session.output().fields(api.get(device.path(api)));
        }
    }

    @Command(
            description = "List the operational certificates of a device, newest first.",
            footer = "  tegata device certificates DEVICE")
    void certificates(@Mixin Target device) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(device.path(api) + "/certificates"),
                            "It has no certificate yet: it gets one when it enrols.",
                            "SERIAL NUMBER=certificate.serialNumber",
                            "ISSUER=certificate.issuer",
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
                            api.get(device.path(api) + "/history", paging.query()),
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
                            api.get(device.path(api) + "/orders", query),
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
            session.output().fields(api.create(device.path(api) + "/orders", body));
        }
    }

    @Command(
            description = "Forecast how many devices expire, and who of them will not make it.",
            footer = {
                "  tegata device forecast",
                "  tegata device forecast --list 30 --silent",
                "  tegata device forecast --fleet FLEET --json"
            })
    void forecast(
            @Option(names = "--fleet", paramLabel = "FLEET", description = "Only devices of this fleet.") @Nullable
                    String fleet,
            @Option(
                            names = "--days",
                            paramLabel = "DAYS",
                            defaultValue = "7,30,90",
                            description = "Within how many days (default: 7,30,90); 0 is what has expired.")
                    String days,
            @Option(
                            names = "--list",
                            paramLabel = "DAYS",
                            description = "List the devices that expire within so many days, soonest first.")
                    @Nullable
                    Integer list,
            @Option(
                            names = "--silent",
                            description =
                                    "List only devices of which nothing was heard since they should have renewed.")
                    boolean silent,
            @Mixin Paging paging) {
        Map<String, Object> query = list == null ? new LinkedHashMap<>() : paging.query();
        Paging.filter(query, "fleet", fleet);
        query.put("days", list == null ? days : list);
        try (ApiClient api = session.api()) {
            if (list == null) {
                JsonNode forecast = api.get("/forecast/expiry", query);
                Output output = session.output();
                if (output.isJson()) {
                    output.print(forecast);
                } else {
                    output.rows(
                            forecast.path("horizons"), "WITHIN DAYS=days", "expiring", "silent", "LOOKED AT=silentOf");
                }
                return;
            }
            query.put("silent", silent);
            session.output()
                    .table(
                            api.get("/forecast/expiry/devices", query),
                            "No such device in this part.",
                            "id",
                            "serial",
                            "EXPIRES=expiresAt",
                            "LAST SEEN=lastSeenAt",
                            "silent",
                            "fleet");
        }
    }

    @Command(
            description = "Let devices that wait for approval have their first certificate.",
            footer = {"  tegata device approve DEVICE", "  tegata device approve --filter fleet=FLEET,waiting=true"})
    int approve(@Mixin DeviceSelection devices) {
        return devices.change(session, "approve", ApiClient.object());
    }

    @Command(
            description = "Refuse devices that wait for approval.",
            footer = {"  tegata device reject DEVICE", "  tegata device reject --from-file strangers.txt"})
    int reject(@Mixin DeviceSelection devices) {
        return devices.change(session, "reject", ApiClient.object());
    }

    @Command(
            description = "Tell devices to renew. The old certificate stays good for the fleet's overlap.",
            footer = {
                "  tegata device renew DEVICE --reason rehearsal",
                "  tegata device renew --filter authority=AUTHORITY --reason \"moving to the new CA\" --new-key"
            })
    int renew(
            @Mixin DeviceSelection devices,
            @Mixin Why why,
            @Option(names = "--new-key", description = "They make a new key too.") boolean newKey) {
        ObjectNode change = why.body();
        Bodies.put(change, "newKey", newKey ? true : null);
        return devices.change(session, "renew", change);
    }

    @Command(
            description = "Shut devices out for good. Their certificates are revoked.",
            footer = {
                "  tegata device revoke DEVICE --reason \"stolen from the depot\" --revocation-reason keyCompromise",
                "  tegata device revoke --from-file stolen.csv --reason \"stolen in transit\" --dry-run",
                "  tegata device revoke --filter fleet=FLEET,not-seen-since=2026-01-01T00:00:00Z --reason lost"
            })
    int revoke(
            @Mixin DeviceSelection devices,
            @Mixin Why why,
            @Option(
                            names = "--revocation-reason",
                            paramLabel = "CODE",
                            description = "Of RFC 5280: unspecified (the default), keyCompromise, affiliationChanged,"
                                    + " superseded, cessationOfOperation or privilegeWithdrawn.")
                    @Nullable
                    String code) {
        ObjectNode change = why.body();
        Bodies.put(change, "revocationReason", code);
        return devices.change(session, "revoke", change);
    }

    @Command(
            description = "Shut devices out for a while. Their certificates are put on hold.",
            footer = {
                "  tegata device suspend DEVICE --reason \"odd traffic\"",
                "  tegata device suspend --filter fleet=FLEET,text=0123 --reason \"recalled batch\""
            })
    int suspend(@Mixin DeviceSelection devices, @Mixin Why why) {
        return devices.change(session, "suspend", why.body());
    }

    @Command(
            description = "Let suspended devices back in.",
            footer = {
                "  tegata device resume DEVICE --reason \"traffic explained\"",
                "  tegata device resume --filter fleet=FLEET,state=suspended --reason \"recall is over\""
            })
    int resume(@Mixin DeviceSelection devices, @Mixin Why why) {
        return devices.change(session, "resume", why.body());
    }

    @Command(
            description = "Shut devices out until they have wiped themselves, and have proven it.",
            footer = {
                "  tegata device refurbish DEVICE --reason \"returned by the customer\"",
                "  tegata device refurbish --from-file returned.csv --reason \"spring returns\""
            })
    int refurbish(@Mixin DeviceSelection devices, @Mixin Why why) {
        return devices.change(session, "refurbish", why.body());
    }

    @Command(
            description = "End the life of devices. There is no way back.",
            footer = {
                "  tegata device retire DEVICE --reason scrapped",
                "  tegata device retire --from-file scrapped.csv --reason scrapped --erase"
            })
    int retire(
            @Mixin DeviceSelection devices,
            @Mixin Why why,
            @Option(
                            names = "--erase",
                            description =
                                    "Erase what may tell something of people; also where a device is retired already.")
                    boolean erase) {
        ObjectNode change = why.body();
        Bodies.put(change, "erase", erase ? true : null);
        return devices.change(session, "retire", change);
    }
}
