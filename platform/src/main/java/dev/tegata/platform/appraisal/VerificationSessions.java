// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import dev.tegata.attestation.appraisal.Evidence;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.store.Database;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.UUID;
import java.util.function.Function;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Challenge-response exchanges. They live in the database: any node can go on with them, before and
/// after a restart.
///
/// Evidence is appraised before the session is closed, and of several who answer one session at once, on
/// whichever nodes, the first to commit is heard. A node that dies on the way has changed nothing.
public final class VerificationSessions {
    private static final Duration LIFE = Duration.ofSeconds(150);

    private final Database database;
    private final Nonces nonces;
    private final Appraisals appraisals;
    private final InstantSource clock;
    private final SecureRandom random;

    public VerificationSessions(
            Database database, Nonces nonces, Appraisals appraisals, InstantSource clock, SecureRandom random) {
        this.database = database;
        this.nonces = nonces;
        this.appraisals = appraisals;
        this.clock = clock;
        this.random = random;
    }

    /// An exchange.
    ///
    /// @param evidence what was sent; null while the session waits for it
    /// @param result the signed result; null while the session waits
    public record Session(
            UUID id,
            Bytes nonce,
            Instant expiresAt,
            @Nullable Evidence evidence,
            @Nullable String result) {}

    /// Opens a session with a nonce of ours.
    ///
    /// @param device who asks; null where that is not a device
    public Session open(TenantId tenant, int nonceSize, @Nullable DeviceId device) {
        return database.inTenant(
                tenant, tx -> open(tx, tenant, nonces.issue(tx, tenant, nonceSize, LIFE, device), device));
    }

    /// Opens a session with a nonce that the caller chose.
    ///
    /// @throws RefusedException where the nonce was there before
    public Session open(TenantId tenant, Bytes nonce, @Nullable DeviceId device) {
        return database.inTenant(tenant, tx -> open(tx, tenant, nonces.keep(tx, tenant, nonce, LIFE, device), device));
    }

    private Session open(Handle tx, TenantId tenant, Nonces.Nonce nonce, @Nullable DeviceId device) {
        UUID id = TimeOrderedIds.next(clock.instant(), random);
        tx.createUpdate("""
                        INSERT INTO verification_session
                            (tenant_id, session_id, nonce, device_id, created_at, expires_at)
                        VALUES (:tenant, :id, :nonce, :device::uuid, :now, :expires)""")
                .bind("tenant", tenant)
                .bind("id", id)
                .bind("nonce", nonce.value())
                .bind("device", device == null ? null : device.value())
                .bind("now", clock.instant())
                .bind("expires", nonce.expiresAt())
                .execute();
        return new Session(id, nonce.value(), nonce.expiresAt(), null, null);
    }

    /// A session that is not over.
    ///
    /// @param device who asks; a session that a device opened is that device's alone
    /// @throws RefusedException where there is none, or its time has passed
    public Session get(TenantId tenant, UUID id, @Nullable DeviceId device) {
        return database.inTenant(tenant, tx -> require(tx, tenant, id, device));
    }

    private Session require(Handle tx, TenantId tenant, UUID id, @Nullable DeviceId device) {
        Session session = tx.createQuery("""
                        SELECT * FROM verification_session
                        WHERE tenant_id = :tenant AND session_id = :id AND device_id IS NOT DISTINCT FROM :device::uuid""")
                .bind("tenant", tenant)
                .bind("id", id)
                .bind("device", device == null ? null : device.value())
                .map((row, context) -> {
                    String type = row.getString("evidence_type");
                    return new Session(
                            row.getObject("session_id", UUID.class),
                            Bytes.of(row.getBytes("nonce")),
                            row.getTimestamp("expires_at").toInstant(),
                            type == null ? null : new Evidence(type, Bytes.of(row.getBytes("evidence"))),
                            row.getString("result"));
                })
                .findOne()
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no session " + id));
        if (!clock.instant().isBefore(session.expiresAt())) {
            throw new RefusedException(ErrorCode.EXCHANGE_OVER, "the session ended at " + session.expiresAt());
        }
        return session;
    }

    /// Appraises the evidence of a session and closes it.
    ///
    /// @param form makes the signed result that the session's owner asked for
    /// @throws RefusedException where there is no such session, it has its evidence already, or its
    ///     time has passed
    public Session answer(
            TenantId tenant, UUID id, @Nullable DeviceId device, Evidence evidence, Function<Appraised, String> form) {
        Session session = get(tenant, id, device);
        if (session.evidence() != null) {
            throw answered();
        }
        Appraisals.Request request =
                new Appraisals.Request(evidence, session.nonce(), Appraisals.Origin.SESSION, device);
        Appraised appraised = appraisals.appraise(tenant, request);
        String result = form.apply(appraised);
        database.inTenant(tenant, tx -> {
            int closed = tx.createUpdate("""
                            UPDATE verification_session
                            SET evidence_type = :type, evidence = :evidence, appraisal_id = :appraisal, result = :result
                            WHERE tenant_id = :tenant AND session_id = :id AND result IS NULL AND expires_at > :now""")
                    .bind("tenant", tenant)
                    .bind("id", id)
                    .bind("type", evidence.mediaType())
                    .bind("evidence", evidence.content())
                    .bind("appraisal", appraised.stored().id().value())
                    .bind("result", result)
                    .bind("now", clock.instant())
                    .execute();
            if (closed == 0) {
                // Somebody else was faster, or it took too long: the caller hears which.
                require(tx, tenant, id, device);
                throw answered();
            }
            nonces.use(tx, tenant, session.nonce(), device);
            appraisals.keep(tx, tenant, appraised);
            return null;
        });
        if (appraisals.isOutdated(tenant, appraised)) {
            appraisals.appraiseAndKeep(tenant, request);
        }
        return new Session(id, session.nonce(), session.expiresAt(), evidence, result);
    }

    private static RefusedException answered() {
        return new RefusedException(ErrorCode.CONFLICT, "the session has its evidence already");
    }

    /// Ends a session; its nonce stays used up.
    ///
    /// @throws RefusedException where there is none
    public void delete(TenantId tenant, UUID id, @Nullable DeviceId device) {
        int deleted = database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                        DELETE FROM verification_session
                        WHERE tenant_id = :tenant AND session_id = :id AND device_id IS NOT DISTINCT FROM :device::uuid""")
                        .bind("tenant", tenant)
                        .bind("id", id)
                        .bind("device", device == null ? null : device.value())
                        .execute());
        if (deleted == 0) {
            throw new RefusedException(ErrorCode.NOT_FOUND, "there is no session " + id);
        }
    }
}
