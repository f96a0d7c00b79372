// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.pki.Bytes;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Whether a measurement fulfils a condition (draft-ietf-rats-corim §9.4): every value of the condition must be
/// there, and each kind of value has its own comparison.
final class Matching {
    private Matching() {}

    static boolean matches(Measurement condition, Measurement actual) {
        return Objects.equals(condition.key(), actual.key()) && values(condition.values(), actual.values());
    }

    private static boolean values(Cbor.MapItem condition, Cbor.MapItem actual) {
        try {
            for (Map.Entry<Cbor, Cbor> entry : condition.entries().entrySet()) {
                Cbor value = actual.entries().get(entry.getKey());
                // The older form of a mask has a key of its own and belongs to the raw value.
                boolean mask = entry.getKey().equals(Cbor.of(Measurement.RAW_VALUE_MASK));
                if (!mask && (value == null || !value(entry.getKey(), entry.getValue(), value, condition, actual))) {
                    return false;
                }
            }
            return true;
        } catch (MalformedException _) {
            return false;
        }
    }

    private static boolean value(
            Cbor key, Cbor condition, Cbor actual, Cbor.MapItem conditionValues, Cbor.MapItem actualValues)
            throws MalformedException {
        return switch ((int) key.integer("a value's key")) {
            case Measurement.VERSION -> version(condition, actual);
            case Measurement.SVN -> svn(condition, actual);
            case Measurement.DIGESTS -> Digests.match(condition, actual);
            case Measurement.FLAGS -> contains(condition, actual);
            case Measurement.RAW_VALUE ->
                RawValue.of(condition, conditionValues.get(Measurement.RAW_VALUE_MASK))
                        .matches(RawValue.of(actual, actualValues.get(Measurement.RAW_VALUE_MASK)));
            case Measurement.CRYPTO_KEYS -> actual.array("keys").containsAll(condition.array("keys"));
            case Measurement.INTEGRITY_REGISTERS -> registers(condition, actual);
            case Measurement.INT_RANGE -> range(condition, actual);
            default -> condition.equals(actual);
        };
    }

    private static boolean version(Cbor condition, Cbor actual) throws MalformedException {
        Cbor.MapItem expected = condition.mapping("a version");
        Cbor.MapItem found = actual.mapping("a version");
        Cbor expectedScheme = expected.get(1);
        Cbor foundScheme = found.get(1);
        // Evidence seldom says its scheme.
        boolean schemes = expectedScheme == null || foundScheme == null || expectedScheme.equals(foundScheme);
        return schemes && Objects.equals(expected.get(0), found.get(0));
    }

    private static boolean svn(Cbor condition, Cbor actual) throws MalformedException {
        long expected = Measurement.svn(condition);
        long found = Measurement.svn(actual);
        boolean minimum = condition instanceof Cbor.Tagged(long tag, Cbor _) && tag == Measurement.MIN_SVN_TAG;
        return minimum ? found >= expected : found == expected;
    }

    private static boolean contains(Cbor condition, Cbor actual) throws MalformedException {
        Map<Cbor, Cbor> found = actual.mapping("flags").entries();
        return condition.mapping("flags").entries().entrySet().stream()
                .allMatch(flag -> flag.getValue().equals(found.get(flag.getKey())));
    }

    private static boolean registers(Cbor condition, Cbor actual) throws MalformedException {
        Map<Cbor, Cbor> found = actual.mapping("integrity registers").entries();
        return condition.mapping("integrity registers").entries().entrySet().stream()
                .allMatch(register -> Digests.match(register.getValue(), found.get(register.getKey())));
    }

    private static boolean range(Cbor condition, Cbor actual) throws MalformedException {
        Bounds expected = Bounds.of(condition);
        Bounds found = Bounds.of(actual);
        return expected.min <= found.min && found.max <= expected.max;
    }

    /// A range of integers; open ends reach as far as `long` does.
    private record Bounds(long min, long max) {
        static Bounds of(Cbor item) throws MalformedException {
            if (item instanceof Cbor.Int(long number)) {
                return new Bounds(number, number);
            }
            List<Cbor> ends = item.tagged("a range", Measurement.INT_RANGE_TAG).array("a range", 2, 2);
            return new Bounds(end(ends.get(0), Long.MIN_VALUE), end(ends.get(1), Long.MAX_VALUE));
        }

        private static long end(Cbor item, long open) throws MalformedException {
            return item.equals(Cbor.NULL) ? open : item.integer("a range's end");
        }
    }

    /// Where conditions name the keys that must have said so, one of `authorities` must be each of them.
    static boolean authorized(List<Cbor> authorizedBy, List<Bytes> authorities) {
        return authorizedBy.stream()
                .allMatch(key -> authorities.stream().anyMatch(authority -> CryptoKeys.names(key, authority)));
    }

    static @Nullable Cbor digests(Measurement measurement) {
        return measurement.values().get(Measurement.DIGESTS);
    }
}
