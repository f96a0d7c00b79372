// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.checkin;

import dev.tegata.platform.ErrorCode;
import dev.tegata.protocol.CheckInAnswer;

/// What came of a check-in.
public sealed interface CheckInOutcome {
    record Answered(CheckInAnswer answer) implements CheckInOutcome {}

    record Refused(ErrorCode code, String detail) implements CheckInOutcome {
        /// The detail, as far as it is about the request itself: what is known of other devices is not
        /// told.
        public String told() {
            return switch (code) {
                case INVALID_IDENTIFIER,
                        INVALID_FIELD,
                        NONCE_INVALID,
                        NOT_FOUND,
                        REQUEST_INVALID,
                        KEY_NOT_ALLOWED,
                        EVIDENCE_REQUIRED,
                        EVIDENCE_REFUSED,
                        POSTURE_NOT_GOOD -> detail;
                default -> "";
            };
        }
    }
}
