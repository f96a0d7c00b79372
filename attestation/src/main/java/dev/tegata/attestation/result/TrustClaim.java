// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.result;

import dev.tegata.attestation.MalformedException;

/// What a trustworthiness value is about (draft-ietf-rats-ar4si §2.3). The ordinal is the key in CBOR.
public enum TrustClaim {
    INSTANCE_IDENTITY("instance-identity"),
    CONFIGURATION("configuration"),
    EXECUTABLES("executables"),
    FILE_SYSTEM("file-system"),
    HARDWARE("hardware"),
    RUNTIME_OPAQUE("runtime-opaque"),
    STORAGE_OPAQUE("storage-opaque"),
    SOURCED_DATA("sourced-data");

    private final String claimName;

    TrustClaim(String claimName) {
        this.claimName = claimName;
    }

    /// The name in JSON and in policies.
    public String claimName() {
        return claimName;
    }

    /// The claim of this name.
    public static TrustClaim named(String name) throws MalformedException {
        for (TrustClaim claim : values()) {
            if (claim.claimName.equals(name)) {
                return claim;
            }
        }
        throw new MalformedException("there is no trustworthiness claim '" + name + "'");
    }
}
