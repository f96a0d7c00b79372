// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.demo;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.server.RunningServer;
import dev.tegata.server.est.Tool;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("The demo's story")
final class DemoTest {
    private static final RunningServer SERVER = RunningServer.shared();

    @TempDir
    Path folder;

    private final StringWriter told = new StringWriter();

    private boolean tell(int devices) throws Exception {
        return new Demo(SERVER.server(), folder, devices, new PrintWriter(told)).run();
    }

    @Test
    @DisplayName("is true to the end, with a broker that shuts out whoever runs a revoked release until it is updated")
    void wholeStory() throws Exception {
        Tool.require("gcc", "gcc");
        assertThat(Path.of("/usr/sbin/mosquitto")).isExecutable();

        boolean asTold = tell(40);

        assertThat(asTold).as(told.toString()).isTrue();
        assertThat(told.toString())
                .contains(
                        "40 of 40 devices are active",
                        "The Root CA above it",
                        "Devices now: 38 active, 1 revoked, 0 claimed",
                        "Mosquitto with Tegata's plugin",
                        "lets in 18 of 18",
                        "Release 1.4.0 is revoked",
                        "shut out: 10 of 18 are in",
                        "18 of 18 are in again",
                        "to check in:                   checked in: REVOKED")
                .doesNotContain("LET IN");
    }

    @Test
    @DisplayName("is short with few devices")
    void fewDevices() throws Exception {
        assertThat(tell(2)).as(told.toString()).isTrue();
        assertThat(told.toString()).contains("2 of 2 devices are active").doesNotContain("What a life brings");
    }
}
