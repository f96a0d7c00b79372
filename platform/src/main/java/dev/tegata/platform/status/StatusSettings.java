// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.status;

import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.Fields;
import dev.tegata.platform.TenantId;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import org.jdbi.v3.core.Handle;

/// How the status of an authority's certificates is published.
///
/// @param crlLifetime how long a revocation list is valid, an hour to a year; it is renewed when half
///     of it is over
/// @param partitionSize how many certificates share a partition at the most, and so how many entries
///     its list can get
/// @param publishAtOnce whether a revocation makes new lists, or waits for the next regular ones
/// @param ocspLifetime how long an OCSP answer may be believed, a minute to a week
public record StatusSettings(Duration crlLifetime, int partitionSize, boolean publishAtOnce, Duration ocspLifetime) {
    public StatusSettings {
        if (crlLifetime.compareTo(Duration.ofHours(1)) < 0 || crlLifetime.compareTo(Duration.ofDays(366)) > 0) {
            throw Fields.invalid("crlLifetime", "must be from PT1H to P366D");
        }
        if (partitionSize < 10 || partitionSize > 1_000_000) {
            throw Fields.invalid("partitionSize", "must be from 10 to 1000000");
        }
        if (ocspLifetime.compareTo(Duration.ofMinutes(1)) < 0 || ocspLifetime.compareTo(Duration.ofDays(7)) > 0) {
            throw Fields.invalid("ocspLifetime", "must be from PT1M to P7D");
        }
    }

    /// What an authority gets that asks for nothing else: a list of at most 10 000 entries (some 400 kB) is
    /// good for four days and renewed every second day, so an outage of two days goes unnoticed; an OCSP
    /// answer is good for an hour.
    public static StatusSettings standard() {
        return new StatusSettings(Duration.ofDays(4), 10_000, true, Duration.ofHours(1));
    }

    /// The authority's, which are the standard ones where nobody has chosen others.
    static StatusSettings read(Handle tx, TenantId tenant, AuthorityId authority) {
        return tx.createQuery("""
                        SELECT crl_lifetime, partition_size, publish_at_once, ocsp_lifetime FROM authority_status
                        WHERE tenant_id = :tenant AND authority_id = :authority""")
                .bind("tenant", tenant)
                .bind("authority", authority)
                .map((row, context) -> of(row))
                .findOne()
                .orElseGet(StatusSettings::standard);
    }

    private static StatusSettings of(ResultSet row) throws SQLException {
        return new StatusSettings(
                Duration.ofSeconds(row.getLong(1)),
                row.getInt(2),
                row.getBoolean(3),
                Duration.ofSeconds(row.getLong(4)));
    }

    /// Makes the authority's row where it has none.
    static void ensureRow(Handle tx, TenantId tenant, AuthorityId authority) {
        standard().insert(tx, tenant, authority, "DO NOTHING");
    }

    /// Stores these for an authority.
    void store(Handle tx, TenantId tenant, AuthorityId authority) {
        insert(tx, tenant, authority, """
                (tenant_id, authority_id) DO UPDATE SET crl_lifetime = excluded.crl_lifetime,
                    partition_size = excluded.partition_size, publish_at_once = excluded.publish_at_once,
                    ocsp_lifetime = excluded.ocsp_lifetime, due_at = NULL""");
    }

    private void insert(Handle tx, TenantId tenant, AuthorityId authority, String onConflict) {
        tx.createUpdate("""
                        INSERT INTO authority_status (tenant_id, authority_id, crl_lifetime, partition_size,
                            publish_at_once, ocsp_lifetime)
                        VALUES (:tenant, :authority, :crlLifetime, :partitionSize, :atOnce, :ocspLifetime)
                        ON CONFLICT\s""" + onConflict)
                .bind("tenant", tenant)
                .bind("authority", authority)
                .bind("crlLifetime", crlLifetime.toSeconds())
                .bind("partitionSize", partitionSize)
                .bind("atOnce", publishAtOnce)
                .bind("ocspLifetime", ocspLifetime.toSeconds())
                .execute();
    }
}
