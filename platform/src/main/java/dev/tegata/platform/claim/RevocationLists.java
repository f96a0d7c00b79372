// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.pki.path.PathResult;
import dev.tegata.pki.path.Presented;
import dev.tegata.pki.path.Purpose;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.pki.status.RevocationList;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import java.lang.reflect.Type;
import java.math.BigDecimal;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.generic.GenericType;
import org.jspecify.annotations.Nullable;

/// The revocation lists of CAs that a tenant trusts, and of those below them.
public final class RevocationLists {
    private static final int MAX_PER_TENANT = 1_000;
    private static final int MAX_ENTRIES = 100_000;
    private static final Duration SKEW = Duration.ofMinutes(5);
    private static final Type LIST_OF_BYTES = new GenericType<List<Bytes>>() {}.getType();

    private final Database database;
    private final TrustedCertificates trusted;
    private final AuditLog audit;
    private final InstantSource clock;
    private final PathCheck paths = new PathCheck(1_000);

    public RevocationLists(Database database, TrustedCertificates trusted, AuditLog audit, InstantSource clock) {
        this.database = database;
        this.trusted = trusted;
        this.audit = audit;
        this.clock = clock;
    }

    /// A list that was brought in.
    ///
    /// @param issuer by which its CA is found
    /// @param scope `all`, `users`, `authorities`, or the URL of a distribution point
    /// @param nextUpdate after which it is stale; null where it never is
    public record Listed(
            Bytes issuer,
            String scope,
            String issuerName,
            Instant thisUpdate,
            @Nullable Instant nextUpdate,
            int entries,
            Bytes digest,
            Instant receivedAt) {}

    /// Brings in a list, in place of the CA's earlier one of the same scope. The same list again changes
    /// nothing.
    ///
    /// @param issuers the certificate of the CA, and those that lead from it to a trusted one; empty where
    /// it is
    ///     trusted itself
    /// @throws RefusedException where the list cannot be read, is not by a CA that is trusted, or is older
    /// than
    ///     the one that is here
    public Listed add(TenantId tenant, Actor actor, Bytes encoded, List<Certificate> issuers) {
        RevocationList list;
        try {
            list = RevocationList.parse(encoded);
        } catch (EncodingException e) {
            throw Fields.invalid("list", "cannot be read: " + e.getMessage());
        }
        Instant now = clock.instant();
        if (list.entries().size() > MAX_ENTRIES) {
            throw Fields.invalid("list", "has more than " + MAX_ENTRIES + " entries");
        }
        if (list.thisUpdate().isAfter(now.plus(SKEW))) {
            throw Fields.invalid("list", "is of " + list.thisUpdate() + ", which is not yet");
        }
        Certificate authority = authority(tenant, list, issuers, now);
        Listed listed = new Listed(
                ForeignStatus.issuer(authority),
                ForeignStatus.scope(list.scope()),
                Texts.quoted(authority.subject().toString()),
                list.thisUpdate(),
                list.nextUpdate(),
                list.entries().size(),
                encoded.sha256(),
                now);
        return database.inTenant(tenant, tx -> {
            // One after the other: lists of one CA replace each other, and they are counted.
            tx.createQuery("SELECT 1 FROM tenant WHERE tenant_id = :tenant FOR NO KEY UPDATE")
                    .bind("tenant", tenant)
                    .mapTo(Integer.class)
                    .one();
            Optional<Listed> present = find(tx, tenant, listed.issuer, listed.scope, " FOR UPDATE");
            if (present.isPresent() && present.get().digest.equals(listed.digest)) {
                return present.get();
            }
            if (present.isPresent() && present.get().thisUpdate.isAfter(listed.thisUpdate)) {
                throw new RefusedException(
                        ErrorCode.CONFLICT, "there is a later list of this CA already, of " + present.get().thisUpdate);
            }
            store(tx, tenant, listed, list);
            audit.append(tx, tenant, List.of(event(actor, "revocation-list.added", listed)));
            return listed;
        });
    }

    /// The CA that signed the list: a trusted one, or one that leads to a trusted one.
    private Certificate authority(TenantId tenant, RevocationList list, List<Certificate> issuers, Instant now) {
        List<Certificate> anchors =
                trusted.trustedFor(tenant, EnumSet.complementOf(EnumSet.of(TrustPurpose.MANIFEST_SIGNER)));
        for (Certificate anchor : anchors) {
            if (list.isBy(anchor)) {
                return anchor;
            }
        }
        if (!issuers.isEmpty() && list.isBy(issuers.getFirst())) {
            PathResult path = paths.checkBirth(Presented.of(issuers), TrustAnchors.of(anchors), now, Purpose.ANY);
            if (path instanceof PathResult.Invalid(PathResult.Reason _, String sentence)) {
                throw Fields.invalid("issuers", "do not lead to a trusted CA: " + sentence);
            }
            return issuers.getFirst();
        }
        throw Fields.invalid(
                "list",
                "is not signed by a CA that is trusted; of '"
                        + Texts.quoted(list.issuer().toString()) + "', give the certificate with it");
    }

