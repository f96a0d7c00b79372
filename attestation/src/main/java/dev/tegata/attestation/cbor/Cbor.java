// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.cbor;

import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import java.math.BigInteger;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A CBOR data item (RFC 8949 §3).
///
/// The accessors that take a `what` are for decoders: they give the content where the item is of that kind, and
/// say in the exception's message which field was of another kind where it is not.
public sealed interface Cbor {
    Cbor TRUE = new Simple(21);
    Cbor FALSE = new Simple(20);
    Cbor NULL = new Simple(22);

    // The three kinds that serve as keys are comparable, so that a map of keys with colliding hashes stays fast.

    /// An integer that fits a `long`.
    record Int(long value) implements Cbor, Comparable<Int> {
        @Override
        public int compareTo(Int other) {
            return Long.compare(value, other.value);
        }
    }

    /// An integer of major type 0 or 1 that does not fit a `long`.
    record BigInt(BigInteger value) implements Cbor {}

    record ByteString(Bytes value) implements Cbor, Comparable<ByteString> {
        @Override
        public int compareTo(ByteString other) {
            return value.compareTo(other.value);
        }
    }

    record TextString(String value) implements Cbor, Comparable<TextString> {
        @Override
        public int compareTo(TextString other) {
            return value.compareTo(other.value);
        }
    }

    record ArrayItem(List<Cbor> items) implements Cbor {
        public ArrayItem {
            items = List.copyOf(items);
        }
    }

    /// A map. Keys are unique and keep the order in which they were read or put.
    record MapItem(Map<Cbor, Cbor> entries) implements Cbor {
        public MapItem {
            entries = Collections.unmodifiableMap(entries);
        }

        public @Nullable Cbor get(long key) {
            return entries.get(new Int(key));
        }

        public @Nullable Cbor get(String key) {
            return entries.get(new TextString(key));
        }

        /// The value of `key`.
        public Cbor require(long key, String what) throws MalformedException {
            Cbor value = get(key);
            if (value == null) {
                throw new MalformedException(what + " (" + key + ") is missing");
            }
            return value;
        }
    }

    record Tagged(long number, Cbor content) implements Cbor {}

    /// A simple value: 20 false, 21 true, 22 null, 23 undefined.
    record Simple(int value) implements Cbor {}

    record FloatItem(double value) implements Cbor {}

    static Cbor of(long value) {
        return new Int(value);
    }

    static Cbor of(String value) {
        return new TextString(value);
    }

    static Cbor of(Bytes value) {
        return new ByteString(value);
    }

    static Cbor of(boolean value) {
        return value ? TRUE : FALSE;
    }

    static Cbor array(Cbor... items) {
        return new ArrayItem(List.of(items));
    }

    static Builder map() {
        return new Builder();
    }

    /// Reads exactly one item that fills `encoded`.
    static Cbor read(Bytes encoded, CborLimits limits) throws MalformedException {
        return new CborReader(encoded.toArray(), limits).readAll();
    }

    /// The encoding with definite lengths and the shortest integers; maps keep their order.
    default Bytes encode() {
        CborWriter writer = new CborWriter();
        writer.write(this);
        return writer.bytes();
    }

    default long integer(String what) throws MalformedException {
        if (this instanceof Int(long value)) {
            return value;
        }
        throw new MalformedException(what + " must be an integer, not " + kind());
    }

    /// An integer between `min` and `max`.
    default int integer(String what, int min, int max) throws MalformedException {
        long value = integer(what);
        if (value < min || value > max) {
            throw new MalformedException(what + " must be between " + min + " and " + max + ", not " + value);
        }
        return (int) value;
    }

    default String text(String what) throws MalformedException {
        if (this instanceof TextString(String value)) {
            return value;
        }
        throw new MalformedException(what + " must be text, not " + kind());
    }

    default Bytes bytes(String what) throws MalformedException {
        if (this instanceof ByteString(Bytes value)) {
            return value;
        }
        throw new MalformedException(what + " must be a byte string, not " + kind());
    }

    /// A byte string of exactly `size` bytes.
    default Bytes bytes(String what, int size) throws MalformedException {
        Bytes value = bytes(what);
        if (value.size() != size) {
            throw new MalformedException(what + " must have " + size + " bytes, not " + value.size());
        }
        return value;
    }

    default boolean bool(String what) throws MalformedException {
        if (equals(TRUE)) {
            return true;
        }
        if (equals(FALSE)) {
            return false;
        }
        throw new MalformedException(what + " must be true or false, not " + kind());
    }

    default List<Cbor> array(String what) throws MalformedException {
        if (this instanceof ArrayItem(List<Cbor> items)) {
            return items;
        }
        throw new MalformedException(what + " must be an array, not " + kind());
    }

    /// An array of `min` to `max` items.
    default List<Cbor> array(String what, int min, int max) throws MalformedException {
        List<Cbor> items = array(what);
        if (items.size() < min || items.size() > max) {
            throw new MalformedException(what + " must have "
                    + (min == max ? "" + min : min + " to " + (max == Integer.MAX_VALUE ? "more" : "" + max))
                    + " items, not " + items.size());
        }
        return items;
    }

    default MapItem mapping(String what) throws MalformedException {
        if (this instanceof MapItem map) {
            return map;
        }
        throw new MalformedException(what + " must be a map, not " + kind());
    }

    /// The content of tag `number`.
    default Cbor tagged(String what, long number) throws MalformedException {
        if (this instanceof Tagged(long actual, Cbor content) && actual == number) {
            return content;
        }
        throw new MalformedException(what + " must have tag " + number + ", this is " + kind());
    }

    /// What the item is, for messages.
    default String kind() {
        return switch (this) {
            case Int _, BigInt _ -> "an integer";
            case ByteString _ -> "a byte string";
            case TextString _ -> "text";
            case ArrayItem _ -> "an array";
            case MapItem _ -> "a map";
            case Tagged(long number, Cbor _) -> "tag " + number;
            case Simple _ -> "a simple value";
            case FloatItem _ -> "a floating-point number";
        };
    }

    /// Collects the entries of a map. An absent value (`null`) is left out.
    final class Builder {
        private final Map<Cbor, Cbor> entries = new LinkedHashMap<>();

        private Builder() {}

        public Builder put(long key, @Nullable Cbor value) {
            return put(new Int(key), value);
        }

        public Builder put(String key, @Nullable Cbor value) {
            return put(new TextString(key), value);
        }

        public Builder put(Cbor key, @Nullable Cbor value) {
            if (value != null) {
                entries.put(key, value);
            }
            return this;
        }

        /// The map. It takes the entries with it: the builder is not used again.
        public MapItem build() {
            return new MapItem(entries);
        }
    }
}
