// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.backup;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.KeyEncryptionKey;
import dev.tegata.pki.key.KeyEncryptionKeys;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.SealedStream;
import dev.tegata.pki.key.Secret;
import dev.tegata.pki.key.SoftwareVault;
import dev.tegata.pki.key.VaultException;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.audit.ChainFollower;
import dev.tegata.platform.store.TableRows;
import dev.tegata.platform.store.TableRows.Table;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Follows the content of a backup: it is all there, all of the one tenant, its audit chain is whole, and
/// each private key opens. Needs the file and its passphrase, and no database.
public final class BackupCheck {
    private BackupCheck() {}

    /// What a backup holds.
    ///
    /// @param keys private keys
    /// @param rows of each table
    public record Result(BackupManifest manifest, long keys, Map<String, Long> rows) {
        public Result {
            rows = Map.copyOf(rows);
        }

        public long allRows() {
            return rows.values().stream().mapToLong(Long::longValue).sum();
        }
    }

    /// Reads a backup to its end.
    ///
    /// @throws IOException where it cannot be read, or is not what was written; the message says what is
    ///     wrong
    /// @throws VaultException where the passphrase is too short to be one
    public static Result verify(InputStream in, Secret secret) throws IOException {
        try (SealedStream.Opening opened = SealedStream.open(in, secret)) {
            BackupFrames.Reader reader = new BackupFrames.Reader(opened);
            Following following = new Following(reader.manifest(), opened.key());
            reader.rest(following);
            return following.result();
        }
    }

    /// Looks at each row as it goes by.
    static final class Following implements BackupFrames.Visitor {
        private final BackupManifest manifest;
        private final KeyEncryptionKeys archiveKey;
        private final ChainFollower chain;
        private final Map<String, Long> rows = new LinkedHashMap<>();
        private @Nullable Table table;
        private long keys;
        private boolean auditKeySeen;

        Following(BackupManifest manifest, KeyEncryptionKey archiveKey) throws BrokenBackupException {
            this.manifest = manifest;
            this.archiveKey = KeyEncryptionKeys.of(archiveKey);
            try {
                this.chain = new ChainFollower(manifest.tenant(), manifest.auditKey());
            } catch (IntegrityException e) {
                throw new BrokenBackupException(String.valueOf(e.getMessage()), e);
            }
        }

        Result result() {
            return new Result(manifest, keys, rows);
        }

        @Override
        public void table(Table next) throws BrokenBackupException {
            if (rows.putIfAbsent(next.name(), 0L) != null) {
                throw new BrokenBackupException("table " + next.name() + " comes twice");
            }
            table = next;
        }

        @Override
        public void row(byte[] line) throws BrokenBackupException {
            Table current = present();
            rows.merge(current.name(), 1L, Long::sum);
            try {
                switch (current.name()) {
                    case "sealed_key" -> key(new Fields(current, line));
                    case "audit_checkpoint" -> checkpoint(new Fields(current, line));
                    case "audit_record" -> record(new Fields(current, line));
                    default -> {
                        // Nothing that can be checked without the others.
                    }
                }
            } catch (IntegrityException | VaultException | RefusedException | IllegalArgumentException e) {
                throw new BrokenBackupException(
                        "row " + rows.get(current.name()) + " of " + current.name() + ": " + e.getMessage(), e);
            }
        }

        private Table present() throws BrokenBackupException {
            if (table == null) {
                throw new BrokenBackupException("a row stands before the first table");
            }
            return table;
        }

        private void key(Fields row) {
            KeyHandle handle = new KeyHandle(row.text("key_handle"));
            PublicKeyInfo opened =
                    SoftwareVault.publicKeyOf(manifest.tenant().keySpace(), handle, row.bytes("sealed"), archiveKey);
            keys++;
            if (handle.id().equals(manifest.auditKeyHandle())) {
                auditKeySeen = opened.encoded().equals(manifest.auditKey());
            }
        }

        private void checkpoint(Fields row) {
            chain.checkpoint(row.number("sequence"), row.text("checkpoint"), row.bytes("signature"));
        }

        private void record(Fields row) {
            chain.record(row.number("sequence"), row.text("record"), row.bytes("hash"));
        }

        @Override
        public void end() throws BrokenBackupException {
            try {
                if (chain.end(manifest.auditHead()) != manifest.auditRecords()) {
                    throw new BrokenBackupException("the audit chain is not as long as the manifest says");
                }
            } catch (IntegrityException e) {
                throw new BrokenBackupException(String.valueOf(e.getMessage()), e);
            }
            if (manifest.hasKeys() && !auditKeySeen) {
                throw new BrokenBackupException("the key of the audit chain is missing");
            }
        }
    }

    /// The columns of a row by their names.
    record Fields(Table table, List<@Nullable String> values) {
        Fields(Table table, byte[] line) {
            this(table, TableRows.fields(line));
        }

        String text(String column) {
            int index = table.columns().indexOf(column);
            String value = index < 0 || index >= values.size() ? null : values.get(index);
            if (value == null) {
                throw new IllegalArgumentException("it has no " + column);
            }
            return value;
        }

        long number(String column) {
            return Long.parseLong(text(column));
        }

        Bytes bytes(String column) {
            String text = text(column);
            if (!text.startsWith("\\x")) {
                throw new IllegalArgumentException(column + " is no string of bytes");
            }
            return Bytes.ofHex(text.substring(2));
        }

        /// The same row with another value.
        byte[] with(String column, Bytes value) {
            List<@Nullable String> changed = new ArrayList<>(values);
            changed.set(table.columns().indexOf(column), "\\x" + value.hex());
            return TableRows.line(changed);
        }
    }
}
