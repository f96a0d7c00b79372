// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.Extension;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.status.CertificateStatus;
import dev.tegata.pki.status.OcspReply;
import dev.tegata.pki.status.RefusedAnswerException;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.claim.Documents.Fetched;
import dev.tegata.platform.claim.Documents.Marks;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.tenant.Tenants;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Asks the OCSP responders of other CAs about certificates that name no revocation list that can be had.
///
/// Implementation notes:
/// - A certificate is noted when it leads to a trusted CA and its status is not known ([ForeignStatus]). It is asked
/// about
///   then, and again when half of the answer's time is over, as long as somebody has needed it in the last [#UNWANTED].
///   What is revoked stays.
/// - As with lists, an answer counts until its time is over, and an older one does not come back.
/// - A responder that does not answer is left alone for all certificates for which it is asked.
public final class OcspAnswers implements AutoCloseable {
    private static final int TENANTS_AT_ONCE = 32;
    private static final int AT_ONCE = 16;
    /// Bounds what is kept, roughly: where several need a new one at one moment, it may become a few more.
    static final int MAX_PER_TENANT = 100_000;
    private static final Duration SKEW = Duration.ofMinutes(5);
    /// How long an answer counts that does not say it.
    private static final Duration UNTOLD = Duration.ofHours(1);
    private static final Duration UNWANTED = Duration.ofDays(7);
    private static final Actor ACTOR = Actor.system("revocation-answers");

    private final Database database;
    private final AuditLog audit;
    private final Responders responders;
    private final InstantSource clock;
    private final TenantTurns turns;

    public OcspAnswers(Database database, Tenants tenants, AuditLog audit, Responders responders, InstantSource clock) {
        this.database = database;
        this.audit = audit;
        this.responders = responders;
        this.clock = clock;
        this.turns = new TenantTurns("revocation-answers", TENANTS_AT_ONCE, tenants, this::run);
    }

    /// Notes that the status of a certificate is needed, as part of a transaction.
    ///
    /// @param url of the responder
    static void want(
            Handle tx, TenantId tenant, String url, Certificate certificate, Certificate authority, Instant now) {
        tx.createUpdate("""
                        INSERT INTO revocation_answer AS a (tenant_id, issuer, serial, url, authority, wanted_at, next_at)
                        SELECT :tenant, :issuer, :serial, :url, :authority, :now, :now
                        WHERE NOT EXISTS (SELECT FROM revocation_answer known WHERE known.tenant_id = :tenant
                                AND known.issuer = :issuer AND known.serial = :serial
                                AND known.wanted_at > :now - interval '1 day')
                            AND (EXISTS (SELECT FROM revocation_answer known WHERE known.tenant_id = :tenant
                                    AND known.issuer = :issuer AND known.serial = :serial)
                                OR (SELECT count(*) FROM revocation_answer WHERE tenant_id = :tenant) < :limit)
                        ON CONFLICT (tenant_id, issuer, serial) DO UPDATE SET wanted_at = excluded.wanted_at,
                            url = excluded.url, authority = excluded.authority""")
                .bind("tenant", tenant)
                .bind("issuer", ForeignStatus.issuer(authority))
                .bind("serial", certificate.serial().content())
                .bind("url", url)
                .bind("authority", authority.encoded())
                .bind("now", now)
                .bind("limit", MAX_PER_TENANT)
                .execute();
    }

    /// The way to responders: this package knows no network.
    @FunctionalInterface
    public interface Responders {
        /// Asks within bounded time.
        ///
        /// @param question an OCSPRequest in DER
        /// @param longest how many bytes are taken
        Fetched ask(String url, byte[] question, int longest);
    }

    private record Due(Bytes issuer, Bytes serial, String url, Certificate authority, int failures) {}

    /// Asks about what is due for a tenant, and waits for the answers for a while.
    public void look(TenantId tenant, Duration patience) {
        turns.takeNow(tenant, patience);
    }

    /// Asks about what is due for a tenant.
    public void run(TenantId tenant) {
        TenantTurns.workOff(AT_ONCE, () -> database.inTenant(tenant, tx -> take(tx, tenant)), due -> ask(tenant, due));
    }

