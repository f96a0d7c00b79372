// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.repeat;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Work;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.concurrent.ThreadLocalRandom;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Remembers for a day what requests with an idempotency key were answered, so that repeating one creates nothing
/// twice.
///
/// An answer is stored as it is given: whoever stores it seals it, where it holds a secret.
///
/// A request whose outcome is not known (the process died, the database went away during the commit) stays remembered
/// as
/// running: its repetition is told so instead of being carried out, because it may have been carried out.
public final class Answers {
    private static final Duration REMEMBERED = Duration.ofHours(24);
    /// Old answers are removed once in so many new ones.
    private static final int CLEANING = 64;

    private final Database database;
    private final InstantSource clock;

    public Answers(Database database, InstantSource clock) {
        this.database = database;
        this.clock = clock;
    }

    /// What is known of a key.
    public sealed interface Known {}

    /// The key is new; the request may be carried out, and then is to be [#finish]ed or [#forget]ed.
    public record First() implements Known {}

    /// The first request with this key has no answer yet.
    public record Running(Instant since) implements Known {}

    /// The key was used for another request.
    public record OtherRequest() implements Known {}

    /// The first request's answer.
    public record Answered(int status, Bytes answer) implements Known {}

    /// Takes a key, unless it is taken.
    ///
    /// @param tenant null for requests of the installation's operator
    /// @param request a digest of all that the request says
    public Known begin(@Nullable TenantId tenant, String key, Bytes request) {
        Instant now = clock.instant();
        return in(tenant, tx -> {
            if (ThreadLocalRandom.current().nextInt(CLEANING) == 0) {
                removeOld(tx, tenant, now);
            }
            int taken = tx.createUpdate("""
                            INSERT INTO idempotent_answer (tenant_id, idempotency_key, request_hash, created_at)
                            VALUES (:tenant, :key, :request, :now)
                            ON CONFLICT (tenant_id, idempotency_key) DO UPDATE
                               SET request_hash = excluded.request_hash, created_at = excluded.created_at,
                                   status = NULL, answer = NULL
                             WHERE idempotent_answer.created_at < :oldest""")
                    .bind("tenant", column(tenant))
                    .bind("key", key)
                    .bind("request", request)
                    .bind("now", now)
                    .bind("oldest", now.minus(REMEMBERED))
                    .execute();
            return taken == 1 ? new First() : known(tx, tenant, key, request);
        });
    }

    private static Known known(Handle tx, @Nullable TenantId tenant, String key, Bytes request) {
        return tx.createQuery("""
                        SELECT request_hash, status, answer, created_at FROM idempotent_answer
                        WHERE tenant_id = :tenant AND idempotency_key = :key""")
                .bind("tenant", column(tenant))
                .bind("key", key)
                .map((row, context) -> known(row, request))
                .one();
    }

    private static Known known(ResultSet row, Bytes request) throws SQLException {
        if (!Bytes.of(row.getBytes("request_hash")).equals(request)) {
            return new OtherRequest();
        }
        int status = row.getInt("status");
        return row.wasNull()
                ? new Running(row.getTimestamp("created_at").toInstant())
                : new Answered(status, Bytes.of(row.getBytes("answer")));
    }

    /// Stores the answer to a request that was begun.
    public void finish(@Nullable TenantId tenant, String key, int status, Bytes answer) {
        in(
                tenant,
                tx -> tx.createUpdate("""
                        UPDATE idempotent_answer SET status = :status, answer = :answer
                        WHERE tenant_id = :tenant AND idempotency_key = :key""")
                        .bind("tenant", column(tenant))
                        .bind("key", key)
                        .bind("status", status)
                        .bind("answer", answer)
                        .execute());
    }

    /// Frees the key of a request that has changed nothing.
    public void forget(@Nullable TenantId tenant, String key) {
        in(
                tenant,
                tx -> tx.createUpdate("""
                        DELETE FROM idempotent_answer
                        WHERE tenant_id = :tenant AND idempotency_key = :key AND status IS NULL""")
                        .bind("tenant", column(tenant))
                        .bind("key", key)
                        .execute());
    }

    private static void removeOld(Handle tx, @Nullable TenantId tenant, Instant now) {
        tx.createUpdate("DELETE FROM idempotent_answer WHERE tenant_id = :tenant AND created_at < :oldest")
                .bind("tenant", column(tenant))
                .bind("oldest", now.minus(REMEMBERED))
                .execute();
    }

    private <T> T in(@Nullable TenantId tenant, Work<T> work) {
        return tenant == null ? database.installation(work) : database.inTenant(tenant, work);
    }

    /// Row-level security takes no tenant for the empty text, so only the installation sees its rows.
    private static String column(@Nullable TenantId tenant) {
        return tenant == null ? "" : tenant.value();
    }
}
