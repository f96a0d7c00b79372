// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.pki.Bytes;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Bytes of which only those under the mask count. Without a mask, all count.
record RawValue(Bytes value, @Nullable Bytes mask) {
    /// Reads the tagged forms; `separateMask` is the mask of the older form, which stands under a key of its own.
    static RawValue of(Cbor item, @Nullable Cbor separateMask) throws MalformedException {
        if (item instanceof Cbor.Tagged(long tag, Cbor content) && tag == Measurement.MASKED_RAW_VALUE_TAG) {
            List<Cbor> pair = content.array("a masked raw value", 2, 2);
            Bytes value = pair.get(0).bytes("a raw value");
            return new RawValue(value, mask(pair.get(1), value));
        }
        Cbor content =
                item instanceof Cbor.Tagged(long tag, Cbor tagged) && tag == Environment.BYTES_TAG ? tagged : item;
        if (content instanceof Cbor.TextString(String text)) {
            return new RawValue(Bytes.of(text.getBytes(StandardCharsets.UTF_8)), null);
        }
        Bytes value = content.bytes("a raw value");
        return new RawValue(value, separateMask == null ? null : mask(separateMask, value));
    }

    private static Bytes mask(Cbor item, Bytes value) throws MalformedException {
        Bytes mask = item.bytes("a raw value's mask");
        if (mask.size() != value.size()) {
            throw new MalformedException("a raw value and its mask must be of one size");
        }
        return mask;
    }

    boolean matches(RawValue actual) {
        if (mask == null) {
            return value.equals(actual.value);
        }
        if (actual.value.size() != value.size()) {
            return false;
        }
        for (int i = 0; i < value.size(); i++) {
            if (((value.at(i) ^ actual.value.at(i)) & mask.at(i)) != 0) {
                return false;
            }
        }
        return true;
    }
}
