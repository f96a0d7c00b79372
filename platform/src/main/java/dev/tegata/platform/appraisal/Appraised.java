// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import dev.tegata.attestation.appraisal.Verdict;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.attestation.result.Ear;
import dev.tegata.attestation.result.EarProfile;
import dev.tegata.pki.Bytes;

/// An appraisal and the means to sign its result, in whichever form is asked for. Signing calls the vault:
/// not for use inside a transaction.
public record Appraised(StoredAppraisal stored, Verdict verdict, Ear result, ResultKeys.ResultKey key, Signer signer) {
    /// The result as a JWT.
    public String jwt(EarProfile profile) {
        return result.in(profile).signJwt(key.id(), signer);
    }

    /// The result as a CWT, of draft #04.
    public Bytes cwt() {
        return result.signCwt(key.id(), signer);
    }
}
