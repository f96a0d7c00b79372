// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.pki.key.VaultException;
import dev.tegata.platform.UnavailableException;
import dev.tegata.server.Server;
import dev.tegata.server.ServerConfig;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import tools.jackson.databind.node.ObjectNode;

/// Starts the server, and ends when it is told to.
@Command(
        footer = {
            "  tegata serve --data /srv/tegata --listen 0.0.0.0 --tls-names tegata.example",
            "  tegata serve --database postgresql://tegata@db.example/tegata --database-password-file db.txt"
        })
final class ServeCommand implements Callable<Integer> {
    private static final String COMMON_URL = "https://localhost:8443";

    @Option(
            names = "--replace-operator-key",
            description =
                    "Do not serve: make a new operator key in place of one that was lost or has leaked, and say where"
                            + " it is.")
    boolean replaceOperatorKey;

    private final Session session;
    private final SettingOptions settings = new SettingOptions();

    private ServeCommand(Session session) {
        this.session = session;
    }

    /// The command, with an option for each setting.
    static CommandSpec spec(Session session) {
        ServeCommand command = new ServeCommand(session);
        return command.settings.addTo(CommandSpec.forAnnotatedObject(command));
    }

    @Override
    public Integer call() throws InterruptedException {
        ServerConfig checked = settings.read(session);
        try {
            if (replaceOperatorKey) {
                Path file = Server.replaceOperatorKey(checked);
                session.output().done("The new operator key is in " + file + "; the old one opens nothing any more.");
            } else {
                serve(checked);
            }
            return 0;
        } catch (UnavailableException | VaultException | UncheckedIOException e) {
            throw CommandFailure.unreachable("the server cannot start: " + e.getMessage());
        }
    }

    private void serve(ServerConfig checked) throws InterruptedException {
        try (Server server = Server.start(checked)) {
            Thread stop = Thread.ofPlatform().unstarted(server::close);
            Runtime.getRuntime().addShutdownHook(stop);
            announce(server, checked);
            new CountDownLatch(1).await();
        }
    }

    private void announce(Server server, ServerConfig checked) {
        Output output = session.output();
        ObjectNode addresses = ApiClient.object()
                .put("api", server.apiUrl())
                .put("devices", server.devicesUrl())
                .put("public", server.publicUrl())
                .put("metrics", server.metricsUrl())
                .put("data", checked.data().toString());
        server.authorityFile().ifPresent(ca -> addresses.put("ca", ca.toString()));
        if (output.isJson()) {
            output.print(addresses.put("firstStart", server.firstStart()));
            return;
        }
        output.say("Tegata is ready.");
        output.fields(addresses);
        if (server.firstStart() || !Files.exists(session.profileFile())) {
            output.say("");
            output.say("Begin in another terminal, with your own PKI:");
            output.say("  " + session.program() + " tenant create --organization \"Your company\" --country DE"
                    + where(server, checked));
            output.say("Tenants are made with the operator key in " + server.operatorKeyFile() + ".");
        }
        output.say("Stop it with Ctrl-C.");
    }

    /// The options without which the commands would look for another server than this.
    private String where(Server server, ServerConfig checked) {
        String url = server.apiUrl().equals(COMMON_URL) ? "" : " --url " + server.apiUrl();
        boolean usual =
                checked.data().equals(Access.dataFolder(session.terminal().environment()));
        return url + (usual ? "" : " --data " + checked.data());
    }
}
