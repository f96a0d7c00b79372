// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.tpm;

import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.PublicKeyInfo;

/// A TPM's statement that it holds a key (TPM2_Certify or TPM2_CertifyCreation), to be bound to a
/// certificate request.
public record KeyCertification(Bytes attest, Bytes signature, Bytes publicArea) {
    /// Checks that the attestation key signed it, for this nonce, about this very key, and that the key was
    /// made in the TPM and cannot leave it. Gives the statement.
    ///
    /// `nonce` must be what the verifier gave. TPM2_Certify of some tools cannot carry one, the other can.
    public TpmAttest verify(TpmPublic attestationKey, Bytes nonce, PublicKeyInfo certified) throws MalformedException {
        if (!attestationKey.isAttestationKey()) {
            throw new MalformedException("the TPM key may sign what is not from the TPM, or may leave it");
        }
        return verify(attestationKey.key(), nonce, certified);
    }

    /// As [#verify], for an attestation key whose fitness was checked before. Gives the key that is
    /// certified.
    public PublicKeyInfo certifiedBy(PublicKeyInfo attestationKey, Bytes nonce) throws MalformedException {
        PublicKeyInfo certified = TpmPublic.parse(publicArea).key();
        verify(attestationKey, nonce, certified);
        return certified;
    }

    private TpmAttest verify(PublicKeyInfo attestationKey, Bytes nonce, PublicKeyInfo certified)
            throws MalformedException {
        if (!TpmSignature.parse(signature).verifies(attestationKey, attest)) {
            throw new MalformedException("the TPM's statement is not signed by the device's attestation key");
        }
        TpmAttest statement = TpmAttest.parse(attest);
        if (!statement.extraData().equals(nonce)) {
            throw new MalformedException("the TPM's statement was made for another nonce or challenge");
        }
        requireKey(statement, certified);
        return statement;
    }

    private void requireKey(TpmAttest statement, PublicKeyInfo certified) throws MalformedException {
        TpmPublic key = TpmPublic.parse(publicArea);
        Bytes name = switch (statement.statement()) {
            case TpmAttest.Certify(Bytes certifiedName, Bytes _) -> certifiedName;
            case TpmAttest.Creation(Bytes objectName, Bytes _) -> objectName;
            case TpmAttest.Quote _ -> throw new MalformedException("the TPM's statement is not about a key");
        };
        if (!name.equals(key.name())) {
            throw new MalformedException("the TPM's statement is about another key than the one given");
        }
        if (!key.key().equals(certified)) {
            throw new MalformedException("the TPM's statement is about another key than the one requested for");
        }
        if (!key.isBoundToTpm()) {
            throw new MalformedException("the key may leave the TPM, or was made outside");
        }
    }
}
