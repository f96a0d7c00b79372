// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.key.VaultException;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.JobId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.event.RecordedEvent;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.TestPlatform;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("Jobs")
class JobsTest {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    private static final Actor ACTOR = Actor.apiKey("test");

    private TestPlatform platform;
    private TenantId tenant;

    @BeforeEach
    void setUp() {
        platform = TestPlatform.software(testDatabase.database(), TestClock.create());
        tenant = platform.tenant().tenant().id();
    }

    @AfterEach
    void tearDown() {
        platform.close();
    }

    record Count(int to) {}

    private JobId start(TenantId owner, String kind, int to) {
        return platform.database.inTenant(owner, tx -> platform.jobs.start(tx, owner, kind, new Count(to), ACTOR));
    }

    private JobWorkers workers(Map<String, JobHandler> handlers) {
        return JobWorkers.start(platform.database, platform.jobs, handlers);
    }

    private Job ended(TenantId owner, JobId id) throws InterruptedException {
        for (int i = 0; i < 12_000; i++) {
            Job job = platform.jobs.get(owner, id);
            if (job.state() != Job.State.RUNNING) {
                return job;
            }
            Thread.sleep(10);
        }
        throw new AssertionError("the job does not end");
    }

    /// Counts to what is asked for, one a step; what is divisible by three is refused.
    private static void count(JobStep step) {
        int next =
                step.job().position() == null ? 0 : Integer.parseInt(step.job().position());
        int to = step.job().parameters(Count.class).to();
        List<JobIssue> issues =
                next % 3 == 0 ? List.of(new JobIssue("number:" + next, "conflict", "by three")) : List.of();
        int done = issues.isEmpty() ? 1 : 0;
        step.commit(_ -> next + 1 == to
                ? Advance.complete(done, issues)
                : Advance.to(Integer.toString(next + 1), done, issues).withTotal(to));
    }

    @Test
    @DisplayName("run to their end, count what they did, and tell so")
    void complete() throws InterruptedException {
        try (JobWorkers _ = workers(Map.of("count", JobsTest::count))) {
            JobId id = start(tenant, "count", 7);

            Job job = ended(tenant, id);

            assertThat(job.state()).isEqualTo(Job.State.COMPLETED);
            assertThat(job.total()).isEqualTo(7);
            assertThat(job.done()).isEqualTo(4);
            assertThat(job.refused()).isEqualTo(3);
            Page<JobIssue> first = platform.jobs.issues(tenant, id, new Page.Request(null, 2));
            assertThat(first.items()).extracting(JobIssue::subject).containsExactly("number:0", "number:3");
            assertThat(platform.jobs
                            .issues(tenant, id, Page.Request.of(first.next(), 2))
                            .items())
                    .extracting(JobIssue::subject)
                    .containsExactly("number:6");
            assertThat(platform.outbox.after(tenant, 0, 10))
                    .extracting(RecordedEvent::type)
                    .containsExactly("dev.tegata.job.started", "dev.tegata.job.completed");
            assertThat(platform.jobs
                            .list(tenant, Job.State.COMPLETED, Page.Request.first())
                            .items())
                    .containsExactly(job);
        }
    }

    @Test
    @DisplayName("go on where a node that was killed has left them, and no step counts twice")
    void takenOver() throws InterruptedException {
        CountDownLatch reached = new CountDownLatch(1);
        CountDownLatch killed = new CountDownLatch(1);
        ConcurrentLinkedQueue<Integer> counted = new ConcurrentLinkedQueue<>();
        JobHandler hanging = step -> {
            if ("3".equals(step.job().position())) {
                reached.countDown();
                await(killed);
            }
            count(step);
        };
        JobWorkers first = workers(Map.of("count", hanging));
        JobId id = start(tenant, "count", 20);
        await(reached);
        // Its node has fallen silent: the lease is over, and this process does not renew it.
        platform.database.inTenant(tenant, tx -> tx.execute("""
                        UPDATE open_job SET leased_by = gen_random_uuid(), leased_until = now() - interval '1 second',
                            due_at = now()"""));
        try (JobWorkers _ = workers(Map.of("count", step -> {
            counted.add(
                    step.job().position() == null
                            ? 0
                            : Integer.parseInt(step.job().position()));
            count(step);
        }))) {
            Job job = ended(tenant, id);
            killed.countDown();
            first.close();

            assertThat(job.state()).isEqualTo(Job.State.COMPLETED);
            assertThat(counted).startsWith(3).doesNotHaveDuplicates();
            Job later = platform.jobs.get(tenant, id);
            assertThat(later.done() + later.refused()).isEqualTo(20);
        }
    }

