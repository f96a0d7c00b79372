// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

/// A request that is refused for a reason its sender can know and act on. Carries no stack trace: it is an answer, not
/// a fault.
public final class RefusedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final ErrorCode code;

    /// @param detail one sentence for a person that names the offending part; never a secret, never another tenant's
    /// data
    public RefusedException(ErrorCode code, String detail) {
        super(detail, null, false, false);
        this.code = code;
    }

    public ErrorCode code() {
        return code;
    }

    /// The sentence for a person.
    public String detail() {
        return String.valueOf(getMessage());
    }
}
