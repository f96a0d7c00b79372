// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// ACME for the gateways of a fleet: what it is for, and the keys that bind accounts to devices.
@Command
final class AcmeCommands {
    private final Session session;

    AcmeCommands(Session session) {
        this.session = session;
    }

    /// The group, with the keys of external account binding as a group of its own.
    static CommandSpec spec(Session session) {
        CommandSpec spec = CommandSpec.forAnnotatedObject(new AcmeCommands(session));
        CommandSpec keys = CommandSpec.forAnnotatedObject(new AcmeKeyCommands(session));
        keys.usageMessage().description("Keys of external account binding: each makes one account, for one device.");
        spec.addSubcommand("eab", keys);
        return spec;
    }

    private static String path(String fleet) {
        return "/fleets/" + ApiClient.segment(fleet) + "/acme";
    }

    @Command(
            description = {
                "Offer ACME to a fleet, or say anew what for.",
                "http-01 wants --name and --network, device-attest-01 wants --attestation. What is left out is no longer offered."
            },
            footer = {
                "  tegata acme set FLEET --name '*.gateways.example' --network 10.0.0.0/8",
                "  tegata acme set FLEET --attestation"
            })
    void set(
            @Parameters(paramLabel = "FLEET", description = "The fleet's id.") String fleet,
            @Option(
                            names = "--name",
                            paramLabel = "NAME",
                            description = "Host names that devices may have; '*.' stands for one label. Repeat it.")
                    @Nullable
                    List<String> names,
            @Option(
                            names = "--network",
                            paramLabel = "CIDR",
                            description = "Where http-01 may be fetched from; nowhere else. Repeat it.")
                    @Nullable
                    List<String> networks,
            @Option(
                            names = "--http-port",
                            paramLabel = "PORT",
                            defaultValue = "80",
                            description = "Where http-01 is fetched (default: 80).")
                    int httpPort,
            @Option(names = "--attestation", description = "Offer device-attest-01, by TPMs.") boolean attestation) {
        if (!attestation && (names == null || networks == null)) {
            throw CommandFailure.usage("give --name and --network for http-01, or --attestation, or all of them");
        }
        ObjectNode body = ApiClient.object();
        ArrayNode allowed = body.putArray("names");
        ArrayNode reachable = body.putArray("networks");
        if (names != null) {
            names.forEach(allowed::add);
        }
        if (networks != null) {
            networks.forEach(reachable::add);
        }
        body.put("httpPort", httpPort).put("attestation", attestation);
        try (ApiClient api = session.api()) {
            session.output()
                    .fields(api.put(
                            path(fleet), "application/json", body.toString().getBytes(StandardCharsets.UTF_8)));
        }
    }

    @Command(
            description = {"Change some of what a fleet offers by ACME.", "What is left out stays as it is."},
            footer = {
                "  tegata acme update FLEET --network 10.0.0.0/8 --network 192.168.0.0/16",
                "  tegata acme update FLEET --no-attestation"
            })
    void update(
            @Parameters(paramLabel = "FLEET", description = "The fleet's id.") String fleet,
            @Option(
                            names = "--name",
                            paramLabel = "NAME",
                            description = "All host names that devices may have from now on. Repeat it.")
                    @Nullable
                    List<String> names,
            @Option(
                            names = "--network",
                            paramLabel = "CIDR",
                            description = "All networks that http-01 may be fetched from, from now on. Repeat it.")
                    @Nullable
                    List<String> networks,
            @Option(names = "--http-port", paramLabel = "PORT", description = "Where http-01 is fetched from now on.")
                    @Nullable
                    Integer httpPort,
            @Option(
                            names = "--attestation",
                            negatable = true,
                            description = "Whether device-attest-01 is offered, by TPMs.")
                    @Nullable
                    Boolean attestation) {
        ObjectNode body = ApiClient.object();
        if (names != null) {
            names.forEach(body.putArray("names")::add);
        }
        if (networks != null) {
            networks.forEach(body.putArray("networks")::add);
        }
        if (httpPort != null) {
            body.put("httpPort", httpPort);
        }
        if (attestation != null) {
            body.put("attestation", attestation);
        }
        if (body.isEmpty()) {
            throw CommandFailure.usage("say what changes: --name, --network, --http-port or --[no-]attestation");
        }
        try (ApiClient api = session.api()) {
            session.output().fields(api.patch(path(fleet), body));
        }
    }

    @Command(description = "Show what a fleet offers by ACME.", footer = "  tegata acme show FLEET")
    void show(@Parameters(paramLabel = "FLEET", description = "The fleet's id.") String fleet) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.get(path(fleet)));
        }
    }

    @Command(
            description = "Offer no ACME any more. What was issued stays valid.",
            footer = "  tegata acme remove FLEET")
    void remove(@Parameters(paramLabel = "FLEET", description = "The fleet's id.") String fleet) {
        try (ApiClient api = session.api()) {
            api.delete(path(fleet));
            session.output().done("The fleet offers no ACME.");
        }
    }
}
