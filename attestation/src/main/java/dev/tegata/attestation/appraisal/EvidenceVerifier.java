// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.appraisal;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Reason;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Rejected;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cmw.Cmw;
import dev.tegata.attestation.dice.DiceChain;
import dev.tegata.attestation.ecc608.KeyAttestation;
import dev.tegata.attestation.json.Json;
import dev.tegata.attestation.tpm.TpmEvidence;
import dev.tegata.pki.Bytes;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Verifies evidence of any format: form, key, signature, freshness. Nothing wrong with the evidence is an
/// exception; it is an outcome.
public final class EvidenceVerifier {
    private static final int MAX_ATTESTERS = 32;

    private final Trust trust;
    private final Instant at;
    private final @Nullable Bytes nonce;

    /// @param nonce what the evidence must contain; null where freshness comes from elsewhere, such as the
    /// channel
    public EvidenceVerifier(Trust trust, @Nullable Bytes nonce, Instant at) {
        this.trust = trust;
        this.nonce = nonce;
        this.at = at;
    }

    /// The outcome for each attester that the evidence is of; at least one.
    public List<EvidenceOutcome> verify(Evidence evidence) {
        List<EvidenceOutcome> outcomes = new ArrayList<>();
        verify(null, evidence, outcomes);
        return outcomes;
    }

    private void verify(@Nullable String label, Evidence evidence, List<EvidenceOutcome> outcomes) {
        String type = baseType(evidence.mediaType());
        if (type.equals(Evidence.CMW_CBOR) || type.equals(Evidence.CMW_JSON)) {
            try {
                unwrap(label, Cmw.parse(evidence.content()), outcomes);
            } catch (MalformedException e) {
                outcomes.add(rejected(label, "CMW", Reason.MALFORMED, e.getMessage()));
            }
            return;
        }
        outcomes.add(single(label, type, evidence));
    }

    private void unwrap(@Nullable String label, Cmw cmw, List<EvidenceOutcome> outcomes) throws MalformedException {
        if (outcomes.size() >= MAX_ATTESTERS) {
            throw new MalformedException("evidence of more than " + MAX_ATTESTERS + " attesters");
        }
        switch (cmw) {
            case Cmw.Single(Cmw.Type type, Bytes value, int indicator) -> {
                if (indicator != 0 && (indicator & Cmw.EVIDENCE) == 0) {
                    throw new MalformedException("the wrapped message is not evidence");
                }
                Evidence inner = new Evidence(mediaType(type), value);
                if (baseType(inner.mediaType()).startsWith("application/cmw+")) {
                    throw new MalformedException("a wrapper in a wrapper must be a member of a collection");
                }
                outcomes.add(single(label, baseType(inner.mediaType()), inner));
            }
            case Cmw.Collection(String _, Map<Cbor, Cmw> members) -> {
                Set<String> names = new HashSet<>();
                for (Map.Entry<Cbor, Cmw> member : members.entrySet()) {
                    String name = Json.of(member.getKey()).asString();
                    // Two attesters of one label would hide each other in the result.
                    if (name.indexOf('/') >= 0 || !names.add(name)) {
                        throw new MalformedException("a member's label '" + name + "' has a slash, or stands twice");
                    }
                    unwrap(label == null ? name : label + "/" + name, member.getValue(), outcomes);
                }
            }
        }
    }

    private static String mediaType(Cmw.Type type) {
        return switch (type) {
            case Cmw.MediaType(String name) -> name;
            case Cmw.ContentFormat(int number) ->
                switch (number) {
                    case 263 -> Evidence.EAT_CWT;
                    case 264 -> Evidence.EAT_JWT;
                    case 10003 -> Evidence.PSA_2023;
                    case 10004 -> Evidence.PSA_LEGACY;
                    default -> "CoAP content format " + number;
                };
        };
    }

    private static String baseType(String mediaType) {
        int parameters = mediaType.indexOf(';');
        return (parameters < 0 ? mediaType : mediaType.substring(0, parameters))
                .strip()
                .toLowerCase(Locale.ROOT);
    }

    private EvidenceOutcome single(@Nullable String label, String type, Evidence evidence) {
        boolean psa = type.equals(Evidence.PSA)
                || (type.startsWith("application/eat") && evidence.mediaType().contains("psa"));
        String scheme = switch (type) {
            case TpmEvidence.MEDIA_TYPE -> "TPM";
            case KeyAttestation.MEDIA_TYPE -> "ECC608";
            case Evidence.DICE_CHAIN -> "DICE";
            case Evidence.EAT_CWT, Evidence.EAT_JWT -> psa ? "PSA_IOT" : "EAT";
            default -> psa ? "PSA_IOT" : "UNKNOWN";
        };
        String name = label == null ? scheme : label;
        Schemes schemes = new Schemes(trust, nonce, at, name);
        try {
            return switch (scheme) {
                case "PSA_IOT" -> schemes.psa(evidence.content());
                case "TPM" -> schemes.tpm(TpmEvidence.parse(evidence.content()));
                case "ECC608" -> schemes.ecc608(KeyAttestation.parse(evidence.content()));
                case "DICE" -> schemes.dice(DiceChain.parsePem(text(evidence.content())));
                case "EAT" -> schemes.eat(evidence.content());
                default ->
                    new Rejected(
                            name, Reason.UNSUPPORTED_FORMAT, "evidence of the type '" + type + "' is not supported");
            };
        } catch (MalformedException e) {
            return rejected(label, scheme, Reason.MALFORMED, e.getMessage());
        } catch (RejectedException e) {
            return rejected(label, scheme, e.reason(), e.getMessage());
        }
    }

    private static String text(Bytes content) {
        return new String(content.toArray(), StandardCharsets.ISO_8859_1);
    }

    private static Rejected rejected(@Nullable String label, String scheme, Reason reason, @Nullable String sentence) {
        return new Rejected(label == null ? scheme : label, reason, Objects.requireNonNullElse(sentence, ""));
    }
}
