// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.job;

import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.JobId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.event.Event;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Json;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.InstantSource;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.random.RandomGenerator;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Long work: starting it, seeing how far it is, ending it. [JobWorkers] does it.
public final class Jobs {
    /// More open jobs than this are nobody's wish.
    private static final int MOST_OPEN = 1_000;

    private static final String COLUMNS = "job_id, kind, state, parameters, actor, position, total, done, refused,"
            + " result, failure, created_at, updated_at";

    private final Database database;
    private final AuditLog auditLog;
    private final Outbox outbox;
    private final InstantSource clock;
    private final RandomGenerator random;
    private volatile Runnable started = () -> {};

    public Jobs(Database database, AuditLog auditLog, Outbox outbox, InstantSource clock, RandomGenerator random) {
        this.database = database;
        this.auditLog = auditLog;
        this.outbox = outbox;
        this.clock = clock;
        this.random = random;
    }

    /// Has `wake` run each time when a job of this node has been committed.
    void whenStarted(Runnable wake) {
        started = wake;
    }

    /// Starts a job as part of the transaction `tx`. Locks the head of the tenant's audit chain: start
    /// last, commit soon.
    ///
    /// @param parameters a record, to be read with [Job#parameters]
    /// @throws RefusedException where too many jobs are open
    public JobId start(Handle tx, TenantId tenant, String kind, Record parameters, Actor actor) {
        JobId id = newId();
        start(tx, tenant, id, kind, parameters, actor);
        return id;
    }

    /// The id of a job that is yet to be started, so that what belongs to it can be stored before.
    public JobId newId() {
        return new JobId(TimeOrderedIds.next(clock.instant(), random));
    }

    /// As [#start], under an id of [#newId].
    public void start(Handle tx, TenantId tenant, JobId id, String kind, Record parameters, Actor actor) {
        auditLog.takeTurn(tx, tenant);
        int opened = tx.createUpdate("""
                        INSERT INTO open_job (tenant_id, job_id, kind, due_at)
                        SELECT :tenant, :job, :kind, now()
                        WHERE (SELECT count(*) FROM open_job WHERE tenant_id = :tenant) < :most""")
                .bind("tenant", tenant)
                .bind("job", id)
                .bind("kind", kind)
                .bind("most", MOST_OPEN)
                .execute();
        if (opened == 0) {
            throw new RefusedException(ErrorCode.CONFLICT, MOST_OPEN + " jobs are open; wait until some are over");
        }
        tx.createUpdate("""
                        INSERT INTO job (tenant_id, job_id, kind, state, parameters, actor, created_at, updated_at)
                        VALUES (:tenant, :job, :kind, 'RUNNING', :parameters::jsonb, :actor, :now, :now)""")
                .bind("tenant", tenant)
                .bind("job", id)
                .bind("kind", kind)
                .bind("parameters", Json.write(parameters))
                .bind("actor", actor.toString())
                .bind("now", clock.instant())
                .execute();
        tell(tx, tenant, id, actor, "started", Map.of("kind", kind));
        tx.afterCommit(() -> started.run());
    }

    /// Has a job that rests go on.
    public void hasten(Handle tx, TenantId tenant, JobId id) {
        tx.createUpdate("""
                        UPDATE open_job SET due_at = now()
                        WHERE tenant_id = :tenant AND job_id = :job AND due_at > now()""").bind("tenant", tenant).bind("job", id).execute();
        tx.afterCommit(() -> started.run());
    }

    /// @throws RefusedException [ErrorCode#NOT_FOUND]
    public Job get(TenantId tenant, JobId id) {
        return database.inTenant(tenant, tx -> find(tx, tenant, id));
    }

    /// As [#get(TenantId, JobId)], within the transaction `tx`.
    public Job get(Handle tx, TenantId tenant, JobId id) {
        return find(tx, tenant, id);
    }

    /// Jobs, newest first.
    public Page<Job> list(TenantId tenant, Job.@Nullable State state, Page.Request page) {
        String filter = state == null ? "" : " AND state = :state";
        List<Job> rows = database.inTenant(tenant, tx -> {
            var query = tx.createQuery("SELECT " + COLUMNS + " FROM job WHERE tenant_id = :tenant AND job_id < :before"
                            + filter + " ORDER BY job_id DESC LIMIT :limit")
                    .bind("tenant", tenant)
                    .bind("before", page.after(id -> JobId.parse(id).value(), new UUID(-1, -1)))
                    .bind("limit", page.limit() + 1);
            if (state != null) {
                query.bind("state", state.name());
            }
            return query.map((row, context) -> job(row)).list();
        });
        return Page.of(rows, page, job -> job.id().toString());
    }

    /// What the job refused, in the order in which it came upon it.
    public Page<JobIssue> issues(TenantId tenant, JobId id, Page.Request page) {
        record Numbered(long number, JobIssue issue) {}
        List<Numbered> rows = database.inTenant(tenant, tx -> {
            find(tx, tenant, id);
            return tx.createQuery("""
                            SELECT number, subject, reason, detail FROM job_issue
                            WHERE tenant_id = :tenant AND job_id = :job AND number > :after
                            ORDER BY number LIMIT :limit""")
                    .bind("tenant", tenant)
                    .bind("job", id)
                    .bind("after", page.after(Long::parseLong, -1L))
                    .bind("limit", page.limit() + 1)
                    .map((row, context) -> new Numbered(
                            row.getLong(1), new JobIssue(row.getString(2), row.getString(3), row.getString(4))))
                    .list();
        });
        Page<Numbered> numbered = Page.of(rows, page, row -> Long.toString(row.number()));
        return new Page<>(numbered.items().stream().map(Numbered::issue).toList(), numbered.next());
    }

