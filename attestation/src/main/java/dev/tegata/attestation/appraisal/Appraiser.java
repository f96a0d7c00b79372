// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.appraisal;

import dev.tegata.attestation.appraisal.EvidenceOutcome.Rejected;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Verified;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Endorsements;
import dev.tegata.attestation.corim.Endorsements.Contradicted;
import dev.tegata.attestation.corim.Endorsements.Corroborated;
import dev.tegata.attestation.corim.Endorsements.Identity;
import dev.tegata.attestation.corim.Endorsements.Judged;
import dev.tegata.attestation.corim.Endorsements.Match;
import dev.tegata.attestation.corim.Endorsements.Origin;
import dev.tegata.attestation.corim.Endorsements.Statement;
import dev.tegata.attestation.corim.Endorsements.Unknown;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.attestation.corim.ReleaseStatus;
import dev.tegata.attestation.policy.Policy;
import dev.tegata.attestation.policy.PolicyInput;
import dev.tegata.attestation.policy.PolicyValues;
import dev.tegata.attestation.result.Appraisal;
import dev.tegata.attestation.result.Tier;
import dev.tegata.attestation.result.TrustClaim;
import dev.tegata.attestation.result.TrustVector;
import dev.tegata.pki.Bytes;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Judges verified evidence by endorsements and a policy. Does no cryptography: stored evidence is judged
/// again at the cost of a few look-ups.
///
/// Base values, before the policy: instance-identity 2, because the key is known, but 97 where authors list
/// other keys as the device's identity than its certificate has; hardware 2 where
/// endorsements speak of the class; executables 2 where every measured element is corroborated, else 33;
/// configuration likewise for elements whose name ends in `_CONFIG`; storage-opaque 2 where a chip proved
/// that it holds the key. Evidence that proves nothing gets 99 for all.
public final class Appraiser {
    private static final int AFFIRMED = 2;
    private static final int UNRECOGNIZED = 33;
    private static final int UNRECOGNIZED_INSTANCE = 97;

    private final Endorsements endorsements;
    private final Policy policy;

    public Appraiser(Endorsements endorsements, Policy policy) {
        this.endorsements = endorsements;
        this.policy = policy;
    }

    /// Judges all attesters. `device` is what the policy may know beside the evidence.
    public Verdict appraise(List<? extends EvidenceOutcome> outcomes, Map<String, Object> device) {
        Map<String, Appraisal> appraisals = new LinkedHashMap<>();
        Map<String, List<Explanation>> explanations = new LinkedHashMap<>();
        for (EvidenceOutcome outcome : outcomes) {
            List<Explanation> why = new ArrayList<>();
            appraisals.put(
                    outcome.label(),
                    switch (outcome) {
                        case Verified verified -> appraise(verified, device, why);
                        case Rejected rejected -> reject(rejected, why);
                    });
            explanations.put(outcome.label(), why);
        }
        if (appraisals.size() > 1) {
            List.copyOf(appraisals.keySet()).forEach(label -> weighParts(label, appraisals));
        }
        return new Verdict(appraisals, explanations);
    }

    /// A whole is no better than the worst of its parts: who looks at its entry alone is not misled. Its
    /// vector stays what is known of itself.
    private static void weighParts(String whole, Map<String, Appraisal> appraisals) {
        Appraisal own = Objects.requireNonNull(appraisals.get(whole));
        Tier worst = own.status();
        Cbor.Builder parts = Cbor.map();
        for (Map.Entry<String, Appraisal> entry : appraisals.entrySet()) {
            if (entry.getKey().startsWith(whole + "/")) {
                Tier status = entry.getValue().status();
                parts.put(entry.getKey(), Cbor.of(status.word()));
                worst = status.compareTo(worst) > 0 ? status : worst;
            }
        }
        Cbor.MapItem told = parts.build();
        if (!told.entries().isEmpty() && own.verifierClaims() instanceof Cbor.MapItem claims) {
            Cbor.Builder extended = Cbor.map();
            claims.entries().forEach(extended::put);
            appraisals.put(
                    whole, own.withParts(worst, extended.put("parts", told).build()));
        }
    }

    private Appraisal reject(Rejected rejected, List<Explanation> why) {
        boolean unknown = rejected.isUnknownPart() && policy.ignoresUnknownParts();
        int value = unknown ? TrustVector.UNKNOWN : TrustVector.CRYPTO_FAILED;
        for (TrustClaim claim : TrustClaim.values()) {
            why.add(new Explanation(
                    claim,
                    value,
                    unknown ? policy.reference() + "#unknownParts" : "evidence",
                    rejected.sentence(),
                    null,
                    rejected.reason().remedy()));
        }
        Cbor.MapItem claims = Cbor.map()
                .put("problem", Cbor.of(rejected.reason().code()))
                .put("reason", Cbor.of(rejected.sentence()))
                .build();
        return Appraisal.of(TrustVector.all(value), List.of(policy.reference()), null, claims, null, null);
    }

