// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.server.RunningServer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class BulkCommandsTest {
    private static final RunningServer SERVER = RunningServer.shared();

    @TempDir
    Path home;

    @Test
    void manyDevicesAreChangedByListAndByFilter() throws Exception {
        Shell shell = Shell.of(SERVER, home)
                .with("TEGATA_API_KEY", SERVER.createTenant("Bulk").ownerKey());
        String fleet = shell.run("fleet", "create", "--name", "Many", "--renewal-overlap", "3d", "--json")
                .json()
                .at("/id")
                .asString();
        Path manifest = Files.writeString(home.resolve("chips.csv"), "serial\n0a01\n0a02\n0a03\n");
        shell.run("manifest", "import", manifest.toString(), "--fleet", fleet, "--statement")
                .text();

        Path list = Files.write(home.resolve("lost.txt"), List.of("0a01", "nobody"));
        Shell.Result some = shell.run(
                "device",
                "revoke",
                "--from-file",
                list.toString(),
                "--reason",
                "lost",
                "--revocation-reason",
                "keyCompromise");
        assertThat(some.exitCode()).isEqualTo(1);
        assertThat(some.out()).contains("completed", "nobody", "not-found");

        JsonNode rehearsal = shell.run(
                        "device", "retire", "--filter", "fleet=" + fleet, "--reason", "over", "--dry-run", "--json")
                .json();
        assertThat(rehearsal.at("/done").asInt()).isEqualTo(3);
        assertThat(shell.run("device", "list", "--state", "retired", "--json")
                        .json()
                        .at("/items"))
                .isEmpty();

        JsonNode retired = shell.run(
                        "device",
                        "retire",
                        "--filter",
                        "fleet=" + fleet + ",state=claimed",
                        "--reason",
                        "over",
                        "--json")
                .json();
        assertThat(retired.at("/done").asInt()).isEqualTo(2);
        assertThat(shell.run("job", "show", retired.at("/id").asString(), "--json")
                        .json())
                .isEqualTo(retired);
        assertThat(shell.run("job", "list").text()).contains("device.retire", "device.revoke");
        JsonNode status = shell.run("status", "--json").json();
        assertThat(status.at("/devices/retired").asInt()).isEqualTo(2);
        assertThat(status.at("/devices/revoked").asInt()).isEqualTo(1);
        assertThat(shell.run("device", "forecast").text()).contains("WITHIN DAYS");
        assertThat(shell.run("usage", "show").text()).contains("claimed devices are free");

        assertThat(shell.run("device", "suspend", "--reason", "x").exitCode()).isEqualTo(2);
        Shell.Result everything = shell.run("device", "suspend", "--filter", "waiting=false", "--reason", "x");
        assertThat(everything.exitCode()).isEqualTo(1);
        assertThat(everything.err()).contains("must narrow");
        Shell.Result hold = shell.run(
                "device", "revoke", "--filter", "all=true", "--reason", "x", "--revocation-reason", "certificateHold");
        assertThat(hold.exitCode()).isEqualTo(1);
        assertThat(hold.err()).contains("suspend the device");
    }
}
