// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.order;

import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import java.util.UUID;

/// Names an order.
public record OrderId(UUID value) {
    /// Reads the usual text form of a UUID.
    ///
    /// @throws RefusedException where the text is something else
    public static OrderId parse(String text) {
        try {
            if (text.length() == 36) {
                return new OrderId(UUID.fromString(text));
            }
        } catch (IllegalArgumentException ignored) {
            // Told below, in words for a person.
        }
        throw new RefusedException(ErrorCode.INVALID_IDENTIFIER, "the order id is no UUID");
    }

    @Override
    public String toString() {
        return value.toString();
    }
}
