// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.acme;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.tpm.KeyCertification;
import dev.tegata.attestation.tpm.TpmStatement;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.endorsement.AttestationKeys;
import java.util.List;

/// Statements of TPMs, by the attestation keys that were activated for the device.
public final class TpmAttestation implements DeviceAttestation {
    private final AttestationKeys keys;

    public TpmAttestation(AttestationKeys keys) {
        this.keys = keys;
    }

    @Override
    public Bytes verify(FleetId fleet, DeviceId device, Bytes statement, Bytes keyAuthorization) {
        List<PublicKeyInfo> activated = keys.of(fleet.tenant(), device);
        String why = "no attestation key was activated for the device";
        try {
            KeyCertification certification = TpmStatement.parse(statement);
            for (PublicKeyInfo key : activated) {
                try {
                    return certification
                            .certifiedBy(key, keyAuthorization.sha256())
                            .encoded();
                } catch (MalformedException e) {
                    why = String.valueOf(e.getMessage());
                }
            }
        } catch (MalformedException e) {
            why = String.valueOf(e.getMessage());
        }
        throw new RefusedException(ErrorCode.EVIDENCE_REFUSED, why);
    }
}
