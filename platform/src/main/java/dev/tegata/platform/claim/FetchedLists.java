// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Pem;
import dev.tegata.pki.status.RevocationList;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.claim.Documents.Fetched;
import dev.tegata.platform.claim.Documents.Marks;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.tenant.Tenants;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.generic.GenericType;
import org.jspecify.annotations.Nullable;

/// Fetches the revocation lists that certificates below trusted CAs name, before the ones that are here
/// become stale.
///
/// Implementation notes:
/// - An address is noted when a certificate that leads to a trusted CA names it and its status is not known
///   ([ForeignStatus]): nobody else brings this server to ask anywhere. It is forgotten when nobody has needed it for
///   [#FORGOTTEN] and nothing comes from there.
/// - Each node fetches what is due. A row's time is moved on before it is asked, so that no two ask at once.
public final class FetchedLists implements AutoCloseable {
    /// Lists may be large: so many of one tenant, of so many tenants, are in memory at once.
    private static final int AT_ONCE = 4;
    private static final int TENANTS_AT_ONCE = 8;
    /// Bounds what is kept, roughly: where several need a new one at one moment, it may become a few more.
    static final int MAX_PER_TENANT = 1_000;
    static final Duration SOONEST = Duration.ofMinutes(1);
    private static final Duration LATEST = Duration.ofHours(24);
    private static final Duration LATEST_RETRY = Duration.ofHours(6);
    private static final Duration FORGOTTEN = Duration.ofDays(90);
    private static final int LONGEST_PROBLEM = 300;
    private static final Actor ACTOR = Actor.system("revocation-lists");
    private static final Type LIST_OF_BYTES = new GenericType<List<Bytes>>() {}.getType();

    private final Database database;
    private final RevocationLists lists;
    private final Documents documents;
    private final InstantSource clock;
    private final TenantTurns turns;

    public FetchedLists(
            Database database, Tenants tenants, RevocationLists lists, Documents documents, InstantSource clock) {
        this.database = database;
        this.lists = lists;
        this.documents = documents;
        this.clock = clock;
        this.turns = new TenantTurns("revocation-lists", TENANTS_AT_ONCE, tenants, this::run);
    }

    /// Where a list or answers are fetched from.
    ///
    /// @param certificates about how many an OCSP responder is asked there; null where it is a list
    /// @param fetchedAt when it was asked last; null where it never was
    /// @param nextUpdate of the list that came from there, or of the first answer that ends; null where
    /// there is none
    /// @param problem what went wrong the last time; null where nothing did
    /// @param nextAt when it is asked again
    public record Source(
            String url,
            String issuerName,
            @Nullable Long certificates,
            @Nullable Instant fetchedAt,
            @Nullable Instant nextUpdate,
            @Nullable String problem,
            int failures,
            Instant nextAt) {}

    /// Notes that the list at `url` is needed, as part of a transaction.
    ///
    /// @param issuers the certificate of its CA, and those up to the trusted one
    /// @return whether it could not be had the last time
    static boolean want(Handle tx, TenantId tenant, String url, List<Certificate> issuers, Instant now) {
        tx.createUpdate("""
                        INSERT INTO revocation_source AS s (tenant_id, url, issuer_name, issuers, next_at, wanted_at)
                        SELECT :tenant, :url, :name, :issuers::bytea[], :now, :now
                        WHERE NOT EXISTS (SELECT FROM revocation_source known WHERE known.tenant_id = :tenant
                                AND known.url = :url AND known.wanted_at > :now - interval '1 day')
                            AND (EXISTS (SELECT FROM revocation_source known WHERE known.tenant_id = :tenant
                                    AND known.url = :url)
                                OR (SELECT count(*) FROM revocation_source WHERE tenant_id = :tenant) < :limit)
                        ON CONFLICT (tenant_id, url) DO UPDATE SET wanted_at = excluded.wanted_at,
                            issuers = excluded.issuers, issuer_name = excluded.issuer_name""")
                .bind("tenant", tenant)
                .bind("url", url)
                .bind("name", Texts.quoted(issuers.getFirst().subject().toString()))
                .bindByType(
                        "issuers", issuers.stream().map(Certificate::encoded).toList(), LIST_OF_BYTES)
                .bind("now", now)
                .bind("limit", MAX_PER_TENANT)
                .execute();
        return tx.createQuery("SELECT EXISTS (SELECT FROM revocation_source"
                        + " WHERE tenant_id = :tenant AND url = :url AND failures > 0)")
                .bind("tenant", tenant)
                .bind("url", url)
                .mapTo(Boolean.class)
                .one();
    }

