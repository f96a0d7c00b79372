// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ServeCommandTest {
    @TempDir
    Path home;

    private static String[] anyPorts(String... more) {
        String[] ports = {"serve", "--api-port", "0", "--device-port", "0", "--public-port", "0", "--metrics-port", "0"
        };
        String[] all = Arrays.copyOf(ports, ports.length + more.length);
        System.arraycopy(more, 0, all, ports.length, more.length);
        return all;
    }

    @Test
    void theFirstStartSaysHowToBeginAndThenTheCommandsWork() throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Terminal terminal = Terminal.of(
                Map.of("TEGATA_DATA", home.resolve("data").toString()),
                InputStream.nullInputStream(),
                out,
                OutputStream.nullOutputStream(),
                false);
        CompletableFuture<Integer> exit = new CompletableFuture<>();
        Thread serving = Thread.ofPlatform().start(() -> exit.complete(Tegata.run(terminal, anyPorts())));
        long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (!out.toString(StandardCharsets.UTF_8).contains("Ctrl-C")) {
            assertThat(System.nanoTime() < deadline && serving.isAlive()).isTrue();
            Thread.sleep(50);
        }
        String said = out.toString(StandardCharsets.UTF_8);
        assertThat(said).contains("operator.key", "tenant create", "--url https://localhost:");

        String url = said.lines()
                .filter(line -> line.startsWith("api "))
                .map(line -> line.substring(3).strip())
                .findFirst()
                .orElseThrow();
        Shell shell = Shell.in(home).with("TEGATA_URL", url);
        shell.run("tenant", "create", "--organization", "Erste GmbH", "--country", "DE")
                .text();
        assertThat(shell.run("status").exitCode()).isZero();

        serving.interrupt();
        serving.join(Duration.ofSeconds(30));
        assertThat(shell.run("status").exitCode()).isEqualTo(3);
        Path data = home.resolve("data");
        String old = Files.readString(data.resolve("operator.key"));
        assertThat(Shell.in(home).run("serve", "--replace-operator-key").text()).contains("operator.key");
        assertThat(Files.readString(data.resolve("operator.key"))).isNotEqualTo(old);
    }

    @Test
    void everythingThatIsWrongWithTheSettingsIsSaidAtOnce() throws IOException {
        Path file = Files.writeString(home.resolve("tegata.yaml"), "lisen: 0.0.0.0\n");
        Shell.Result result =
                Shell.in(home).run("serve", "--api-port", "many", "--vault", "paper", "--config", file.toString());

        assertThat(result.exitCode()).isEqualTo(2);
        assertThat(result.err()).contains("api-port", "vault must be", "'lisen'");
    }

    @Test
    @DisplayName("the demo's story goes beside the output with --json, and a summary for programs there")
    void theDemoForPrograms() {
        Shell.Result demo = Shell.in(home).run("demo", "--devices", "2", "--once", "--json");
        assertThat(demo.exitCode()).as(demo.err()).isZero();
        assertThat(demo.err()).contains("2 of 2 devices are active");
        assertThat(demo.json().path("complete").asBoolean()).isTrue();
        assertThat(demo.json().at("/devices/active").asInt()).isEqualTo(2);
        assertThat(demo.json().path("steps").size()).isGreaterThan(4);
        assertThat(demo.json().has("url")).isFalse();
    }

    @Test
    void aPortThatIsTakenIsSaidSo() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            String taken = Integer.toString(socket.getLocalPort());
            Shell.Result result = Shell.in(home)
                    .run(
                            "serve",
                            "--api-port",
                            taken,
                            "--device-port",
                            "0",
                            "--public-port",
                            "0",
                            "--metrics-port",
                            "0");

            assertThat(result.exitCode()).isEqualTo(2);
            assertThat(result.err()).contains("api-port: port " + taken + " at 127.0.0.1 is taken");
            assertThat(home.resolve("data")).doesNotExist();
            Shell.Result gateway = Shell.in(home)
                    .run("gateway", "--listen", "127.0.0.1:" + taken, "--server", "https://tegata.example:8444");
            Shell.Result demo = Shell.in(home).run("demo", "--port", taken, "--devices", "1");
            assertThat(demo.exitCode()).isEqualTo(2);
            assertThat(demo.err()).contains("api-port: port " + taken + " at 127.0.0.1 is taken");
            assertThat(gateway.exitCode()).isEqualTo(2);
            assertThat(gateway.err()).contains("--listen: port " + taken + " at 127.0.0.1 is taken");
        }
    }

    @Test
    void anAddressThatIsNotThisMachinesIsSaidSo() {
        Map.of(
                        "my server", "no host that is known here",
                        "127.0.0.1:8443", "a port does not belong to it",
                        "192.0.2.1", "no address of this machine")
                .forEach((address, sentence) -> {
                    Shell.Result result = Shell.in(home).run(anyPorts("--listen", address));
                    assertThat(result.exitCode()).isEqualTo(2);
                    assertThat(result.err())
                            .contains("listen names '" + address + "'", sentence, "0.0.0.0")
                            .doesNotContain("Exception");
                });
        Shell.Result gateway =
                Shell.in(home).run("gateway", "--listen", "127.0.0.1:70000", "--server", "https://tegata.example:8444");
        assertThat(gateway.exitCode()).isEqualTo(2);
        assertThat(gateway.err()).contains("--listen must be a port", "65535");
    }

    @Test
    void aTlsIdentityThatCannotBeUsedIsSaidBeforeAnythingIsMade() throws IOException {
        Path file = Files.writeString(home.resolve("mine.pem"), "nothing");
        Shell.Result result =
                Shell.in(home).run(anyPorts("--tls-certificate", file.toString(), "--tls-key", file.toString()));

        assertThat(result.exitCode()).isEqualTo(2);
        assertThat(result.err()).contains("tls-certificate " + file + " holds no certificates");
        assertThat(home.resolve("data")).doesNotExist();
    }

    @Test
    void aDatabaseThatIsNotThereIsSaidSo() throws IOException {
        int free;
        try (ServerSocket socket = new ServerSocket(0)) {
            free = socket.getLocalPort();
        }
        Shell.Result result =
                Shell.in(home).run(anyPorts("--database", "postgresql://nobody@localhost:" + free + "/none"));

        assertThat(result.exitCode()).isEqualTo(3);
        assertThat(result.err()).contains("the server cannot start");
    }
}
