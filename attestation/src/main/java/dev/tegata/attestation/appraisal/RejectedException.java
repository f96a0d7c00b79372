// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.appraisal;

/// Evidence that proves nothing, on its way to becoming an [EvidenceOutcome.Rejected].
final class RejectedException extends Exception {
    private static final long serialVersionUID = 1L;

    private final EvidenceOutcome.Reason reason;

    RejectedException(EvidenceOutcome.Reason reason, String sentence) {
        super(sentence, null, false, false);
        this.reason = reason;
    }

    EvidenceOutcome.Reason reason() {
        return reason;
    }
}
