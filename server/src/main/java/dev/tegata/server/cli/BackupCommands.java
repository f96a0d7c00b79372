// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.pki.key.Secret;
import dev.tegata.pki.key.VaultException;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.backup.BackupCheck;
import dev.tegata.platform.backup.BackupManifest;
import dev.tegata.server.OfflineBackups;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.node.ObjectNode;

/// Backups: a tenant with its keys in one sealed file.
@Command
final class BackupCommands {
    private static final String PASSPHRASE = "--passphrase-file";
    private static final String PASSPHRASE_DESCRIPTION =
            "The archive's own passphrase, of at least 12 characters, or 32 bytes in base64; for its owner alone to read.";

    private final Session session;

    private BackupCommands(Session session) {
        this.session = session;
    }

    static CommandSpec spec(Session session) {
        Create create = new Create(session);
        Restore restore = new Restore(session);
        return CommandSpec.forAnnotatedObject(new BackupCommands(session))
                .addSubcommand("create", create.settings.addTo(CommandSpec.forAnnotatedObject(create)))
                .addSubcommand("restore", restore.settings.addTo(CommandSpec.forAnnotatedObject(restore)));
    }

    @Command(
            description = "Take a backup of your tenant from the running server, with an owner's API key.",
            footer = "  tegata backup download --passphrase-file backup.pass --out acme.tegata-backup")
    void download(
            @Option(names = PASSPHRASE, required = true, paramLabel = "FILE", description = PASSPHRASE_DESCRIPTION)
                    Path passphrase,
            @Option(names = "--out", required = true, paramLabel = "FILE", description = "Where to.") Path file) {
        secret(passphrase);
        String text = Inputs.text(passphrase, session.terminal());
        try (ApiClient api = session.api()) {
            OutputFile.write(file, out -> {
                api.backup(text, out);
                return file;
            });
        }
        session.output()
                .done("The backup is in %s. Check it: %s backup verify %1$s --passphrase-file %s"
                        .formatted(file, session.program(), passphrase));
    }

    @Command(
            description = "Check a backup with the file and its passphrase alone: whole, unchanged, its keys open.",
            footer = "  tegata backup verify acme.tegata-backup --passphrase-file backup.pass")
    void verify(
            @Parameters(paramLabel = "FILE", description = "The backup; - reads it from the input.") Path file,
            @Option(names = PASSPHRASE, required = true, paramLabel = "FILE", description = PASSPHRASE_DESCRIPTION)
                    Path passphrase) {
        Secret secret = secret(passphrase);
        try (InputStream in = Inputs.open(file, session.terminal())) {
            session.output().fields(json(BackupCheck.verify(in, secret)));
        } catch (IOException | VaultException e) {
            throw CommandFailure.refused("the backup is not good: " + e.getMessage());
        }
    }

    /// Makes a backup of a tenant of the installation that the settings describe.
    @Command(
            description =
                    "Make a backup of a tenant, on the server's machine and as its operator. With the embedded database,"
                            + " the server must not run.",
            footer = {
                "  tegata backup create --tenant TENANT --data /srv/tegata --passphrase-file backup.pass \\",
                "    --out acme.tegata-backup"
            })
    private static final class Create implements Callable<Integer> {
        @Option(names = "--tenant", required = true, paramLabel = "TENANT", description = "The tenant.")
        String tenant = "";

        @Option(names = PASSPHRASE, required = true, paramLabel = "FILE", description = PASSPHRASE_DESCRIPTION)
        Path passphrase = Path.of("");

        @Option(
                names = "--out",
                required = true,
                paramLabel = "FILE",
                description = "Where to. The file is there only once it is whole.")
        Path file = Path.of("");

        private final Session session;
        private final SettingOptions settings = new SettingOptions();

        Create(Session session) {
            this.session = session;
        }

        @Override
        public Integer call() {
            Secret secret = secret(passphrase);
            BackupManifest manifest = opened(session, settings, backups -> {
                TenantId id = new TenantId(tenant);
                backups.announce(id, Actor.OPERATOR);
                return OutputFile.write(file, out -> backups.write(id, secret, out));
            });
            session.output().fields(json(manifest));
            session.output()
                    .say("Check it: %s backup verify %s --passphrase-file %s"
                            .formatted(session.program(), file, passphrase));
            return 0;
        }
    }

    /// Brings a tenant back into the installation that the settings describe.
    @Command(
            description =
                    "Bring a tenant back into an installation where it is not, on the server's machine. With the embedded"
                            + " database, the server must not run.",
            footer = "  tegata backup restore acme.tegata-backup --data /srv/tegata2 --passphrase-file backup.pass")
    private static final class Restore implements Callable<Integer> {
        @Parameters(paramLabel = "FILE", description = "The backup; - reads it from the input.")
        Path file = Path.of("");

        @Option(names = PASSPHRASE, required = true, paramLabel = "FILE", description = PASSPHRASE_DESCRIPTION)
        Path passphrase = Path.of("");

        private final Session session;
        private final SettingOptions settings = new SettingOptions();

        Restore(Session session) {
            this.session = session;
        }

        @Override
        public Integer call() {
            Secret secret = secret(passphrase);
            try (InputStream in = Inputs.open(file, session.terminal())) {
                BackupCheck.Result result =
                        opened(session, settings, backups -> backups.restore(in, secret, Actor.OPERATOR));
                session.output().fields(json(result));
                session.output().say("The tenant is back. Its API keys are as they were when the backup was made.");
                return 0;
            } catch (IOException e) {
                throw Inputs.unreadable(file);
            }
        }
    }

    private static <T> T opened(Session session, SettingOptions settings, OfflineBackups.Work<T> work) {
        try {
            return OfflineBackups.open(settings.read(session), work);
        } catch (RefusedException e) {
            throw CommandFailure.refused(e.detail());
        } catch (UnavailableException e) {
            throw CommandFailure.unreachable(String.valueOf(e.getMessage()));
        } catch (IOException | VaultException e) {
            throw CommandFailure.refused(String.valueOf(e.getMessage()));
        }
    }

    private static Secret secret(Path file) {
        try {
            return Secret.ofFile(file);
        } catch (VaultException e) {
            throw CommandFailure.usage(String.valueOf(e.getMessage()));
        }
    }

    private static ObjectNode json(BackupManifest manifest) {
        return ApiClient.object()
                .put("tenant", manifest.tenant().value())
                .put("name", manifest.name())
                .put("createdAt", manifest.createdAt().toString())
                .put("release", manifest.release())
                .put("schema", manifest.schema())
                .put("vault", manifest.vault())
                .put("auditRecords", manifest.auditRecords())
                .put("auditHead", manifest.auditHead().hex())
                .put("auditKeyFingerprint", manifest.auditKey().sha256().hex());
    }

    private static ObjectNode json(BackupCheck.Result result) {
        return json(result.manifest())
                .put("keys", result.keys())
                .put("devices", result.rows().getOrDefault("device", 0L))
                .put("certificates", result.rows().getOrDefault("certificate", 0L))
                .put("rows", result.allRows());
    }
}
