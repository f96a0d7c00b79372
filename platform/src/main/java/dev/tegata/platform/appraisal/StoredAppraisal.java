// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import dev.tegata.attestation.appraisal.EvidenceOutcome;
import dev.tegata.attestation.result.Tier;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// What is kept of an appraisal: the verdict, and of the evidence what was accepted, which can be
/// judged again.
///
/// @param attester the device; else made from the instance or the key; [#UNKNOWN] where nothing is
///     known
/// @param vector the worst value of each trustworthiness claim, by its name
/// @param outcomes what was accepted, and what was not, of each attester in the evidence
/// @param evidenceDigest SHA-256 of the evidence, which itself is not kept
/// @param policy id and version, as in results
/// @param claims the result's claims in JSON (draft #04)
public record StoredAppraisal(
        AppraisalId id,
        UUID attester,
        @Nullable DeviceId device,
        Instant at,
        Appraisals.Origin origin,
        String scheme,
        Tier status,
        Map<String, Integer> vector,
        List<EvidenceOutcome> outcomes,
        String evidenceType,
        Bytes evidenceDigest,
        String policy,
        long endorsementVersion,
        Instant expiresAt,
        Bytes claims) {
    /// The attester of evidence that tells nothing.
    public static final UUID UNKNOWN = new UUID(0, 0);
}
