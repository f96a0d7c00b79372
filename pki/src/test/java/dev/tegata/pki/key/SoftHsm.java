// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;

/// SoftHSM with its tokens in a directory of the test.
final class SoftHsm {
    static final Path LIBRARY = Path.of("/usr/lib/softhsm/libsofthsm2.so");

    private SoftHsm() {}

    /// Points SoftHSM, when it is initialized next, to `directory`.
    static void configure(Path directory) throws IOException {
        setEnvironment("SOFTHSM2_CONF", configuration(directory).toString());
    }

    /// Writes a configuration with tokens in `directory`.
    static Path configuration(Path directory) throws IOException {
        assertThat(LIBRARY).as("install the package softhsm2").exists();
        Path tokens = Files.createDirectories(directory.resolve("tokens"));
        return Files.writeString(directory.resolve("softhsm2.conf"), """
                directories.tokendir = %s
                objectstore.backend = file
                log.level = ERROR
                """.formatted(tokens));
    }

    /// The module reads its environment by getenv(3), which knows nothing of Java's copy.
    static void setEnvironment(String name, String value) {
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
