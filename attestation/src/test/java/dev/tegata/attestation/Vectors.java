// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation;

import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.pki.Bytes;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// The third-party vectors, which lie outside of the project.
public final class Vectors {
    private static final Path ROOT = Path.of(System.getProperty("tegata.shared", "../shared"), "vectors", "rats");

    private static final Set<String> READ = new ConcurrentSkipListSet<>();

    private Vectors() {}

    /// The files that this process has read so far.
    public static Set<String> read() {
        return Set.copyOf(READ);
    }

    /// The folder of the vectors; without it the test is skipped.
    public static Path root() {
        Assumptions.assumeTrue(Files.isDirectory(ROOT), () -> "skipped: no vectors in " + ROOT);
        return ROOT;
    }

    public static Bytes bytes(String file) {
        READ.add(file);
        try {
            return Bytes.of(Files.readAllBytes(root().resolve(file)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static String text(String file) {
        return new String(bytes(file).toArray(), StandardCharsets.UTF_8);
    }

    public static JsonNode json(String file) {
        return JsonMapper.shared().readTree(text(file));
    }

    public static Cbor diagnostic(String file) {
        return DiagnosticNotation.parse(text(file));
    }

    /// The files of a folder whose names end in `suffix`, as paths below the root.
    public static List<String> files(String folder, String suffix) {
        try (Stream<Path> paths = Files.walk(root().resolve(folder))) {
            return paths.filter(Files::isRegularFile)
                    .filter(path -> path.getFileName().toString().endsWith(suffix))
                    .map(path -> root().relativize(path).toString())
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