    private record Due(String url, List<Certificate> issuers, Marks marks, int failures) {}

    /// Fetches what is due for a tenant, and waits for it for a while.
    public void look(TenantId tenant, Duration patience) {
        turns.takeNow(tenant, patience);
    }

    /// Fetches what is due for a tenant.
    public void run(TenantId tenant) {
        TenantTurns.workOff(
                AT_ONCE, () -> database.inTenant(tenant, tx -> take(tx, tenant)), due -> fetch(tenant, due));
    }

    private List<Due> take(Handle tx, TenantId tenant) {
        Instant now = clock.instant();
        tx.createUpdate("DELETE FROM revocation_source WHERE tenant_id = :tenant AND next_at <= :now"
                        + " AND failures > 0 AND wanted_at < :old")
                .bind("tenant", tenant)
                .bind("now", now)
                .bind("old", now.minus(FORGOTTEN))
                .execute();
        // What is said to be unchanged must be here: an operator may have removed it.
        return tx.createQuery("""
                        UPDATE revocation_source s SET next_at = :later
                        WHERE s.tenant_id = :tenant AND s.url = ANY (ARRAY(
                            SELECT url FROM revocation_source WHERE tenant_id = :tenant AND next_at <= :now
                            ORDER BY next_at LIMIT :limit FOR UPDATE SKIP LOCKED))
                        RETURNING s.*, EXISTS (SELECT FROM revocation_list l
                            WHERE l.tenant_id = s.tenant_id AND l.digest = s.digest) AS here""")
                .bind("later", now.plus(SOONEST))
                .bind("tenant", tenant)
                .bind("now", now)
                .bind("limit", AT_ONCE)
                .map((row, context) -> new Due(
                        row.getString("url"),
                        issuers((byte[][]) row.getArray("issuers").getArray()),
                        row.getBoolean("here")
                                ? new Marks(row.getString("tag"), row.getString("last_modified"))
                                : Marks.NONE,
                        row.getInt("failures")))
                .list();
    }

    private static List<Certificate> issuers(byte[][] encoded) {
        List<Certificate> issuers = new ArrayList<>();
        try {
            for (byte[] each : encoded) {
                issuers.add(Certificate.parse(Bytes.of(each)));
            }
        } catch (InvalidCertificateException e) {
            throw new IntegrityException("a stored certificate cannot be read", e);
        }
        return issuers;
    }

    private void fetch(TenantId tenant, Due due) {
        String problem;
        try {
            switch (documents.fetch(due.url, due.marks, RevocationList.MAX_SIZE)) {
                case Fetched.Document(byte[] content, Marks marks) -> {
                    RevocationLists.Listed listed = lists.add(tenant, ACTOR, list(content), due.issuers);
                    succeed(tenant, due, marks, listed);
                    return;
                }
                case Fetched.Unchanged() -> {
                    succeed(tenant, due, due.marks, null);
                    return;
                }
                case Fetched.Failed(String why) -> problem = why;
            }
        } catch (RefusedException e) {
            problem = "the list is refused: " + e.detail();
        } catch (EncodingException e) {
            problem = "the list cannot be read: " + e.getMessage();
        }
        fail(tenant, due, problem);
    }

