// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.demo;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.server.RunningServer;
import dev.tegata.server.est.Tool;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
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

    @Test
    @DisplayName("is broken off by Ctrl-C wherever it is, and leaves nothing behind")
    void brokenOff() throws Exception {
        try (ServerSocket usual = new ServerSocket()) {
            occupy(usual);
            Process demo = new ProcessBuilder(
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "--enable-native-access=ALL-UNNAMED",
                            "-XX:+UseSerialGC",
                            "-XX:TieredStopAtLevel=1",
                            "-Xmx512m",
                            "-cp",
                            System.getProperty("java.class.path"),
                            "dev.tegata.server.cli.Tegata",
                            "demo",
                            "--devices",
                            "50000")
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            try (BufferedReader said = demo.inputReader(StandardCharsets.UTF_8)) {
                String first = said.readLine();
                assertThat(first).contains("Starting the server");
                Path data = Path.of(first.substring(first.indexOf(" in /") + 4, first.lastIndexOf(' ')));
                assertThat(said.lines().anyMatch(line -> line.contains("Fleet 'Smart lock 1'")))
                        .isTrue();
                assertThat(data).exists();
                // The chips are being made, which takes its time.
                demo.destroy();
                assertThat(demo.waitFor(60, TimeUnit.SECONDS)).isTrue();
                assertThat(data).doesNotExist();
            } finally {
                demo.destroyForcibly();
            }
        }
    }

    /// So that the demo takes ports that the system gives to nobody else.
    private static void occupy(ServerSocket socket) throws IOException {
        try {
            socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 8443));
        } catch (BindException e) {
            // Somebody else has it.
        }
    }
}
