// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import java.time.DateTimeException;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// From when to when something holds. An absent beginning means always until the end.
public record Validity(@Nullable Instant notBefore, Instant notAfter) {
    private static final int TIME_TAG = 1;

    static Validity of(Cbor item) throws MalformedException {
        Cbor.MapItem map = item.mapping("a validity");
        Cbor notBefore = map.get(0);
        Validity validity = new Validity(
                notBefore == null ? null : instant(notBefore), instant(map.require(1, "the end of a validity")));
        if (validity.notBefore != null && validity.notBefore.isAfter(validity.notAfter)) {
            throw new MalformedException("a validity ends before it begins");
        }
        return validity;
    }

    /// A time in tag 1, in whole seconds.
    static Instant instant(Cbor item) throws MalformedException {
        try {
            return Instant.ofEpochSecond(item.tagged("a time", TIME_TAG).integer("a time"));
        } catch (DateTimeException _) {
            throw new MalformedException("a time is out of range");
        }
    }

    Cbor toCbor() {
        return Cbor.map()
                .put(0, notBefore == null ? null : new Cbor.Tagged(TIME_TAG, Cbor.of(notBefore.getEpochSecond())))
                .put(1, new Cbor.Tagged(TIME_TAG, Cbor.of(notAfter.getEpochSecond())))
                .build();
    }

    public boolean contains(Instant instant) {
        return (notBefore == null || !instant.isBefore(notBefore)) && !instant.isAfter(notAfter);
    }
}