    /// Some serve PEM where DER belongs.
    private static Bytes list(byte[] content) throws EncodingException {
        if (content.length > 0 && content[0] == '-') {
            List<Bytes> found = Pem.contents(new String(content, StandardCharsets.US_ASCII), "X509 CRL");
            if (found.size() == 1) {
                return found.getFirst();
            }
        }
        return Bytes.of(content);
    }

    /// @param listed null where it is the one that was here
    private void succeed(TenantId tenant, Due due, Marks marks, RevocationLists.@Nullable Listed listed) {
        Instant now = clock.instant();
        database.inTenant(tenant, tx -> {
            Instant nextUpdate = listed != null ? listed.nextUpdate() : nextUpdate(tx, tenant, due.url);
            tx.createUpdate("""
                            UPDATE revocation_source SET fetched_at = :now, next_at = :next, tag = :tag,
                                last_modified = :modified, digest = coalesce(:digest::bytea, digest), next_update = :until,
                                problem = NULL, failures = 0
                            WHERE tenant_id = :tenant AND url = :url""")
                    .bind("now", now)
                    .bind("next", next(now, nextUpdate))
                    .bind("tag", marks.tag())
                    .bind("modified", marks.lastModified())
                    .bind("digest", listed == null ? null : listed.digest().toArray())
                    .bind("until", nextUpdate)
                    .bind("tenant", tenant)
                    .bind("url", due.url)
                    .execute();
            return null;
        });
    }

    private static @Nullable Instant nextUpdate(Handle tx, TenantId tenant, String url) {
        return tx.createQuery("SELECT next_update FROM revocation_source WHERE tenant_id = :tenant AND url = :url")
                .bind("tenant", tenant)
                .bind("url", url)
                .map((row, context) -> Columns.instant(row, "next_update"))
                .findOne()
                .orElse(null);
    }

    /// Half of what is left, so that a list that does not come the first time comes in time still.
    static Instant next(Instant now, @Nullable Instant nextUpdate) {
        Duration left =
                nextUpdate == null ? LATEST : Duration.between(now, nextUpdate).dividedBy(2);
        return now.plus(left.compareTo(LATEST) > 0 ? LATEST : left.compareTo(SOONEST) < 0 ? SOONEST : left);
    }

    private void fail(TenantId tenant, Due due, String problem) {
        Instant now = clock.instant();
        database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                                UPDATE revocation_source SET fetched_at = :now, next_at = :next, problem = :problem,
                                    failures = failures + 1
                                WHERE tenant_id = :tenant AND url = :url""")
                        .bind("now", now)
                        .bind("next", retry(now, due.failures))
                        .bind("problem", problem(problem))
                        .bind("tenant", tenant)
                        .bind("url", due.url)
                        .execute());
    }

    /// When what has failed is tried again.
    static Instant retry(Instant now, int failures) {
        Duration pause = SOONEST.multipliedBy(1L << Math.min(failures, 10));
        return now.plus(pause.compareTo(LATEST_RETRY) > 0 ? LATEST_RETRY : pause);
    }

    static String problem(String text) {
        String quoted = Texts.quoted(text);
        return quoted.substring(0, Math.min(quoted.length(), LONGEST_PROBLEM));
    }

    /// Where lists and answers are fetched from: lists first, each by address.
    public List<Source> list(TenantId tenant) {
        return database.inTenant(
                tenant,
                tx -> Stream.concat(
                                tx
                                        .createQuery(
                                                "SELECT * FROM revocation_source WHERE tenant_id = :tenant ORDER BY url")
                                        .bind("tenant", tenant)
                                        .map((row, context) -> new Source(
                                                row.getString("url"),
                                                row.getString("issuer_name"),
                                                null,
                                                Columns.instant(row, "fetched_at"),
                                                Columns.instant(row, "next_update"),
                                                row.getString("problem"),
                                                row.getInt("failures"),
                                                row.getTimestamp("next_at").toInstant()))
                                        .list()
                                        .stream(),
                                OcspAnswers.sources(tx, tenant).stream())
                        .toList());
    }

    @Override
    public void close() {
        turns.close();
    }
}