    private Appraisal appraise(Verified evidence, Map<String, Object> device, List<Explanation> why) {
        Match match = endorsements.match(evidence.measured());
        TrustVector base = base(evidence, match, why);
        PolicyInput input = new PolicyInput(
                evidence.scheme(), PolicyValues.object(evidence.claims()), elements(match), endorsed(match), device);
        Policy.Decision decision = policy.apply(input, base);
        for (Policy.Fired fired : decision.fired()) {
            fired.values().forEach((claim, value) -> {
                Explanation matched = matched(claim, why);
                why.removeIf(earlier -> earlier.claim() == claim);
                why.add(new Explanation(
                        claim,
                        value,
                        policy.reference() + "#" + fired.rule(),
                        fired.reason(),
                        matched == null ? null : matched.reference(),
                        matched == null ? null : matched.origin(),
                        fired.remedy()));
            });
        }
        return Appraisal.of(
                decision.vector(),
                List.of(policy.reference()),
                evidence.claims(),
                verifierClaims(match, why),
                evidence.nonce(),
                evidence.attestedKey());
    }

    /// What a claim's value rested on before a rule changed it.
    private static @Nullable Explanation matched(TrustClaim claim, List<Explanation> why) {
        for (Explanation each : why) {
            if (each.claim() == claim && each.origin() != null) {
                return each;
            }
        }
        return null;
    }

    private TrustVector base(Verified evidence, Match match, List<Explanation> why) {
        Map<TrustClaim, Integer> values = new EnumMap<>(TrustClaim.class);
        identify(evidence, values, why);
        Cbor classId = evidence.environment().classId();
        match.aboutClass()
                .or(() -> Optional.ofNullable(classId).flatMap(endorsements::aboutClass))
                .ifPresent(origin -> put(
                        values,
                        why,
                        TrustClaim.HARDWARE,
                        "known-class",
                        "endorsements speak of this class of devices",
                        origin));
        if (evidence.scheme().equals("ecc608")) {
            put(
                    values,
                    why,
                    TrustClaim.HARDWARE,
                    "chip-configuration",
                    "the chip is configured as its preset says",
                    null);
            put(values, why, TrustClaim.STORAGE_OPAQUE, "key-in-chip", "the key cannot be read from the chip", null);
            return new TrustVector(values);
        }
        List<Judged> executables = new ArrayList<>();
        List<Judged> configuration = new ArrayList<>();
        for (Judged judged : match.judged()) {
            String name = judged.claim().measurement().name();
            (name != null && name.endsWith("_CONFIG") ? configuration : executables).add(judged);
        }
        judge(TrustClaim.EXECUTABLES, executables, values, why);
        if (!configuration.isEmpty()) {
            judge(TrustClaim.CONFIGURATION, configuration, values, why);
        }
        return new TrustVector(values);
    }

    /// The key is known, or the evidence would have been rejected. Where authors list the device's identity
    /// keys, a certificate must be for one of them, or for a key that they say it signs with.
    private void identify(Verified evidence, Map<TrustClaim, Integer> values, List<Explanation> why) {
        Set<Bytes> keys = evidence.keys();
        Identity identity = endorsements
                .identity(evidence.environment(), evidence.measured(), keys)
                .orElse(null);
        Origin signs = keys.stream()
                .flatMap(key -> endorsements.attestationKey(key).stream())
                .map(Endorsements.EndorsedKey::origin)
                .findFirst()
                .orElse(null);
        TrustClaim claim = TrustClaim.INSTANCE_IDENTITY;
        if (identity != null && identity.listed()) {
            put(
                    values,
                    why,
                    claim,
                    "identity-key",
                    "the device's key is listed as its identity, and the signing key is " + evidence.trustedBy(),
                    identity.origin());
        } else if (identity != null && signs == null && !evidence.certified().isEmpty()) {
            values.put(claim, UNRECOGNIZED_INSTANCE);
            why.add(new Explanation(
                    claim,
                    UNRECOGNIZED_INSTANCE,
                    "identity-key",
                    "the device's identity is listed with other keys than its certificate has, or this key as another's",
                    null,
                    identity.origin(),
                    "list the certificate's key as one of the device's identity or attestation keys, if it is one"));
        } else {
            put(values, why, claim, "known-key", "the signing key is " + evidence.trustedBy(), signs);
        }
    }

    private static void put(
            Map<TrustClaim, Integer> values,
            List<Explanation> why,
            TrustClaim claim,
            String rule,
            String reason,
            @Nullable Origin origin) {
        values.put(claim, AFFIRMED);
        why.removeIf(earlier -> earlier.claim() == claim);
        why.add(new Explanation(claim, AFFIRMED, rule, reason, null, origin, null));
    }

