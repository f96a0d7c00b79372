// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.SignatureAlgorithm;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// Finds signature algorithms by their DER AlgorithmIdentifier.
final class SignatureIdentifiers {
    private static final Map<Bytes, SignatureAlgorithm> ALGORITHMS = algorithms();

    private SignatureIdentifiers() {}

    static Optional<SignatureAlgorithm> algorithm(Bytes identifier) {
        return Optional.ofNullable(ALGORITHMS.get(identifier));
    }

    private static Map<Bytes, SignatureAlgorithm> algorithms() {
        Map<Bytes, SignatureAlgorithm> algorithms = new HashMap<>();
        for (SignatureAlgorithm algorithm : SignatureAlgorithm.values()) {
            algorithms.put(algorithm.identifier(), algorithm);
        }
        return Map.copyOf(algorithms);
    }
}
