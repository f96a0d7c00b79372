// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.posture;

import dev.tegata.pki.key.SoftwareVault;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.appraisal.Verification;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.claim.TrustedCertificates;
import dev.tegata.platform.endorsement.ReappraisalRequests;
import dev.tegata.platform.enrol.EnrolmentWorld;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.job.Advance;
import dev.tegata.platform.job.Job;
import dev.tegata.platform.job.JobHandler;
import dev.tegata.platform.job.JobStep;
import dev.tegata.platform.job.JobWorkers;
import dev.tegata.platform.job.Jobs;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.DatabaseConfig;
import dev.tegata.platform.tenant.PostgresSealedKeyStore;
import java.io.IOException;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

/// A node that judges stored evidence again, in this process or, to be killed, in one of its own.
final class ReappraisalNode implements AutoCloseable {
    private final SecureRandom random = new SecureRandom();
    private final SoftwareVault vault;
    private final AuditLog audit;
    private final Outbox outbox;
    private final JobWorkers workers;

    /// What happens in the middle of a step.
    interface Interruption {
        /// When all is judged and nothing is stored.
        default void judged(int step) {}

        /// When it is stored and not committed.
        default void stored(int step) {}
    }

    ReappraisalNode(Database database, InstantSource clock, Interruption interruption) {
        vault = new SoftwareVault(new PostgresSealedKeyStore(database), EnrolmentWorld.KEK, random, 100);
        audit = new AuditLog(database, vault, clock);
        outbox = new Outbox(database, clock, random);
        Jobs jobs = new Jobs(database, audit, outbox, clock, random);
        Verification verification = Verification.of(
                new Verification.Ground(
                        database, vault, audit, jobs, new TrustedCertificates(database, audit, clock), "test"),
                clock,
                random);
        ReappraisalJob job = new ReappraisalJob(database, verification.appraisals(), outbox, audit, clock);
        AtomicInteger steps = new AtomicInteger();
        JobHandler interrupted = step -> job.step(new JobStep() {
            @Override
            public TenantId tenant() {
                return step.tenant();
            }

            @Override
            public Job job() {
                return step.job();
            }

            @Override
            public void commit(Effects effects) {
                int number = steps.incrementAndGet();
                interruption.judged(number);
                step.commit(tx -> {
                    Advance advance = effects.apply(tx);
                    interruption.stored(number);
                    return advance;
                });
            }
        });
        workers = JobWorkers.start(database, jobs, Map.of(ReappraisalRequests.JOB_KIND, interrupted));
    }

    @Override
    public void close() {
        workers.close();
        outbox.close();
        audit.close();
        vault.close();
    }

    /// Starts a process that stops in the middle of step `step`, says so, and waits for its end.
    static Process start(DatabaseConfig config, int step) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(List.of(
                ProcessHandle.current().info().command().orElseThrow(),
                "-Xmx256m",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-cp",
                System.getProperty("java.class.path"),
                ReappraisalNode.class.getName(),
                config.jdbcUrl(),
                config.user(),
                Integer.toString(step)));
        builder.environment().put("PASSWORD", config.password());
        return builder.redirectError(ProcessBuilder.Redirect.INHERIT).start();
    }

    public static void main(String[] arguments) throws InterruptedException {
        DatabaseConfig config = new DatabaseConfig(arguments[0], arguments[1], System.getenv("PASSWORD"), 4);
        int last = Integer.parseInt(arguments[2]);
        try (Database database = Database.open(config);
                ReappraisalNode _ = new ReappraisalNode(database, InstantSource.system(), new Interruption() {
                    @Override
                    public void stored(int step) {
                        if (step == last) {
                            System.out.println("in the middle");
                            hang();
                        }
                    }
                })) {
            hang();
        }
    }

    private static void hang() {
        try {
            Thread.sleep(Long.MAX_VALUE);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
