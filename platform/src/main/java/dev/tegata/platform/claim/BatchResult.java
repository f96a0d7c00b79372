// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.platform.claim.KnownClaims.Verdict;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What came of the elements of a batch, counted.
final class BatchResult {
    private final List<ManifestIssue> issues = new ArrayList<>();
    private int claimed;
    private int alreadyClaimed;
    private int rejected;
    private int conflicts;

    void add(Element element, KnownClaims known) {
        switch (element) {
            case Element.Rejected(long position, String serial, IssueReason reason, String detail) ->
                add(position, serial, reason, detail);
            case Element.Parsed(long position, Candidate candidate) -> {
                switch (known.claim(candidate)) {
                    case Verdict.Claimed() -> claimed++;
                    case Verdict.AlreadyClaimed() -> alreadyClaimed++;
                    case Verdict.Conflict(IssueReason reason, String detail) ->
                        add(position, candidate.serial(), reason, detail);
                }
            }
        }
    }

    private void add(long position, @Nullable String serial, IssueReason reason, String detail) {
        switch (reason.outcome()) {
            case REJECTED -> rejected++;
            case CONFLICT -> conflicts++;
        }
        issues.add(new ManifestIssue(position, reason.outcome(), serial, reason.code(), detail));
    }

    /// The elements that were not claimed, in their order.
    List<ManifestIssue> issues() {
        return issues;
    }

    int elements() {
        return claimed + alreadyClaimed + rejected + conflicts;
    }

    int claimed() {
        return claimed;
    }

    int alreadyClaimed() {
        return alreadyClaimed;
    }

    int rejected() {
        return rejected;
    }

    int conflicts() {
        return conflicts;
    }
}