    @Test
    @DisplayName("are cancelled at once: the step that is under way is taken back")
    void cancelled() throws InterruptedException {
        CountDownLatch reached = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        try (JobWorkers _ = workers(Map.of("count", step -> {
            reached.countDown();
            await(goOn);
            count(step);
        }))) {
            JobId id = start(tenant, "count", 7);
            await(reached);

            Job job = platform.jobs.cancel(tenant, id, ACTOR);
            goOn.countDown();

            assertThat(job.state()).isEqualTo(Job.State.CANCELLED);
            assertThatThrownBy(() -> platform.jobs.cancel(tenant, id, ACTOR))
                    .isInstanceOfSatisfying(
                            RefusedException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CONFLICT));
        }
        assertThat(platform.jobs.list(tenant, null, Page.Request.first()).items())
                .allSatisfy(job -> assertThat(job.done() + job.refused()).isZero());
    }

    @Test
    @DisplayName("that cannot be done fail with the reason; those of a broken handler fail after some attempts")
    void failed() throws InterruptedException {
        AtomicInteger attempts = new AtomicInteger();
        try (JobWorkers _ = workers(Map.of(
                "refused",
                _ -> {
                    throw new RefusedException(ErrorCode.CONFLICT, "not in this weather");
                },
                "broken",
                _ -> {
                    attempts.incrementAndGet();
                    platform.database.inTenant(tenant, tx -> tx.execute("UPDATE open_job SET attempts = 10"));
                    throw new IllegalStateException("a bug");
                }))) {
            Job refused = ended(tenant, start(tenant, "refused", 1));
            Job broken = ended(tenant, start(tenant, "broken", 1));

            assertThat(refused.state()).isEqualTo(Job.State.FAILED);
            assertThat(refused.failure()).isEqualTo("not in this weather");
            assertThat(broken.state()).isEqualTo(Job.State.FAILED);
            assertThat(broken.failure()).doesNotContain("a bug");
            assertThat(attempts).hasValue(1);
        }
    }

    @Test
    @DisplayName("that only wait for the storage or the vault go on soon, however often they have tried")
    void awayForAWhile() throws InterruptedException {
        AtomicInteger attempts = new AtomicInteger();
        try (JobWorkers _ = workers(Map.of("count", step -> {
            switch (attempts.getAndIncrement()) {
                case 0 -> {
                    platform.database.inTenant(tenant, tx -> tx.execute("UPDATE open_job SET attempts = 10"));
                    throw new UnavailableException("the storage is away");
                }
                case 1 -> throw new VaultException("the token is away", true);
                default -> count(step);
            }
        }))) {
            Job job = ended(tenant, start(tenant, "count", 1));

            assertThat(job.state()).as(job.failure()).isEqualTo(Job.State.COMPLETED);
            assertThat(attempts).hasValue(3);
        }
    }

    @Test
    @DisplayName("of one tenant do not hold up those of another")
    void fair() throws InterruptedException {
        TenantId busy = platform.tenant().tenant().id();
        for (int i = 0; i < 40; i++) {
            start(busy, "slow", 1);
        }
        JobId quick = start(tenant, "quick", 1);
        CountDownLatch goOn = new CountDownLatch(1);
        JobWorkers workers = workers(Map.of(
                "slow",
                step -> {
                    await(goOn);
                    step.commit(_ -> Advance.complete(1, List.of()));
                },
                "quick",
                step -> step.commit(_ -> Advance.complete(1, List.of()))));

        Job job = ended(tenant, quick);
        goOn.countDown();
        workers.close();

        assertThat(job.state()).isEqualTo(Job.State.COMPLETED);
    }

    @Test
    @DisplayName("of another tenant do not exist")
    void foreign() {
        JobId id = start(tenant, "count", 1);
        TenantId other = platform.tenant().tenant().id();

        assertThatThrownBy(() -> platform.jobs.get(other, id)).isInstanceOf(RefusedException.class);
        assertThatThrownBy(() -> platform.jobs.cancel(other, id, ACTOR)).isInstanceOf(RefusedException.class);
        assertThat(platform.jobs.list(other, null, Page.Request.first()).items())
                .isEmpty();
    }

    @Test
    @DisplayName("that roll back were never there")
    void rolledBack() {
        assertThatThrownBy(() -> platform.database.inTenant(tenant, tx -> {
                    platform.jobs.start(tx, tenant, "count", new Count(1), ACTOR);
                    throw new IllegalStateException("no");
                }))
                .isInstanceOf(IllegalStateException.class);

        assertThat(platform.jobs.list(tenant, null, Page.Request.first()).items())
                .isEmpty();
        assertThat(platform.outbox.after(tenant, 0, 10)).isEmpty();
    }

    private static void await(CountDownLatch latch) {
        try {
            if (!latch.await(Duration.ofSeconds(60).toSeconds(), TimeUnit.SECONDS)) {
                throw new AssertionError("waited in vain");
            }
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
