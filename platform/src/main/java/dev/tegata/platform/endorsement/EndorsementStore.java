// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.endorsement;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.corim.Corim;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.endorsement.Endorsement.EndorsementTag;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import java.lang.reflect.Type;
import java.security.SecureRandom;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.generic.GenericType;
import org.jspecify.annotations.Nullable;

/// The manifests of a tenant through their lives: submitted, superseded, withdrawn, expired.
///
/// Implementation notes:
/// - Every change locks the tenant's row of `appraisal_basis` first, so that two of them cannot cross.
/// - A tag belongs to the signer who brought it first: no other signer may bring another version or
/// take its place.
public final class EndorsementStore {
    private static final String COLUMNS = """
            endorsement_id, name, profile, digest, signer, not_before, not_after, state, superseded_by, submitted_at,
            submitted_by, ended_at""";

    private static final Type LIST_OF_BYTES = new GenericType<List<Bytes>>() {}.getType();

    private final Database database;
    private final AuditLog audit;
    private final Reappraisals reappraisals;
    private final InstantSource clock;
    private final SecureRandom random;

    public EndorsementStore(
            Database database, AuditLog audit, Reappraisals reappraisals, InstantSource clock, SecureRandom random) {
        this.database = database;
        this.audit = audit;
        this.reappraisals = reappraisals;
        this.clock = clock;
        this.random = random;
    }

    /// Takes a manifest in: signed by an allowed signer, or unsigned, which the caller vouches for. A
    /// document that is there already changes nothing; one that was withdrawn comes back.
    ///
    /// @throws RefusedException where it cannot be read, nobody allowed signed it, it has expired, or
    ///     its tags are
    ///     another's
    public Endorsement submit(TenantId tenant, Actor actor, Bytes document) {
        Instant now = clock.instant();
        List<EndorsementSigner> signers = database.inTenant(tenant, tx -> EndorsementSigners.select(tx, tenant));
        Submission submission;
        try {
            submission = Submission.read(document, signers, now);
        } catch (MalformedException e) {
            throw new RefusedException(ErrorCode.ENDORSEMENT_REFUSED, String.valueOf(e.getMessage()));
        }
        return database.inTenant(tenant, tx -> {
            AppraisalBasis.change(tx, tenant);
            Optional<Endorsement> present = byDigest(tx, tenant, submission.digest());
            if (present.isPresent() && present.get().state() == EndorsementState.ACTIVE) {
                return present.get();
            }
            requireFreeTags(tx, tenant, submission);
            EndorsementId id =
                    present.map(Endorsement::id).orElseGet(() -> new EndorsementId(TimeOrderedIds.next(now, random)));
            if (present.isPresent()) {
                restore(tx, tenant, id, submission);
            } else {
                insert(tx, tenant, actor, id, submission, now);
            }
            List<EndorsementId> changed = new ArrayList<>(List.of(id));
            if (submission.holds(now)) {
                changed.addAll(supersede(tx, tenant, id, submission, now));
            }
            reappraisals.request(tx, tenant, actor, changed);
            audit.append(
                    tx,
                    tenant,
                    List.of(event(
                            actor,
                            "endorsement.submitted",
                            id,
                            Map.of(
                                    "name", Texts.quoted(submission.name()),
                                    "digest", submission.digest().hex(),
                                    "signer", submission.signerName(),
                                    "superseded", changed.size() - 1))));
            return require(tx, tenant, id);
        });
    }

    private static void requireFreeTags(Handle tx, TenantId tenant, Submission submission) {
        for (Submission.Piece piece : submission.pieces()) {
            if (piece.kind().equals("OTHER")) {
                continue;
            }
            Optional<String> conflict = tx.createQuery("""
                            SELECT CASE WHEN e.signer_key IS DISTINCT FROM :signer THEN 'belongs to another signer'
                                WHEN t.version > :version THEN 'is there in version ' || t.version
                                ELSE 'is there in this version with another content' END
                            FROM endorsement_link l
                            JOIN endorsement e ON e.tenant_id = l.tenant_id AND e.endorsement_id = l.endorsement_id
                            JOIN endorsement_tag t
                                ON t.tenant_id = e.tenant_id AND t.endorsement_id = e.endorsement_id
                            WHERE l.tenant_id = :tenant AND l.subject = :subject AND e.state = 'ACTIVE'
                                AND t.name = :name AND t.kind = :kind
                                AND (e.signer_key IS DISTINCT FROM :signer OR t.version > :version
                                    OR t.version = :version AND t.digest <> :digest)
                            LIMIT 1""")
                    .bind("tenant", tenant)
                    .bind("subject", piece.subject())
                    .bind("name", piece.name())
                    .bind("kind", piece.kind())
                    .bind("signer", submission.signerKey())
                    .bind("version", piece.version())
                    .bind("digest", piece.digest())
                    .mapTo(String.class)
                    .findOne();
            if (conflict.isPresent()) {
                throw new RefusedException(
                        ErrorCode.CONFLICT, "the tag '" + Texts.quoted(piece.name()) + "' " + conflict.get());
            }
        }
    }

