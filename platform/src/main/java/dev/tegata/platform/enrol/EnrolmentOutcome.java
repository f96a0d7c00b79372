// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import java.time.Duration;
import java.util.List;

/// How an enrolment ended.
public sealed interface EnrolmentOutcome {
    /// The certificate is on disk. `chain` stands above it, nearest first, root last.
    record Issued(DeviceId device, Certificate certificate, List<Certificate> chain) implements EnrolmentOutcome {}

    /// An operator has to approve first.
    record Pending(Duration retryAfter) implements EnrolmentOutcome {}

    /// `detail` is for the operator; a protocol adapter shows the device the code, and [#told].
    record Refused(ErrorCode code, String detail) implements EnrolmentOutcome {
        /// What the device is told beside the code: the detail where it is about its request or its
        /// evidence, nothing where it names other devices and certificates.
        public String told() {
            return switch (code) {
                case REQUEST_INVALID, KEY_NOT_ALLOWED, EVIDENCE_REQUIRED, EVIDENCE_REFUSED, POSTURE_NOT_GOOD -> detail;
                default -> "";
            };
        }
    }
}
