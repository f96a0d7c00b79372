// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import static java.util.Objects.requireNonNull;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.event.Event;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.store.Database;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.generic.GenericType;
import org.jdbi.v3.core.statement.UnableToExecuteStatementException;
import org.jspecify.annotations.Nullable;

/// Puts issued certificates on disk, many per commit.
///
/// A durable commit costs an fsync, so requests that arrive while one is under way share the next
/// ([Batches]).
///
/// A certificate is on disk together with its device's new state and the audit record, or not at all.
/// Where two enrolments of one device meet, the one whose device version is still the stored one wins;
/// the other certificate is forgotten, and has never left this process. So is one for a key that an
/// earlier owner of the device had certified, and one for a device that has been released to another
/// owner since: its row has gone.
final class IssuanceJournal {
    private final Database database;
    private final AuditLog auditLog;
    private final Outbox outbox;
    private final IssuedListener listener;
    private final Batches<Entry, Boolean> batches;

    IssuanceJournal(Database database, AuditLog auditLog, Outbox outbox, IssuedListener listener) {
        this.database = database;
        this.auditLog = auditLog;
        this.outbox = outbox;
        this.listener = listener;
        // Of two for one device only one can win.
        this.batches = new Batches<>("issuance-journal", Entry::device, this::storeBatch);
    }

    /// Stores an issuance and returns when it is durable.
    ///
    /// @return false where the device changed since `entry` was decided, or its key was an earlier
    ///     owner's; nothing is stored then
    /// @throws dev.tegata.platform.UnavailableException where the database cannot be reached or too
    ///     many wait. Nothing is stored, or the connection broke during the commit and the same
    ///     request, asked again, finds it stored
    boolean store(TenantId tenant, Entry entry) {
        return batches.ask(tenant, entry);
    }

    private List<Boolean> storeBatch(TenantId tenant, List<Entry> entries) {
        Set<UUID> winners = database.inTenant(tenant, tx -> write(tx, tenant, entries));
        return entries.stream()
                .map(entry -> winners.contains(entry.device().value()))
                .toList();
    }

    private Set<UUID> write(Handle tx, TenantId tenant, List<Entry> entries) {
        try {
            List<Entry> binding = new ArrayList<>();
            List<Entry> free = new ArrayList<>(entries);
            free.removeIf(entry -> entry.newBirthKey() != null && !bindsBirthKey(tx, tenant, entry, binding));
            Set<UUID> winners = writeCertificates(tx.getConnection(), tenant, free);
            binding.removeIf(entry -> winners.contains(entry.device().value()));
            binding.forEach(loser -> releaseBirthKey(tx, tenant, loser));
            List<Entry> first = new ArrayList<>();
            List<Entry> renewed = new ArrayList<>();
            List<AuditEvent> events = new ArrayList<>(winners.size());
            for (Entry entry : entries) {
                if (winners.contains(entry.device().value())) {
                    (entry.renews() ? renewed : first).add(entry);
                    events.add(entry.audit());
                    writeRest(tx, tenant, entry);
                }
            }
            supersede(tx, tenant, renewed);
            hear(tx, tenant, first, false);
            hear(tx, tenant, renewed, true);
            long last = auditLog.appendNumbered(tx, tenant, events);
            outbox.append(
                    tx,
                    tenant,
                    events.stream()
                            .map(event -> new Event("dev.tegata." + event.action(), event.subject(), event.detail()))
                            .toList(),
                    last);
            return winners;
        } catch (SQLException e) {
            // JDBI's own exception, so that the database wrapper sees the SQL state as it does elsewhere.
            throw new UnableToExecuteStatementException(e, null);
        }
    }

    /// What only some enrolments leave.
    private static void writeRest(Handle tx, TenantId tenant, Entry entry) {
        if (entry.claimToken() != null) {
            useToken(tx, tenant, entry.claimToken(), entry.issuedAt());
        }
        if (entry.appraisal() != null) {
            recordEvidence(tx, tenant, entry, entry.appraisal());
        }
    }

    private void hear(Handle tx, TenantId tenant, List<Entry> stored, boolean renewed) {
        if (!stored.isEmpty()) {
            List<DeviceId> devices = stored.stream().map(Entry::device).toList();
            listener.issued(tx, tenant, devices, renewed, stored.getLast().issuedAt());
        }
    }

