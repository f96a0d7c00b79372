// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.status;

import dev.tegata.pki.certificate.GrantedRequest;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Database;
import java.util.concurrent.ConcurrentHashMap;
import org.jdbi.v3.core.Handle;

/// Gives each new certificate its partition of the revocation lists, for good.
///
/// A partition takes so many certificates and no more, so its list cannot outgrow that. Nodes take places
/// in blocks: the row that counts them is touched once per block, and what a node that dies has not used
/// stays empty.
public final class CrlPartitions {
    private static final int BLOCK = 500;

    private final Database database;
    private final ConcurrentHashMap<Key, Block> blocks = new ConcurrentHashMap<>();

    public CrlPartitions(Database database) {
        this.database = database;
    }

    private record Key(TenantId tenant, AuthorityId authority) {}

    private record Block(int partition, int left) {}

    /// The partition of the next certificate. Not to be called inside a transaction.
    public int next(TenantId tenant, AuthorityId authority) {
        return blocks.compute(
                        new Key(tenant, authority),
                        (_, block) -> block == null || block.left() == 1
                                ? database.inTenant(tenant, tx -> take(tx, tenant, authority))
                                : new Block(block.partition(), block.left() - 1))
                .partition();
    }

    private static Block take(Handle tx, TenantId tenant, AuthorityId authority) {
        StatusSettings.ensureRow(tx, tenant, authority);
        Open open = tx.createQuery("""
                        SELECT open_partition, partition_reserved, partition_size FROM authority_status
                        WHERE tenant_id = :tenant AND authority_id = :authority FOR UPDATE""")
                .bind("tenant", tenant)
                .bind("authority", authority)
                .map((row, context) -> new Open(row.getInt(1), row.getInt(2), row.getInt(3)))
                .one();
        boolean full = open.reserved() >= open.size();
        int partition = full ? open.partition() + 1 : open.partition();
        int reserved = full ? 0 : open.reserved();
        int places = Math.min(BLOCK, open.size() - reserved);
        if (partition > GrantedRequest.MAX_PARTITION) {
            throw new IntegrityException("authority " + authority + " has no partitions left; make them larger");
        }
        tx.createUpdate("""
                        UPDATE authority_status SET open_partition = :partition, partition_reserved = :reserved
                        WHERE tenant_id = :tenant AND authority_id = :authority""")
                .bind("partition", partition)
                .bind("reserved", reserved + places)
                .bind("tenant", tenant)
                .bind("authority", authority)
                .execute();
        if (full) {
            StatusNews.tell(tx, tenant, authority);
        }
        return new Block(partition, places);
    }

    /// Where new certificates go, how many places of it are taken, and how many there are.
    private record Open(int partition, int reserved, int size) {}
}
