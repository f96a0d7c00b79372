// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.audit;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.platform.TenantId;
import java.nio.charset.StandardCharsets;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;

/// A signed statement of how far a chain had come: five lines that name the format, the tenant, the sequence of the
/// last record, the hash after it, and the time.
record AuditCheckpoint(long sequence, String text, Bytes signature) {
    static final SignatureAlgorithm ALGORITHM = SignatureAlgorithm.ECDSA_SHA256;

    private static final String FORMAT = "tegata-audit-checkpoint-v1";

    static String text(TenantId tenant, AuditChain.Head head, Instant time) {
        return statement(tenant, head) + time.truncatedTo(ChronoUnit.MICROS) + "\n";
    }

    /// Whether the text says that the tenant's chain stood at `head`, whenever that was.
    boolean states(TenantId tenant, AuditChain.Head head) {
        return text.startsWith(statement(tenant, head));
    }

    private static String statement(TenantId tenant, AuditChain.Head head) {
        return FORMAT + "\n" + tenant + "\n" + head.sequence() + "\n"
                + head.hash().hex() + "\n";
    }

    static byte[] signedBytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static AuditCheckpoint ofRow(ResultSet row) throws SQLException {
        return new AuditCheckpoint(
                row.getLong("sequence"), row.getString("checkpoint"), Bytes.of(row.getBytes("signature")));
    }
}
