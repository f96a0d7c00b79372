// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import org.jspecify.annotations.Nullable;

/// An element that is not acceptable, and why. Never leaves the package.
final class RejectedException extends Exception {
    private static final long serialVersionUID = 1L;

    private final IssueReason reason;
    private final String detail;
    private final @Nullable String serial;

    private RejectedException(IssueReason reason, String detail, @Nullable String serial) {
        super(detail, null, false, false);
        this.reason = reason;
        this.detail = detail;
        this.serial = serial;
    }

    RejectedException(IssueReason reason, String detail) {
        this(reason, detail, null);
    }

    /// The same, of the chip that has this serial number.
    RejectedException of(String chipSerial) {
        return new RejectedException(reason, detail, chipSerial);
    }

    IssueReason reason() {
        return reason;
    }

    String detail() {
        return detail;
    }

    @Nullable
    String serial() {
        return serial;
    }
}
