// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.fleet.EvidencePolicy;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// Judges the evidence that comes with a request, for fleets that ask for some.
public interface EvidenceGate {
    /// A request whose signature is right, of a device that is known.
    ///
    /// @param nonce that the channel says the evidence was made for; null where the evidence itself says it
    record Shown(
            DeviceId device,
            CertificateRequest request,
            @Nullable Nonce nonce) {}

    /// What makes evidence fresh.
    ///
    /// @param isUsedUp whether the channel has seen to it that it is ours, new, and good for one request
    record Nonce(Bytes value, boolean isUsedUp) {}

    /// Lets a device pass whose evidence is fresh, good enough, and of the very key that it wants
    /// certified.
    ///
    /// @return the appraisal that says so
    /// @throws RefusedException [ErrorCode#EVIDENCE_REQUIRED] or [ErrorCode#EVIDENCE_REFUSED]; the detail
    ///     begins with a stable word for the reason and a colon
    UUID pass(TenantId tenant, EvidencePolicy policy, Shown shown);

    /// Lets nobody pass: for a process that has no verifier.
    static EvidenceGate shut() {
        return (_, _, _) -> {
            throw new RefusedException(ErrorCode.EVIDENCE_REQUIRED, "no-verifier: evidence cannot be appraised here");
        };
    }
}
