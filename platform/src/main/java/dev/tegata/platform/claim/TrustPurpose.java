// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

/// What a tenant trusts a certificate for.
public enum TrustPurpose {
    /// Its key signs manifests in Microchip's format.
    MANIFEST_SIGNER,
    /// It issues birth certificates.
    BIRTH_CA,
    /// It certifies keys that sign evidence.
    ATTESTATION_CA,
    /// It certifies the endorsement keys of TPMs.
    TPM_VENDOR_CA,
    /// Chains of DICE layers begin with it.
    DICE_ROOT
}
