// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.pki.key.VaultCheck;
import dev.tegata.pki.key.VaultException;
import dev.tegata.pki.key.VaultSurvey;
import dev.tegata.server.ServerConfig;
import dev.tegata.server.VaultInspection;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// The vault: where private keys live.
@Command
final class VaultCommands {
    private final Session session;

    private VaultCommands(Session session) {
        this.session = session;
    }

    static CommandSpec spec(Session session) {
        Check check = new Check(session);
        return CommandSpec.forAnnotatedObject(new VaultCommands(session))
                .addSubcommand("check", check.settings.addTo(CommandSpec.forAnnotatedObject(check)));
    }

    @Command(
            description = "Show the vault of the running server: module, tokens and their mechanisms.",
            footer = "  tegata vault show --data /srv/tegata")
    void show(
            @Option(
                            names = "--data",
                            paramLabel = "DIR",
                            description = "The server's data folder, for the operator key.")
                    @Nullable
                    Path data) {
        try (ApiClient api = session.operatorApi(data)) {
            show(api.get("/vault"));
        }
    }

    private void show(JsonNode vault) {
        Output output = session.output();
        if (output.isJson()) {
            output.print(vault);
            return;
        }
        ObjectNode about = ((ObjectNode) vault).deepCopy().without(List.of("modules", "failing"));
        output.fields(about);
        if (!vault.path("failing").isEmpty()) {
            output.say("");
            output.rows(vault.path("failing"), "tenant", "SIGNED=signedAt", "FAILED=failedAt", "problem");
        }
        for (JsonNode module : vault.path("modules")) {
            output.say("");
            output.fields(((ObjectNode) module).deepCopy().without("tokens"));
            if (!module.path("tokens").isEmpty()) {
                output.say("");
                output.rows(
                        module.path("tokens"),
                        "slot",
                        "label",
                        "model",
                        "SERIAL=serialNumber",
                        "state",
                        "used",
                        "FREE MEMORY=freeMemory");
            }
        }
    }

    @Command(
            name = "rotate-key",
            description = "Change the key that the software vault seals keys under, while everything goes on.",
            footer = "  tegata vault rotate-key --data /srv/tegata")
    void rotateKey(
            @Option(
                            names = "--data",
                            paramLabel = "DIR",
                            description = "The server's data folder, for the operator key.")
                    @Nullable
                    Path data) {
        try (ApiClient api = session.operatorApi(data)) {
            JsonNode begun = api.create("/vault/key-rotation", ApiClient.object());
            session.output().fields(begun);
            session.output()
                    .say("Keys are being sealed anew. It is over when '" + session.program()
                            + " vault show' has no 'next'; then the next key can take the place of the old one.");
        }
    }

    /// Tries out the vault that a server with these settings would have; the server need not run.
    @Command(
            description = "Try the vault out, without the server: its tokens, a key of each algorithm, its speed.",
            footer = {
                "  tegata vault check --vault pkcs11 --pkcs11-library /usr/lib/softhsm/libsofthsm2.so \\",
                "    --pkcs11-token tegata --pkcs11-secret-file pin.txt"
            })
    private static final class Check implements Callable<Integer> {
        @Option(
                names = "--milliseconds",
                paramLabel = "NUMBER",
                defaultValue = "1000",
                description = "How long each rate is measured. Default: ${DEFAULT-VALUE}.")
        int milliseconds;

        @Option(
                names = "--try-anew",
                description =
                        "Offer PINs that were refused once more: such as after the token got the PIN of the setting.")
        boolean tryAnew;

        private final Session session;
        private final SettingOptions settings = new SettingOptions();

        Check(Session session) {
            this.session = session;
        }

        @Override
        public Integer call() {
            if (milliseconds < 1 || milliseconds > 60_000) {
                throw CommandFailure.usage("--milliseconds must be from 1 to 60000");
            }
            try {
                ServerConfig config = settings.read(session);
                if (tryAnew) {
                    VaultInspection.tryPinsAnew(config);
                }
                VaultInspection.Result result = VaultInspection.check(config, Duration.ofMillis(milliseconds));
                if (session.json) {
                    session.output().print(json(result));
                } else {
                    show(result);
                }
                return result.report().sound() ? 0 : CommandFailure.REFUSED;
            } catch (VaultException e) {
                throw CommandFailure.refused("the vault cannot be used: " + e.getMessage());
            }
        }

        private void show(VaultInspection.Result result) {
            Output output = session.output();
            ObjectNode view = json(result);
            output.say("vault: " + result.kind());
            for (VaultSurvey module : result.modules()) {
                output.say("%nmodule: %s, %s %s, PKCS#11 %s (%s)"
                        .formatted(
                                module.description(),
                                module.manufacturer(),
                                module.version(),
                                module.interfaceVersion(),
                                module.library()));
            }
            for (int i = 0; i < result.modules().size(); i++) {
                output.say("");
                output.rows(view.path("modules").path(i).path("tokens"), "slot", "label", "model", "state", "used");
            }
            output.say("");
            output.rows(view.path("trials"), "algorithm", "works", "detail");
            output.say("");
            output.rows(view.path("rates"), "algorithm", "callers", "signaturesPerSecond");
            output.say("");
            output.say(
                    result.report().sound()
                            ? "The vault is sound: it makes, protects and uses the keys that the defaults need."
                            : "The vault is not sound: it cannot do what the defaults need; see above.");
        }

        private static ObjectNode json(VaultInspection.Result result) {
            ObjectNode view = ApiClient.object()
                    .put("kind", result.kind())
                    .put("sound", result.report().sound());
            ArrayNode modules = view.putArray("modules");
            result.modules().forEach(module -> addModule(modules.addObject(), module));
            ArrayNode trials = view.putArray("trials");
            for (VaultCheck.Trial trial : result.report().trials()) {
                trials.addObject()
                        .put("algorithm", trial.algorithm().id())
                        .put("works", trial.works())
                        .put("detail", trial.detail());
            }
            ArrayNode rates = view.putArray("rates");
            for (VaultCheck.Rate rate : result.report().rates()) {
                rates.addObject()
                        .put("algorithm", rate.algorithm().id())
                        .put("callers", rate.callers())
                        .put("signaturesPerSecond", rate.signaturesPerSecond());
            }
            return view;
        }

        private static void addModule(ObjectNode view, VaultSurvey module) {
            view.put("library", module.library())
                    .put("manufacturer", module.manufacturer())
                    .put("description", module.description())
                    .put("version", module.version())
                    .put("interfaceVersion", module.interfaceVersion());
            ArrayNode tokens = view.putArray("tokens");
            for (VaultSurvey.Token token : module.tokens()) {
                ObjectNode node = tokens.addObject()
                        .put("slot", token.slot())
                        .put("label", token.label())
                        .put("manufacturer", token.manufacturer())
                        .put("model", token.model())
                        .put("serialNumber", token.serialNumber())
                        .put("state", token.state())
                        .put("used", token.used());
                token.maxSessions().ifPresent(count -> node.put("maxSessions", count));
                token.freeMemory().ifPresent(size -> node.put("freeMemory", size));
                ArrayNode mechanisms = node.putArray("mechanisms");
                token.mechanisms().forEach(mechanism -> mechanisms.add(mechanism.name()));
            }
        }
    }
}
