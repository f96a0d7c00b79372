// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Transfers: devices change owners.
@Command
final class TransferCommands {
    private static final int LABELS_AT_ONCE = 1000;
    private static final String PATH = "/transfers";
    private static final String INCOMING = "/incoming-transfers";
    private static final int MAX_FILE = 8 << 20;

    private final Session session;

    TransferCommands(Session session) {
        this.session = session;
    }

    /// Which devices are offered.
    static final class What {
        @Option(
                names = "--device",
                paramLabel = "DEVICE",
                description = "A device by its id or serial number; repeat it for several.")
        @Nullable
        List<String> devices;

        @Option(
                names = "--list",
                paramLabel = "FILE",
                description = "A CSV file whose first column is a device id or serial number; - reads the input.")
        @Nullable
        Path list;

        @ArgGroup(exclusive = false, multiplicity = "1")
        @Nullable
        Filter filter;
    }

    /// A filter over the tenant's devices.
    static final class Filter {
        @Option(
                names = "--fleet",
                paramLabel = "FLEET",
                description = "All devices of this fleet; with --state, those in it.")
        @Nullable
        String fleet;

        @Option(
                names = "--state",
                paramLabel = "STATE",
                description = "All devices in this state; with --fleet, those of the fleet.")
        @Nullable
        String state;
    }

    @Command(
            description = "Offer devices to another tenant, or to whoever gets a one-time code.",
            footer = {
                "  tegata transfer offer --device DEVICE --to TENANT",
                "  tegata transfer offer --list devices.csv --validity 30d"
            })
    void offer(
            @ArgGroup(multiplicity = "1", heading = Tegata.ALTERNATIVES) What what,
            @Option(names = "--to", paramLabel = "TENANT", description = "Whom they are for; otherwise a code is made.")
                    @Nullable
                    String to,
            @Option(
                            names = "--validity",
                            paramLabel = "TIME",
                            defaultValue = "14d",
                            converter = Bodies.Length.class,
                            description = "How long the offer stands (default: 14d).")
                    String validity,
            @Option(names = "--history", description = "Hand the devices' history over as well.") boolean history,
            @Option(names = "--message", paramLabel = "TEXT", description = "A word to the buyer.") @Nullable
                    String message) {
        ObjectNode body = ApiClient.object().put("validity", validity).put("history", history);
        Bodies.put(body, "to", to);
        Bodies.put(body, "message", message);
        if (what.filter != null) {
            ObjectNode filter = body.putObject("filter");
            Bodies.put(filter, "fleet", what.filter.fleet);
            Bodies.put(filter, "state", what.filter.state);
        } else {
            ArrayNode devices = body.putArray("devices");
            (what.devices != null ? what.devices : read(String.valueOf(what.list))).forEach(devices::add);
        }
        try (ApiClient api = session.api()) {
            session.output().fields(api.create(PATH, body));
        }
    }

    private List<String> read(String name) {
        Path file = Path.of(name);
        try (InputStream in = Inputs.open(file, session.terminal())) {
            byte[] content = in.readNBytes(MAX_FILE + 1);
            if (content.length > MAX_FILE) {
                throw CommandFailure.usage("the file " + file + " is longer than a list of devices can be");
            }
            return new String(content, StandardCharsets.UTF_8)
                    .lines()
                    .map(line -> line.split("[,;\\t]", 2)[0].strip().replace("\"", ""))
                    .filter(first -> !first.isEmpty()
                            && !first.equalsIgnoreCase("serial")
                            && !first.equalsIgnoreCase("device")
                            && !first.equalsIgnoreCase("id"))
                    .toList();
        } catch (IOException e) {
            throw Inputs.unreadable(file);
        }
    }

