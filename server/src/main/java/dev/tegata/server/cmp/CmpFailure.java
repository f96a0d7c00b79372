// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cmp;

/// Ends a message with a PKIFailureInfo and a sentence for a person. An answer, not a fault.
final class CmpFailure extends Exception {
    private static final long serialVersionUID = 1L;

    private final int failInfo;

    /// @param failInfo of [org.bouncycastle.asn1.cmp.PKIFailureInfo]
    CmpFailure(int failInfo, String sentence) {
        super(sentence, null, false, false);
        this.failInfo = failInfo;
    }

    int failInfo() {
        return failInfo;
    }

    String sentence() {
        return String.valueOf(getMessage());
    }
}
