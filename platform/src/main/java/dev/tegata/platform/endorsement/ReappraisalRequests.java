// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.endorsement;

import dev.tegata.platform.TenantId;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.job.Jobs;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.jdbi.v3.core.Handle;

/// Requests to judge stored evidence again, as rows of `reappraisal_request`, and one open job per tenant
/// that works them off.
///
/// Whoever asks holds the lock on the tenant's `appraisal_basis`. The job must take the same lock for the
/// step that finds nothing left: then no request falls between its last look and its end.
public final class ReappraisalRequests implements Reappraisals {
    /// The kind of the job.
    public static final String JOB_KIND = "reappraisal";

    private final Jobs jobs;
    private final InstantSource clock;
    private final SecureRandom random;

    public ReappraisalRequests(Jobs jobs, InstantSource clock, SecureRandom random) {
        this.jobs = jobs;
        this.clock = clock;
        this.random = random;
    }

    /// The job's parameters: there are none, the requests stand in their table.
    public record Parameters() {}

    @Override
    public void request(Handle tx, TenantId tenant, Actor actor, List<EndorsementId> changed) {
        List<UUID> endorsements = changed.stream().map(EndorsementId::value).toList();
        Instant time = later(tx, tenant);
        List<UUID> ids = new ArrayList<>();
        for (int i = 0; i < Math.max(1, endorsements.size()); i++) {
            ids.add(TimeOrderedIds.next(time, random));
        }
        // An array that is shorter is filled with nulls, and null stands for everything.
        tx.createUpdate("""
                        INSERT INTO reappraisal_request (tenant_id, request_id, endorsement_id, requested_at)
                        SELECT :tenant, id, endorsement, :now FROM unnest(:ids, :endorsements) AS new (id, endorsement)""")
                .bind("tenant", tenant)
                .bindArray("ids", UUID.class, ids)
                .bindArray("endorsements", UUID.class, endorsements)
                .bind("now", clock.instant())
                .execute();
        boolean open = tx.createQuery("SELECT EXISTS (SELECT FROM open_job WHERE tenant_id = :tenant AND kind = :kind)")
                .bind("tenant", tenant)
                .bind("kind", JOB_KIND)
                .mapTo(Boolean.class)
                .one();
        if (!open) {
            jobs.start(tx, tenant, JOB_KIND, new Parameters(), actor);
        }
    }

    /// A round removes the requests up to its last: none that comes after its beginning may be among them,
    /// whatever the clock of the node that makes it says.
    private Instant later(Handle tx, TenantId tenant) {
        Instant now = clock.instant();
        return tx.createQuery("""
                        SELECT request_id FROM reappraisal_request WHERE tenant_id = :tenant
                        ORDER BY request_id DESC LIMIT 1""")
                .bind("tenant", tenant)
                .mapTo(UUID.class)
                .map(last -> TimeOrderedIds.timeOf(last).plusMillis(1))
                .findOne()
                .filter(now::isBefore)
                .orElse(now);
    }
}
