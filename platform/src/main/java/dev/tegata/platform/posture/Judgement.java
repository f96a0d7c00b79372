// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.posture;

import dev.tegata.attestation.appraisal.EvidenceOutcome;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Verified;
import dev.tegata.attestation.appraisal.Explanation;
import dev.tegata.attestation.appraisal.Verdict;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Endorsements;
import dev.tegata.attestation.result.Tier;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.appraisal.Appraisals;
import dev.tegata.platform.posture.Posture.Reason;
import dev.tegata.platform.release.Releases;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// What a verdict means for a device's posture.
record Judgement(Tier status, Map<String, Integer> vector, List<Reason> reasons, String release) {
    private static final int MOST_REASONS = 16;
    private static final int LONGEST_VERSION = 64;

    static Judgement of(Verdict verdict, List<? extends EvidenceOutcome> outcomes) {
        List<Reason> reasons = new ArrayList<>();
        String release = "";
        for (List<Explanation> explanations : verdict.explanations().values()) {
            for (Explanation each : explanations) {
                if (Tier.ofValue(each.value()).compareTo(Tier.AFFIRMING) > 0 && reasons.size() < MOST_REASONS) {
                    String remedy = each.remedy();
                    reasons.add(new Reason(
                            each.claim().claimName(),
                            each.value(),
                            each.rule(),
                            each.reason(),
                            remedy == null ? "" : remedy));
                }
                Endorsements.Origin origin = each.origin();
                // A known class or key names a manifest, too: that of any release.
                if (origin != null && each.reference() != null && each.value() == 2 && release.isEmpty()) {
                    release = Releases.versionOfTag(origin.tag());
                }
            }
        }
        return new Judgement(
                verdict.status(),
                Appraisals.worst(verdict),
                List.copyOf(reasons),
                release.isEmpty() ? measuredVersion(outcomes) : release);
    }

    /// The version of what was measured last, which in the order of a boot is the application.
    private static String measuredVersion(List<? extends EvidenceOutcome> outcomes) {
        String found = "";
        for (EvidenceOutcome outcome : outcomes) {
            if (outcome instanceof Verified verified) {
                for (Endorsements.Claim claim : verified.measured()) {
                    String version = claim.measurement().version();
                    found = version == null ? found : version;
                }
            }
        }
        return found.substring(0, Math.min(found.length(), LONGEST_VERSION)).replaceAll("[^ -~]", "?");
    }

    /// What tells one boot from another, where the evidence says it.
    static String bootEpoch(List<? extends EvidenceOutcome> outcomes) {
        for (EvidenceOutcome outcome : outcomes) {
            if (outcome instanceof Verified verified) {
                for (String name : List.of("boot_seed", "reset_count", "bootcount", "bootseed")) {
                    Cbor value = verified.claims().get(name);
                    if (value instanceof Cbor.Int(long number)) {
                        return Long.toString(number);
                    }
                    if (value instanceof Cbor.ByteString(Bytes bytes)) {
                        return bytes.hex();
                    }
                    if (value instanceof Cbor.TextString(String text) && text.length() <= 128) {
                        return text;
                    }
                }
            }
        }
        return "";
    }
}
