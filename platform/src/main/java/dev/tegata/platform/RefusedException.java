// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

import java.util.List;

/// A request that is refused for a reason its sender can know and act on. Carries no stack trace: it is an
/// answer, not a fault.
public final class RefusedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final ErrorCode code;
    private final transient List<Broken> broken;

    /// @param detail one sentence for a person that names the offending part; never a secret, never another
    /// tenant's data
    public RefusedException(ErrorCode code, String detail) {
        this(code, detail, List.of());
    }

    /// As the other, and names whom the change would break.
    public RefusedException(ErrorCode code, String detail, List<Broken> broken) {
        super(detail, null, false, false);
        this.code = code;
        this.broken = List.copyOf(broken);
    }

    public ErrorCode code() {
        return code;
    }

    /// Whom the change would break, by reason; mostly nobody.
    public List<Broken> broken() {
        return broken;
    }

    /// The sentence for a person.
    public String detail() {
        return String.valueOf(getMessage());
    }
}