    @Command(description = "List transfers that this tenant gives or is asked for.", footer = "  tegata transfer list")
    void list(@Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH, paging.query()),
                            "There are no transfers.",
                            "id",
                            "basis",
                            "state",
                            "to",
                            "expiresAt");
        }
    }

    @Command(
            description = "Show a transfer that this tenant gives or is offered, and how far its devices are.",
            footer = "  tegata transfer show TRANSFER")
    void show(@Parameters(paramLabel = "TRANSFER", description = "The transfer's id.") String transfer) {
        String id = "/" + ApiClient.segment(transfer);
        try (ApiClient api = session.api()) {
            session.output().fields(givenOrOffered(api, id));
        }
    }

    private static JsonNode givenOrOffered(ApiClient api, String id) {
        try {
            return api.get(PATH + id);
        } catch (CommandFailure e) {
            if (e.exitCode() != CommandFailure.REFUSED) {
                throw e;
            }
            return api.get(INCOMING + id);
        }
    }

    @Command(description = "List the devices of a transfer.", footer = "  tegata transfer devices TRANSFER")
    void devices(
            @Parameters(paramLabel = "TRANSFER", description = "The transfer's id.") String transfer,
            @Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH + "/" + ApiClient.segment(transfer) + "/devices", paging.query()),
                            "There are no devices in it.",
                            "device",
                            "state",
                            "reason");
        }
    }

    @Command(
            description = "Take an offer back, or object to a claim by possession.",
            footer = "  tegata transfer cancel TRANSFER --reason \"still mine\"")
    void cancel(
            @Parameters(paramLabel = "TRANSFER", description = "The transfer's id.") String transfer,
            @Option(names = "--reason", paramLabel = "TEXT", required = true, description = "Why, for the history.")
                    String reason) {
        try (ApiClient api = session.api()) {
            session.output()
                    .fields(api.act(
                            PATH + "/" + ApiClient.segment(transfer) + "/cancel",
                            ApiClient.object().put("reason", reason)));
        }
    }

    @Command(description = "List what is offered to this tenant.", footer = "  tegata transfer incoming")
    void incoming(@Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(INCOMING, paging.query()),
                            "Nothing is offered.",
                            "id",
                            "fromName",
                            "basis",
                            "state",
                            "devices",
                            "expiresAt");
        }
    }

    @Command(
            description = "Turn a one-time code into an offer to this tenant. The code is read from the input.",
            footer = "  tegata transfer redeem < code.txt")
    void redeem() {
        String code = Inputs.text(Path.of("-"), session.terminal());
        try (ApiClient api = session.api()) {
            session.output()
                    .fields(api.create(INCOMING + "/redeem", ApiClient.object().put("code", code)));
        }
    }

    /// What proves that a device is in hand.
    static final class Shown {
        @Option(names = "--serial", paramLabel = "SERIAL", description = "The serial number of the chip.")
        @Nullable
        String serial;

        @Option(
                names = "--chip",
                paramLabel = "MAKER",
                defaultValue = "microchip",
                description = "Who numbers the chip (default: microchip).")
        String chip = "microchip";

        @Option(
                names = "--code-file",
                paramLabel = "FILE",
                description = "A file with the code on the device's label; - reads it from the input.")
        @Nullable
        Path code;

        @Option(names = "--challenge", paramLabel = "HEX", description = "The challenge that the chip has signed.")
        @Nullable
        String challenge;

        @Option(names = "--signature", paramLabel = "BASE64", description = "The chip's signature.")
        @Nullable
        String signature;

        ObjectNode body(Terminal terminal) {
            ObjectNode proof = ApiClient.object().put("chip", chip);
            Bodies.put(proof, "serial", serial);
            Bodies.put(proof, "code", code == null ? null : Inputs.text(code, terminal));
            Bodies.put(proof, "challenge", challenge);
            Bodies.put(proof, "signature", signature);
            return proof;
        }
    }

    @Command(
            description = "Accept an offer into a fleet; the devices move.",
            footer = "  tegata transfer accept TRANSFER --fleet FLEET")
    void accept(
            @Parameters(paramLabel = "TRANSFER", description = "The transfer's id.") String transfer,
            @Option(names = "--fleet", paramLabel = "FLEET", required = true, description = "Where the devices go.")
                    String fleet,
            @Mixin Shown shown) {
        ObjectNode body = ApiClient.object().put("fleet", fleet);
        if (shown.serial != null) {
            body.putArray("proofs").add(shown.body(session.terminal()));
        }
        try (ApiClient api = session.api()) {
            session.output().fields(api.act(INCOMING + "/" + ApiClient.segment(transfer) + "/accept", body));
        }
    }

    @Command(
            description = "Claim a device that lies before you. Its owner may object until the cool-down ends.",
            footer = "  tegata transfer claim --serial SERIAL --code-file - --fleet FLEET")
    void claim(
            @Option(names = "--fleet", paramLabel = "FLEET", required = true, description = "Where the device goes.")
                    String fleet,
            @Mixin Shown shown) {
        if (shown.serial == null) {
            throw CommandFailure.usage("--serial must be given: which device is it?");
        }
        ObjectNode body = ApiClient.object().put("fleet", fleet);
        body.set("proof", shown.body(session.terminal()));
        try (ApiClient api = session.api()) {
            session.output().fields(api.create(INCOMING + "/claim", body));
        }
    }

    @Command(
            description = "Make a challenge for a chip to sign, good once and for ten minutes.",
            footer = "  tegata transfer challenge")
    void challenge() {
        try (ApiClient api = session.api()) {
            session.output().fields(api.create(INCOMING + "/challenge", ApiClient.object()));
        }
    }

    @Command(
            name = "label-code",
            description = "Make the code for a device's label, shown this once.",
            footer = "  tegata transfer label-code DEVICE")
    void labelCode(
            @Parameters(paramLabel = "DEVICE", description = "The device's id.") String device,
            @Option(
                            names = "--code-file",
                            paramLabel = "FILE",
                            description = "A file with the code that is printed already; - reads it from the input.")
                    @Nullable
                    Path code) {
        ObjectNode body = ApiClient.object();
        Bodies.put(body, "code", code == null ? null : Inputs.text(code, session.terminal()));
        try (ApiClient api = session.api()) {
            session.output().fields(api.create("/devices/" + ApiClient.segment(device) + "/label-code", body));
        }
    }

    @Command(
            name = "label-codes",
            description = "Make the codes for the labels of many devices, shown this once: CSV for the printer.",
            footer = {
                "  tegata transfer label-codes --from-file serials.txt --out labels.csv",
                "  tegata transfer label-codes --from-file printed.csv --out labels.csv"
            })
    void labelCodes(
            @Option(
                            names = "--from-file",
                            paramLabel = "FILE",
                            required = true,
                            description = "An id or serial number on each line, and after a comma the code where it is"
                                    + " printed already; a first line with names of columns is passed over; - is the"
                                    + " standard input.")
                    Path file,
            @Option(
                            names = "--out",
                            paramLabel = "FILE",
                            required = true,
                            description = "The file for the codes: device,serial,code.")
                    Path out) {
        List<String> lines = Inputs.text(file, session.terminal())
                .lines()
                .map(line -> line.replace("\"", "").replace("\ufeff", "").strip())
                .filter(line -> !line.isEmpty())
                .toList();
        if (!lines.isEmpty() && lines.getFirst().toLowerCase(Locale.ROOT).matches("(id|device|serial)(,.*)?")) {
            lines = lines.subList(1, lines.size());
        }
        StringBuilder csv = new StringBuilder("device,serial,code\n");
        int made = 0;
        try (ApiClient api = session.api()) {
            for (int from = 0; from < lines.size(); from += LABELS_AT_ONCE) {
                ObjectNode body = ApiClient.object();
                ArrayNode devices = body.putArray("devices");
                for (String line : lines.subList(from, Math.min(lines.size(), from + LABELS_AT_ONCE))) {
                    String[] parts = line.split(",", 2);
                    ObjectNode device = devices.addObject().put("device", parts[0].strip());
                    Bodies.put(device, "code", parts.length == 2 ? parts[1].strip() : null);
                }
                for (JsonNode item : api.create("/label-codes", body).path("items")) {
                    csv.append("%s,%s,%s%n"
                            .formatted(
                                    item.path("device").asString(),
                                    item.path("serial").asString(),
                                    item.path("code").asString()));
                    made++;
                }
            }
        } finally {
            // What was made before a failure is stored, and would be lost.
            if (made > 0) {
                OutputFile.write(out, stream -> {
                    stream.write(csv.toString().getBytes(StandardCharsets.UTF_8));
                    return out;
                });
            }
        }
        session.output().done("%,d codes are in %s.".formatted(made, out));
        if (made < lines.size()) {
            throw CommandFailure.refused("%,d of %,d are no devices of this tenant, or are there twice"
                    .formatted(lines.size() - made, lines.size()));
        }
    }
}
