// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// SoftHSM with its tokens in a folder of the test, for this process and its children.
public final class SoftHsmEnvironment {
    private SoftHsmEnvironment() {}

    public static void configure(Path folder) throws IOException {
        Path tokens = Files.createDirectories(folder.resolve("tokens"));
        Path config = Files.writeString(folder.resolve("softhsm2.conf"), """
                directories.tokendir = %s
                objectstore.backend = file
                log.level = ERROR
                """.formatted(tokens));
        setEnvironment("SOFTHSM2_CONF", config.toString());
    }

    /// Runs `softhsm2-util`, which must succeed.
    public static void run(Path folder, String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("softhsm2-util"));
        command.addAll(List.of(arguments));
        ProcessBuilder tool = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("log").toFile());
        tool.environment().put("SOFTHSM2_CONF", folder.resolve("softhsm2.conf").toString());
        if (tool.start().waitFor() != 0) {
            throw new IllegalStateException(command + ": " + Files.readString(folder.resolve("log")));
        }
    }

    /// The module reads its environment by getenv(3), which knows nothing of Java's copy.
    private static void setEnvironment(String name, String value) {
        Linker linker = Linker.nativeLinker();
        var setenv = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("setenv"),
                FunctionDescriptor.of(
                        ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
        try (Arena arena = Arena.ofConfined()) {
            int result = (int) setenv.invokeExact(arena.allocateFrom(name), arena.allocateFrom(value), 1);
            if (result != 0) {
                throw new IllegalStateException("setenv failed");
            }
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("native functions throw nothing", e);
        }
    }
}
