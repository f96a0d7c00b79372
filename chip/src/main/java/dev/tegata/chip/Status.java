// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

/// What a chip answers in one byte where it has no data to give.
public enum Status {
    SUCCESS(0x00),
    /// CheckMac, Verify or SecureBoot compared and found a difference.
    MISMATCH(0x01),
    /// Length, opcode or parameter is illegal, whatever the chip's state.
    PARSE_ERROR(0x03),
    /// The elliptic curve arithmetic did not succeed.
    ECC_FAULT(0x05),
    SELF_TEST_FAILED(0x07),
    /// The command is well formed and not permitted: by a policy, a lock, or the chip's state.
    EXECUTION_ERROR(0x0F),
    /// The answer to a wake.
    AWAKE(0x11),
    WATCHDOG_ABOUT_TO_EXPIRE(0xEE),
    /// The packet did not arrive intact.
    CRC_ERROR(0xFF);

    private final int code;

    Status(int code) {
        this.code = code;
    }

    public int code() {
        return code;
    }

    byte[] answer() {
        return new byte[] {(byte) code};
    }

    /// The status of this code; a code that no chip sends is an execution error.
    public static Status of(int code) {
        for (Status status : values()) {
            if (status.code == (code & 0xFF)) {
                return status;
            }
        }
        return EXECUTION_ERROR;
    }
}