    private static Set<UUID> writeCertificates(Connection connection, TenantId tenant, List<Entry> entries)
            throws SQLException {
        int count = entries.size();
        UUID[] devices = new UUID[count];
        Integer[] versions = new Integer[count];
        byte[][] serialNumbers = new byte[count][];
        UUID[] authorities = new UUID[count];
        byte[][] fingerprints = new byte[count][];
        String[] keyAlgorithms = new String[count];
        Timestamp[] notBefore = new Timestamp[count];
        Timestamp[] notAfter = new Timestamp[count];
        Timestamp[] issuedAt = new Timestamp[count];
        Integer[] partitions = new Integer[count];
        byte[][] encoded = new byte[count][];
        for (int i = 0; i < count; i++) {
            Entry entry = entries.get(i);
            devices[i] = entry.device().value();
            versions[i] = entry.deviceVersion();
            serialNumbers[i] = entry.serialNumber().toArray();
            authorities[i] = entry.authority().value();
            fingerprints[i] = entry.publicKeyFingerprint().toArray();
            keyAlgorithms[i] = entry.keyAlgorithm().id();
            notBefore[i] = Timestamp.from(entry.notBefore());
            notAfter[i] = Timestamp.from(entry.notAfter());
            issuedAt[i] = Timestamp.from(entry.issuedAt());
            partitions[i] = entry.crlPartition();
            encoded[i] = entry.encoded().toArray();
        }
        try (PreparedStatement statement = connection.prepareStatement("""
                WITH input AS (
                    SELECT * FROM unnest(?::uuid[], ?::integer[], ?::bytea[], ?::uuid[], ?::bytea[], ?::text[],
                            ?::timestamptz[], ?::timestamptz[], ?::timestamptz[], ?::integer[], ?::bytea[])
                        AS i (device_id, version, serial_number, authority_id, fingerprint, key_algorithm, not_before,
                            not_after, issued_at, crl_partition, encoded)
                    ORDER BY device_id),
                changed AS (
                    UPDATE device d SET state = 'ACTIVE', certificate = i.serial_number, version = d.version + 1,
                        activated_at = coalesce(d.activated_at, i.issued_at), last_seen_at = i.issued_at,
                        expires_at = i.not_after, key_algorithm = i.key_algorithm
                    FROM input i
                    WHERE d.tenant_id = ? AND d.device_id = i.device_id AND d.version = i.version
                        AND NOT EXISTS (SELECT FROM spent_key s
                            WHERE s.tenant_id = d.tenant_id AND s.device_id = d.device_id
                                AND s.fingerprint = i.fingerprint)
                    RETURNING i.*)
                INSERT INTO certificate (tenant_id, serial_number, authority_id, device_id, public_key_fingerprint,
                    not_before, not_after, issued_at, crl_partition, encoded)
                SELECT ?, serial_number, authority_id, device_id, fingerprint, not_before, not_after, issued_at,
                    crl_partition, encoded
                FROM changed
                RETURNING device_id""")) {
            int index = 1;
            for (Object[] column : new Object[][] {
                devices,
                versions,
                serialNumbers,
                authorities,
                fingerprints,
                keyAlgorithms,
                notBefore,
                notAfter,
                issuedAt,
                partitions,
                encoded
            }) {
                statement.setArray(index++, connection.createArrayOf(sqlType(column), column));
            }
            statement.setString(index++, tenant.value());
            statement.setString(index, tenant.value());
            Set<UUID> winners = new HashSet<>();
            try (ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    winners.add(rows.getObject(1, UUID.class));
                }
            }
            return winners;
        }
    }

    private static String sqlType(Object[] column) {
        return switch (column) {
            case UUID[] ignored -> "uuid";
            case Integer[] ignored -> "integer";
            case String[] ignored -> "text";
            case Timestamp[] ignored -> "timestamptz";
            default -> "bytea";
        };
    }

    /// Certificates that were good until now have had their day: they end with the fleet's overlap. A
    /// device's first one finds none: those from before it was wiped were revoked then.
    private static void supersede(Handle tx, TenantId tenant, List<Entry> renewed) {
        if (renewed.isEmpty()) {
            return;
        }
        tx.createUpdate("""
                        UPDATE certificate SET superseded_at = :now
                        WHERE tenant_id = :tenant AND device_id = ANY(:devices) AND serial_number <> ALL(:issued)
                            AND revoked_at IS NULL AND superseded_at IS NULL AND not_after > :now
                            AND NOT EXISTS (SELECT FROM device d WHERE d.tenant_id = certificate.tenant_id
                                AND d.device_id = certificate.device_id
                                AND d.parallel_certificate = certificate.serial_number)""")
                .bind("now", renewed.getLast().issuedAt())
                .bind("tenant", tenant)
                .bindArray(
                        "devices",
                        UUID.class,
                        renewed.stream().map(entry -> entry.device().value()).toArray())
                .bindByType(
                        "issued", renewed.stream().map(Entry::serialNumber).toList(), new GenericType<List<Bytes>>() {})
                .execute();
    }

    private static void useToken(Handle tx, TenantId tenant, Bytes token, Instant now) {
        tx.createUpdate("UPDATE claim_token SET used_at = :now WHERE tenant_id = :tenant AND token_hash = :token")
                .bind("now", now)
                .bind("tenant", tenant.value())
                .bind("token", token.toArray())
                .execute();
    }

    private static void recordEvidence(Handle tx, TenantId tenant, Entry entry, UUID appraisal) {
        tx.createUpdate("""
                        INSERT INTO certificate_evidence (tenant_id, serial_number, appraisal_id, recorded_at)
                        VALUES (:tenant, :serial, :appraisal, :now)""")
                .bind("tenant", tenant)
                .bind("serial", entry.serialNumber())
                .bind("appraisal", appraisal)
                .bind("now", entry.issuedAt())
                .execute();
    }

    /// Whether the new key is its device's now: not where another device was given it at the same moment.
    ///
    /// @param binding to which the entry is added where its key was not there before
    private static boolean bindsBirthKey(Handle tx, TenantId tenant, Entry entry, List<Entry> binding) {
        Bytes publicKey = requireNonNull(entry.newBirthKey());
        int inserted = tx.createUpdate("""
                        INSERT INTO device_key (tenant_id, fingerprint, device_id, slot, public_key)
                        VALUES (:tenant, :fingerprint, :device, 0, :key)
                        ON CONFLICT (tenant_id, fingerprint) DO NOTHING""")
                .bind("tenant", tenant)
                .bind("fingerprint", publicKey.sha256())
                .bind("device", entry.device())
                .bind("key", publicKey)
                .execute();
        if (inserted == 1) {
            binding.add(entry);
            return true;
        }
        return tx.createQuery("""
                        SELECT device_id = :device FROM device_key
                        WHERE tenant_id = :tenant AND fingerprint = :fingerprint""")
                .bind("tenant", tenant)
                .bind("fingerprint", publicKey.sha256())
                .bind("device", entry.device())
                .mapTo(boolean.class)
                .findOne()
                .orElse(false);
    }

    private static void releaseBirthKey(Handle tx, TenantId tenant, Entry entry) {
        tx.createUpdate("DELETE FROM device_key WHERE tenant_id = :tenant AND fingerprint = :fingerprint")
                .bind("tenant", tenant)
                .bind("fingerprint", requireNonNull(entry.newBirthKey()).sha256())
                .execute();
    }

    /// A certificate on its way to disk.
    ///
    /// @param deviceVersion the version of the device on which the decision to issue rests
    /// @param claimToken the hash of the token that is used up by it, where one was shown
    /// @param newBirthKey the SubjectPublicKeyInfo that becomes a birth key of the device by it, where
    ///     there is one
    /// @param appraisal that the certificate is given on, where the fleet asks for evidence
    record Entry(
            DeviceId device,
            int deviceVersion,
            Bytes serialNumber,
            AuthorityId authority,
            Bytes publicKeyFingerprint,
            KeyAlgorithm keyAlgorithm,
            Instant notBefore,
            Instant notAfter,
            Instant issuedAt,
            int crlPartition,
            Bytes encoded,
            @Nullable Bytes claimToken,
            @Nullable Bytes newBirthKey,
            @Nullable UUID appraisal,
            AuditEvent audit) {
        boolean renews() {
            return audit.action().equals("certificate.renewed");
        }
    }
}
