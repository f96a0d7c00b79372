// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.policy;

import dev.tegata.attestation.result.TrustClaim;
import dev.tegata.attestation.result.TrustVector;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// What a policy's rules see, by the names in expressions: `scheme`, `evidence`, `elements`, `endorsed`,
/// `device`, and `vector`, which is what the rules before have made of it. Byte strings are hex.
///
/// - `elements`: each measured element with `name`, `version` and `match` (`corroborated`, `contradicted`,
///   `unknown`).
/// - `endorsed`: each added value with `key`, `name`, `version`, `certificate`, `release`, `tag`, `signer`, where
///   it has them.
/// - `device`: what the caller knows of the device.
public record PolicyInput(
        String scheme,
        Map<String, Object> evidence,
        List<Map<String, Object>> elements,
        List<Map<String, Object>> endorsed,
        Map<String, Object> device) {
    Map<String, Object> variables(TrustVector vector) {
        Map<String, Object> values = new HashMap<>();
        // Claims without a value are 0 here, so that rules can compare without asking first.
        for (TrustClaim claim : TrustClaim.values()) {
            values.put(claim.claimName(), (long) vector.values().getOrDefault(claim, 0));
        }
        return Map.of(
                "scheme", scheme,
                "evidence", evidence,
                "elements", elements,
                "endorsed", endorsed,
                "device", device,
                "vector", values);
    }
}
