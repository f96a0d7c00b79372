// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.metering;

import dev.tegata.pki.Bytes;
import java.time.Instant;
import java.time.YearMonth;
import org.jspecify.annotations.Nullable;

/// What a month comes to.
///
/// @param devices that count, adjustments not among them
/// @param adjustments devices that were counted after the month was closed
/// @param digest over the rows, once it is closed
public record UsageMonth(
        YearMonth month,
        State state,
        long devices,
        long adjustments,
        @Nullable Instant closedAt,
        @Nullable Bytes digest) {

    /// Whether more may come.
    public enum State {
        OPEN,
        CLOSING,
        CLOSED
    }
}
