// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.est;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/// Other people's programs, run in a folder.
public record Tool(Path folder) {
    /// Skips the test where a program is absent.
    public static void require(String program, String debianPackage) {
        assumeTrue(
                Files.isExecutable(Path.of("/usr/bin", program)),
                program + " is not here: install the Debian package " + debianPackage);
    }

    /// How a program ended, and what it said.
    public record Result(int status, String output) {}

    /// Runs a program that must succeed.
    ///
    /// @return its output and error output
    public String run(String... command) {
        Result result = tryRun(command);
        assertThat(result.status())
                .as("%s%n%s", String.join(" ", command), result.output())
                .isZero();
        return result.output();
    }

    public Result tryRun(String... command) {
        try {
            Path output = Files.createTempFile(folder, "output", ".txt");
            List<String> words = new ArrayList<>(List.of(command));
            Process process = new ProcessBuilder(words)
                    .directory(folder.toFile())
                    .redirectErrorStream(true)
                    .redirectOutput(output.toFile())
                    .start();
            process.getOutputStream().close();
            if (!process.waitFor(180, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                throw new AssertionError("does not end: " + String.join(" ", command));
            }
            return new Result(process.exitValue(), Files.readString(output, StandardCharsets.ISO_8859_1));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    /// A port for a program that cannot be told to take any: below those that the system gives to whoever
    /// asks for any, so that nobody is given it before the program has taken it.
    public static int freePort() throws IOException {
        while (true) {
            int port = ThreadLocalRandom.current().nextInt(20_000, 30_000);
            try (ServerSocket _ = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
                return port;
            } catch (BindException e) {
                // Another one, then.
            }
        }
    }

    public Path write(String name, String content) {
        try {
            return Files.writeString(folder.resolve(name), content);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    public byte[] read(String name) {
        try {
            return Files.readAllBytes(folder.resolve(name));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
