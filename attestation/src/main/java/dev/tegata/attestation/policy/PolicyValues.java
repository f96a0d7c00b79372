// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.policy;

import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.pki.Bytes;
import java.math.BigInteger;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The values that expressions work with: maps with text keys, lists, texts, integers, floats and truth values.
/// Byte strings become hex.
public final class PolicyValues {
    private PolicyValues() {}

    /// The content of a map; empty where the item is none.
    public static Map<String, Object> object(Cbor item) {
        Map<String, Object> object = new LinkedHashMap<>();
        if (item instanceof Cbor.MapItem map) {
            map.entries().forEach((key, value) -> object.put(String.valueOf(value(key)), value(value)));
        }
        return object;
    }

    private static Object value(Cbor item) {
        return switch (item) {
            case Cbor.Int(long value) -> value;
            case Cbor.BigInt(BigInteger value) -> value.toString();
            case Cbor.ByteString(Bytes value) -> value.hex();
            case Cbor.TextString(String value) -> value;
            case Cbor.FloatItem(double value) -> value;
            case Cbor.Simple(int value) -> value == 21;
            case Cbor.Tagged(long _, Cbor content) -> value(content);
            case Cbor.ArrayItem(List<Cbor> items) ->
                items.stream().map(PolicyValues::value).toList();
            case Cbor.MapItem map -> object(map);
        };
    }
}
