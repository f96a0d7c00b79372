// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.pki.Bytes;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Digests of one object by several algorithms. Algorithms are named by numbers of the Named Information
/// registry or by text; both name the same algorithm.
///
/// `repeated` is set where an algorithm stands twice; such digests match nothing.
record Digests(Map<Cbor, Bytes> values, boolean repeated) {
    private static final Map<String, Integer> NUMBERS =
            Map.of("sha-256", 1, "sha-384", 7, "sha-512", 8, "sha3-256", 10, "sha3-384", 11, "sha3-512", 12);

    static Digests of(Cbor item) throws MalformedException {
        Map<Cbor, Bytes> values = new HashMap<>();
        boolean repeated = false;
        for (Cbor entry : item.array("digests", 1, 32)) {
            List<Cbor> pair = entry.array("a digest", 2, 2);
            repeated |= values.put(algorithm(pair.get(0)), pair.get(1).bytes("a digest")) != null;
        }
        return new Digests(values, repeated);
    }

    private static Cbor algorithm(Cbor value) throws MalformedException {
        if (value instanceof Cbor.Int) {
            return value;
        }
        Integer number = NUMBERS.get(value.text("a digest's algorithm"));
        return number == null ? value : Cbor.of(number);
    }

    static boolean match(@Nullable Cbor reference, @Nullable Cbor actual) {
        if (reference == null || actual == null) {
            return false;
        }
        try {
            return of(reference).matches(of(actual));
        } catch (MalformedException _) {
            return false;
        }
    }

    /// As people write them.
    String describe() {
        List<String> said = new ArrayList<>();
        values.forEach((algorithm, value) -> said.add(name(algorithm) + " " + value.hex()));
        return said.stream().sorted().collect(Collectors.joining(" and "));
    }

    private static String name(Cbor algorithm) {
        return switch (algorithm) {
            case Cbor.TextString(String text) -> text;
            case Cbor.Int(long number) ->
                NUMBERS.entrySet().stream()
                        .filter(known -> known.getValue() == number)
                        .map(Map.Entry::getKey)
                        .findFirst()
                        .orElse("algorithm " + number);
            default -> algorithm.kind();
        };
    }

    /// Every common algorithm must agree, and there must be one.
    private boolean matches(Digests actual) {
        if (repeated || actual.repeated) {
            return false;
        }
        boolean common = false;
        for (Map.Entry<Cbor, Bytes> entry : values.entrySet()) {
            Bytes other = actual.values.get(entry.getKey());
            if (other != null) {
                if (!other.equals(entry.getValue())) {
                    return false;
                }
                common = true;
            }
        }
        return common;
    }
}
