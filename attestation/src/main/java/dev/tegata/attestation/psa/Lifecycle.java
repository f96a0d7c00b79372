// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.psa;

import dev.tegata.attestation.MalformedException;

/// The security life cycle state of a device's root of trust (RFC 9783 §4.3.1). The high byte tells it, the low
/// byte is the maker's.
public enum Lifecycle {
    UNKNOWN(0x00),
    ASSEMBLY_AND_TEST(0x10),
    ROOT_OF_TRUST_PROVISIONING(0x20),
    SECURED(0x30),
    NON_ROOT_OF_TRUST_DEBUG(0x40),
    RECOVERABLE_DEBUG(0x50),
    DECOMMISSIONED(0x60);

    private final int highByte;

    Lifecycle(int highByte) {
        this.highByte = highByte;
    }

    static Lifecycle of(int value) throws MalformedException {
        for (Lifecycle state : values()) {
            if (state.highByte == value >> 8) {
                return state;
            }
        }
        throw new MalformedException("the security life cycle " + Integer.toHexString(value) + " is not defined");
    }

    /// spec| RFC 9783 §4.3.1: only in these states can the attestation be trusted.
    public boolean trusted() {
        return this == SECURED || this == NON_ROOT_OF_TRUST_DEBUG;
    }
}
