// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.server.RunningServer;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Runs commands in this process as a shell would: with an environment, an input, and what they wrote.
public final class Shell {
    private final Map<String, String> environment = new HashMap<>();
    private boolean interactive;

    /// A shell in which `folder` is everything there is, and no server is known.
    static Shell in(Path folder) {
        Shell shell = new Shell();
        shell.environment.put("HOME", folder.toString());
        shell.environment.put("TEGATA_DATA", folder.resolve("data").toString());
        return shell;
    }

    /// A shell on the machine of `server`, as its operator has it.
    public static Shell of(RunningServer server, Path folder) {
        Path key = server.server().operatorKeyFile().toAbsolutePath();
        return in(folder)
                .with("TEGATA_DATA", String.valueOf(key.getParent()))
                .with("TEGATA_URL", server.server().apiUrl());
    }

    public Shell with(String variable, String value) {
        environment.put(variable, value);
        return this;
    }

    Shell without(String variable) {
        environment.remove(variable);
        return this;
    }

    Shell watched() {
        interactive = true;
        return this;
    }

    public record Result(int exitCode, String out, String err) {
        JsonNode json() {
            assertThat(exitCode).as(err).isZero();
            return JsonMapper.shared().readTree(out);
        }

        public String text() {
            assertThat(exitCode).as(err).isZero();
            return out;
        }
    }

    public Result run(String... arguments) {
        return runWith("", arguments);
    }

    Result runWith(String input, String... arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Result result = runInto(out, input, arguments);
        return new Result(result.exitCode(), out.toString(StandardCharsets.UTF_8), result.err());
    }

    /// Runs a command whose output goes to `out` instead of into the result.
    Result runInto(OutputStream out, String input, String... arguments) {
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Terminal terminal = Terminal.of(
                Map.copyOf(environment),
                new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)),
                out,
                err,
                interactive);
        int exitCode = Tegata.run(terminal, arguments);
        return new Result(exitCode, "", err.toString(StandardCharsets.UTF_8));
    }
}
