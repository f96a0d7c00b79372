// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.claim.ClaimTokens;
import dev.tegata.platform.claim.ForeignStatus;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.store.Database;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.statement.UnableToExecuteStatementException;
import org.jspecify.annotations.Nullable;

/// Finds the device behind a key, a certificate, a serial number or a token. Straight JDBC: each
/// enrolment asks once or twice.
final class DeviceLookup {
    private static final String CANDIDATE = """
            d.device_id, d.fleet_id, d.state, d.suspended_until_good, d.serial, d.version, c.encoded,
            c.public_key_fingerprint, c.issued_at, c.not_after, c.revoked_at IS NOT NULL AS revoked, p.state AS approval
            """;
    /// The fence (OFFSET) has each device's certificate looked up by its number. Plans are kept, and one
    /// that was made beside few certificates would read all of a tenant's instead.
    private static final String CURRENT = """
            LEFT JOIN LATERAL (SELECT * FROM certificate n
                WHERE n.tenant_id = d.tenant_id AND n.serial_number = d.certificate OFFSET 0) c ON true
            LEFT JOIN pending_enrolment p ON p.tenant_id = d.tenant_id AND p.device_id = d.device_id
            """;

    private final Database database;
    private final Batches<Bytes, Optional<Candidate>> byBirthKey;
    private final Batches<Bytes, Optional<Operational>> bySerialNumber;

    DeviceLookup(Database database) {
        this.database = database;
        // Reading disturbs nobody: any questions may share a batch.
        this.byBirthKey = new Batches<>("device-lookup", _ -> new Object(), this::queryBirthKeys);
        this.bySerialNumber = new Batches<>("device-lookup", _ -> new Object(), this::querySerialNumbers);
    }

    /// What is known against a birth certificate that leads to a trusted CA; null where nothing is.
    ForeignStatus.@Nullable Fault fault(TenantId tenant, List<Certificate> path, Instant now) {
        return database.inTenant(tenant, tx -> ForeignStatus.fault(tx, tenant, path, now));
    }

    /// The device that the key with this fingerprint was claimed for.
    ///
    /// Every enrolment asks this. A question costs the database ten times as much alone as in a batch.
    Optional<Candidate> byBirthKey(TenantId tenant, Bytes fingerprint) {
        return byBirthKey.ask(tenant, fingerprint);
    }

    private List<Optional<Candidate>> queryBirthKeys(TenantId tenant, List<Bytes> fingerprints) {
        return query(
                tenant,
                "SELECT " + CANDIDATE + """
                        , k.fingerprint FROM device_key k
                        JOIN device d ON d.tenant_id = k.tenant_id AND d.device_id = k.device_id
                        """ + CURRENT + "WHERE k.tenant_id = ? AND k.fingerprint = ANY (?)",
                (statement, connection) -> {
                    statement.setString(1, tenant.value());
                    statement.setArray(
                            2,
                            connection.createArrayOf(
                                    "bytea",
                                    fingerprints.stream().map(Bytes::toArray).toArray(byte[][]::new)));
                },
                rows -> {
                    Map<Bytes, Candidate> found = new HashMap<>();
                    while (rows.next()) {
                        found.put(Bytes.of(rows.getBytes("fingerprint")), candidate(rows));
                    }
                    return fingerprints.stream()
                            .map(fingerprint -> Optional.ofNullable(found.get(fingerprint)))
                            .toList();
                });
    }

    /// Whether a certificate of an earlier owner carried the key.
    boolean isSpent(TenantId tenant, DeviceId device, Bytes fingerprint) {
        return query(
                tenant,
                "SELECT 1 FROM spent_key WHERE tenant_id = ? AND device_id = ? AND fingerprint = ?",
                (statement, connection) -> {
                    statement.setString(1, tenant.value());
                    statement.setObject(2, device.value());
                    statement.setBytes(3, fingerprint.toArray());
                },
                ResultSet::next);
    }

    /// An operational certificate of ours, and the device it was issued to.
    ///
    /// @param revoked whether this certificate (not the device's current one) is revoked or on hold
    /// @param onHold whether it is on hold
    record Operational(Candidate device, Bytes encoded, boolean revoked, boolean onHold) {}

    /// Every check-in asks this; it is shared as [#byBirthKey] is.
    Optional<Operational> bySerialNumber(TenantId tenant, Bytes serialNumber) {
        return bySerialNumber.ask(tenant, serialNumber);
    }

    private List<Optional<Operational>> querySerialNumbers(TenantId tenant, List<Bytes> serialNumbers) {
        return query(
                tenant,
                "SELECT " + CANDIDATE + """
                        , shown.serial_number AS shown_serial, shown.encoded AS shown_encoded,
                        shown.revoked_at IS NOT NULL AS shown_revoked, shown.revocation_reason = 6 AS shown_on_hold
                        FROM certificate shown
                        JOIN device d ON d.tenant_id = shown.tenant_id AND d.device_id = shown.device_id
                        """ + CURRENT + "WHERE shown.tenant_id = ? AND shown.serial_number = ANY (?)",
                (statement, connection) -> {
                    statement.setString(1, tenant.value());
                    statement.setArray(
                            2,
                            connection.createArrayOf(
                                    "bytea",
                                    serialNumbers.stream().map(Bytes::toArray).toArray(byte[][]::new)));
                },
                rows -> {
                    Map<Bytes, Operational> found = new HashMap<>();
                    while (rows.next()) {
                        found.put(
                                Bytes.of(rows.getBytes("shown_serial")),
                                new Operational(
                                        candidate(rows),
                                        Bytes.of(rows.getBytes("shown_encoded")),
                                        rows.getBoolean("shown_revoked"),
                                        rows.getBoolean("shown_on_hold")));
                    }
                    return serialNumbers.stream()
                            .map(serialNumber -> Optional.ofNullable(found.get(serialNumber)))
                            .toList();
                });
    }

