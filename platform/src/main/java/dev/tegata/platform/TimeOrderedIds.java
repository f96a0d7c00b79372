// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.UUID;
import java.util.random.RandomGenerator;

/// UUIDs of version 7 (RFC 9562 §5.7): their order follows time, so that new rows land side by side in
/// an index.
public final class TimeOrderedIds {
    private TimeOrderedIds() {}

    public static UUID next(Instant now, RandomGenerator random) {
        ByteBuffer bits = ByteBuffer.allocate(Short.BYTES + Long.BYTES);
        random.nextBytes(bits.array());
        long high = (now.toEpochMilli() << 16) | 0x7000L | (bits.getShort() & 0x0fffL);
        long low = 0x8000000000000000L | (bits.getLong() & 0x3fffffffffffffffL);
        return new UUID(high, low);
    }

    /// When an id was made, to the millisecond.
    public static Instant timeOf(UUID id) {
        return Instant.ofEpochMilli(id.getMostSignificantBits() >>> 16);
    }

    /// Reads the usual text form of a UUID.
    ///
    /// @param what it names, for the message
    /// @throws RefusedException where the text is something else
    public static UUID parse(String what, String text) {
        try {
            if (text.length() == 36) {
                return UUID.fromString(text);
            }
        } catch (IllegalArgumentException ignored) {
            // Told below, in words for a person.
        }
        throw new RefusedException(ErrorCode.INVALID_IDENTIFIER, "'" + Texts.quoted(text) + "' is no " + what);
    }
}
