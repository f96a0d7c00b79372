// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.audit;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.Vault;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.Page;
import dev.tegata.platform.PeriodicWork;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.store.Database;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.statement.UnableToExecuteStatementException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The audit chains of all tenants: appending, reading, and sealing with signed checkpoints.
///
/// Implementation notes:
/// - Appending happens in the transaction of the change itself. Signing a checkpoint does not: it would hold the chain
///   while a vault works. A thread seals what this node appended, after [#SEAL_AFTER_RECORDS] records or
///   [#SEAL_AFTER_TIME], whichever is first; the longest tail that nobody signed is what a crash leaves.
/// - Two nodes that seal the same head write the same checkpoint; the second one changes nothing.
public final class AuditLog implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(AuditLog.class);
    private static final int SEAL_AFTER_RECORDS = 1000;
    private static final Duration SEAL_AFTER_TIME = Duration.ofMinutes(1);
    private static final Duration SEAL_CHECK = Duration.ofSeconds(1);

    private final Database database;
    private final Vault vault;
    private final InstantSource clock;
    private final Map<TenantId, Unsealed> unsealed = new ConcurrentHashMap<>();
    private final PeriodicWork sealer;

    public AuditLog(Database database, Vault vault, InstantSource clock) {
        this.database = database;
        this.vault = vault;
        this.clock = clock;
        this.sealer = PeriodicWork.start("audit-sealer", SEAL_CHECK, this::sealDue);
    }

    private record Unsealed(int records, Instant since) {}

    /// A chain's last record and the key that signs its checkpoints.
    public record Standing(long sequence, Bytes hash, String keyHandle, Bytes publicKey) {}

    /// The head of a chain, its key, and where its last checkpoint stands.
    record Sealable(AuditChain.Head head, KeyHandle key, Bytes publicKey, long sealedSequence) {}

    /// Begins the chain of a new tenant, as part of the transaction that creates it. The first record names
    /// the key that will sign its checkpoints.
    public void begin(Handle tx, TenantId tenant, Actor actor, KeyHandle key, PublicKeyInfo publicKey) {
        AuditChain.Head start = AuditChain.start(tenant);
        tx.createUpdate("""
                        INSERT INTO audit_head (tenant_id, sequence, hash, key_handle, public_key)
                        VALUES (:tenant, :sequence, :hash, :key, :publicKey)""")
                .bind("tenant", tenant)
                .bind("sequence", start.sequence())
                .bind("hash", start.hash())
                .bind("key", key.id())
                .bind("publicKey", publicKey.encoded())
                .execute();
        append(tx, tenant, List.of(AuditChain.begun(tenant, actor, publicKey.encoded())));
    }

    /// Writes `events` to the tenant's chain, in their order, as part of the transaction `tx`.
    ///
    /// Locks the head of the chain until that transaction ends: append last, commit soon.
    public void append(Handle tx, TenantId tenant, List<AuditEvent> events) {
        append(tx, tenant, events, 0);
    }

    /// Writes `events` as the other does, and takes as many numbers of the tenant's outbox with the same
    /// change of the head, for [dev.tegata.platform.event.Outbox#append(Handle, TenantId, List, long)].
    ///
    /// @return the last of those numbers
    public long appendNumbered(Handle tx, TenantId tenant, List<AuditEvent> events) {
        return append(tx, tenant, events, events.size());
    }

    /// Locks the head of the tenant's chain until the transaction `tx` ends, as [#append] does, only
    /// earlier. For limits per tenant: what is counted and what is added after that are of one transaction
    /// at a time.
    public void takeTurn(Handle tx, TenantId tenant) {
        try {
            lockHead(tx.getConnection(), tenant);
        } catch (SQLException e) {
            throw new UnableToExecuteStatementException(e, null);
        }
    }

    private long append(Handle tx, TenantId tenant, List<AuditEvent> events, int numbers) {
        if (events.isEmpty()) {
            return 0;
        }
        Instant now = clock.instant().truncatedTo(ChronoUnit.MICROS);
        // Straight JDBC: this stands on the path of every enrolment, hundreds of events at a time.
        try {
            Connection connection = tx.getConnection();
            LockedHead locked = lockHead(connection, tenant);
            long last = locked.eventSequence() + numbers;
            insert(connection, tenant, now, events, new LockedHead(locked.head(), last));
            // Whoever seals before the commit does not see these records.
            tx.afterCommit(() -> unsealed.merge(
                    tenant,
                    new Unsealed(events.size(), now),
                    (old, more) -> new Unsealed(old.records() + more.records(), old.since())));
            return last;
        } catch (SQLException e) {
            throw new UnableToExecuteStatementException(e, null);
        }
    }

    /// What the row in audit_head says.
    ///
    /// @param eventSequence number of the last event in the outbox
    private record LockedHead(AuditChain.Head head, long eventSequence) {}

    private static LockedHead lockHead(Connection connection, TenantId tenant) throws SQLException {
        try (PreparedStatement select = connection.prepareStatement(
                "SELECT sequence, hash, event_sequence FROM audit_head WHERE tenant_id = ? FOR UPDATE")) {
            select.setString(1, tenant.value());
            try (ResultSet row = select.executeQuery()) {
                if (!row.next()) {
                    throw new IntegrityException("tenant " + tenant + " has no audit chain");
                }
                return new LockedHead(new AuditChain.Head(row.getLong(1), Bytes.of(row.getBytes(2))), row.getLong(3));
            }
        }
    }

    private static void insert(
            Connection connection, TenantId tenant, Instant now, List<AuditEvent> events, LockedHead from)
            throws SQLException {
        int count = events.size();
        Long[] sequences = new Long[count];
        String[] subjects = new String[count];
        String[] records = new String[count];
        byte[][] hashes = new byte[count][];
        AuditChain.Head head = from.head();
        for (int i = 0; i < count; i++) {
            records[i] = AuditChain.record(head, now, events.get(i));
            head = head.after(records[i]);
            sequences[i] = head.sequence();
            subjects[i] = events.get(i).subject();
            hashes[i] = head.hash().toArray();
        }
        try (PreparedStatement insert = connection.prepareStatement("""
                WITH head AS (
                    UPDATE audit_head SET sequence = ?, hash = ?, event_sequence = ? WHERE tenant_id = ?)
                INSERT INTO audit_record (tenant_id, sequence, subject, record, hash)
                SELECT ?, * FROM unnest(?::bigint[], ?::text[], ?::text[], ?::bytea[])""")) {
            insert.setLong(1, head.sequence());
            insert.setBytes(2, head.hash().toArray());
            insert.setLong(3, from.eventSequence());
            insert.setString(4, tenant.value());
            insert.setString(5, tenant.value());
            insert.setArray(6, connection.createArrayOf("bigint", sequences));
            insert.setArray(7, connection.createArrayOf("text", subjects));
            insert.setArray(8, connection.createArrayOf("text", records));
            insert.setArray(9, connection.createArrayOf("bytea", hashes));
            insert.executeUpdate();
        }
    }

    /// Whether the tenant has a chain, and so exists.
    boolean hasChain(Handle tx, TenantId tenant) {
        return tx.createQuery("SELECT count(*) FROM audit_head WHERE tenant_id = :tenant")
                        .bind("tenant", tenant)
                        .mapTo(Integer.class)
                        .one()
                > 0;
    }

    /// The records of a tenant, newest first.
    public Page<AuditRecord> records(TenantId tenant, Page.Request page) {
        return records(tenant, null, page);
    }

    /// What happened to one subject (`device:…`), newest first.
    public Page<AuditRecord> recordsAbout(TenantId tenant, String subject, Page.Request page) {
        return records(tenant, subject, page);
    }

    private Page<AuditRecord> records(TenantId tenant, @Nullable String subject, Page.Request page) {
        long before = page.after(Long::parseLong, Long.MAX_VALUE);
        String bySubject = subject == null ? "" : "AND subject = :subject";
        List<AuditRecord> rows = database.inTenant(tenant, tx -> {
            var query = tx.createQuery("""
                            SELECT record, hash FROM audit_record
                            WHERE tenant_id = :tenant AND sequence < :before %s
                            ORDER BY sequence DESC LIMIT :limit""".formatted(bySubject))
                    .bind("tenant", tenant)
                    .bind("before", before)
                    .bind("limit", page.limit() + 1);
            if (subject != null) {
                query.bind("subject", subject);
            }
            return query.map((row, context) -> AuditRecord.parse(row.getString(1), Bytes.of(row.getBytes(2))))
                    .list();
        });
        return Page.of(rows, page, record -> Long.toString(record.sequence()));
    }

    /// Signs the head of the tenant's chain, unless that is done already.
    ///
    /// @return the checkpoint of the head
    AuditCheckpoint seal(TenantId tenant) {
        unsealed.remove(tenant);
        Sealable state = sealable(tenant);
        if (state.sealedSequence() == state.head().sequence()) {
            return checkpointAt(tenant, state.sealedSequence());
        }
        String text = AuditCheckpoint.text(tenant, state.head(), clock.instant());
        byte[] signature = vault.sign(
                tenant.keySpace(), state.key(), AuditCheckpoint.ALGORITHM, AuditCheckpoint.signedBytes(text));
        database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                                INSERT INTO audit_checkpoint (tenant_id, sequence, checkpoint, signature)
                                VALUES (:tenant, :sequence, :checkpoint, :signature) ON CONFLICT DO NOTHING""")
                        .bind("tenant", tenant)
                        .bind("sequence", state.head().sequence())
                        .bind("checkpoint", text)
                        .bind("signature", signature)
                        .execute());
        return new AuditCheckpoint(state.head().sequence(), text, Bytes.of(signature));
    }

    /// Where a chain stands, for a transaction that copies it.
    ///
    /// @throws RefusedException [ErrorCode#NOT_FOUND]
    public static Standing standing(Handle tx, TenantId tenant) {
        return tx.createQuery("""
                        SELECT sequence, hash, key_handle, public_key FROM audit_head WHERE tenant_id = :tenant""")
                .bind("tenant", tenant)
                .map((row, context) -> new Standing(
                        row.getLong(1), Bytes.of(row.getBytes(2)), row.getString(3), Bytes.of(row.getBytes(4))))
                .findOne()
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no tenant " + tenant));
    }

    /// Signs the head of the tenant's chain now.
    public void sealNow(TenantId tenant) {
        seal(tenant);
    }

    Sealable sealable(TenantId tenant) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                        SELECT sequence, hash, key_handle, public_key, (
                            SELECT coalesce(max(c.sequence), 0) FROM audit_checkpoint c
                            WHERE c.tenant_id = audit_head.tenant_id)
                        FROM audit_head WHERE tenant_id = :tenant""")
                        .bind("tenant", tenant)
                        .map((row, context) -> new Sealable(
                                new AuditChain.Head(row.getLong(1), Bytes.of(row.getBytes(2))),
                                new KeyHandle(row.getString(3)),
                                Bytes.of(row.getBytes(4)),
                                row.getLong(5)))
                        .findOne()
                        .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no tenant " + tenant)));
    }

    private AuditCheckpoint checkpointAt(TenantId tenant, long sequence) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                SELECT sequence, checkpoint, signature FROM audit_checkpoint
                                WHERE tenant_id = :tenant AND sequence = :sequence""")
                        .bind("tenant", tenant)
                        .bind("sequence", sequence)
                        .map((row, context) -> AuditCheckpoint.ofRow(row))
                        .one());
    }

    private void sealDue() {
        Instant due = clock.instant().minus(SEAL_AFTER_TIME);
        unsealed.forEach((tenant, state) -> {
            if (state.records() >= SEAL_AFTER_RECORDS || !state.since().isAfter(due)) {
                sealOrKeep(tenant, state);
            }
        });
    }

    private void sealOrKeep(TenantId tenant, Unsealed state) {
        try {
            seal(tenant);
        } catch (RefusedException e) {
            LOG.debug("{} has no audit chain: its creation was rolled back", tenant);
        } catch (RuntimeException e) {
            unsealed.putIfAbsent(tenant, state);
            LOG.warn("the audit chain of {} could not be sealed: {}", tenant, e.getMessage());
        }
    }

    /// Seals what this node has appended since the last checkpoints.
    @Override
    public void close() {
        sealer.close();
        unsealed.forEach(this::sealOrKeep);
    }
}
