// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.audit;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.TenantId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.List;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.statement.UnableToExecuteStatementException;

/// The audit chains of all tenants.
public final class AuditLog {
    private final InstantSource clock;

    public AuditLog(InstantSource clock) {
        this.clock = clock;
    }

    /// Writes `events` to the tenant's chain, in their order, as part of the transaction `tx`.
    ///
    /// Locks the head of the chain until that transaction ends: append last, commit soon.
    public void append(Handle tx, TenantId tenant, List<AuditEvent> events) {
        if (events.isEmpty()) {
            return;
        }
        // Straight JDBC: this stands on the path of every enrolment, hundreds of events at a time.
        Connection connection = tx.getConnection();
        try {
            AuditChain.Head head = lockHead(connection, tenant);
            Instant now = clock.instant().truncatedTo(ChronoUnit.MICROS);
            Long[] sequences = new Long[events.size()];
            String[] subjects = new String[events.size()];
            String[] records = new String[events.size()];
            byte[][] hashes = new byte[events.size()][];
            for (int i = 0; i < events.size(); i++) {
                records[i] = AuditChain.record(head, now, events.get(i));
                head = head.after(records[i]);
                sequences[i] = head.sequence();
                subjects[i] = events.get(i).subject();
                hashes[i] = head.hash().toArray();
            }
            try (PreparedStatement insert = connection.prepareStatement("""
                    WITH head AS (
                        UPDATE audit_head SET sequence = ?, hash = ? WHERE tenant_id = ?)
                    INSERT INTO audit_record (tenant_id, sequence, subject, record, hash)
                    SELECT ?, * FROM unnest(?::bigint[], ?::text[], ?::text[], ?::bytea[])""")) {
                insert.setLong(1, head.sequence());
                insert.setBytes(2, head.hash().toArray());
                insert.setString(3, tenant.value());
                insert.setString(4, tenant.value());
                insert.setArray(5, connection.createArrayOf("bigint", sequences));
                insert.setArray(6, connection.createArrayOf("text", subjects));
                insert.setArray(7, connection.createArrayOf("text", records));
                insert.setArray(8, connection.createArrayOf("bytea", hashes));
                insert.executeUpdate();
            }
        } catch (SQLException e) {
            throw new UnableToExecuteStatementException(e, null);
        }
    }

    private static AuditChain.Head lockHead(Connection connection, TenantId tenant) throws SQLException {
        try (PreparedStatement select =
                connection.prepareStatement("SELECT sequence, hash FROM audit_head WHERE tenant_id = ? FOR UPDATE")) {
            select.setString(1, tenant.value());
            try (ResultSet row = select.executeQuery()) {
                if (!row.next()) {
                    throw new IntegrityException("tenant " + tenant + " has no audit chain");
                }
                return new AuditChain.Head(row.getLong(1), Bytes.of(row.getBytes(2)));
            }
        }
    }
}
