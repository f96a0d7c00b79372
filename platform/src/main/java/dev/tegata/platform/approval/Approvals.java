// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.approval;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.access.Caller;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import java.util.random.RandomGenerator;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Requests that need a second person, where the tenant wants that.
///
/// What is approved is one exact request, by its digest. Who asked sends it again, with the approval's id;
/// it is carried out once, with the rights of who asked. So no secret of a request (a private key to
/// import) is ever kept, and what runs is what was approved, to the byte.
public final class Approvals {
    private static final Duration VALIDITY = Duration.ofDays(7);
    /// More open requests than anybody decides about.
    private static final int MOST_OPEN = 100;
    private static final int LONGEST_DESCRIPTION = 4096;

    private static final String COLUMNS = "approval_id, permission, method, target, description, state, requested_by,"
            + " requested_at, expires_at, decided_by, decided_at";

    private final Database database;
    private final AuditLog auditLog;
    private final InstantSource clock;
    private final RandomGenerator random;

    public Approvals(Database database, AuditLog auditLog, InstantSource clock, RandomGenerator random) {
        this.database = database;
        this.auditLog = auditLog;
        this.clock = clock;
        this.random = random;
    }

    /// A request as the gate sees it.
    ///
    /// @param permission that it needs
    /// @param description without secrets
    /// @param digest of everything that it says
    public record Asked(Permission permission, String method, String target, String description, Bytes digest) {}

    /// Whether the tenant wants a second person.
    public boolean required(TenantId tenant) {
        return database.inTenant(tenant, tx -> required(tx, tenant));
    }

    private static boolean required(Handle tx, TenantId tenant) {
        return tx.createQuery("SELECT required FROM approval_rule WHERE tenant_id = :tenant")
                .bind("tenant", tenant)
                .mapTo(Boolean.class)
                .findOne()
                .orElse(false);
    }

    /// Turns the rule on or off; that turning it off needs an approval is the gate's matter.
    ///
    /// @throws RefusedException where nobody could approve: the tenant needs two keys of owners
    public void require(TenantId tenant, Caller caller, boolean required) {
        database.inTenant(tenant, tx -> {
            if (required) {
                requireTwoOwners(tx, tenant);
            }
            tx.createUpdate("""
                            INSERT INTO approval_rule (tenant_id, required) VALUES (:tenant, :required)
                            ON CONFLICT (tenant_id) DO UPDATE SET required = excluded.required""")
                    .bind("tenant", tenant)
                    .bind("required", required)
                    .execute();
            audit(tx, tenant, caller, required ? "approval.required" : "approval.waived", "tenant:" + tenant, Map.of());
            return required;
        });
    }

    private void requireTwoOwners(Handle tx, TenantId tenant) {
        // Locked, so that none of them is revoked at the same moment.
        int owners = tx.createQuery("""
                        SELECT key_id FROM api_key
                        WHERE tenant_id = :tenant AND role = 'OWNER' AND revoked_at IS NULL
                          AND (expires_at IS NULL OR expires_at > :now)
                        ORDER BY key_id FOR UPDATE""")
                .bind("tenant", tenant)
                .bind("now", clock.instant())
                .mapTo(String.class)
                .list()
                .size();
        if (owners < 2) {
            throw new RefusedException(
                    ErrorCode.CONFLICT,
                    "two people need two API keys of owners, and there is one: make another and give it away first");
        }
    }