    /// A claimed device, and whether keys are known of it that it can enrol with.
    record Claimed(Candidate device, boolean keysKnown) {}

    /// The devices whose chips have one of these serial numbers (lower case).
    List<Claimed> byChipSerials(TenantId tenant, List<String> serials) {
        return query(
                tenant,
                "SELECT " + CANDIDATE + """
                        , EXISTS (SELECT FROM device_key k
                            WHERE k.tenant_id = d.tenant_id AND k.device_id = d.device_id
                                AND\s""" + ClaimTokens.KEY_TO_ENROL_WITH + """
                            ) AS keys_known
                        FROM device d
                        """ + CURRENT
                        + "WHERE d.tenant_id = ? AND d.serial = ANY (?)",
                (statement, connection) -> {
                    statement.setString(1, tenant.value());
                    statement.setArray(2, connection.createArrayOf("text", serials.toArray()));
                },
                rows -> {
                    List<Claimed> found = new ArrayList<>();
                    while (rows.next()) {
                        found.add(new Claimed(candidate(rows), rows.getBoolean("keys_known")));
                    }
                    return found;
                });
    }

    /// The device that an unused, unexpired token was made for. Where its certificate is revoked, the token is from
    /// after that one: older ones were left over when it was activated without them.
    Optional<Candidate> byToken(TenantId tenant, Bytes tokenHash, Instant now) {
        return query(
                tenant,
                "SELECT " + CANDIDATE + """
                        FROM claim_token t
                        JOIN device d ON d.tenant_id = t.tenant_id AND d.device_id = t.device_id
                        """ + CURRENT + """
                        WHERE t.tenant_id = ? AND t.token_hash = ? AND t.used_at IS NULL AND t.expires_at > ?
                            AND (d.state <> 'ACTIVE' OR c.revoked_at IS NULL OR t.created_at > c.issued_at)""",
                (statement, connection) -> {
                    statement.setString(1, tenant.value());
                    statement.setBytes(2, tokenHash.toArray());
                    statement.setTimestamp(3, java.sql.Timestamp.from(now));
                },
                rows -> rows.next() ? Optional.of(candidate(rows)) : Optional.empty());
    }

    Optional<Candidate> byId(TenantId tenant, DeviceId device) {
        return query(
                tenant,
                "SELECT " + CANDIDATE + "FROM device d " + CURRENT + "WHERE d.tenant_id = ? AND d.device_id = ?",
                (statement, connection) -> {
                    statement.setString(1, tenant.value());
                    statement.setObject(2, device.value());
                },
                rows -> rows.next() ? Optional.of(candidate(rows)) : Optional.empty());
    }

    private interface Binder {
        void bind(PreparedStatement statement, Connection connection) throws SQLException;
    }

    private interface Reader<T> {
        T read(ResultSet rows) throws SQLException;
    }

    private <T> T query(TenantId tenant, String sql, Binder binder, Reader<T> reader) {
        return database.inTenant(tenant, tx -> run(tx, sql, binder, reader));
    }

    private static <T> T run(Handle tx, String sql, Binder binder, Reader<T> reader) {
        try (PreparedStatement statement = tx.getConnection().prepareStatement(sql)) {
            binder.bind(statement, tx.getConnection());
            try (ResultSet rows = statement.executeQuery()) {
                return reader.read(rows);
            }
        } catch (SQLException e) {
            throw new UnableToExecuteStatementException(e, null);
        }
    }

    private static Candidate candidate(ResultSet row) throws SQLException {
        return new Candidate(
                new DeviceId(row.getObject("device_id", UUID.class)),
                new FleetId(row.getString("fleet_id")),
                DeviceState.valueOf(row.getString("state")),
                row.getBoolean("suspended_until_good"),
                row.getString("serial"),
                row.getInt("version"),
                current(row),
                approval(row));
    }

    private static Candidate.@Nullable CurrentCertificate current(ResultSet row) throws SQLException {
        byte[] encoded = row.getBytes("encoded");
        return encoded == null
                ? null
                : new Candidate.CurrentCertificate(
                        Bytes.of(encoded),
                        Bytes.of(row.getBytes("public_key_fingerprint")),
                        row.getTimestamp("issued_at").toInstant(),
                        row.getTimestamp("not_after").toInstant(),
                        row.getBoolean("revoked"));
    }

    private static Candidate.@Nullable Approval approval(ResultSet row) throws SQLException {
        String state = row.getString("approval");
        return state == null ? null : Candidate.Approval.valueOf(state);
    }
}
