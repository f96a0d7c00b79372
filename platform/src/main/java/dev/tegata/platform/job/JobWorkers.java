// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.job;

import dev.tegata.pki.key.VaultException;
import dev.tegata.platform.DueWork;
import dev.tegata.platform.JobId;
import dev.tegata.platform.PeriodicWork;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.store.Database;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Does the jobs of all tenants, beside other nodes that do the same.
///
/// Implementation notes:
/// - A node leases a job, works on it for [#SLICE], and puts it back at the end of the queue. Of each tenant one job is
///   taken at a time, the one that waits longest first: many jobs of one tenant do not hold up those of another.
/// - Each step's transaction begins by renewing the lease of this node. Where that changes no row, another node has the
///   job, or it was cancelled; the transaction is taken back. So no step counts twice.
/// - Leases go by the database's clock.
public final class JobWorkers implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(JobWorkers.class);
    private static final Duration HEARTBEAT = Duration.ofSeconds(5);
    private static final Duration SLICE = Duration.ofSeconds(1);
    private static final int AT_ONCE = 4;
    private static final int ATTEMPTS = 5;

    /// How long a job waits that could not go on because something else was away.
    private static final Duration AWAY = Duration.ofSeconds(5);

    /// How long a node may be silent before its jobs are taken over.
    private static final String LEASE = "interval '20 seconds'";

    private final Database database;
    private final Jobs jobs;
    private final Map<String, JobHandler> handlers;
    private final UUID node = UUID.randomUUID();
    private final DueWork<Open> dueJobs = DueWork.of("job", AT_ONCE, new OpenJobs());
    private final PeriodicWork heartbeat;

    private JobWorkers(Database database, Jobs jobs, Map<String, JobHandler> handlers) {
        this.database = database;
        this.jobs = jobs;
        this.handlers = Map.copyOf(handlers);
        this.heartbeat = PeriodicWork.start("job-heartbeat", HEARTBEAT, this::renewLeases);
    }

    /// Begins to work.
    ///
    /// @param handlers by kind; jobs of other kinds are left to other nodes
    public static JobWorkers start(Database database, Jobs jobs, Map<String, JobHandler> handlers) {
        JobWorkers workers = new JobWorkers(database, jobs, handlers);
        jobs.whenStarted(workers.dueJobs::wake);
        workers.dueJobs.start();
        return workers;
    }

    private record Open(TenantId tenant, JobId job) {}

    /// The step belongs to nobody any more: the job was cancelled or taken over.
    private static final class LeaseLostException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        LeaseLostException() {
            super("the job was cancelled or taken over", null, false, false);
        }
    }

    private final class OpenJobs implements DueWork.Rules<Open> {
        /// The job of each tenant that waits longest; tenants that wait longest first.
        @Override
        public List<Open> due() {
            return database.acrossTenants(tx -> tx.createQuery("""
                            SELECT tenant_id, job_id FROM (
                                SELECT DISTINCT ON (tenant_id) tenant_id, job_id, due_at FROM open_job
                                WHERE kind = ANY(:kinds) AND due_at <= now() AND leased_until < now()
                                ORDER BY tenant_id, due_at) AS first
                            ORDER BY due_at LIMIT :limit""")
                    .bindArray("kinds", String.class, handlers.keySet().toArray())
                    .bind("limit", 4 * AT_ONCE)
                    .map((row, context) ->
                            new Open(new TenantId(row.getString(1)), new JobId(row.getObject(2, UUID.class))))
                    .list());
        }

        @Override
        public boolean work(Open open) {
            JobWorkers.this.work(open);
            return true;
        }
    }

    /// Works on a job for one slice of time.
    private void work(Open open) {
        Job leased = lease(open);
        if (leased == null) {
            return;
        }
        Job job = leased;
        long end = System.nanoTime() + SLICE.toNanos();
        try {
            Duration pause = Duration.ZERO;
            Job next = leased;
            while (next != null
                    && next.state() == Job.State.RUNNING
                    && pause.isZero()
                    && !dueJobs.isClosing()
                    && System.nanoTime() < end) {
                job = next;
                Step step = step(open, job);
                next = step.after;
                pause = step.pause;
            }
            release(open, pause);
        } catch (LeaseLostException e) {
            LOG.info("job {} was cancelled or taken over by another node", open.job());
        } catch (RefusedException e) {
            jobs.fail(open.tenant(), job, e.detail());
        } catch (UnavailableException e) {
            comeBack(open, e);
        } catch (RuntimeException e) {
            if (e instanceof VaultException vault && vault.retryable()) {
                comeBack(open, e);
                return;
            }
            LOG.error("a step of job {} ({}) failed", open.job(), job.kind(), e);
            if (postpone(open) >= ATTEMPTS) {
                jobs.fail(open.tenant(), job, "something went wrong inside; the server's log says what");
            }
        }
    }

    /// Puts the job back for a little while. What is away (the database, the vault) comes back by itself:
    /// the job goes on soon after, however long it was gone, and it is no fault of the job, so none is
    /// counted.
    private void comeBack(Open open, RuntimeException e) {
        LOG.warn("job {}: {}, will try again", open.job(), e.getMessage());
        release(open, AWAY);
    }

    private @Nullable Job lease(Open open) {
        return database.inTenant(open.tenant(), tx -> {
            int leased = tx.createUpdate("""
                            UPDATE open_job SET leased_by = :node, leased_until = now() + %s
                            WHERE (tenant_id, job_id) IN (
                                SELECT tenant_id, job_id FROM open_job
                                WHERE tenant_id = :tenant AND job_id = :job AND due_at <= now() AND leased_until < now()
                                FOR UPDATE SKIP LOCKED)""".formatted(LEASE))
                    .bind("node", node)
                    .bind("tenant", open.tenant())
                    .bind("job", open.job())
                    .execute();
            return leased == 0 ? null : jobs.find(tx, open.tenant(), open.job());
        });
    }

    private Step step(Open open, Job job) {
        Step step = new Step(open, job);
        JobHandler handler = handlers.get(job.kind());
        if (handler == null) {
            throw new IllegalStateException("no handler for " + job.kind());
        }
        handler.step(step);
        if (step.after == null) {
            throw new IllegalStateException("the handler of " + job.kind() + " has ended without a commit");
        }
        return step;
    }

    private final class Step implements JobStep {
        private final Open open;
        private final Job job;
        private @Nullable Job after;
        private Duration pause = Duration.ZERO;

        Step(Open open, Job job) {
            this.open = open;
            this.job = job;
        }

        @Override
        public TenantId tenant() {
            return open.tenant();
        }

        @Override
        public Job job() {
            return job;
        }

        @Override
        public void commit(Effects effects) {
            if (after != null) {
                throw new IllegalStateException("a step commits once");
            }
            after = database.inTenant(open.tenant(), tx -> {
                if (!renewLease(tx, open)) {
                    throw new LeaseLostException();
                }
                Advance advance = effects.apply(tx);
                jobs.advance(tx, open.tenant(), job, advance);
                pause = advance.pause() == null ? Duration.ZERO : advance.pause();
                return jobs.find(tx, open.tenant(), open.job());
            });
        }
    }

    private boolean renewLease(Handle tx, Open open) {
        return tx.createUpdate("""
                        UPDATE open_job SET leased_until = now() + %s, attempts = 0
                        WHERE tenant_id = :tenant AND job_id = :job AND leased_by = :node""".formatted(LEASE))
                        .bind("tenant", open.tenant())
                        .bind("job", open.job())
                        .bind("node", node)
                        .execute()
                > 0;
    }

    private void release(Open open, Duration pause) {
        database.inTenant(
                open.tenant(),
                tx -> tx.createUpdate("""
                                UPDATE open_job SET leased_by = NULL, leased_until = '-infinity',
                                    due_at = now() + make_interval(secs => :pause)
                                WHERE tenant_id = :tenant AND job_id = :job AND leased_by = :node""")
                        .bind("pause", pause.toMillis() / 1e3)
                        .bind("tenant", open.tenant())
                        .bind("job", open.job())
                        .bind("node", node)
                        .execute());
    }

    /// Puts the job back for a while that doubles with each failure: this is a fault of the job itself,
    /// which does not pass by waiting.
    ///
    /// @return how often it has failed since its last step that went well
    private int postpone(Open open) {
        return database.inTenant(
                open.tenant(),
                tx -> tx.createQuery("""
                                UPDATE open_job SET leased_by = NULL, leased_until = '-infinity', attempts = attempts + 1,
                                    due_at = now() + least(interval '1 second' * power(2, attempts), interval '5 minutes')
                                WHERE tenant_id = :tenant AND job_id = :job AND leased_by = :node
                                RETURNING attempts""")
                        .bind("tenant", open.tenant())
                        .bind("job", open.job())
                        .bind("node", node)
                        .mapTo(Integer.class)
                        .findOne()
                        .orElse(0));
    }

    private void renewLeases() {
        if (dueJobs.isClosing()) {
            return;
        }
        for (Open open : dueJobs.running()) {
            database.inTenant(
                    open.tenant(),
                    tx -> tx.createUpdate("""
                                    UPDATE open_job SET leased_until = now() + %s
                                    WHERE (tenant_id, job_id) IN (
                                        SELECT tenant_id, job_id FROM open_job
                                        WHERE tenant_id = :tenant AND job_id = :job AND leased_by = :node
                                        FOR UPDATE SKIP LOCKED)""".formatted(LEASE))
                            .bind("tenant", open.tenant())
                            .bind("job", open.job())
                            .bind("node", node)
                            .execute());
        }
    }

    /// Lets the steps that are under way end; other nodes go on.
    @Override
    public void close() {
        dueJobs.close();
        heartbeat.close();
    }
}
