// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.appraisal;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Reason;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Rejected;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Verified;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cmw.Cmw;
import dev.tegata.attestation.dice.DiceChain;
import dev.tegata.attestation.eat.Eat;
import dev.tegata.attestation.eat.EatToken;
import dev.tegata.attestation.eat.Submodule;
import dev.tegata.attestation.ecc608.KeyAttestation;
import dev.tegata.attestation.json.Json;
import dev.tegata.attestation.psa.PsaToken;
import dev.tegata.attestation.tpm.TpmEvidence;
import dev.tegata.pki.Bytes;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
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
    private static final int MAX_DEPTH = 4;
    private static final int MAX_NAME = 128;
    private static final String TOO_MANY =
            "evidence of more than " + MAX_ATTESTERS + " attesters, or nested more than " + MAX_DEPTH + " deep";

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
        single(label, type, evidence, outcomes);
    }

    private void unwrap(@Nullable String label, Cmw cmw, List<EvidenceOutcome> outcomes) throws MalformedException {
        if (outcomes.size() >= MAX_ATTESTERS) {
            throw new MalformedException(TOO_MANY);
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
                single(label, baseType(inner.mediaType()), inner, outcomes);
            }
            case Cmw.Collection(String _, Map<Cbor, Cmw> members) -> {
                Set<String> names = new HashSet<>();
                for (Map.Entry<Cbor, Cmw> member : members.entrySet()) {
                    String name = Json.of(member.getKey()).asString();
                    if (!names.add(name)) {
                        throw new MalformedException("a member's label '" + name + "' stands twice");
                    }
                    unwrap(part(label, name), member.getValue(), outcomes);
                }
            }
        }
    }

    /// Two attesters of one label would hide each other in the result, so a name has no slash of its own.
    private static String part(@Nullable String whole, String name) throws MalformedException {
        if (name.isEmpty() || name.length() > MAX_NAME || name.indexOf('/') >= 0) {
            throw new MalformedException("the name of a part '" + name.substring(0, Math.min(name.length(), MAX_NAME))
                    + "' is empty, has a slash, or is longer than " + MAX_NAME + " characters");
        }
        return whole == null ? name : whole + "/" + name;
    }

    private static String mediaType(Cmw.Type type) {
        return switch (type) {
            case Cmw.MediaType(String name) -> name;
            case Cmw.ContentFormat(int number) ->
                switch (number) {
                    case 263 -> Evidence.EAT_CWT;
                    case 264 -> Evidence.EAT_JWT;
                    case 265 -> Evidence.EAT_BUNDLE_CBOR;
                    case 266 -> Evidence.EAT_BUNDLE_JSON;
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

    private void single(@Nullable String label, String type, Evidence evidence, List<EvidenceOutcome> outcomes) {
        boolean psa = type.equals(Evidence.PSA)
                || (type.startsWith("application/eat") && evidence.mediaType().contains("psa"));
        String scheme = switch (type) {
            case TpmEvidence.MEDIA_TYPE -> "TPM";
            case KeyAttestation.MEDIA_TYPE -> "ECC608";
            case Evidence.DICE_CHAIN -> "DICE";
            case Evidence.EAT_CWT, Evidence.EAT_JWT, Evidence.EAT_BUNDLE_CBOR, Evidence.EAT_BUNDLE_JSON ->
                psa ? "PSA_IOT" : "EAT";
            default -> psa ? "PSA_IOT" : "UNKNOWN";
        };
        String name = label == null ? scheme : label;
        Schemes schemes = schemes(name);
        try {
            switch (scheme) {
                case "PSA_IOT" -> outcomes.add(schemes.psa(evidence.content()));
                case "TPM" -> outcomes.add(schemes.tpm(TpmEvidence.parse(evidence.content())));
                case "ECC608" -> outcomes.add(schemes.ecc608(KeyAttestation.parse(evidence.content())));
                case "DICE" -> outcomes.add(schemes.dice(DiceChain.parsePem(text(evidence.content()))));
                case "EAT" -> eat(name, evidence.content(), outcomes);
                default ->
                    outcomes.add(new Rejected(
                            name, Reason.UNSUPPORTED_FORMAT, "evidence of the type '" + type + "' is not supported"));
            }
        } catch (MalformedException e) {
            outcomes.add(rejected(label, scheme, Reason.MALFORMED, e.getMessage()));
        } catch (RejectedException e) {
            outcomes.add(rejected(label, scheme, e.reason(), e.getMessage()));
        }
    }

    private Schemes schemes(String label) {
        return new Schemes(trust, nonce, at, label);
    }

    /// An entity attestation token and all that is in it. Where the token around them is not believed,
    /// nothing is said of its parts.
    private void eat(String label, Bytes content, List<EvidenceOutcome> outcomes)
            throws MalformedException, RejectedException {
        EatToken token = EatToken.parse(content);
        EatToken.Bundle bundle = token instanceof EatToken.Bundle outer ? outer : null;
        EatToken main = bundle == null ? token : bundle.token();
        Eat claims = switch (main) {
            case EatToken.Cwt cwt -> cwt.claims();
            case EatToken.Jwt jwt -> jwt.claims();
            case EatToken.Unprotected _, EatToken.Bundle _ ->
                throw new RejectedException(Reason.UNSUPPORTED_FORMAT, "only signed tokens are accepted as evidence");
        };
        if (bundle == null && PsaToken.isPsa(claims.claims())) {
            // The media type need not tell the profile; the token does.
            outcomes.add(schemes(label).psa(content));
            return;
        }
        Schemes.Whole whole = schemes(label).eat(main, claims);
        if (bundle != null) {
            for (String name : bundle.detached().keySet()) {
                if (!(claims.submodules().get(name) instanceof Submodule.Digest)) {
                    throw new MalformedException("the token has no digest of the detached claims '" + name + "'");
                }
            }
        }
        add(whole, bundle, outcomes);
    }

    /// Adds the outcomes of a token and of its parts.
    private void add(Schemes.Whole whole, EatToken.@Nullable Bundle bundle, List<EvidenceOutcome> outcomes)
            throws MalformedException {
        Map<String, Submodule> submodules = whole.claims().submodules();
        Map<String, String> labels = new LinkedHashMap<>();
        for (String name : submodules.keySet()) {
            labels.put(name, part(whole.verified().label(), name));
        }
        outcomes.add(whole.verified());
        for (Map.Entry<String, String> entry : labels.entrySet()) {
            String name = entry.getKey();
            String label = entry.getValue();
            if (outcomes.size() >= MAX_ATTESTERS
                    || label.chars().filter(each -> each == '/').count() > MAX_DEPTH) {
                outcomes.add(new Rejected(label, Reason.MALFORMED, TOO_MANY));
                return;
            }
            try {
                Submodule submodule = Objects.requireNonNull(submodules.get(name));
                part(new Part(whole, bundle, name, label), submodule, outcomes);
            } catch (MalformedException e) {
                outcomes.add(rejected(label, label, Reason.MALFORMED, e.getMessage()));
            } catch (RejectedException e) {
                outcomes.add(rejected(label, label, e.reason(), e.getMessage()));
            }
        }
    }

    /// Where a submodule stands.
    private record Part(Schemes.Whole whole, EatToken.@Nullable Bundle bundle, String name, String label) {}

    private void part(Part part, Submodule submodule, List<EvidenceOutcome> outcomes)
            throws MalformedException, RejectedException {
        switch (submodule) {
            case Submodule.ClaimsSet(Eat claims) -> claimsSet(part, claims, outcomes);
            case Submodule.Digest _ -> {
                EatToken.Bundle bundle = part.bundle;
                if (bundle == null || !bundle.detached().containsKey(part.name)) {
                    throw new RejectedException(
                            Reason.MISSING_CLAIMS,
                            "the token has only a digest of these claims, and they are not beside it");
                }
                claimsSet(part, bundle.claims(part.whole.claims(), part.name), outcomes);
            }
            case Submodule.NestedCbor(Bytes token) -> nested(part.label, token, outcomes);
            case Submodule.NestedJwt(String token) ->
                eat(part.label, Bytes.of(token.getBytes(StandardCharsets.US_ASCII)), outcomes);
            case Submodule.Unknown(String type, Bytes _) ->
                throw new RejectedException(
                        Reason.UNSUPPORTED_FORMAT, "nested tokens of the type '" + type + "' are not supported");
        }
    }

    private void claimsSet(Part part, Eat claims, List<EvidenceOutcome> outcomes)
            throws MalformedException, RejectedException {
        Verified verified = schemes(part.label).part(part.whole, part.name, claims);
        add(new Schemes.Whole(verified, claims, part.whole.authorities()), null, outcomes);
    }

    /// A token within a token, or any evidence in a wrapper: its first byte tells.
    private void nested(String label, Bytes token, List<EvidenceOutcome> outcomes)
            throws MalformedException, RejectedException {
        int first = token.isEmpty() ? 0 : token.at(0) & 0xff;
        boolean array = first >> 5 == 4;
        boolean map = first >> 5 == 5;
        // The tags that stand for content formats begin at 1668546817.
        boolean contentFormat = first == 0xda;
        if (array || map || contentFormat) {
            unwrap(label, Cmw.parse(token), outcomes);
        } else {
            eat(label, token, outcomes);
        }
    }

    private static String text(Bytes content) {
        return new String(content.toArray(), StandardCharsets.ISO_8859_1);
    }

    private static Rejected rejected(@Nullable String label, String scheme, Reason reason, @Nullable String sentence) {
        return new Rejected(label == null ? scheme : label, reason, Objects.requireNonNullElse(sentence, ""));
    }
}