    /// Ends a job before its time. What it has done stays done; a step that is under way is taken back.
    ///
    /// @throws RefusedException where it is over already
    public Job cancel(TenantId tenant, JobId id, Actor actor) {
        return database.inTenant(tenant, tx -> {
            Job job = find(tx, tenant, id);
            if (!end(tx, tenant, job, Job.State.CANCELLED, null)) {
                throw new RefusedException(ErrorCode.CONFLICT, "the job is over");
            }
            tell(tx, tenant, id, actor, "cancelled", Map.of("kind", job.kind()));
            return find(tx, tenant, id);
        });
    }

    /// Closes an open job. The open row goes first: whoever is in the middle of a step holds it.
    ///
    /// @return false where it was not open
    boolean end(Handle tx, TenantId tenant, Job job, Job.State state, @Nullable String failure) {
        int open = tx.createUpdate("DELETE FROM open_job WHERE tenant_id = :tenant AND job_id = :job")
                .bind("tenant", tenant)
                .bind("job", job.id())
                .execute();
        if (open == 0) {
            return false;
        }
        tx.createUpdate("""
                        UPDATE job SET state = :state, failure = :failure, updated_at = :now
                        WHERE tenant_id = :tenant AND job_id = :job""")
                .bind("state", state.name())
                .bind("failure", failure)
                .bind("now", clock.instant())
                .bind("tenant", tenant)
                .bind("job", job.id())
                .execute();
        return true;
    }

    /// Stores what a step has come to, and closes the job where that was the last one.
    void advance(Handle tx, TenantId tenant, Job job, Advance advance) {
        tx.createUpdate("""
                        UPDATE job SET position = :position, total = coalesce(:total::bigint, total),
                            done = done + :done, refused = refused + :refused,
                            result = coalesce(:result::jsonb, result), updated_at = :now
                        WHERE tenant_id = :tenant AND job_id = :job""")
                .bind("position", advance.position())
                .bind("total", advance.total())
                .bind("done", advance.done())
                .bind("refused", advance.issues().size())
                .bind("result", advance.result())
                .bind("now", clock.instant())
                .bind("tenant", tenant)
                .bind("job", job.id())
                .execute();
        insertIssues(tx, tenant, job, advance.issues());
        if (advance.over()) {
            end(tx, tenant, job, Job.State.COMPLETED, null);
            tell(
                    tx,
                    tenant,
                    job.id(),
                    Actor.system("jobs"),
                    "completed",
                    Map.of(
                            "kind", job.kind(),
                            "done", job.done() + advance.done(),
                            "refused", job.refused() + advance.issues().size()));
        }
    }

    void fail(TenantId tenant, Job job, String failure) {
        database.inTenant(tenant, tx -> {
            if (end(tx, tenant, job, Job.State.FAILED, failure)) {
                tell(
                        tx,
                        tenant,
                        job.id(),
                        Actor.system("jobs"),
                        "failed",
                        Map.of("kind", job.kind(), "failure", failure));
            }
            return null;
        });
    }

    private static void insertIssues(Handle tx, TenantId tenant, Job job, List<JobIssue> issues) {
        if (issues.isEmpty()) {
            return;
        }
        tx.createUpdate("""
                        INSERT INTO job_issue (tenant_id, job_id, number, subject, reason, detail)
                        SELECT :tenant, :job, :first + i.position - 1, i.subject, i.reason, i.detail
                        FROM unnest(:subjects, :reasons, :details)
                            WITH ORDINALITY AS i (subject, reason, detail, position)""")
                .bind("tenant", tenant)
                .bind("job", job.id())
                .bind("first", job.refused())
                .bindArray(
                        "subjects",
                        String.class,
                        issues.stream().map(JobIssue::subject).toArray())
                .bindArray(
                        "reasons",
                        String.class,
                        issues.stream().map(JobIssue::reason).toArray())
                .bindArray(
                        "details",
                        String.class,
                        issues.stream().map(JobIssue::detail).toArray())
                .execute();
    }

    private void tell(Handle tx, TenantId tenant, JobId id, Actor actor, String what, Map<String, ?> detail) {
        String subject = "job:" + id;
        auditLog.append(tx, tenant, List.of(new AuditEvent(actor, "job." + what, subject, detail)));
        outbox.append(tx, tenant, new Event("dev.tegata.job." + what, subject, detail));
    }

    Job find(Handle tx, TenantId tenant, JobId id) {
        return tx.createQuery("SELECT " + COLUMNS + " FROM job WHERE tenant_id = :tenant AND job_id = :job")
                .bind("tenant", tenant)
                .bind("job", id)
                .map((row, context) -> job(row))
                .findOne()
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no job " + id));
    }

    private static Job job(ResultSet row) throws SQLException {
        long total = row.getLong("total");
        Long knownTotal = row.wasNull() ? null : total;
        return new Job(
                new JobId(row.getObject("job_id", UUID.class)),
                row.getString("kind"),
                Job.State.valueOf(row.getString("state")),
                row.getString("parameters"),
                Actor.parse(row.getString("actor")),
                row.getString("position"),
                knownTotal,
                row.getLong("done"),
                row.getLong("refused"),
                row.getString("result"),
                row.getString("failure"),
                row.getObject("created_at", OffsetDateTime.class).toInstant(),
                row.getObject("updated_at", OffsetDateTime.class).toInstant());
    }
}
