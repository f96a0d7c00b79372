// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import dev.tegata.platform.testing.TestServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;

/// Servers for the tests of this package.
final class TestServers {
    private static final Path DEBIAN = Path.of("/usr/lib/postgresql");

    private TestServers() {}

    /// The server's programs, unpacked once for all tests.
    static Path binaries() {
        return Binaries.FOLDER;
    }

    /// A server that is reached by its URL only, as its superuser: Debian's PostgreSQL where there is one, which is
    /// older than ours, and a second one of ours otherwise.
    static TestServer external() {
        return External.SERVER;
    }

    private static final class Binaries {
        static final Path FOLDER = unpack();

        private static Path unpack() {
            try {
                return PostgresBinaries.unpack(Files.createDirectories(
                        Path.of("target", "test-binaries").toAbsolutePath()));
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    private static final class External {
        static final TestServer SERVER = start();

        private static TestServer start() {
            Path programs = debian();
            Path data = Path.of("target", "test-external-" + programs.getFileName());
            String url =
                    EmbeddedPostgres.start(data, programs).superuserConfig().jdbcUrl();
            try {
                String password = Files.readString(data.resolve("postgres/superuser-password"))
                        .strip();
                return TestServer.external(DatabaseConfig.parse(url + "&user=postgres&password=" + password));
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        }

        private static Path debian() {
            if (!Files.exists(DEBIAN)) {
                return binaries();
            }
            try (Stream<Path> versions = Files.list(DEBIAN)) {
                return versions.filter(version -> Files.exists(version.resolve("bin/initdb")))
                        .max(Comparator.naturalOrder())
                        .orElse(binaries());
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
