// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.server.RunningServer;
import dev.tegata.server.ServerConfig;
import dev.tegata.server.Setting;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

@DisplayName("A tenant whose keys are in an HSM moves to another machine with another HSM")
class HsmBackupTest {
    private static final Path LIBRARY = Path.of("/usr/lib/softhsm/libsofthsm2.so");

    @TempDir
    @SuppressWarnings("NullAway.Init")
    Path folder;

    @Test
    @DisplayName("docs/how-to/back-up-and-restore.md: the HSM first, by its own means; then the tenant")
    void restore() throws Throwable {
        assertThat(LIBRARY).as("install the package softhsm2").exists();
        Path secret = secret("secret", "a secret of the module's own");
        String passphrase = secret("backup.pass", "horses and staples").toString();
        Path backup = folder.resolve("tenant.tegata-backup");
        Path first = hsm("first");
        String id;
        String owner;
        String root;
        try (RunningServer server = new RunningServer(data -> config(data, secret))) {
            RunningServer.TestTenant tenant = server.createTenant("Far away");
            id = tenant.id();
            owner = tenant.ownerKey();
            root = tenant.created().at("/authorities/0/id").asString();
            Shell.of(server, folder)
                    .with("TEGATA_API_KEY", owner)
                    .run("backup", "download", "--passphrase-file", passphrase, "--out", backup.toString())
                    .text();
        }
        Shell elsewhere = Shell.in(folder)
                .with("TEGATA_VAULT", "pkcs11")
                .with("TEGATA_PKCS11_LIBRARY", LIBRARY.toString())
                .with("TEGATA_PKCS11_SECRET_FILE", secret.toString());
        JsonNode verified = elsewhere
                .run("backup", "verify", backup.toString(), "--passphrase-file", passphrase, "--json")
                .json();
        assertThat(verified.path("vault").asString()).isEqualTo("pkcs11");
        assertThat(verified.path("keys").asInt()).as("private keys in the file").isZero();
        String[] restore = {"backup", "restore", backup.toString(), "--passphrase-file", passphrase, "--json"};

        Path second = hsm("second");
        Shell.Result tooEarly = elsewhere.run(restore);
        assertThat(tooEarly.exitCode()).isEqualTo(CommandFailure.REFUSED);
        assertThat(tooEarly.err()).contains("no token called '" + id + "'");

        copy(first, second);
        assertThat(elsewhere.run(restore).json().path("tenant").asString()).isEqualTo(id);

        try (RunningServer server = new RunningServer(data -> config(folder.resolve("data"), secret))) {
            Shell shell = Shell.of(server, folder).with("TEGATA_API_KEY", owner);
            JsonNode made = shell.run(
                            "authority",
                            "create",
                            "--parent",
                            root,
                            "--name",
                            "After",
                            "--subject",
                            "CN=After",
                            "--json")
                    .json();
            assertThat(made.path("state").asString())
                    .as("the root's key signs in the second HSM")
                    .isEqualTo("active");
            Path audit = folder.resolve("audit.jsonl");
            shell.run("audit", "export", "--out", audit.toString()).text();
            assertThat(shell.run("audit", "verify", audit.toString()).exitCode())
                    .isZero();
            assertThat(shell.run("audit", "list").text()).contains("backup.restored");
        }
    }

    private ServerConfig config(Path data, Path secret) {
        Map<Setting, String> settings = new EnumMap<>(Setting.class);
        settings.put(Setting.DATA, data.toString());
        settings.put(Setting.VAULT, "pkcs11");
        settings.put(Setting.PKCS11_LIBRARY, LIBRARY.toString());
        settings.put(Setting.PKCS11_SECRET_FILE, secret.toString());
        for (Setting port : List.of(Setting.API_PORT, Setting.DEVICE_PORT, Setting.PUBLIC_PORT, Setting.METRICS_PORT)) {
            settings.put(port, "0");
        }
        return ServerConfig.read(settings, Map.of(), null);
    }

    private Path secret(String name, String content) throws IOException {
        Path file = Files.writeString(folder.resolve(name), content);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        return file;
    }

    /// An HSM without tokens, which the module looks into from its next start on.
    private Path hsm(String name) throws Throwable {
        Path tokens = Files.createDirectories(folder.resolve(name));
        Path config = Files.writeString(
                folder.resolve(name + ".conf"),
                "directories.tokendir = " + tokens + "\nobjectstore.backend = file\nlog.level = ERROR\n");
        // The module reads its environment by getenv(3), which knows nothing of Java's copy.
        Linker linker = Linker.nativeLinker();
        var setenv = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("setenv"),
                FunctionDescriptor.of(
                        ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
        try (Arena arena = Arena.ofConfined()) {
            assertThat((int) setenv.invokeExact(
                            arena.allocateFrom("SOFTHSM2_CONF"), arena.allocateFrom(config.toString()), 1))
                    .isZero();
        }
        return tokens;
    }

    /// What SoftHSM has instead of a backup of its own.
    private static void copy(Path from, Path to) throws IOException {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.toList()) {
                Path target = to.resolve(from.relativize(file).toString());
                if (Files.isDirectory(file)) {
                    Files.createDirectories(target);
                } else {
                    Files.copy(file, target);
                }
            }
        }
    }
}
