// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.result;

import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.pki.Bytes;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The verdict on one attester.
///
/// `attesterClaims` is what it said, `verifierClaims` what the verifier adds; `evidenceNonce` is the nonce
/// inside the evidence; `attestedKey` a public key (SubjectPublicKeyInfo) that the evidence proves.
/// `extensions` are claims of others, under their names or numbers.
public record Appraisal(
        Tier status,
        @Nullable TrustVector vector,
        List<String> policyIds,
        @Nullable Cbor attesterClaims,
        @Nullable Cbor verifierClaims,
        @Nullable Bytes evidenceNonce,
        @Nullable Bytes attestedKey,
        Map<Cbor, Cbor> extensions) {
    /// The same with the status that its parts leave it, and what is said of them.
    public Appraisal withParts(Tier worst, Cbor claims) {
        return new Appraisal(worst, vector, policyIds, attesterClaims, claims, evidenceNonce, attestedKey, extensions);
    }

    /// A verdict whose status is that of its vector.
    public static Appraisal of(
            TrustVector vector,
            List<String> policyIds,
            @Nullable Cbor attesterClaims,
            @Nullable Cbor verifierClaims,
            @Nullable Bytes evidenceNonce,
            @Nullable Bytes attestedKey) {
        return new Appraisal(
                vector.status(),
                vector,
                policyIds,
                attesterClaims,
                verifierClaims,
                evidenceNonce,
                attestedKey,
                Map.of());
    }
}
