// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.audit;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Json;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jdbi.v3.core.Handle;

/// Writes a whole chain as lines of JSON, which [AuditVerifier] checks without a database.
///
/// The first line names the tenant and the public key, and holds a checkpoint of the last record that follows, so that
/// a file that was cut short shows it. Each record stands byte for byte as it was hashed, inside
/// `{"hash":…,"record":…}`; older checkpoints stand behind the record that they seal.
public final class AuditExport {
    static final String HASH_PREFIX = "{\"hash\":\"";
    static final String RECORD_PREFIX = "\",\"record\":";
    private static final int BATCH = 500;

    private final Database database;
    private final AuditLog log;

    public AuditExport(Database database, AuditLog log) {
        this.database = database;
        this.log = log;
    }

    /// Writes the chain of `tenant`, up to now, to `out`, which stays open. Memory does not grow with the chain.
    public void write(TenantId tenant, OutputStream out) throws IOException {
        AuditCheckpoint last = log.seal(tenant);
        Map<String, Object> header = new LinkedHashMap<>();
        header.put("format", AuditChain.FORMAT);
        header.put("tenant", tenant);
        header.put("publicKey", log.sealable(tenant).publicKey());
        header.put("records", last.sequence());
        header.put("checkpoint", last.text());
        header.put("signature", last.signature());
        line(out, Json.write(header));
        long written = 0;
        while (written < last.sequence()) {
            long from = written;
            long to = Math.min(from + BATCH, last.sequence());
            for (String line : database.inTenant(tenant, tx -> lines(tx, tenant, from, to))) {
                line(out, line);
            }
            written = to;
        }
    }

    private static void line(OutputStream out, String line) throws IOException {
        out.write(line.getBytes(StandardCharsets.UTF_8));
        out.write('\n');
    }

    /// The records after `from` up to `to`, and the checkpoints behind them.
    private static List<String> lines(Handle tx, TenantId tenant, long from, long to) {
        return tx.createQuery("""
                        SELECT r.record, r.hash, c.sequence, c.checkpoint, c.signature
                        FROM audit_record r
                        LEFT JOIN audit_checkpoint c ON c.tenant_id = r.tenant_id AND c.sequence = r.sequence
                        WHERE r.tenant_id = :tenant AND r.sequence > :from AND r.sequence <= :to
                        ORDER BY r.sequence""")
                .bind("tenant", tenant)
                .bind("from", from)
                .bind("to", to)
                .map((row, context) -> {
                    String record = HASH_PREFIX + Bytes.of(row.getBytes("hash")).hex() + RECORD_PREFIX
                            + row.getString("record") + "}";
                    return row.getString("checkpoint") == null
                            ? record
                            : record + "\n" + checkpointLine(AuditCheckpoint.ofRow(row));
                })
                .list();
    }

    private static String checkpointLine(AuditCheckpoint checkpoint) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("checkpoint", checkpoint.text());
        line.put("signature", checkpoint.signature());
        return Json.write(line);
    }
}
