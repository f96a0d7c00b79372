// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.platform.Texts;
import dev.tegata.platform.claim.ManifestIssue.Outcome;

/// Why an element was not claimed. Codes are stable.
public enum IssueReason {
    /// Not readable as what the format says an element is.
    MALFORMED(Outcome.REJECTED),
    TOO_LARGE(Outcome.REJECTED),
    UNSUPPORTED_VERSION(Outcome.REJECTED),
    /// Signed with something else than the format's one algorithm, or with nothing.
    ALGORITHM_NOT_ALLOWED(Outcome.REJECTED),
    UNKNOWN_SIGNER(Outcome.REJECTED),
    /// The signer's certificate was not valid when the chip was provisioned.
    SIGNER_NOT_VALID(Outcome.REJECTED),
    BAD_SIGNATURE(Outcome.REJECTED),
    /// Two parts of the element name different chips.
    SERIAL_MISMATCH(Outcome.REJECTED),
    /// A birth certificate that cannot be read, or is around another key.
    BAD_CERTIFICATE(Outcome.REJECTED),
    /// A birth certificate that its issuer did not sign.
    BAD_CHAIN(Outcome.REJECTED),
    /// A birth certificate of a CA that the tenant does not trust.
    UNTRUSTED_ISSUER(Outcome.REJECTED),
    /// The certificate is a CA's and no device's.
    CA_CERTIFICATE(Outcome.REJECTED),
    /// Nobody but the tenant vouches for the element, and the import was not made as its statement.
    NO_PROOF(Outcome.REJECTED),
    /// A key that is malformed, weak or not on its curve, or that stands in two slots.
    WEAK_KEY(Outcome.CONFLICT),
    /// The chip is claimed already, with other keys.
    OTHER_KEYS(Outcome.CONFLICT),
    /// Another device has this key.
    KEY_TAKEN(Outcome.CONFLICT),
    /// Claimed by somebody else.
    TAKEN(Outcome.CONFLICT);

    private final Outcome outcome;

    IssueReason(Outcome outcome) {
        this.outcome = outcome;
    }

    public Outcome outcome() {
        return outcome;
    }

    /// The stable name as clients see it: `unknown-signer`.
    public String code() {
        return Texts.word(this);
    }
}
