// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.security.SecureRandom;
import java.util.HexFormat;

/// Names a private key inside a [KeySpace]. Says nothing of the key; 32 lower-case hex digits.
public record KeyHandle(String id) {
    public KeyHandle {
        if (!id.matches("[0-9a-f]{32}")) {
            throw new IllegalArgumentException("a key handle is 32 lower-case hex digits: '" + id + "'");
        }
    }

    /// One that no key has.
    public static KeyHandle random(SecureRandom random) {
        byte[] id = new byte[16];
        random.nextBytes(id);
        return new KeyHandle(HexFormat.of().formatHex(id));
    }
}
