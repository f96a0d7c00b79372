// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.FleetId;

/// A device asks for a certificate, in whatever protocol.
///
/// @param fleet the fleet its firmware names
/// @param credential what it proves itself with
/// @param request the DER PKCS#10 request
/// @param purpose first certificate, or the next
/// @param source where it came from (address), for the audit
public record EnrolmentRequest(
        FleetId fleet, DeviceCredential credential, Bytes request, Purpose purpose, String source) {
    /// What the device thinks it is doing (EST's simpleenroll and simplereenroll).
    public enum Purpose {
        ENROL,
        RE_ENROL
    }
}