    /// All elements must be corroborated. Without any, nothing is known of what runs.
    private static void judge(
            TrustClaim claim, List<Judged> elements, Map<TrustClaim, Integer> values, List<Explanation> why) {
        boolean recognized = !elements.isEmpty();
        for (Judged judged : elements) {
            recognized &= judged instanceof Corroborated;
        }
        values.put(claim, recognized ? AFFIRMED : UNRECOGNIZED);
        if (elements.isEmpty()) {
            why.add(new Explanation(
                    claim,
                    UNRECOGNIZED,
                    "reference-values",
                    "the evidence measures nothing",
                    null,
                    "measure the software at boot"));
        }
        for (Judged judged : elements) {
            why.add(explain(claim, judged));
        }
    }

    private static Explanation explain(TrustClaim claim, Judged judged) {
        String element = describe(judged.claim().measurement());
        return switch (judged) {
            case Corroborated(Endorsements.Claim _, Statement reference) ->
                new Explanation(
                        claim,
                        AFFIRMED,
                        "reference-values",
                        element + " is as its reference value says",
                        reference,
                        null);
            case Contradicted(Endorsements.Claim _, List<Statement> nearest) ->
                new Explanation(
                        claim,
                        UNRECOGNIZED,
                        "reference-values",
                        element + " has none of its reference values",
                        nearest.getFirst(),
                        aim(nearest.getFirst()) + ", or endorse what was measured");
            case Unknown(Endorsements.Claim _) ->
                new Explanation(
                        claim,
                        UNRECOGNIZED,
                        "reference-values",
                        "there are no reference values for " + element,
                        null,
                        "provide reference values for this class of devices");
        };
    }

    /// What would fulfil a reference value, which tells its version or stands in a tag that does.
    private static String aim(Statement reference) {
        return reference.measurement().version() == null
                ? "boot what is as " + reference.origin().tag() + " says"
                : "update to " + describe(reference.measurement());
    }

    private static String describe(Measurement measurement) {
        String name = measurement.name();
        String version = measurement.version();
        String key = measurement.key() instanceof Cbor.TextString(String text) ? text : "the element";
        return (name == null ? key : name) + (version == null ? "" : " " + version);
    }

    private static List<Map<String, Object>> elements(Match match) {
        List<Map<String, Object>> elements = new ArrayList<>();
        for (Judged judged : match.judged()) {
            Measurement measurement = judged.claim().measurement();
            Map<String, Object> element = new HashMap<>();
            put(element, "name", measurement.name());
            put(element, "version", measurement.version());
            element.put(
                    "match",
                    switch (judged) {
                        case Corroborated _ -> "corroborated";
                        case Contradicted _ -> "contradicted";
                        case Unknown _ -> "unknown";
                    });
            if (judged instanceof Corroborated(Endorsements.Claim _, Statement reference)) {
                put(element, "signer", reference.origin().signer());
            }
            elements.add(element);
        }
        return elements;
    }

    private static List<Map<String, Object>> endorsed(Match match) {
        List<Map<String, Object>> endorsed = new ArrayList<>();
        for (Statement statement : match.endorsed()) {
            Measurement measurement = statement.measurement();
            Map<String, Object> value = new HashMap<>();
            put(value, "key", measurement.key() instanceof Cbor.TextString(String key) ? key : null);
            put(value, "name", measurement.name());
            put(value, "version", measurement.version());
            put(value, "certificate", certificate(measurement));
            Cbor release = measurement.values().get(ReleaseStatus.VALUE_KEY);
            if (release != null) {
                Map<String, Object> fields = PolicyValues.object(release);
                fields.putIfAbsent("vulnerabilities", List.of());
                value.put("release", fields);
            }
            put(value, "tag", statement.origin().tag());
            put(value, "signer", statement.origin().signer());
            endorsed.add(value);
        }
        return endorsed;
    }

    private static @Nullable String certificate(Measurement measurement) {
        return measurement.values().get(Measurement.PSA_CERTIFICATE_NUMBER) instanceof Cbor.TextString(String number)
                ? number
                : null;
    }

    private static void put(Map<String, Object> map, String key, @Nullable String value) {
        if (value != null) {
            map.put(key, value);
        }
    }

    /// The explanations, and the certification of what runs.
    private static Cbor verifierClaims(Match match, List<Explanation> why) {
        List<Cbor> certifications = new ArrayList<>();
        for (Statement statement : match.endorsed()) {
            String number = certificate(statement.measurement());
            Cbor release = statement.measurement().values().get(ReleaseStatus.VALUE_KEY);
            if (number != null) {
                certifications.add(Cbor.map()
                        .put("certificate", Cbor.of(number))
                        .put("signer", Cbor.of(statement.origin().signer()))
                        .build());
            }
            if (release != null) {
                certifications.add(release);
            }
        }
        return Cbor.map()
                .put(
                        "explanations",
                        new Cbor.ArrayItem(why.stream().map(Explanation::toCbor).toList()))
                .put("certifications", certifications.isEmpty() ? null : new Cbor.ArrayItem(certifications))
                .build();
    }
}