    /// Keeps a request until somebody else decides. One that is open already is not kept twice.
    public Approval ask(TenantId tenant, Caller caller, Asked asked) {
        Instant now = clock.instant();
        return database.inTenant(tenant, tx -> {
            tx.createQuery("SELECT required FROM approval_rule WHERE tenant_id = :tenant FOR UPDATE")
                    .bind("tenant", tenant)
                    .mapTo(Boolean.class)
                    .findOne();
            List<Approval> open = tx.createQuery("SELECT " + COLUMNS + " FROM approval " + """
                            WHERE tenant_id = :tenant AND state IN ('PENDING', 'APPROVED')
                              AND expires_at > :now ORDER BY approval_id LIMIT :limit""")
                    .bind("tenant", tenant)
                    .bind("now", now)
                    .bind("limit", MOST_OPEN)
                    .map((row, context) -> approval(row))
                    .list();
            for (Approval known : open) {
                if (known.requestedBy().equals(caller.keyId())
                        && digest(tx, tenant, known.id()).equals(asked.digest())) {
                    return known;
                }
            }
            if (open.size() == MOST_OPEN) {
                throw new RefusedException(
                        ErrorCode.CONFLICT, MOST_OPEN + " requests wait for approval: decide about them first");
            }
            return insert(tx, tenant, caller, asked, now);
        });
    }

    private Approval insert(Handle tx, TenantId tenant, Caller caller, Asked asked, Instant now) {
        ApprovalId id = new ApprovalId(TimeOrderedIds.next(now, random));
        String description = asked.description();
        tx.createUpdate("""
                        INSERT INTO approval (tenant_id, approval_id, permission, method, target, description, digest,
                                              state, requested_by, requested_at, expires_at)
                        VALUES (:tenant, :id, :permission, :method, :target, :description, :digest,
                                'PENDING', :by, :now, :expires)""")
                .bind("tenant", tenant)
                .bind("id", id.value())
                .bind("permission", asked.permission().name())
                .bind("method", asked.method())
                .bind("target", asked.target())
                .bind(
                        "description",
                        description.length() > LONGEST_DESCRIPTION
                                ? description.substring(0, LONGEST_DESCRIPTION) + "…"
                                : description)
                .bind("digest", asked.digest())
                .bind("by", caller.keyId())
                .bind("now", now)
                .bind("expires", now.plus(VALIDITY))
                .execute();
        audit(
                tx,
                tenant,
                caller,
                "approval.requested",
                "approval:" + id,
                Map.of(
                        "request",
                        asked.method() + " " + asked.target(),
                        "digest",
                        asked.digest().hex()));
        return find(tx, tenant, id, false);
    }

    /// Decides about somebody else's request.
    ///
    /// @throws RefusedException where the caller asked for it themselves, may not do it either, or
    ///     it is no longer open
    public Approval decide(TenantId tenant, Caller caller, ApprovalId id, boolean approved) {
        return database.inTenant(tenant, tx -> {
            Approval asked = find(tx, tenant, id, true);
            caller.require(asked.permission());
            if (approved && asked.requestedBy().equals(caller.keyId())) {
                throw new RefusedException(ErrorCode.FORBIDDEN, "nobody approves what they asked for themselves");
            }
            requireOpen(asked, Approval.State.PENDING);
            move(tx, tenant, id, approved ? Approval.State.APPROVED : Approval.State.REJECTED, caller.keyId());
            audit(
                    tx,
                    tenant,
                    caller,
                    approved ? "approval.approved" : "approval.rejected",
                    "approval:" + id,
                    Map.of(
                            "requestedBy", asked.requestedBy(),
                            "request", asked.method() + " " + asked.target(),
                            "digest", digest(tx, tenant, id).hex()));
            return find(tx, tenant, id, false);
        });
    }

    /// Uses an approval up for the request that it was given for.
    ///
    /// @throws RefusedException where it is for another request or another key, not approved, used
    ///     up or expired
    public void use(TenantId tenant, Caller caller, ApprovalId id, Bytes digest) {
        database.inTenant(tenant, tx -> {
            Approval asked = find(tx, tenant, id, true);
            if (!asked.requestedBy().equals(caller.keyId())
                    || !digest(tx, tenant, id).equals(digest)) {
                throw new RefusedException(
                        ErrorCode.CONFLICT, "the approval is for another request, or was asked for by another key");
            }
            requireOpen(asked, Approval.State.APPROVED);
            move(tx, tenant, id, Approval.State.USED, null);
            audit(
                    tx,
                    tenant,
                    caller,
                    "approval.used",
                    "approval:" + id,
                    Map.of("approvedBy", String.valueOf(asked.decidedBy()), "digest", digest.hex()));
            return asked;
        });
    }

