// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.acme;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.seal.TenantSeals;
import dev.tegata.platform.store.Database;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;

/// Replay nonces. A nonce is random and carries its time and a MAC, so that giving one away stores
/// nothing; a used one is stored until it would have ended, so that no node takes it twice.
public final class AcmeNonces {
    private static final Duration LIFETIME = Duration.ofHours(1);
    private static final int RANDOM = 12;
    private static final int BODY = RANDOM + 8;
    private static final int MAC = 16;
    private static final String NAME = "acme nonce";
    private static final int SWEPT_AT_ONCE = 20;

    private final Database database;
    private final TenantSeals seals;
    private final InstantSource clock;
    private final SecureRandom random;

    public AcmeNonces(Database database, TenantSeals seals, InstantSource clock, SecureRandom random) {
        this.database = database;
        this.seals = seals;
        this.clock = clock;
        this.random = random;
    }

    public String next(TenantId tenant) {
        byte[] fresh = new byte[RANDOM];
        random.nextBytes(fresh);
        byte[] body = ByteBuffer.allocate(BODY)
                .put(fresh)
                .putLong(clock.instant().toEpochMilli())
                .array();
        return Bytes.of(body).concat(mac(tenant, body)).base64Url();
    }

    private Bytes mac(TenantId tenant, byte[] body) {
        return seals.of(tenant).mac(NAME, body).slice(0, MAC);
    }

    /// Uses a nonce up.
    ///
    /// @return false where it is not ours, too old, or was used
    public boolean use(TenantId tenant, String text) {
        Bytes nonce;
        try {
            nonce = Bytes.ofBase64Url(text);
        } catch (IllegalArgumentException e) {
            return false;
        }
        if (nonce.size() != BODY + MAC) {
            return false;
        }
        byte[] body = nonce.slice(0, BODY).toArray();
        if (!MessageDigest.isEqual(
                mac(tenant, body).toArray(), nonce.slice(BODY, BODY + MAC).toArray())) {
            return false;
        }
        Instant now = clock.instant();
        Instant end =
                Instant.ofEpochMilli(ByteBuffer.wrap(body).getLong(RANDOM)).plus(LIFETIME);
        return now.isBefore(end)
                && database.inTenant(tenant, tx -> {
                    tx.createUpdate("""
                                    DELETE FROM acme_used_nonce WHERE tenant_id = :tenant AND nonce = ANY (ARRAY(
                                        SELECT nonce FROM acme_used_nonce
                                        WHERE tenant_id = :tenant AND expires_at < :now
                                        ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED))""")
                            .bind("tenant", tenant)
                            .bind("now", now)
                            .bind("limit", SWEPT_AT_ONCE)
                            .execute();
                    return tx.createUpdate("""
                                            INSERT INTO acme_used_nonce (tenant_id, nonce, expires_at)
                                            VALUES (:tenant, :nonce, :end) ON CONFLICT DO NOTHING""")
                                    .bind("tenant", tenant)
                                    .bind("nonce", nonce)
                                    .bind("end", end)
                                    .execute()
                            == 1;
                });
    }
}
