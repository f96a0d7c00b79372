// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import tools.jackson.databind.node.ObjectNode;

/// Keys of external account binding.
@Command
final class AcmeKeyCommands {
    private final Session session;

    AcmeKeyCommands(Session session) {
        this.session = session;
    }

    private static String path(String device) {
        return "/devices/" + ApiClient.segment(device) + "/acme-keys";
    }

    @Command(
            description = "Make a key with which a device makes its account. The secret is shown once.",
            footer = "  tegata acme eab create --device DEVICE --validity 7d")
    void create(
            @Option(names = "--device", paramLabel = "DEVICE", required = true, description = "The device's id.")
                    String device,
            @Option(
                            names = "--validity",
                            paramLabel = "TIME",
                            defaultValue = "7d",
                            converter = Bodies.Length.class,
                            description = "How long an account can be made with it (default: 7d).")
                    String validity,
            @Option(
                            names = "--address",
                            paramLabel = "IP",
                            description = "Where http-01 is fetched, instead of asking the DNS; wants --name.")
                    @Nullable
                    String address,
            @Option(
                            names = "--name",
                            paramLabel = "NAME",
                            description = "Host names that the device may have, of those that its fleet allows;"
                                    + " '*.' stands for one label (default: all). Repeat it.")
                    @Nullable
                    List<String> names) {
        ObjectNode body = ApiClient.object().put("validity", validity);
        if (names != null) {
            names.forEach(body.putArray("names")::add);
        }
        Bodies.put(body, "address", address);
        try (ApiClient api = session.api()) {
            session.output().fields(api.create(path(device), body));
        }
    }

    @Command(description = "List a device's keys, newest first.", footer = "  tegata acme eab list --device DEVICE")
    void list(
            @Option(names = "--device", paramLabel = "DEVICE", required = true, description = "The device's id.")
                    String device) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(path(device)),
                            "The device has none. Make one: %s acme eab create --help".formatted(session.program()),
                            "KEY=id",
                            "names",
                            "address",
                            "EXPIRES=expiresAt",
                            "USED=usedAt");
        }
    }

    @Command(
            description = "Take a key back, and deactivate the account that was made with it.",
            footer = "  tegata acme eab revoke --device DEVICE --key KEY")
    void revoke(
            @Option(names = "--device", paramLabel = "DEVICE", required = true, description = "The device's id.")
                    String device,
            @Option(names = "--key", paramLabel = "KEY", required = true, description = "The key's id.") String key) {
        try (ApiClient api = session.api()) {
            api.delete(path(device) + "/" + ApiClient.segment(key));
            session.output().done("The key is gone.");
        }
    }
}
