// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.csr.AttestationBundle.Statement;
import dev.tegata.pki.Bytes;
import dev.tegata.protocol.CheckIn;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/// Makes evidence of what the device is.
public interface Attester {
    /// The bit that says that a conceptual message is evidence.
    long EVIDENCE = 4;

    /// Evidence over a verifier's nonce.
    ///
    /// @param keyName the name of the operational key, where there is one
    /// @throws IOException where there can be none for this nonce
    CheckIn.Evidence attest(Bytes nonce, Optional<String> keyName) throws IOException;

    /// Evidence for a request for a certificate, which says that the requested key is of this device.
    /// Unless the evidence is about keys, it is its nonce that names the key.
    ///
    /// @param nonce of the verifier, for this request
    /// @throws IOException where there can be none for this nonce or this key
    default List<Statement> vouch(Bytes nonce, DeviceKeys.Made made) throws IOException {
        return List.of(
                message(attest(nonce.concat(made.key().publicKey().encoded()).sha256(), Optional.of(made.name()))));
    }

    /// Makes the key known that it signs evidence with, where the server does not know it by its
    /// certificate.
    default void introduce(Introduction server) throws IOException {}

    /// How a server comes to know the attestation key of a TPM.
    interface Introduction {
        /// @param attestationKey TPMT_PUBLIC
        /// @param endorsement DER certificates of the endorsement key, its own first
        void run(Bytes attestationKey, List<Bytes> endorsement, Solver solver) throws IOException;
    }

    /// Reads a secret as only the TPM can that holds both keys.
    interface Solver {
        Bytes solve(Bytes idObject, Bytes encryptedSecret) throws IOException;
    }

    /// The evidence as a conceptual message (RFC 9999).
    static Statement message(CheckIn.Evidence evidence) {
        return Statement.ofMessage(
                Cbor.array(Cbor.of(evidence.mediaType()), Cbor.of(evidence.value()), Cbor.of(EVIDENCE))
                        .encode());
    }
}