    private static void store(Handle tx, TenantId tenant, Listed listed, RevocationList list) {
        tx.createUpdate("""
                        DELETE FROM revocation_list
                        WHERE tenant_id = :tenant AND issuer = :issuer AND scope = :scope""")
                .bind("tenant", tenant)
                .bind("issuer", listed.issuer)
                .bind("scope", listed.scope)
                .execute();
        int added = tx.createUpdate("""
                        INSERT INTO revocation_list (tenant_id, issuer, scope, issuer_name, this_update, next_update,
                            number, entries, digest, received_at)
                        SELECT :tenant, :issuer, :scope, :name, :this, :next, :number, :entries, :digest, :now
                        WHERE (SELECT count(*) FROM revocation_list WHERE tenant_id = :tenant) < :limit""")
                .bind("tenant", tenant)
                .bind("issuer", listed.issuer)
                .bind("scope", listed.scope)
                .bind("name", listed.issuerName)
                .bind("this", listed.thisUpdate)
                .bind("next", listed.nextUpdate)
                .bind("number", list.number() == null ? null : new BigDecimal(list.number()))
                .bind("entries", listed.entries)
                .bind("digest", listed.digest)
                .bind("now", listed.receivedAt)
                .bind("limit", MAX_PER_TENANT)
                .execute();
        if (added == 0) {
            throw new RefusedException(
                    ErrorCode.CONFLICT, "there are " + MAX_PER_TENANT + " revocation lists already: remove one first");
        }
        tx.createUpdate("""
                        INSERT INTO revoked_elsewhere (tenant_id, issuer, scope, serial, revoked_at)
                        SELECT :tenant, :issuer, :scope, serial, revoked_at
                        FROM unnest(:serials::bytea[], :times::timestamptz[]) AS entry (serial, revoked_at)
                        ON CONFLICT DO NOTHING""")
                .bind("tenant", tenant)
                .bind("issuer", listed.issuer)
                .bind("scope", listed.scope)
                .bindByType(
                        "serials",
                        list.entries().stream()
                                .map(RevocationList.Entry::serial)
                                .toList(),
                        LIST_OF_BYTES)
                .bindArray(
                        "times",
                        String.class,
                        list.entries().stream()
                                .map(entry -> entry.revokedAt().toString())
                                .toList())
                .execute();
    }

    /// All lists, by issuer.
    public List<Listed> list(TenantId tenant) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery(
                                "SELECT * FROM revocation_list WHERE tenant_id = :tenant ORDER BY issuer_name, issuer, scope")
                        .bind("tenant", tenant)
                        .map((row, context) -> listed(row))
                        .list());
    }

    /// Removes the lists of a CA: what it has revoked is not known any more.
    ///
    /// @throws RefusedException where there are none
    public void remove(TenantId tenant, Actor actor, Bytes issuer) {
        database.inTenant(tenant, tx -> {
            List<Listed> removed = tx.createQuery(
                            "DELETE FROM revocation_list WHERE tenant_id = :tenant AND issuer = :issuer RETURNING *")
                    .bind("tenant", tenant)
                    .bind("issuer", issuer)
                    .map((row, context) -> listed(row))
                    .list();
            if (removed.isEmpty()) {
                throw new RefusedException(ErrorCode.NOT_FOUND, "there is no revocation list of this CA");
            }
            audit.append(
                    tx,
                    tenant,
                    removed.stream()
                            .map(each -> event(actor, "revocation-list.removed", each))
                            .toList());
            return null;
        });
    }

    private static Optional<Listed> find(Handle tx, TenantId tenant, Bytes issuer, String scope, String locking) {
        return tx.createQuery("SELECT * FROM revocation_list WHERE tenant_id = :tenant AND issuer = :issuer"
                        + " AND scope = :scope" + locking)
                .bind("tenant", tenant)
                .bind("issuer", issuer)
                .bind("scope", scope)
                .map((row, context) -> listed(row))
                .findOne();
    }

    private static Listed listed(ResultSet row) throws SQLException {
        return new Listed(
                Bytes.of(row.getBytes("issuer")),
                row.getString("scope"),
                row.getString("issuer_name"),
                row.getTimestamp("this_update").toInstant(),
                Columns.instant(row, "next_update"),
                row.getInt("entries"),
                Bytes.of(row.getBytes("digest")),
                row.getTimestamp("received_at").toInstant());
    }

    private static AuditEvent event(Actor actor, String action, Listed listed) {
        return new AuditEvent(
                actor,
                action,
                "revocation-list:" + listed.issuer.hex(),
                Map.of(
                        "issuer", listed.issuerName,
                        "scope", listed.scope,
                        "thisUpdate", listed.thisUpdate,
                        "entries", listed.entries,
                        "digest", listed.digest.hex()));
    }
}
