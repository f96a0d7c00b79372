// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.acme;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;

/// Verifies what a device answers to the challenge device-attest-01.
public interface DeviceAttestation {
    /// Verifies a statement.
    ///
    /// @param statement the attestation object, CBOR, as the device sent it
    /// @param keyAuthorization the octets whose SHA-256 the statement must attest (RFC 8555 §8.1)
    /// @return the SubjectPublicKeyInfo of the key that was attested to be the device's; the
    ///     certificate's key must be the same
    /// @throws dev.tegata.platform.RefusedException where it proves nothing
    Bytes verify(FleetId fleet, DeviceId device, Bytes statement, Bytes keyAuthorization);
}