    /// Gives an approval back whose request was refused, and so changed nothing.
    public void giveBack(TenantId tenant, ApprovalId id) {
        database.inTenant(tenant, tx -> {
            move(tx, tenant, id, Approval.State.APPROVED, null);
            return id;
        });
    }

    private void requireOpen(Approval asked, Approval.State state) {
        if (asked.state() != state) {
            throw new RefusedException(
                    ErrorCode.CONFLICT,
                    "the request is " + asked.state().name().toLowerCase(Locale.ROOT) + ", not "
                            + state.name().toLowerCase(Locale.ROOT));
        }
        if (!asked.expiresAt().isAfter(clock.instant())) {
            throw new RefusedException(ErrorCode.CONFLICT, "the request's time was over at " + asked.expiresAt());
        }
    }

    private void move(Handle tx, TenantId tenant, ApprovalId id, Approval.State state, @Nullable String decidedBy) {
        tx.createUpdate("""
                        UPDATE approval SET state = :state, decided_by = coalesce(:by, decided_by),
                               decided_at = CASE WHEN :by::text IS NULL THEN decided_at ELSE :now END
                        WHERE tenant_id = :tenant AND approval_id = :id""")
                .bind("state", state.name())
                .bind("by", decidedBy)
                .bind("now", clock.instant())
                .bind("tenant", tenant)
                .bind("id", id.value())
                .execute();
    }

    public Approval get(TenantId tenant, ApprovalId id) {
        return database.inTenant(tenant, tx -> find(tx, tenant, id, false));
    }

    /// Requests, newest first.
    public Page<Approval> list(TenantId tenant, Page.Request page) {
        UUID before = page.after(id -> ApprovalId.parse(id).value(), new UUID(-1, -1));
        List<Approval> rows = database.inTenant(
                tenant,
                tx -> tx.createQuery("SELECT " + COLUMNS + " FROM approval " + """
                                WHERE tenant_id = :tenant AND approval_id < :before
                                ORDER BY approval_id DESC LIMIT :limit""")
                        .bind("tenant", tenant)
                        .bind("before", before)
                        .bind("limit", page.limit() + 1)
                        .map((row, context) -> approval(row))
                        .list());
        return Page.of(rows, page, approval -> approval.id().toString());
    }

    private static Approval find(Handle tx, TenantId tenant, ApprovalId id, boolean locked) {
        return tx.createQuery("SELECT " + COLUMNS + " FROM approval WHERE tenant_id = :tenant AND approval_id = :id"
                        + (locked ? " FOR UPDATE" : ""))
                .bind("tenant", tenant)
                .bind("id", id.value())
                .map((row, context) -> approval(row))
                .findOne()
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no approval " + id));
    }

    private static Bytes digest(Handle tx, TenantId tenant, ApprovalId id) {
        return tx.createQuery("SELECT digest FROM approval WHERE tenant_id = :tenant AND approval_id = :id")
                .bind("tenant", tenant)
                .bind("id", id.value())
                .mapTo(Bytes.class)
                .one();
    }

    private static Approval approval(ResultSet row) throws SQLException {
        return new Approval(
                new ApprovalId(row.getObject("approval_id", UUID.class)),
                Permission.valueOf(row.getString("permission")),
                row.getString("method"),
                row.getString("target"),
                row.getString("description"),
                Approval.State.valueOf(row.getString("state")),
                row.getString("requested_by"),
                row.getObject("requested_at", OffsetDateTime.class).toInstant(),
                row.getObject("expires_at", OffsetDateTime.class).toInstant(),
                row.getString("decided_by"),
                Columns.instant(row, "decided_at"));
    }

    private void audit(
            Handle tx, TenantId tenant, Caller caller, String action, String subject, Map<String, String> detail) {
        auditLog.append(tx, tenant, List.of(new AuditEvent(caller.actor(), action, subject, detail)));
    }
}
