// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("Files that command lines name")
final class OutputFileTest {
    @TempDir
    Path folder;

    /// Writes the file that it is given, and never ends.
    static final class Endless {
        public static void main(String[] arguments) {
            OutputFile.write(Path.of(arguments[0]), out -> {
                out.write(1);
                System.out.println("writing");
                try {
                    new CountDownLatch(1).await();
                } catch (InterruptedException e) {
                    throw new IOException(e);
                }
                return 0;
            });
        }
    }

    @Test
    @DisplayName("Ctrl-C leaves no piece of a file behind, and what was there before as it was")
    void brokenOff() throws Exception {
        Path file = Files.writeString(folder.resolve("export.jsonl"), "before");
        Process writer = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        Endless.class.getName(),
                        file.toString())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        try (BufferedReader said = writer.inputReader(StandardCharsets.UTF_8)) {
            assertThat(said.readLine()).isEqualTo("writing");
            assertThat(folder.resolve("export.jsonl.part")).exists();
            writer.destroy();
            assertThat(writer.waitFor(60, TimeUnit.SECONDS)).isTrue();
        } finally {
            writer.destroyForcibly();
        }
        assertThat(folder).isDirectoryNotContaining("glob:**.part");
        assertThat(file).hasContent("before");
    }
}