    private List<Due> take(Handle tx, TenantId tenant) {
        Instant now = clock.instant();
        tx.createUpdate("DELETE FROM revocation_answer WHERE tenant_id = :tenant AND next_at <= :now"
                        + " AND revoked_at IS NULL AND wanted_at < :old")
                .bind("tenant", tenant)
                .bind("now", now)
                .bind("old", now.minus(UNWANTED))
                .execute();
        return tx.createQuery("""
                        UPDATE revocation_answer SET next_at = :later
                        WHERE tenant_id = :tenant AND ctid = ANY (ARRAY(
                            SELECT ctid FROM revocation_answer
                            WHERE tenant_id = :tenant AND next_at <= :now
                            ORDER BY next_at LIMIT :limit FOR UPDATE SKIP LOCKED))
                        RETURNING issuer, serial, url, authority, failures""")
                .bind("later", now.plus(FetchedLists.SOONEST))
                .bind("tenant", tenant)
                .bind("now", now)
                .bind("limit", AT_ONCE)
                .map((row, context) -> new Due(
                        Bytes.of(row.getBytes("issuer")),
                        Bytes.of(row.getBytes("serial")),
                        row.getString("url"),
                        authority(row.getBytes("authority")),
                        row.getInt("failures")))
                .list();
    }

    private static Certificate authority(byte[] encoded) {
        try {
            return Certificate.parse(Bytes.of(encoded));
        } catch (InvalidCertificateException e) {
            throw new IntegrityException("a stored certificate cannot be read", e);
        }
    }

    private void ask(TenantId tenant, Due due) {
        byte[] question = OcspReply.question(due.authority, due.serial).toArray();
        switch (responders.ask(due.url, question, OcspReply.MAX_SIZE)) {
            case Fetched.Document(byte[] content, Marks _) -> hear(tenant, due, content);
            case Fetched.Unchanged() -> postpone(tenant, due, "it answers that nothing has changed");
            case Fetched.Failed(String why) -> postpone(tenant, due, why);
        }
    }

    private void hear(TenantId tenant, Due due, byte[] content) {
        Instant now = clock.instant();
        String problem;
        try {
            OcspReply reply = OcspReply.read(Bytes.of(content), due.authority, due.serial, now);
            problem = database.inTenant(tenant, tx -> {
                String fault = fault(tx, tenant, due, reply, now);
                if (fault == null) {
                    store(tx, tenant, due, reply, now);
                }
                return fault;
            });
        } catch (RefusedAnswerException e) {
            problem = e.getMessage();
        }
        if (problem != null) {
            String sentence = problem;
            database.inTenant(tenant, tx -> fail(tx, tenant, due, "the answer " + sentence, false));
        }
    }

    /// Why an answer is not taken; null where it is.
    private static @Nullable String fault(Handle tx, TenantId tenant, Due due, OcspReply reply, Instant now) {
        if (reply.thisUpdate().isAfter(now.plus(SKEW))) {
            return "is of " + reply.thisUpdate() + ", which is not yet";
        }
        if (!until(reply).isAfter(now)) {
            return "is over since " + until(reply);
        }
        boolean older = tx.createQuery("SELECT coalesce(this_update > :this, false) FROM revocation_answer"
                        + " WHERE tenant_id = :tenant AND issuer = :issuer AND serial = :serial")
                .bind("this", reply.thisUpdate())
                .bind("tenant", tenant)
                .bind("issuer", due.issuer)
                .bind("serial", due.serial)
                .mapTo(Boolean.class)
                .findOne()
                .orElse(false);
        if (older) {
            return "is older than the one that is here";
        }
        // spec| RFC 6960 §4.2.2.2.1: without id-pkix-ocsp-nocheck, the responder's own certificate may be revoked
        boolean believed = reply.signer().equals(due.authority)
                || reply.signer().extension(Extension.OCSP_NO_CHECK).isPresent()
                || ForeignStatus.of(tx, tenant, List.of(reply.signer(), due.authority), now) == ForeignStatus.GOOD;
        return believed ? null : "is signed with a certificate of which it is not known whether it is revoked";
    }

    private static Instant until(OcspReply reply) {
        Instant next = reply.nextUpdate();
        return next == null ? reply.thisUpdate().plus(UNTOLD) : next;
    }

