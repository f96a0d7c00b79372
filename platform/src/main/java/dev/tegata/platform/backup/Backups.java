// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.backup;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.KeyEncryptionKey;
import dev.tegata.pki.key.KeyEncryptionKeys;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.pki.key.SealedStream;
import dev.tegata.pki.key.Secret;
import dev.tegata.pki.key.SoftwareVault;
import dev.tegata.pki.key.Vault;
import dev.tegata.pki.key.VaultException;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.TableRows;
import dev.tegata.platform.store.TableRows.Table;
import dev.tegata.platform.tenant.VaultKeys;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.stream.Collectors;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Makes backups of tenants, and tenants of backups.
///
/// - A backup is one snapshot of every row that the tenant has, whatever tables there are, streamed.
/// - Private keys of a software vault go into it sealed under a key of its own: it opens with its
///   passphrase alone, and not with the vault's. Back in a vault they are sealed under that one's key.
///   Keys of an HSM stay there.
/// - A restore is one transaction: the tenant is there in full, or not at all. That it happened is the
///   chain's next record.
public final class Backups {
    /// A backup holds a connection and a snapshot for as long as its reader takes.
    private static final int AT_ONCE = 1;

    private final Database database;
    private final Vault vault;
    private final Optional<VaultKeys> keys;
    private final AuditLog auditLog;
    private final String release;
    private final InstantSource clock;
    private final SecureRandom random;
    private final Semaphore running = new Semaphore(AT_ONCE);

    /// What a node is given, to make backups with.
    ///
    /// @param keys    of the software vault; empty for an HSM
    /// @param release of Tegata
    public record Ground(Database database, Vault vault, Optional<VaultKeys> keys, AuditLog auditLog, String release) {}

    public Backups(Ground ground, InstantSource clock, SecureRandom random) {
        this.database = ground.database();
        this.vault = ground.vault();
        this.keys = ground.keys();
        this.auditLog = ground.auditLog();
        this.release = ground.release();
        this.clock = clock;
        this.random = random;
    }

    /// Says in the audit chain that a backup is being made, which is so in the backup itself.
    ///
    /// @throws RefusedException [ErrorCode#NOT_FOUND]
    public void announce(TenantId tenant, Actor actor) {
        database.inTenant(tenant, tx -> {
            AuditLog.standing(tx, tenant);
            auditLog.append(
                    tx, tenant, List.of(new AuditEvent(actor, "backup.exported", "tenant:" + tenant, Map.of())));
            return tenant;
        });
        auditLog.sealNow(tenant);
    }

