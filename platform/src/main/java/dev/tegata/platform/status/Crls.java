// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.status;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.RecentValues;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Database;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Optional;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// The published revocation lists, for those who fetch them.
///
/// Small lists are remembered for a second; large ones are read from the database piece by piece.
public final class Crls {
    static final String COLUMNS = "partition, number, this_update, next_update, entries, size, digest";

    private static final Duration REMEMBERED = Duration.ofSeconds(1);
    private static final int CAPACITY = 200;
    private static final int SMALL = 512 * 1024;

    private final Database database;
    private final RecentValues<Key, Optional<Entry>> recent;

    public Crls(Database database, InstantSource clock) {
        this.database = database;
        this.recent = new RecentValues<>(clock, REMEMBERED, CAPACITY, this::load);
    }

    private record Key(TenantId tenant, AuthorityId authority, int partition) {}

    private record Entry(PublishedCrl crl, @Nullable Bytes content) {}

    /// The list of a partition, or the full one for 0; empty where none is published.
    public Optional<PublishedCrl> find(TenantId tenant, AuthorityId authority, int partition) {
        return recent.get(new Key(tenant, authority, partition)).map(Entry::crl);
    }

    /// Writes the DER of a list that [#find] gave.
    ///
    /// @throws IOException where it was replaced long ago, or the reader has gone
    public void write(TenantId tenant, AuthorityId authority, PublishedCrl crl, OutputStream out) throws IOException {
        Entry small = recent.get(new Key(tenant, authority, crl.partition())).orElse(null);
        if (small != null && small.content() != null && small.crl().number() == crl.number()) {
            out.write(small.content().toArray());
            return;
        }
        writePieces(tenant, authority, crl, out);
    }

    /// Makes the next [#find] look again.
    void forget(TenantId tenant, AuthorityId authority, int partition) {
        recent.forget(new Key(tenant, authority, partition));
    }

    private Optional<Entry> load(Key key) {
        Optional<PublishedCrl> found =
                database.inTenant(key.tenant(), tx -> find(tx, key.tenant(), key.authority(), key.partition()));
        return found.map(crl -> new Entry(crl, crl.size() > SMALL ? null : content(key, crl)));
    }

    private @Nullable Bytes content(Key key, PublishedCrl crl) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try {
            writePieces(key.tenant(), key.authority(), crl, out);
            return Bytes.of(out.toByteArray());
        } catch (IOException e) {
            // Replaced meanwhile: whoever wants it looks again.
            return null;
        }
    }

    private void writePieces(TenantId tenant, AuthorityId authority, PublishedCrl crl, OutputStream out)
            throws IOException {
        long written = 0;
        for (int position = 0; written < crl.size(); position++) {
            int next = position;
            byte[] piece = database.inTenant(tenant, tx -> piece(tx, tenant, authority, crl, next))
                    .orElseThrow(() -> new IOException("the list was replaced while it was read"));
            out.write(piece);
            written += piece.length;
        }
    }

    private static Optional<byte[]> piece(
            Handle tx, TenantId tenant, AuthorityId authority, PublishedCrl crl, int position) {
        return tx.createQuery("""
                        SELECT content FROM crl_piece WHERE tenant_id = :tenant AND authority_id = :authority
                            AND partition = :partition AND number = :number AND position = :position""")
                .bind("tenant", tenant)
                .bind("authority", authority)
                .bind("partition", crl.partition())
                .bind("number", crl.number())
                .bind("position", position)
                .map((row, context) -> row.getBytes(1))
                .findOne();
    }

    private static Optional<PublishedCrl> find(Handle tx, TenantId tenant, AuthorityId authority, int partition) {
        return tx.createQuery("SELECT " + COLUMNS + """
                         FROM crl
                        WHERE tenant_id = :tenant AND authority_id = :authority AND partition = :partition""")
                .bind("tenant", tenant)
                .bind("authority", authority)
                .bind("partition", partition)
                .map((row, context) -> of(row))
                .findOne();
    }

    static PublishedCrl of(ResultSet row) throws SQLException {
        return new PublishedCrl(
                row.getInt("partition"),
                row.getLong("number"),
                row.getTimestamp("this_update").toInstant(),
                row.getTimestamp("next_update").toInstant(),
                row.getLong("entries"),
                row.getLong("size"),
                Bytes.of(row.getBytes("digest")));
    }
}
