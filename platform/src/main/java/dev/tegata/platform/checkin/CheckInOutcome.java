// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.checkin;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.protocol.CheckInAnswer;

/// What came of a check-in.
public sealed interface CheckInOutcome {
    record Answered(CheckInAnswer answer) implements CheckInOutcome {}

    /// As [Answered], signed for a device that came by way of a gateway.
    record Signed(Bytes message) implements CheckInOutcome {}

    record Refused(ErrorCode code, String detail) implements CheckInOutcome {}
}
