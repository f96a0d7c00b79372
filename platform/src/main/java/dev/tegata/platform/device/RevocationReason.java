// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.device;

/// Why certificates are revoked: the reason codes of RFC 5280 §5.3.1, without `removeFromCRL`, which is
/// for delta CRLs.
public enum RevocationReason {
    UNSPECIFIED(0),
    KEY_COMPROMISE(1),
    CA_COMPROMISE(2),
    AFFILIATION_CHANGED(3),
    SUPERSEDED(4),
    CESSATION_OF_OPERATION(5),
    CERTIFICATE_HOLD(6),
    PRIVILEGE_WITHDRAWN(9),
    AA_COMPROMISE(10);

    private final int code;

    RevocationReason(int code) {
        this.code = code;
    }

    public int code() {
        return code;
    }

    /// Whether an operator may give it for a device. A hold is a suspension; the others are reasons of
    /// authorities.
    public boolean isForDevices() {
        return switch (this) {
            case UNSPECIFIED,
                    KEY_COMPROMISE,
                    AFFILIATION_CHANGED,
                    SUPERSEDED,
                    CESSATION_OF_OPERATION,
                    PRIVILEGE_WITHDRAWN -> true;
            case CA_COMPROMISE, CERTIFICATE_HOLD, AA_COMPROMISE -> false;
        };
    }
}
