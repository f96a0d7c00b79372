// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.FleetId;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A device asks for a certificate, in whatever protocol.
///
/// @param fleet the fleet its firmware names
/// @param credential what it proves itself with
/// @param request the DER request, in the form that `form` says
/// @param purpose first certificate, or the next
/// @param source where it came from (address), for the audit
/// @param hostNames that the device has shown to answer for: they stand in its certificate, which is then a
/// TLS
///     server's too
/// @param nonce that evidence in the request was made for, where the channel knows; else null
public record EnrolmentRequest(
        FleetId fleet,
        DeviceCredential credential,
        Bytes request,
        Form form,
        Purpose purpose,
        String source,
        List<String> hostNames,
        EvidenceGate.@Nullable Nonce nonce) {
    public EnrolmentRequest {
        hostNames = List.copyOf(hostNames);
    }

    /// A request without evidence, or with such as names its nonce.
    public EnrolmentRequest(
            FleetId fleet,
            DeviceCredential credential,
            Bytes request,
            Form form,
            Purpose purpose,
            String source,
            List<String> hostNames) {
        this(fleet, credential, request, form, purpose, source, hostNames, null);
    }

    /// A PKCS#10 request.
    public EnrolmentRequest(FleetId fleet, DeviceCredential credential, Bytes request, Purpose purpose, String source) {
        this(fleet, credential, request, Form.PKCS10, purpose, source, List.of());
    }

    /// The same with evidence for this nonce.
    public EnrolmentRequest withNonce(EvidenceGate.@Nullable Nonce other) {
        return new EnrolmentRequest(fleet, credential, request, form, purpose, source, hostNames, other);
    }

    /// How requests are written.
    public enum Form {
        PKCS10,
        /// A CertReqMsg (RFC 4211).
        CRMF
    }

    /// What the device thinks it is doing (EST's simpleenroll and simplereenroll).
    public enum Purpose {
        ENROL,
        RE_ENROL
    }
}