    /// Writes a backup of the tenant to `out`, which stays open.
    ///
    /// @throws UnavailableException where another one is being made
    public BackupManifest write(TenantId tenant, Secret secret, OutputStream out) throws IOException {
        if (!running.tryAcquire()) {
            throw new UnavailableException("another backup is being made here");
        }
        try {
            SealedStream.Sealing sealed = SealedStream.seal(out, secret, random);
            BackupManifest manifest = database.snapshot(tenant, tx -> {
                try {
                    return write(tx, tenant, sealed);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
            sealed.finish();
            return manifest;
        } catch (UncheckedIOException e) {
            throw cause(e);
        } finally {
            running.release();
        }
    }

    private BackupManifest write(Handle tx, TenantId tenant, SealedStream.Sealing sealed) throws IOException {
        BackupManifest manifest = manifest(tx, tenant);
        BackupFrames.Writer frames = new BackupFrames.Writer(sealed);
        frames.manifest(manifest);
        for (Table table : TableRows.tables(tx)) {
            frames.table(table);
            TableRows.read(
                    tx,
                    table,
                    table.name().equals("sealed_key")
                            ? line -> frames.row(sealedAnew(tenant, table, line, requireKeys(), sealed.key()))
                            : frames::row);
        }
        frames.end();
        return manifest;
    }

    private BackupManifest manifest(Handle tx, TenantId tenant) {
        AuditLog.Standing audit = AuditLog.standing(tx, tenant);
        String name = tx.createQuery("SELECT name FROM tenant WHERE tenant_id = :tenant")
                .bind("tenant", tenant)
                .mapTo(String.class)
                .one();
        return new BackupManifest(
                BackupManifest.VERSION,
                release,
                TableRows.schemaVersion(tx),
                tenant,
                name,
                clock.instant(),
                keys.isPresent() ? BackupManifest.SOFTWARE : BackupManifest.PKCS11,
                audit.keyHandle(),
                audit.publicKey(),
                audit.sequence(),
                audit.hash());
    }

    private KeyEncryptionKeys requireKeys() {
        return keys.orElseThrow(() -> new VaultException("there are sealed keys, but the vault is an HSM", false));
    }

    private static byte[] sealedAnew(
            TenantId tenant, Table table, byte[] line, KeyEncryptionKeys from, KeyEncryptionKey to) {
        BackupCheck.Fields row = new BackupCheck.Fields(table, line);
        KeyHandle handle = new KeyHandle(row.text("key_handle"));
        return row.with("sealed", SoftwareVault.sealAnew(tenant.keySpace(), handle, row.bytes("sealed"), from, to));
    }

    /// Brings a tenant back, all of it or nothing, and checks what [BackupCheck] checks.
    ///
    /// @throws RefusedException where the tenant is here, or the backup does not fit this installation
    /// @throws IOException where the backup cannot be read, or is not what was written
    public BackupCheck.Result restore(InputStream in, Secret secret, Actor actor) throws IOException {
        try (SealedStream.Opening opened = SealedStream.open(in, secret)) {
            BackupFrames.Reader reader = new BackupFrames.Reader(opened);
            BackupManifest manifest = reader.manifest();
            requireVault(manifest);
            KeyEncryptionKey sealing = keys.map(VaultKeys::sealing).orElse(null);
            return database.load(manifest.tenant(), tx -> {
                try {
                    return restore(tx, reader, manifest, new Resealing(opened.key(), sealing), actor);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
        } catch (UncheckedIOException e) {
            throw cause(e);
        } catch (TableRows.TakenException e) {
            throw new RefusedException(
                    ErrorCode.CONFLICT,
                    e.table().equals("chip_owner")
                            ? "a chip of this tenant belongs to another tenant of this installation"
                            : "a row of " + e.table() + " is here already");
        }
    }

    private static IOException cause(UncheckedIOException e) {
        return e.getCause() == null ? new IOException(e) : e.getCause();
    }

    /// From which key to which; null where keys are in an HSM.
    private record Resealing(
            KeyEncryptionKey from, @Nullable KeyEncryptionKey to) {}

    /// The keys must be able to be where they are looked for.
    private void requireVault(BackupManifest manifest) {
        if (manifest.hasKeys() != keys.isPresent()) {
            throw new RefusedException(
                    ErrorCode.CONFLICT,
                    manifest.hasKeys()
                            ? "the backup holds keys of a software vault, and this installation's vault is an HSM"
                            : "the backup's keys stayed in their HSM, and this installation's vault is not one");
        }
        if (!manifest.hasKeys()) {
            Bytes inHsm = vault.publicKey(manifest.tenant().keySpace(), new KeyHandle(manifest.auditKeyHandle()))
                    .encoded();
            if (!inHsm.equals(manifest.auditKey())) {
                throw new RefusedException(
                        ErrorCode.CONFLICT, "the HSM holds another key for the tenant's audit chain than the backup");
            }
        }
    }

    private BackupCheck.Result restore(
            Handle tx, BackupFrames.Reader reader, BackupManifest manifest, Resealing keys, Actor actor)
            throws IOException {
        requireSchema(tx, manifest);
        requireAbsent(tx, manifest.tenant());
        if (keys.to() != null) {
            holdSealingKey(tx, keys.to());
        }
        BackupCheck.Following following = new BackupCheck.Following(manifest, keys.from());
        reader.rest(new Storing(tx, following, manifest.tenant(), keys));
        auditLog.append(
                tx,
                manifest.tenant(),
                List.of(new AuditEvent(
                        actor,
                        "backup.restored",
                        "tenant:" + manifest.tenant(),
                        Map.of(
                                "backupOf", manifest.createdAt(),
                                "records", manifest.auditRecords(),
                                "release", manifest.release()))));
        return following.result();
    }

    private static void requireSchema(Handle tx, BackupManifest manifest) {
        String here = TableRows.schemaVersion(tx);
        if (!here.equals(manifest.schema())) {
            throw new RefusedException(
                    ErrorCode.CONFLICT,
                    "the backup was made by release %s with schema %s, and this one has schema %s: restore it with that release, then upgrade"
                            .formatted(manifest.release(), manifest.schema(), here));
        }
    }

    private static void requireAbsent(Handle tx, TenantId tenant) {
        boolean present = tx.createQuery("SELECT EXISTS (SELECT FROM tenant WHERE tenant_id = :tenant)")
                .bind("tenant", tenant)
                .mapTo(Boolean.class)
                .one();
        if (present) {
            throw new RefusedException(ErrorCode.CONFLICT, "tenant " + tenant + " is here already");
        }
    }

    /// Nobody may change the vault's key until the tenant's keys can be seen, and be sealed anew with the
    /// others.
    private static void holdSealingKey(Handle tx, KeyEncryptionKey sealing) {
        Bytes present = tx.createQuery("SELECT coalesce(next_key_id, key_id) FROM vault_key FOR SHARE")
                .mapTo(Bytes.class)
                .one();
        if (!present.equals(sealing.id())) {
            throw new VaultException("the key-encryption key has just been changed", true);
        }
    }

    /// Stores what goes by, once it has been looked at.
    private static final class Storing implements BackupFrames.Visitor {
        private final Handle tx;
        private final BackupCheck.Following following;
        private final TenantId tenant;
        private final Resealing keys;
        private final Map<String, Table> known;
        private @Nullable Table table;
        private TableRows.@Nullable Writer writer;

        Storing(Handle tx, BackupCheck.Following following, TenantId tenant, Resealing keys) {
            this.tx = tx;
            this.following = following;
            this.tenant = tenant;
            this.keys = keys;
            this.known = TableRows.tables(tx).stream().collect(Collectors.toMap(Table::name, each -> each));
        }

        @Override
        public void table(Table next) throws IOException {
            following.table(next);
            if (!next.equals(known.get(next.name()))) {
                throw new BrokenBackupException("table " + next.name() + " is not one of this installation's");
            }
            finish();
            table = next;
            writer = new TableRows.Writer(tx, next);
        }

        @Override
        public void row(byte[] line) throws IOException {
            following.row(line);
            if (table == null || writer == null) {
                throw new BrokenBackupException("a row stands before the first table");
            }
            writer.row(
                    keys.to() != null && table.name().equals("sealed_key")
                            ? sealedAnew(tenant, table, line, KeyEncryptionKeys.of(keys.from()), keys.to())
                            : line);
        }

        @Override
        public void end() throws IOException {
            finish();
            following.end();
        }

        private void finish() {
            if (writer != null) {
                writer.close();
            }
        }
    }
}