    private static void restore(Handle tx, TenantId tenant, EndorsementId id, Submission submission) {
        tx.createUpdate("""
                        UPDATE endorsement SET state = 'ACTIVE', superseded_by = NULL, ended_at = NULL,
                            signer = :signer, next_change_at = :nextChange
                        WHERE tenant_id = :tenant AND endorsement_id = :id""")
                .bind("tenant", tenant)
                .bind("id", id.value())
                .bind("signer", submission.signerName())
                .bind("nextChange", submission.nextChange())
                .execute();
    }

    private static void insert(
            Handle tx, TenantId tenant, Actor actor, EndorsementId id, Submission submission, Instant now) {
        tx.createUpdate("""
                        INSERT INTO endorsement (tenant_id, endorsement_id, name, profile, digest, document, signer,
                            signer_key, not_before, not_after, next_change_at, state, submitted_at, submitted_by)
                        VALUES (:tenant, :id, :name, :profile, :digest, :document, :signer, :signerKey, :notBefore,
                            :notAfter, :nextChange, 'ACTIVE', :now, :actor)""")
                .bind("tenant", tenant)
                .bind("id", id.value())
                .bind("name", submission.name())
                .bind("profile", submission.corim().profile())
                .bind("digest", submission.digest())
                .bind("document", submission.document())
                .bind("signer", submission.signerName())
                .bind("signerKey", submission.signerKey())
                .bind("notBefore", submission.notBefore())
                .bind("notAfter", submission.notAfter())
                .bind("nextChange", submission.nextChange())
                .bind("now", now)
                .bind("actor", actor.toString())
                .execute();
        insertTags(tx, tenant, id, submission);
        insertStatements(tx, tenant, id, submission);
    }

    private static void insertTags(Handle tx, TenantId tenant, EndorsementId id, Submission submission) {
        List<Submission.Piece> pieces = submission.pieces();
        tx.createUpdate("""
                        INSERT INTO endorsement_tag
                            (tenant_id, endorsement_id, position, kind, name, version, digest, header)
                        SELECT :tenant, :id, *
                        FROM unnest(:positions, :kinds, :names, :versions, :digests::bytea[], :headers::bytea[])""")
                .bind("tenant", tenant)
                .bind("id", id.value())
                .bindArray(
                        "positions",
                        Integer.class,
                        pieces.stream().map(Submission.Piece::position).toList())
                .bindArray(
                        "kinds",
                        String.class,
                        pieces.stream().map(Submission.Piece::kind).toList())
                .bindArray(
                        "names",
                        String.class,
                        pieces.stream().map(Submission.Piece::name).toList())
                .bindArray(
                        "versions",
                        Long.class,
                        pieces.stream().map(Submission.Piece::version).toList())
                .bindByType(
                        "digests", pieces.stream().map(Submission.Piece::digest).toList(), Submission.LIST_OF_BYTES)
                .bindByType(
                        "headers", pieces.stream().map(Submission.Piece::header).toList(), Submission.LIST_OF_BYTES)
                .execute();
        tx.createUpdate("""
                        INSERT INTO endorsement_link (tenant_id, endorsement_id, subject)
                        SELECT :tenant, :id, unnest(:subjects::bytea[])""")
                .bind("tenant", tenant)
                .bind("id", id.value())
                .bindByType("subjects", List.copyOf(submission.links()), Submission.LIST_OF_BYTES)
                .execute();
    }

