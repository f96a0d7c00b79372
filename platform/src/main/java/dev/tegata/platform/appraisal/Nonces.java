// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Database;
import java.security.SecureRandom;
import java.sql.Timestamp;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Nonces, each of which is good for one piece of evidence, on whichever node it comes in.
public final class Nonces {
    public static final int USUAL_SIZE = 32;

    private static final int SHORTEST = 8;
    private static final int LONGEST = 64;

    private final Database database;
    private final InstantSource clock;
    private final SecureRandom random;

    public Nonces(Database database, InstantSource clock, SecureRandom random) {
        this.database = database;
        this.clock = clock;
        this.random = random;
    }

    /// A nonce that was made.
    public record Nonce(Bytes value, Instant expiresAt) {}

    /// Makes a nonce of `size` bytes.
    ///
    /// @param device for whom it is; null where anybody may use it
    /// @throws RefusedException where the size is not from 8 to 64
    public Nonce issue(TenantId tenant, int size, Duration life, @Nullable DeviceId device) {
        return database.inTenant(tenant, tx -> issue(tx, tenant, size, life, device));
    }

    /// As [#issue(TenantId, int, Duration, DeviceId)], as part of the transaction `tx`.
    public Nonce issue(Handle tx, TenantId tenant, int size, Duration life, @Nullable DeviceId device) {
        requireSize(size);
        byte[] value = new byte[size];
        random.nextBytes(value);
        return keep(tx, tenant, Bytes.of(value), life, device);
    }

    static void requireSize(int size) {
        if (size < SHORTEST || size > LONGEST) {
            throw Fields.invalid("the nonce's size", "must be from 8 to 64 bytes, not " + size);
        }
    }

    /// Keeps a nonce that somebody else chose.
    ///
    /// @throws RefusedException where it was there before
    Nonce keep(Handle tx, TenantId tenant, Bytes value, Duration life, @Nullable DeviceId device) {
        requireSize(value.size());
        Instant now = clock.instant();
        Instant expiresAt = now.plus(life);
        int kept = tx.createUpdate("""
                        INSERT INTO nonce (tenant_id, nonce, device_id, issued_at, expires_at)
                        VALUES (:tenant, :nonce, :device::uuid, :now, :expires) ON CONFLICT DO NOTHING""")
                .bind("tenant", tenant)
                .bind("nonce", value)
                .bind("device", device == null ? null : device.value())
                .bind("now", now)
                .bind("expires", expiresAt)
                .execute();
        if (kept == 0) {
            throw new RefusedException(ErrorCode.CONFLICT, "this nonce was used before");
        }
        return new Nonce(value, expiresAt);
    }

    /// Uses a nonce up. Of two who try at once, one succeeds.
    ///
    /// @param device who shows the evidence; null where that is not known
    /// @throws RefusedException where the tenant has no such nonce, it was made for another device, is
    ///     used, or
    /// over
    public void use(TenantId tenant, Bytes value, @Nullable DeviceId device) {
        database.inTenant(tenant, tx -> {
            use(tx, tenant, value, device);
            return null;
        });
    }

    /// As [#use(TenantId, Bytes, DeviceId)], as part of the transaction `tx`.
    public void use(Handle tx, TenantId tenant, Bytes value, @Nullable DeviceId device) {
        Instant now = clock.instant();
        int used = tx.createUpdate("""
                        UPDATE nonce SET used_at = :now
                        WHERE tenant_id = :tenant AND nonce = :nonce AND used_at IS NULL AND expires_at > :now
                            AND (device_id IS NULL OR device_id = :device::uuid)""")
                .bind("tenant", tenant)
                .bind("nonce", value)
                .bind("device", device == null ? null : device.value())
                .bind("now", now)
                .execute();
        if (used == 0) {
            throw refusal(tx, tenant, value, device, now);
        }
    }

    private static RefusedException refusal(
            Handle tx, TenantId tenant, Bytes value, @Nullable DeviceId device, Instant now) {
        return tx.createQuery("SELECT * FROM nonce WHERE tenant_id = :tenant AND nonce = :nonce")
                .bind("tenant", tenant)
                .bind("nonce", value)
                .map((row, context) -> {
                    UUID owner = row.getObject("device_id", UUID.class);
                    if (owner != null && (device == null || !owner.equals(device.value()))) {
                        return unknown();
                    }
                    Timestamp used = row.getTimestamp("used_at");
                    Instant end = row.getTimestamp("expires_at").toInstant();
                    return used != null || now.isBefore(end)
                            ? new RefusedException(ErrorCode.CONFLICT, "this nonce has been used")
                            : new RefusedException(ErrorCode.EXCHANGE_OVER, "this nonce ended at " + end);
                })
                .findOne()
                .orElseGet(Nonces::unknown);
    }

    private static RefusedException unknown() {
        return new RefusedException(ErrorCode.NOT_FOUND, "this nonce was not made here");
    }
}
