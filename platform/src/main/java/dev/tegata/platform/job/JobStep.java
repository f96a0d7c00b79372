// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.job;

import dev.tegata.platform.TenantId;
import org.jdbi.v3.core.Handle;

/// One step of a job, as its handler sees it.
public interface JobStep {
    TenantId tenant();

    /// The job as the step before has left it.
    Job job();

    /// Runs `effects` in one transaction with the job's own progress: either both are stored, or neither.
    /// To be called exactly once.
    void commit(Effects effects);

    /// What a step changes.
    @FunctionalInterface
    interface Effects {
        Advance apply(Handle tx);
    }
}