    private void store(Handle tx, TenantId tenant, Due due, OcspReply reply, Instant now) {
        boolean unknown = reply.status() instanceof CertificateStatus.Unknown;
        Instant revokedAt = reply.status() instanceof CertificateStatus.Revoked(Instant at, int _) ? at : null;
        Instant until = until(reply);
        boolean turned = tx.createQuery("""
                        UPDATE revocation_answer a SET fetched_at = :now, next_at = :next, this_update = :this,
                            next_update = :until, problem = :problem, failures = 0,
                            revoked_at = CASE WHEN :unknown THEN a.revoked_at ELSE :revoked::timestamptz END
                        FROM (SELECT revoked_at FROM revocation_answer
                            WHERE tenant_id = :tenant AND issuer = :issuer AND serial = :serial FOR UPDATE) before
                        WHERE a.tenant_id = :tenant AND a.issuer = :issuer AND a.serial = :serial
                        RETURNING (a.revoked_at IS NULL) <> (before.revoked_at IS NULL)""")
                .bind("now", now)
                .bind("next", FetchedLists.next(now, until))
                .bind("this", reply.thisUpdate())
                .bind("until", unknown ? null : until)
                .bind("problem", unknown ? "the answer is that the responder does not know the certificate" : null)
                .bind("unknown", unknown)
                .bind("revoked", revokedAt)
                .bind("tenant", tenant)
                .bind("issuer", due.issuer)
                .bind("serial", due.serial)
                .mapTo(Boolean.class)
                .findOne()
                .orElse(false);
        if (turned) {
            audit.append(
                    tx,
                    tenant,
                    List.of(new AuditEvent(
                            ACTOR,
                            revokedAt == null ? "revocation-answer.good" : "revocation-answer.revoked",
                            "certificate:" + due.serial.hex(),
                            Map.of(
                                    "issuer", issuerName(due.authority),
                                    "responder", due.url,
                                    "thisUpdate", reply.thisUpdate()))));
        }
    }

    private void postpone(TenantId tenant, Due due, String problem) {
        database.inTenant(tenant, tx -> fail(tx, tenant, due, problem, true));
    }

    /// Has a certificate asked about later.
    ///
    /// @param responder whether the others of that responder, too, that would be sooner
    private @Nullable Void fail(Handle tx, TenantId tenant, Due due, String problem, boolean responder) {
        Instant now = clock.instant();
        tx.createUpdate("""
                        UPDATE revocation_answer SET next_at = :next, failures = :failures,
                            fetched_at = CASE WHEN issuer = :issuer AND serial = :serial THEN :now ELSE fetched_at END,
                            problem = CASE WHEN issuer = :issuer AND serial = :serial THEN :problem ELSE problem END
                        WHERE tenant_id = :tenant AND (issuer, serial) IN (
                            SELECT issuer, serial FROM revocation_answer
                            WHERE tenant_id = :tenant AND (issuer = :issuer AND serial = :serial
                                OR :responder AND url = :url AND next_at < :next)
                            FOR UPDATE SKIP LOCKED)""")
                .bind("now", now)
                .bind("next", FetchedLists.retry(now, due.failures))
                .bind("failures", due.failures + 1)
                .bind("problem", FetchedLists.problem(problem))
                .bind("tenant", tenant)
                .bind("responder", responder)
                .bind("url", due.url)
                .bind("issuer", due.issuer)
                .bind("serial", due.serial)
                .execute();
        return null;
    }

    /// The responders that are asked, by address, each with the worst of what is known of it.
    static List<FetchedLists.Source> sources(Handle tx, TenantId tenant) {
        return tx.createQuery("""
                        SELECT url, (array_agg(authority))[1] AS authority, count(*) AS certificates,
                            max(fetched_at) AS fetched_at, min(next_update) AS next_update,
                            (array_agg(problem ORDER BY fetched_at DESC) FILTER (WHERE problem IS NOT NULL))[1] AS problem,
                            max(failures) AS failures, min(next_at) AS next_at
                        FROM revocation_answer WHERE tenant_id = :tenant GROUP BY url ORDER BY url""")
                .bind("tenant", tenant)
                .map((row, context) -> new FetchedLists.Source(
                        row.getString("url"),
                        issuerName(authority(row.getBytes("authority"))),
                        row.getLong("certificates"),
                        Columns.instant(row, "fetched_at"),
                        Columns.instant(row, "next_update"),
                        row.getString("problem"),
                        row.getInt("failures"),
                        row.getTimestamp("next_at").toInstant()))
                .list();
    }

    private static String issuerName(Certificate authority) {
        return Texts.quoted(authority.subject().toString());
    }

    @Override
    public void close() {
        turns.close();
    }
}
