// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.approval;

import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.Texts;
import java.util.UUID;

/// Names a request for approval.
public record ApprovalId(UUID value) {
    /// Reads the usual text form of a UUID.
    ///
    /// @throws RefusedException where the text is something else
    public static ApprovalId parse(String text) {
        try {
            if (text.length() == 36) {
                return new ApprovalId(UUID.fromString(text));
            }
        } catch (IllegalArgumentException ignored) {
            // Told below, in words for a person.
        }
        throw new RefusedException(ErrorCode.INVALID_IDENTIFIER, "'" + Texts.quoted(text) + "' is not an approval id");
    }

    @Override
    public String toString() {
        return value.toString();
    }
}