    private static void insertStatements(Handle tx, TenantId tenant, EndorsementId id, Submission submission) {
        List<Submission.Statement> statements = submission.statements();
        tx.createUpdate("""
                        INSERT INTO endorsement_statement
                            (tenant_id, endorsement_id, subject, position, number, kind, content, one_device)
                        SELECT :tenant, :id, *
                        FROM unnest(:subjects::bytea[], :positions, :numbers, :kinds::bytea[], :contents::bytea[],
                            :oneDevice)""")
                .bind("tenant", tenant)
                .bind("id", id.value())
                .bindByType(
                        "subjects",
                        statements.stream().map(Submission.Statement::subject).toList(),
                        Submission.LIST_OF_BYTES)
                .bindArray(
                        "positions",
                        Integer.class,
                        statements.stream().map(Submission.Statement::position).toList())
                .bindArray(
                        "numbers",
                        Integer.class,
                        statements.stream().map(Submission.Statement::number).toList())
                .bindByType(
                        "kinds",
                        statements.stream().map(Submission.Statement::kind).toList(),
                        Submission.LIST_OF_BYTES)
                .bindByType(
                        "contents",
                        statements.stream().map(Submission.Statement::content).toList(),
                        Submission.LIST_OF_BYTES)
                .bindArray(
                        "oneDevice",
                        Boolean.class,
                        statements.stream().map(Submission.Statement::oneDevice).toList())
                .execute();
    }

    /// Ends the manifests of the same signer of which each tag has a later version in `submission`, or is
    /// replaced by it.
    private List<EndorsementId> supersede(
            Handle tx, TenantId tenant, EndorsementId id, Submission submission, Instant now) {
        List<UUID> candidates = tx.createQuery("""
                        SELECT DISTINCT e.endorsement_id FROM endorsement_link l
                        JOIN endorsement e ON e.tenant_id = l.tenant_id AND e.endorsement_id = l.endorsement_id
                        WHERE l.tenant_id = :tenant AND l.subject = ANY (:subjects::bytea[]) AND e.state = 'ACTIVE'
                            AND e.endorsement_id <> :id AND e.signer_key IS NOT DISTINCT FROM :signer""")
                .bind("tenant", tenant)
                .bind("id", id.value())
                .bind("signer", submission.signerKey())
                .bindByType("subjects", List.copyOf(submission.links()), Submission.LIST_OF_BYTES)
                .mapTo(UUID.class)
                .list();
        List<EndorsementId> superseded = new ArrayList<>();
        for (UUID candidate : candidates) {
            List<EndorsementTag> tags = tags(tx, tenant, candidate);
            if (tags.stream().anyMatch(tag -> !tag.kind().equals("other"))
                    && tags.stream().allMatch(submission::takesThePlaceOf)) {
                tx.createUpdate("""
                                UPDATE endorsement SET state = 'SUPERSEDED', superseded_by = :by, ended_at = :now
                                WHERE tenant_id = :tenant AND endorsement_id = :id""")
                        .bind("tenant", tenant)
                        .bind("id", candidate)
                        .bind("by", id.value())
                        .bind("now", now)
                        .execute();
                superseded.add(new EndorsementId(candidate));
            }
        }
        return superseded;
    }

    /// The manifests, the newest first.
    ///
    /// @param state those in this state only; null for all
    public Page<Endorsement> list(TenantId tenant, @Nullable EndorsementState state, Page.Request page) {
        return database.inTenant(tenant, tx -> {
            List<Endorsement> rows = tx.createQuery("SELECT " + COLUMNS + """
                             FROM endorsement
                            WHERE tenant_id = :tenant AND endorsement_id < :before
                                AND (:state::text IS NULL OR state = :state)
                            ORDER BY endorsement_id DESC LIMIT :limit""")
                    .bind("tenant", tenant)
                    .bind("before", page.after(EndorsementId::parse, LAST).value())
                    .bind("state", state == null ? null : state.name())
                    .bind("limit", page.limit() + 1)
                    .map((row, context) -> endorsement(row, List.of()))
                    .list();
            List<Endorsement> withTags = rows.stream()
                    .map(row -> withTags(row, tags(tx, tenant, row.id().value())))
                    .toList();
            return Page.of(withTags, page, endorsement -> endorsement.id().toString());
        });
    }

    private static final EndorsementId LAST = new EndorsementId(new UUID(-1, -1));

    /// @throws RefusedException [ErrorCode#NOT_FOUND]
    public Endorsement get(TenantId tenant, EndorsementId id) {
        return database.inTenant(tenant, tx -> require(tx, tenant, id));
    }

