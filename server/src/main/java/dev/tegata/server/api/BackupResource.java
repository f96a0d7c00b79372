// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.key.Secret;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.backup.Backups;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.List;

/// The backup of a tenant.
final class BackupResource {
    /// A header, so that approvals, which keep a digest of the request, keep none of a passphrase.
    static final String PASSPHRASE = "Tegata-Backup-Passphrase";

    private static final int SHORTEST = 12;
    private static final Duration LONGEST_BACKUP = Duration.ofHours(12);

    private final Backups backups;

    BackupResource(Backups backups) {
        this.backups = backups;
    }

    List<Route> routes(Gate gate) {
        return List.of(gate.guarded("POST", "/api/v1/backup", Permission.EXPORT_BACKUP, this::export)
                .withTimeout(LONGEST_BACKUP));
    }

    private Response export(Call call) {
        Secret passphrase = passphrase(call);
        backups.announce(call.tenant(), call.caller().actor());
        return Response.streamed("application/octet-stream", out -> backups.write(call.tenant(), passphrase, out))
                .with("Content-Disposition", "attachment; filename=\"" + call.tenant() + ".tegata-backup\"")
                .with("Cache-Control", "no-store");
    }

    private static Secret passphrase(Call call) {
        String text = call.request()
                .header(PASSPHRASE)
                .map(BackupResource::decoded)
                .orElseThrow(() -> new RefusedException(
                        ErrorCode.INVALID_FIELD, "the header " + PASSPHRASE + " is missing: a passphrase in base64"));
        if (text.length() < SHORTEST) {
            throw new RefusedException(
                    ErrorCode.INVALID_FIELD, "the passphrase has fewer than " + SHORTEST + " characters");
        }
        return Secret.of(text);
    }

    private static String decoded(String base64) {
        try {
            return new String(Base64.getDecoder().decode(base64), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw new RefusedException(ErrorCode.INVALID_FIELD, "the header " + PASSPHRASE + " is no base64");
        }
    }
}
