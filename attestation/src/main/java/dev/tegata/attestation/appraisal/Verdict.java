// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.appraisal;

import dev.tegata.attestation.cmw.Cmw;
import dev.tegata.attestation.result.Appraisal;
import dev.tegata.attestation.result.Ear;
import dev.tegata.attestation.result.EarProfile;
import dev.tegata.attestation.result.Tier;
import dev.tegata.pki.Bytes;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The verdict on all attesters of one evidence, by their labels, with the explanations of each.
public record Verdict(Map<String, Appraisal> appraisals, Map<String, List<Explanation>> explanations) {
    /// How the verdict becomes a result: in which form, by whom, for how long, for which nonce.
    public record Issue(
            EarProfile profile,
            Ear.VerifierId verifier,
            Instant issuedAt,
            @Nullable Instant expires,
            @Nullable Bytes nonce) {}

    /// The worst status of the attesters.
    public Tier status() {
        Tier worst = Tier.NONE;
        for (Appraisal appraisal : appraisals.values()) {
            worst = appraisal.status().compareTo(worst) > 0 ? appraisal.status() : worst;
        }
        return worst;
    }

    /// The result to sign. `evidence` goes into it where it is not null. Labels with a slash are parts of what is
    /// before it, which the topology tells.
    public Ear toEar(Issue issue, @Nullable Evidence evidence) {
        Cmw.Single raw = evidence == null
                ? null
                : new Cmw.Single(new Cmw.MediaType(evidence.mediaType()), evidence.content(), Cmw.EVIDENCE);
        Map<String, List<String>> topology = new LinkedHashMap<>();
        for (String label : appraisals.keySet()) {
            int slash = label.lastIndexOf('/');
            if (slash > 0) {
                topology.computeIfAbsent(label.substring(0, slash), _ -> new ArrayList<>())
                        .add(label);
            }
        }
        return new Ear(
                issue.profile, issue.issuedAt, issue.expires, issue.verifier, raw, issue.nonce, appraisals, topology);
    }
}