    /// The document as it came.
    ///
    /// @throws RefusedException [ErrorCode#NOT_FOUND]
    public Bytes document(TenantId tenant, EndorsementId id) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery(
                                "SELECT document FROM endorsement WHERE tenant_id = :tenant AND endorsement_id = :id")
                        .bind("tenant", tenant)
                        .bind("id", id.value())
                        .mapTo(Bytes.class)
                        .findOne()
                        .orElseThrow(() -> notFound(id)));
    }

    /// The manifest in a stored document.
    ///
    /// @throws RefusedException [ErrorCode#NOT_FOUND]
    public Corim manifest(TenantId tenant, EndorsementId id) {
        try {
            return Submission.open(document(tenant, id));
        } catch (MalformedException e) {
            throw new IntegrityException("a stored manifest cannot be read", e);
        }
    }

    /// Whether something is signed by a key.
    @FunctionalInterface
    public interface Signed {
        boolean by(CoseKey key) throws MalformedException;
    }

    /// The allowed signers by whom it is signed.
    ///
    /// @throws RefusedException where it is signed by none of them
    public List<EndorsementSigner> signersOf(TenantId tenant, Signed signed) throws MalformedException {
        List<EndorsementSigner> all = new ArrayList<>();
        for (EndorsementSigner signer : database.inTenant(tenant, tx -> EndorsementSigners.select(tx, tenant))) {
            if (signed.by(CoseKey.of(signer.publicKey()))) {
                all.add(signer);
            }
        }
        if (all.isEmpty()) {
            throw new RefusedException(
                    ErrorCode.ENDORSEMENT_REFUSED, "the manifest is not signed by any allowed signer of endorsements");
        }
        return all;
    }

    /// Those of these signers that are allowed still, and stay so until the transaction `tx` ends.
    ///
    /// @throws RefusedException where none is
    public List<Bytes> stillAllowed(Handle tx, TenantId tenant, List<Bytes> signers) {
        List<Bytes> allowed = tx.createQuery("""
                        SELECT fingerprint FROM endorsement_signer
                        WHERE tenant_id = :tenant AND fingerprint = ANY (:signers::bytea[]) FOR SHARE""")
                .bind("tenant", tenant)
                .bindByType("signers", signers, LIST_OF_BYTES)
                .mapTo(Bytes.class)
                .list();
        if (allowed.isEmpty()) {
            throw new RefusedException(ErrorCode.ENDORSEMENT_REFUSED, "the manifest's signer is allowed no more");
        }
        return allowed;
    }

    /// Takes a manifest back: from the next appraisal on it says nothing.
    ///
    /// @throws RefusedException where there is none, or it does not count any more
    public Endorsement withdraw(TenantId tenant, Actor actor, EndorsementId id) {
        return database.inTenant(tenant, tx -> {
            AppraisalBasis.change(tx, tenant);
            Endorsement present = require(tx, tenant, id);
            if (present.state() == EndorsementState.WITHDRAWN) {
                return present;
            }
            tx.createUpdate("""
                            UPDATE endorsement SET state = 'WITHDRAWN', ended_at = :now
                            WHERE tenant_id = :tenant AND endorsement_id = :id""")
                    .bind("tenant", tenant)
                    .bind("id", id.value())
                    .bind("now", clock.instant())
                    .execute();
            if (present.state() == EndorsementState.ACTIVE) {
                reappraisals.request(tx, tenant, actor, List.of(id));
            }
            audit.append(
                    tx,
                    tenant,
                    List.of(event(actor, "endorsement.withdrawn", id, Map.of("name", Texts.quoted(present.name())))));
            return require(tx, tenant, id);
        });
    }

    /// Has evidence judged again where, since the last call, something began or ceased to hold by its
    /// dates.
    ///
    /// @return how many manifests that was so for
    public int noteDates(TenantId tenant) {
        Instant now = clock.instant();
        if (database.inTenant(tenant, tx -> due(tx, tenant, now)).isEmpty()) {
            return 0;
        }
        return database.inTenant(tenant, tx -> {
            AppraisalBasis.change(tx, tenant);
            List<Due> due = due(tx, tenant, now);
            for (Due each : due) {
                Instant next = Submission.nextChange(each.document(), now);
                boolean over = each.notAfter() != null && now.isAfter(each.notAfter());
                tx.createUpdate("""
                                UPDATE endorsement SET next_change_at = :next, state = :state, ended_at = :ended
                                WHERE tenant_id = :tenant AND endorsement_id = :id""")
                        .bind("tenant", tenant)
                        .bind("id", each.id())
                        .bind("next", next)
                        .bind("state", (over ? EndorsementState.EXPIRED : EndorsementState.ACTIVE).name())
                        .bind("ended", over ? now : null)
                        .execute();
            }
            List<EndorsementId> changed =
                    due.stream().map(each -> new EndorsementId(each.id())).toList();
            if (!changed.isEmpty()) {
                reappraisals.request(tx, tenant, Actor.system("endorsements"), changed);
            }
            return changed.size();
        });
    }

    private record Due(UUID id, Bytes document, @Nullable Instant notAfter) {}

    private static List<Due> due(Handle tx, TenantId tenant, Instant now) {
        return tx.createQuery("""
                        SELECT endorsement_id, document, not_after FROM endorsement
                        WHERE tenant_id = :tenant AND state = 'ACTIVE' AND next_change_at <= :now
                        ORDER BY next_change_at LIMIT 20""")
                .bind("tenant", tenant)
                .bind("now", now)
                .map((row, context) -> new Due(
                        row.getObject("endorsement_id", UUID.class),
                        Bytes.of(row.getBytes("document")),
                        Columns.instant(row, "not_after")))
                .list();
    }

    private static Optional<Endorsement> byDigest(Handle tx, TenantId tenant, Bytes digest) {
        return tx.createQuery("SELECT " + COLUMNS + " FROM endorsement WHERE tenant_id = :tenant AND digest = :digest")
                .bind("tenant", tenant)
                .bind("digest", digest)
                .map((row, context) -> endorsement(row, List.of()))
                .findOne()
                .map(found -> withTags(found, tags(tx, tenant, found.id().value())));
    }

    private static Endorsement require(Handle tx, TenantId tenant, EndorsementId id) {
        return tx.createQuery(
                        "SELECT " + COLUMNS + " FROM endorsement WHERE tenant_id = :tenant AND endorsement_id = :id")
                .bind("tenant", tenant)
                .bind("id", id.value())
                .map((row, context) -> endorsement(row, List.of()))
                .findOne()
                .map(found -> withTags(found, tags(tx, tenant, id.value())))
                .orElseThrow(() -> notFound(id));
    }

    private static RefusedException notFound(EndorsementId id) {
        return new RefusedException(ErrorCode.NOT_FOUND, "there is no endorsement " + id);
    }

    private static List<EndorsementTag> tags(Handle tx, TenantId tenant, UUID id) {
        return tx.createQuery("""
                        SELECT lower(kind) AS kind, name, version FROM endorsement_tag
                        WHERE tenant_id = :tenant AND endorsement_id = :id ORDER BY position""")
                .bind("tenant", tenant)
                .bind("id", id)
                .map((row, context) ->
                        new EndorsementTag(row.getString("kind"), row.getString("name"), row.getLong("version")))
                .list();
    }

    private static Endorsement withTags(Endorsement endorsement, List<EndorsementTag> tags) {
        return new Endorsement(
                endorsement.id(),
                endorsement.name(),
                endorsement.profile(),
                endorsement.digest(),
                endorsement.signer(),
                endorsement.notBefore(),
                endorsement.notAfter(),
                endorsement.state(),
                endorsement.supersededBy(),
                endorsement.submittedAt(),
                endorsement.submittedBy(),
                endorsement.endedAt(),
                tags);
    }

    private static Endorsement endorsement(ResultSet row, List<EndorsementTag> tags) throws SQLException {
        UUID supersededBy = row.getObject("superseded_by", UUID.class);
        return new Endorsement(
                new EndorsementId(row.getObject("endorsement_id", UUID.class)),
                row.getString("name"),
                row.getString("profile"),
                Bytes.of(row.getBytes("digest")),
                row.getString("signer"),
                Columns.instant(row, "not_before"),
                Columns.instant(row, "not_after"),
                EndorsementState.valueOf(row.getString("state")),
                supersededBy == null ? null : new EndorsementId(supersededBy),
                row.getTimestamp("submitted_at").toInstant(),
                row.getString("submitted_by"),
                Columns.instant(row, "ended_at"),
                tags);
    }

    private static AuditEvent event(Actor actor, String action, EndorsementId id, Map<String, ?> detail) {
        return new AuditEvent(actor, action, "endorsement:" + id, detail);
    }
}
