// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.server.RunningServer;
import dev.tegata.server.ServerConfig;
import dev.tegata.server.Setting;
import dev.tegata.server.est.EstTenant;
import dev.tegata.server.est.Tool;
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

    @Test
    @DisplayName(
            "docs/how-to/use-an-hsm.md#replicas: database and first token are lost, and issuing goes on with the second")
    void replicas() throws Throwable {
        assertThat(LIBRARY).as("install the package softhsm2").exists();
        Tool.require("curl", "curl");
        Tool.require("pkcs11-tool", "opensc");
        Tool tool = new Tool(folder);
        Path pin = secret("pin", "246800");
        String passphrase = secret("backup.pass", "horses and staples").toString();
        Path backup = folder.resolve("tenant.tegata-backup");
        Path first = hsm("first");
        makeReplicas(tool);
        Map<Setting, String> both = Map.of(Setting.PKCS11_TOKEN, "Berlin", Setting.PKCS11_REPLICAS, "Hamburg");
        String owner;
        String root;
        String fleet;
        String device;
        String token;
        try (RunningServer server = new RunningServer(data -> config(data, pin, both))) {
            EstTenant tenant = new EstTenant(server, "Far away");
            owner = tenant.tenant.ownerKey();
            root = tenant.tenant.created().at("/authorities/0/id").asString();
            fleet = tenant.fleet("");
            device = tenant.claim(fleet);
            token = tenant.token(device);
            Shell.of(server, folder)
                    .with("TEGATA_API_KEY", owner)
                    .run("backup", "download", "--passphrase-file", passphrase, "--out", backup.toString())
                    .text();
        }

        // Another machine; of the two HSMs, the second alone.
        Path second = hsm("second");
        copy(first, second);
        tool.run("env", "SOFTHSM2_CONF=second.conf", "softhsm2-util", "--delete-token", "--token", "Berlin");
        Shell elsewhere = Shell.in(folder)
                .with("TEGATA_VAULT", "pkcs11")
                .with("TEGATA_PKCS11_LIBRARY", LIBRARY.toString())
                .with("TEGATA_PKCS11_SECRET_FILE", pin.toString())
                .with("TEGATA_PKCS11_TOKEN", "Berlin")
                .with("TEGATA_PKCS11_REPLICAS", "Hamburg");
        elsewhere
                .run("backup", "restore", backup.toString(), "--passphrase-file", passphrase)
                .text();
        String[] another = {
            "authority", "create", "--parent", root, "--name", "After", "--subject", "CN=After", "--json"
        };
        try (RunningServer server = new RunningServer(data -> config(folder.resolve("data"), pin, both))) {
            Shell shell = Shell.of(server, folder).with("TEGATA_API_KEY", owner);
            enrol(tool, server, fleet, device + ":" + token);
            assertThat(Certificate.parsePem(Files.readString(folder.resolve("issued.pem")))
                            .getFirst()
                            .subject()
                            .toString())
                    .contains(device);
            assertThat(shell.run("authority", "publish-crl", root).exitCode()).isZero();
            Shell.Result refused = shell.run(another);
            assertThat(refused.exitCode())
                    .as("a key is made in all tokens or in none")
                    .isNotZero();
            assertThat(refused.err()).contains("the key vault cannot be used now");
        }

        // The first HSM comes back from its own backup.
        Path third = hsm("third");
        copy(first, third);
        try (RunningServer server = new RunningServer(data -> config(folder.resolve("data"), pin, both))) {
            Shell shell = Shell.of(server, folder).with("TEGATA_API_KEY", owner);
            assertThat(shell.run(another).json().path("state").asString()).isEqualTo("active");
            Path audit = folder.resolve("audit.jsonl");
            shell.run("audit", "export", "--out", audit.toString()).text();
            assertThat(shell.run("audit", "verify", audit.toString()).exitCode())
                    .isZero();
        }
    }

    /// Two tokens with one PIN and one key for what travels between them.
    private static void makeReplicas(Tool tool) {
        tool.run("openssl", "rand", "-out", "wrapping.key", "32");
        for (String label : List.of("Berlin", "Hamburg")) {
            String[] make = {
                "env",
                "SOFTHSM2_CONF=first.conf",
                "softhsm2-util",
                "--init-token",
                "--free",
                "--label",
                label,
                "--so-pin",
                "12345678",
                "--pin",
                "246800"
            };
            tool.run(make);
            String[] put = {
                "env",
                "SOFTHSM2_CONF=first.conf",
                "pkcs11-tool",
                "--module",
                LIBRARY.toString(),
                "--token-label",
                label,
                "--login",
                "--pin",
                "246800",
                "--write-object",
                "wrapping.key",
                "--type",
                "secrkey",
                "--key-type",
                "AES:32",
                "--label",
                "tegata-replication",
                "--id",
                "01",
                "--usage-wrap",
                "--private",
                "--sensitive"
            };
            tool.run(put);
        }
    }

    private static void enrol(Tool tool, RunningServer server, String fleet, String user) {
        tool.run(
                "sh",
                "-c",
                "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout d.key -subj /CN=d"
                        + " -outform DER | base64 > d.csr");
        tool.run(
                "sh",
                "-c",
                "curl -sS --fail-with-body --insecure --max-time 60 -u " + user
                        + " -H 'Content-Type: application/pkcs10' --data-binary @d.csr "
                        + server.server().devicesUrl() + "/.well-known/est/" + fleet + "/simpleenroll"
                        + " | base64 -d | openssl pkcs7 -inform DER -print_certs -out issued.pem");
    }

    private ServerConfig config(Path data, Path secret) {
        return config(data, secret, Map.of());
    }

    private ServerConfig config(Path data, Path secret, Map<Setting, String> more) {
        Map<Setting, String> settings = new EnumMap<>(Setting.class);
        settings.putAll(more);
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
