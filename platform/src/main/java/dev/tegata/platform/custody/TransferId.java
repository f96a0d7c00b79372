// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.Texts;
import java.util.UUID;

/// Names a transfer, on both sides.
public record TransferId(UUID value) {
    /// @throws RefusedException where the text is something else
    public static TransferId parse(String text) {
        try {
            if (text.length() == 36) {
                return new TransferId(UUID.fromString(text));
            }
        } catch (IllegalArgumentException e) {
            // Told below, in words for a person.
        }
        throw new RefusedException(ErrorCode.INVALID_IDENTIFIER, "'" + Texts.quoted(text) + "' is not a transfer id");
    }

    @Override
    public String toString() {
        return value.toString();
    }
}
