// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.job;

/// Does jobs of one kind.
@FunctionalInterface
public interface JobHandler {
    /// Does one bounded piece of the job, of a second or so, and ends with [JobStep#commit].
    ///
    /// What is done outside that transaction may be done again: the process can end at any moment.
    ///
    /// @throws dev.tegata.platform.RefusedException where it cannot be done; the sentence becomes its
    /// failure
    /// @throws dev.tegata.platform.UnavailableException where it is to be tried again later
    void step(JobStep step);
}
