// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.device.DeviceState;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// What enrolment and check-in need to know of the device that a credential led to.
///
/// @param untilGood whether a suspension ends when the device proves that it is good
/// @param version on which the decision to issue will rest
/// @param current the certificate it was given last, where it has one
/// @param approval what an operator said, where the device has asked before
public record Candidate(
        DeviceId id,
        FleetId fleet,
        DeviceState state,
        boolean untilGood,
        String serial,
        int version,
        @Nullable CurrentCertificate current,
        @Nullable Approval approval) {

    /// The certificate it was given last.
    public record CurrentCertificate(
            Bytes encoded, Bytes publicKeyFingerprint, Instant issuedAt, Instant notAfter, boolean revoked) {}

    /// What an operator said.
    public enum Approval {
        PENDING,
        APPROVED,
        REJECTED
    }

    /// Whether the device is shut out until it proves that it is good, and so must be heard about that.
    public boolean isToProveItself() {
        return state == DeviceState.SUSPENDED && untilGood;
    }

    String subject() {
        return "device:" + id;
    }
}
