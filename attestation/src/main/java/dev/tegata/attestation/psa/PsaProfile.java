// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.psa;

import dev.tegata.attestation.cbor.Cbor;
import java.util.Optional;

/// The profiles of the token: names of the same claims under other keys, and limits on some of them.
public enum PsaProfile {
    RFC_9783("tag:psacertified.org,2023:psa#tfm", 10, 256, 265, 2394, 268, "\\d{13}-\\d{5}"),
    ARM_2_0_0("http://arm.com/psa/2.0.0", 10, 256, 265, 2394, 2397, "\\d{13}(-\\d{5})?"),
    PROFILE_1("PSA_IOT_PROFILE_1", -75008, -75009, -75000, -75001, -75004, "\\d{13}(-\\d{5})?");

    static final int NO_MEASUREMENTS = -75007;

    private final String profileName;
    private final int nonce;
    private final int instanceId;
    private final int profile;
    private final int clientId;
    private final int bootSeed;
    private final String certificationReference;

    PsaProfile(
            String profileName,
            int nonce,
            int instanceId,
            int profile,
            int clientId,
            int bootSeed,
            String certificationReference) {
        this.profileName = profileName;
        this.nonce = nonce;
        this.instanceId = instanceId;
        this.profile = profile;
        this.clientId = clientId;
        this.bootSeed = bootSeed;
        this.certificationReference = certificationReference;
    }

    /// The value of the profile claim.
    public String profileName() {
        return profileName;
    }

    int nonce() {
        return nonce;
    }

    int instanceId() {
        return instanceId;
    }

    int profile() {
        return profile;
    }

    int clientId() {
        return clientId;
    }

    int bootSeed() {
        return bootSeed;
    }

    int lifecycle() {
        return this == PROFILE_1 ? -75002 : 2395;
    }

    int implementationId() {
        return this == PROFILE_1 ? -75003 : 2396;
    }

    int certification() {
        return this == PROFILE_1 ? -75005 : 2398;
    }

    int components() {
        return this == PROFILE_1 ? -75006 : 2399;
    }

    int verificationService() {
        return this == PROFILE_1 ? -75010 : 2400;
    }

    String certificationReferenceForm() {
        return certificationReference;
    }

    /// The profile of a claims set. The first profile is known by its keys: its name is optional there, and
    /// devices in the field give others.
    static Optional<PsaProfile> of(Cbor.MapItem claims) {
        for (PsaProfile candidate : values()) {
            if (candidate != PROFILE_1 && Cbor.of(candidate.profileName).equals(claims.get(candidate.profile))) {
                return Optional.of(candidate);
            }
        }
        return claims.get(PROFILE_1.implementationId()) == null ? Optional.empty() : Optional.of(PROFILE_1);
    }
}
