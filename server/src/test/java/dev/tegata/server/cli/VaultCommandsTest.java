// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.server.RunningServer;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class VaultCommandsTest {
    @TempDir
    @SuppressWarnings("NullAway.Init")
    Path folder;

    @Test
    void checksTheSoftwareVaultWithoutAServer() {
        JsonNode result = Shell.in(folder)
                .run("vault", "check", "--milliseconds", "5", "--json")
                .json();

        assertThat(result.path("sound").asBoolean()).isTrue();
        assertThat(result.at("/trials/0/algorithm").asString()).isEqualTo("ec-p256");
        assertThat(folder.resolve("data")).doesNotExist();
    }

    @Test
    void tellsWhatIsWrongWithAModule() {
        Shell.Result result =
                Shell.in(folder).run("vault", "check", "--vault", "pkcs11", "--pkcs11-library", "/absent.so");

        assertThat(result.exitCode()).isEqualTo(CommandFailure.USAGE);
        assertThat(result.err()).contains("/absent.so").contains("pkcs11-secret-file is needed");
    }

    @Test
    void showsTheServersVaultToTheOperator() {
        Shell shell = Shell.of(RunningServer.shared(), folder);
        JsonNode vault = shell.run("vault", "show", "--json").json();
        Shell.Result shown = shell.run("vault", "show");

        assertThat(vault.path("kind").asString()).isEqualTo("software");
        assertThat(vault.path("modules").isArray()).isTrue();
        assertThat(shown.out()).contains("software").doesNotContain("{", "[]", "MODULES");
    }
}
