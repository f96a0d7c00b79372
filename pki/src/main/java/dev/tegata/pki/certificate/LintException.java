// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import java.util.List;
import java.util.stream.Collectors;

/// A certificate that was about to be signed breaks rules, and was not signed. A defect of a profile, of an issuer
/// or of this library; never the fault of the request.
public final class LintException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient List<Finding> findings;

    LintException(List<Finding> findings) {
        super("the certificate was not signed: "
                + findings.stream().map(Finding::toString).collect(Collectors.joining("; ")));
        this.findings = List.copyOf(findings);
    }

    /// One broken rule.
    public record Finding(LintRule rule, String detail) {
        @Override
        public String toString() {
            return rule.id() + ": " + detail;
        }
    }

    /// What is wrong, at least one thing.
    public List<Finding> findings() {
        return findings;
    }
}
