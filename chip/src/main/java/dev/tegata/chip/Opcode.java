// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import java.util.Optional;

/// The commands of the ECC608 family.
public enum Opcode {
    AES(0x51),
    CHECK_MAC(0x28),
    COUNTER(0x24),
    DERIVE_KEY(0x1C),
    ECDH(0x43),
    GEN_DIG(0x15),
    GEN_KEY(0x40),
    INFO(0x30),
    KDF(0x56),
    LOCK(0x17),
    MAC(0x08),
    NONCE(0x16),
    PRIV_WRITE(0x46),
    RANDOM(0x1B),
    READ(0x02),
    SECURE_BOOT(0x80),
    SELF_TEST(0x77),
    SHA(0x47),
    SIGN(0x41),
    UPDATE_EXTRA(0x20),
    VERIFY(0x45),
    WRITE(0x12);

    private static final Opcode[] BY_CODE = new Opcode[256];

    static {
        for (Opcode opcode : values()) {
            BY_CODE[opcode.code] = opcode;
        }
    }

    private final int code;

    Opcode(int code) {
        this.code = code;
    }

    public int code() {
        return code;
    }

    static Optional<Opcode> of(int code) {
        return Optional.ofNullable(BY_CODE[code & 0xFF]);
    }
}
