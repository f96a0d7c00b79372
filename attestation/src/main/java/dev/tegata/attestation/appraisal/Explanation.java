// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.appraisal;

import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Endorsements;
import dev.tegata.attestation.result.TrustClaim;
import org.jspecify.annotations.Nullable;

/// Why a claim has its value: the rule, what it saw, the reference value, the manifest that says so, and
/// what would make it affirming.
public record Explanation(
        TrustClaim claim,
        int value,
        String rule,
        String reason,
        Endorsements.@Nullable Statement reference,
        Endorsements.@Nullable Origin origin,
        @Nullable String remedy) {
    /// What rests on a reference value, or on none.
    Explanation(
            TrustClaim claim,
            int value,
            String rule,
            String reason,
            Endorsements.@Nullable Statement reference,
            @Nullable String remedy) {
        this(claim, value, rule, reason, reference, reference == null ? null : reference.origin(), remedy);
    }

    Cbor toCbor() {
        return Cbor.map()
                .put("claim", Cbor.of(claim.claimName()))
                .put("value", Cbor.of(value))
                .put("rule", Cbor.of(rule))
                .put("reason", Cbor.of(reason))
                .put(
                        "reference",
                        reference == null
                                ? null
                                : Cbor.of(reference.measurement().describe()))
                .put("corim", origin == null ? null : Cbor.of(origin.corim()))
                .put("tag", origin == null ? null : Cbor.of(origin.tag()))
                .put("tag_version", origin == null ? null : Cbor.of(origin.tagVersion()))
                .put("signer", origin == null ? null : Cbor.of(origin.signer()))
                .put("remedy", remedy == null ? null : Cbor.of(remedy))
                .build();
    }
}
