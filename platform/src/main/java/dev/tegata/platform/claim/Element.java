// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import org.jspecify.annotations.Nullable;

/// One element of a manifest after it was looked into.
sealed interface Element {
    /// Its place in the file, from 0.
    long position();

    /// A chip that may be claimed, as far as the element alone can tell.
    record Parsed(long position, Candidate candidate) implements Element {}

    /// Not to be claimed.
    record Rejected(long position, @Nullable String serial, IssueReason reason, String detail) implements Element {}
}
