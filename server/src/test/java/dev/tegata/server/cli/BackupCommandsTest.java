// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.server.RunningServer;
import dev.tegata.server.RunningServer.TestTenant;
import java.io.IOException;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Base64;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class BackupCommandsTest {
    private static final RunningServer SERVER = RunningServer.shared();

    @TempDir
    @SuppressWarnings("NullAway.Init")
    Path folder;

    private String passphrase = "";

    @BeforeEach
    void passphrase() throws IOException {
        Path file = Files.writeString(folder.resolve("backup.pass"), "horses and staples\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        passphrase = file.toString();
    }

    @Test
    void aTenantGoesFromARunningServerIntoAnEmptyFolderAndOnFromThere() throws IOException {
        TestTenant tenant = SERVER.createTenant("Moving");
        Path first = folder.resolve("first.tegata-backup");
        Shell.of(SERVER, folder)
                .with("TEGATA_API_KEY", tenant.ownerKey())
                .run("backup", "download", "--passphrase-file", passphrase, "--out", first.toString())
                .text();
        assertThat(Files.getPosixFilePermissions(first)).isEqualTo(PosixFilePermissions.fromString("rw-------"));

        Shell elsewhere = Shell.in(folder);
        String[] restore = {"backup", "restore", first.toString(), "--passphrase-file", passphrase, "--json"};
        JsonNode restored = elsewhere.run(restore).json();
        assertThat(restored.path("tenant").asString()).isEqualTo(tenant.id());
        assertThat(restored.path("vault").asString()).isEqualTo("software");
        Shell.Result again = elsewhere.run(restore);
        assertThat(again.exitCode()).isEqualTo(CommandFailure.REFUSED);
        assertThat(again.err()).contains("is here already");

        Path second = folder.resolve("second.tegata-backup");
        elsewhere
                .run(
                        "backup",
                        "create",
                        "--tenant",
                        tenant.id(),
                        "--passphrase-file",
                        passphrase,
                        "--out",
                        second.toString())
                .text();
        JsonNode verified = elsewhere
                .run("backup", "verify", second.toString(), "--passphrase-file", passphrase, "--json")
                .json();
        assertThat(verified.path("keys").asInt())
                .isEqualTo(restored.path("keys").asInt());
        assertThat(verified.path("auditRecords").asInt())
                .as("the restore and the second backup are in the chain")
                .isEqualTo(restored.path("auditRecords").asInt() + 2);
    }

    @Test
    void aDamagedBackupAndASecretThatOthersReadAreRefused() throws IOException {
        TestTenant tenant = SERVER.createTenant("Damaged");
        Path file = folder.resolve("b");
        Shell shell = Shell.of(SERVER, folder).with("TEGATA_API_KEY", tenant.ownerKey());
        shell.run("backup", "download", "--passphrase-file", passphrase, "--out", file.toString())
                .text();
        byte[] content = Files.readAllBytes(file);
        content[content.length / 2] ^= 1;
        Files.write(file, content);
        Shell.Result damaged = shell.run("backup", "verify", file.toString(), "--passphrase-file", passphrase);
        assertThat(damaged.exitCode()).isEqualTo(CommandFailure.REFUSED);
        assertThat(damaged.err()).contains("damaged or cut short");

        Files.setPosixFilePermissions(Path.of(passphrase), PosixFilePermissions.fromString("rw-r--r--"));
        Shell.Result open = shell.run("backup", "verify", file.toString(), "--passphrase-file", passphrase);
        assertThat(open.exitCode()).isEqualTo(CommandFailure.USAGE);
        assertThat(open.err()).contains("open to other users");
    }

    @Test
    void whereTwoPeopleChangeTrustABackupNeedsBoth() throws Exception {
        TestTenant tenant = SERVER.createTenant("Guarded");
        String second = key(tenant, "owner");
        String admin = key(tenant, "admin");
        assertThat(status(admin, "")).isEqualTo(403);
        SERVER.send(SERVER.to(tenant.ownerKey(), "/api/v1/tenant/approvals")
                .header("Content-Type", "application/json")
                .PUT(BodyPublishers.ofString("{\"people\":\"two\"}")));

        assertThat(status(tenant.ownerKey(), "")).isEqualTo(409);
        String approval = RunningServer.body(SERVER.get(second, "/api/v1/approvals"))
                .at("/items/0/id")
                .asString();
        assertThat(SERVER.post(second, "/api/v1/approvals/" + approval + "/approve", "")
                        .statusCode())
                .isEqualTo(200);
        assertThat(status(tenant.ownerKey(), approval)).isEqualTo(200);
        assertThat(status(tenant.ownerKey(), approval)).as("once").isEqualTo(409);
    }

    private static String key(TestTenant tenant, String role) {
        return RunningServer.body(SERVER.post(
                        tenant.ownerKey(), "/api/v1/api-keys", "{\"name\":\"k\",\"role\":\"" + role + "\"}"))
                .path("secret")
                .asString();
    }

    private static int status(String key, String approval) throws Exception {
        var request = SERVER.to(key, "/api/v1/backup")
                .header(
                        "Tegata-Backup-Passphrase",
                        Base64.getEncoder().encodeToString("horses and staples".getBytes(StandardCharsets.UTF_8)))
                .POST(BodyPublishers.noBody());
        if (!approval.isEmpty()) {
            request.header("Tegata-Approval", approval);
        }
        return SERVER.client().send(request.build(), BodyHandlers.ofByteArray()).statusCode();
    }
}
