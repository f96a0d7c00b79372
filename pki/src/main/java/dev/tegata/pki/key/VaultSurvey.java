// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.util.List;
import java.util.OptionalLong;

/// What a PKCS#11 module says of itself and of the tokens that it sees. Nothing was logged in to for it.
///
/// @param description as the module gives it
/// @param interfaceVersion of PKCS#11
public record VaultSurvey(
        String library,
        String manufacturer,
        String description,
        String version,
        String interfaceVersion,
        List<Token> tokens) {

    /// A slot with a token in it.
    ///
    /// @param used whether keys of this installation are or will be in it
    /// @param state such as "ready" or "the PIN is locked"
    public record Token(
            long slot,
            String slotDescription,
            String label,
            String manufacturer,
            String model,
            String serialNumber,
            boolean used,
            String state,
            OptionalLong maxSessions,
            OptionalLong freeMemory,
            List<Mechanism> mechanisms) {
        public Token {
            mechanisms = List.copyOf(mechanisms);
        }
    }

    /// @param name such as `CKM_ECDSA`; the number in hexadecimal where we do not know its name
    public record Mechanism(String name, long minKeySize, long maxKeySize) {}

    public VaultSurvey {
        tokens = List.copyOf(tokens);
    }
}
