// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.result;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cmw.Cmw;
import dev.tegata.attestation.json.Json;
import dev.tegata.pki.Bytes;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// The JSON forms of the EAR. The 2023 profile has the same claims under other names.
final class EarJson {
    /// Raw evidence of the older profiles has no type.
    private static final Cmw.Type UNTYPED = new Cmw.MediaType("application/octet-stream");

    private record Names(
            String verifierId,
            String rawEvidence,
            String status,
            String vector,
            String policyIds,
            String attesterClaims,
            String verifierClaims,
            String attestedKey) {
        Set<String> ofAppraisal() {
            return Set.of(status, vector, policyIds, attesterClaims, verifierClaims, attestedKey, "eat_nonce");
        }
    }

    private static final Names DRAFT = new Names(
            "ear_verifier_id",
            "ear_raw_evidence",
            "ear_status",
            "ear_trustworthiness_vector",
            "ear_appraisal_policy_ids",
            "ear_attester_claims",
            "ear_verifier_claims",
            "ear_veraison_key_attestation");
    private static final Names VERAISON = new Names(
            "ear.verifier-id",
            "ear.raw-evidence",
            "ear.status",
            "ear.trustworthiness-vector",
            "ear.appraisal-policy-id",
            "ear.veraison.annotated-evidence",
            "ear.veraison.policy-claims",
            "ear.veraison.key-attestation");

    private EarJson() {}

    private static Names names(EarProfile profile) {
        return profile == EarProfile.VERAISON_2023 ? VERAISON : DRAFT;
    }

    static Ear read(ObjectNode object) throws MalformedException {
        EarProfile profile = EarProfile.of(Json.text(object.get("eat_profile"), "eat_profile"));
        Names names = names(profile);
        ObjectNode verifier = Json.object(object.get(names.verifierId), names.verifierId);
        Map<String, Appraisal> submodules = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> entry :
                Json.object(object.get("submods"), "submods").properties()) {
            submodules.put(entry.getKey(), appraisal(names, Json.object(entry.getValue(), "an appraisal")));
        }
        if (submodules.isEmpty()) {
            throw new MalformedException("submods must name at least one attester");
        }
        JsonNode expires = object.get("exp");
        Ear ear = new Ear(
                profile,
                instant(object.get("iat"), "iat"),
                expires == null ? null : instant(expires, "exp"),
                new Ear.VerifierId(
                        Json.text(verifier.get("developer"), "the verifier's developer"),
                        Json.text(verifier.get("build"), "the verifier's build")),
                rawEvidence(profile, object.get(names.rawEvidence)),
                nonce(object.get("eat_nonce")),
                submodules,
                topology(object.get("ear_device_topology")));
        JsonNode status = object.get("ear_status");
        if (status != null && Tier.of(Json.text(status, "ear_status")).compareTo(ear.status()) < 0) {
            throw new MalformedException("the overall status is better than that of an attester");
        }
        return ear;
    }

    private static Appraisal appraisal(Names names, ObjectNode object) throws MalformedException {
        JsonNode vector = object.get(names.vector);
        JsonNode key = object.get(names.attestedKey);
        Map<Cbor, Cbor> extensions = new LinkedHashMap<>();
        Set<String> known = names.ofAppraisal();
        object.properties().forEach(entry -> {
            if (!known.contains(entry.getKey())) {
                extensions.put(Cbor.of(entry.getKey()), Json.toCbor(entry.getValue()));
            }
        });
        JsonNode attesterClaims = object.get(names.attesterClaims);
        JsonNode verifierClaims = object.get(names.verifierClaims);
        return new Appraisal(
                Tier.of(Json.text(object.get(names.status), names.status)),
                vector == null ? null : TrustVector.of(vector),
                policyIds(object.get(names.policyIds)),
                attesterClaims == null ? null : Json.toCbor(attesterClaims),
                verifierClaims == null ? null : Json.toCbor(verifierClaims),
                nonce(object.get("eat_nonce")),
                key == null
                        ? null
                        : Json.base64Url(Json.object(key, "a key attestation").get("akpub"), "the attested key"),
                extensions);
    }

    private static List<String> policyIds(@Nullable JsonNode node) throws MalformedException {
        if (node == null) {
            return List.of();
        }
        if (!(node instanceof ArrayNode array)) {
            return List.of(Json.text(node, "the policy id"));
        }
        List<String> ids = new ArrayList<>();
        for (JsonNode id : array) {
            ids.add(Json.text(id, "a policy id"));
        }
        if (ids.isEmpty()) {
            throw new MalformedException("the policy ids must not be empty");
        }
        return ids;
    }

    private static @Nullable Bytes nonce(@Nullable JsonNode node) throws MalformedException {
        return node == null ? null : Json.base64Url(node, "eat_nonce");
    }

    private static Cmw.@Nullable Single rawEvidence(EarProfile profile, @Nullable JsonNode node)
            throws MalformedException {
        if (node == null) {
            return null;
        }
        if (profile != EarProfile.DRAFT_04) {
            return new Cmw.Single(UNTYPED, Json.base64Url(node, "the raw evidence"), 0);
        }
        if (Cmw.of(node) instanceof Cmw.Single single) {
            return single;
        }
        throw new MalformedException("the raw evidence must be a record");
    }

    private static Map<String, List<String>> topology(@Nullable JsonNode node) throws MalformedException {
        Map<String, List<String>> topology = new LinkedHashMap<>();
        if (node != null) {
            for (Map.Entry<String, JsonNode> entry :
                    Json.object(node, "the topology").properties()) {
                List<String> parts = new ArrayList<>();
                for (JsonNode part : entry.getValue()) {
                    parts.add(Json.text(part, "a part of the topology"));
                }
                topology.put(entry.getKey(), parts);
            }
        }
        return topology;
    }

    /// spec| RFC 9711 §4.3.1: dates are integers, never floating point.
    private static Instant instant(@Nullable JsonNode node, String what) throws MalformedException {
        try {
            return Instant.ofEpochSecond(Json.integer(node, what));
        } catch (DateTimeException _) {
            throw new MalformedException(what + " is out of range");
        }
    }

    static ObjectNode write(Ear ear) {
        Names names = names(ear.profile());
        boolean draft = names == DRAFT;
        ObjectNode object = Json.object();
        object.put("eat_profile", ear.profile().uri());
        object.put("iat", ear.issuedAt().getEpochSecond());
        Instant expires = ear.expires();
        if (expires != null) {
            object.put("exp", expires.getEpochSecond());
        }
        if (ear.profile() == EarProfile.DRAFT_04) {
            object.put("ear_status", ear.status().word());
        }
        ObjectNode verifier = Json.object();
        verifier.put("developer", ear.verifier().developer());
        verifier.put("build", ear.verifier().build());
        object.set(names.verifierId, verifier);
        Cmw.Single raw = ear.rawEvidence();
        if (raw != null && ear.profile() == EarProfile.DRAFT_04) {
            object.set(names.rawEvidence, raw.toJson());
        } else if (raw != null) {
            object.put(names.rawEvidence, raw.value().base64Url());
        }
        Bytes nonce = ear.nonce();
        if (nonce != null) {
            object.put("eat_nonce", nonce.base64Url());
        }
        ObjectNode submodules = Json.object();
        ear.submodules().forEach((label, appraisal) -> submodules.set(label, write(names, draft, appraisal)));
        object.set("submods", submodules);
        if (!ear.topology().isEmpty() && draft) {
            ObjectNode topology = Json.object();
            ear.topology().forEach((label, parts) -> {
                ArrayNode array = Json.array();
                parts.forEach(array::add);
                topology.set(label, array);
            });
            object.set("ear_device_topology", topology);
        }
        return object;
    }

    private static ObjectNode write(Names names, boolean draft, Appraisal appraisal) {
        ObjectNode object = Json.object();
        object.put(names.status, appraisal.status().word());
        TrustVector vector = appraisal.vector();
        if (vector != null) {
            object.set(names.vector, vector.toJson());
        }
        if (!appraisal.policyIds().isEmpty()) {
            if (draft) {
                ArrayNode ids = Json.array();
                appraisal.policyIds().forEach(ids::add);
                object.set(names.policyIds, ids);
            } else {
                object.put(names.policyIds, appraisal.policyIds().getFirst());
            }
        }
        put(object, names.attesterClaims, appraisal.attesterClaims());
        put(object, names.verifierClaims, appraisal.verifierClaims());
        Bytes nonce = appraisal.evidenceNonce();
        if (nonce != null) {
            object.put("eat_nonce", nonce.base64Url());
        }
        Bytes key = appraisal.attestedKey();
        if (key != null) {
            ObjectNode attestation = Json.object();
            attestation.put("akpub", key.base64Url());
            object.set(names.attestedKey, attestation);
        }
        appraisal.extensions().forEach((name, value) -> {
            if (name instanceof Cbor.TextString(String text)) {
                object.set(text, Json.of(value));
            }
        });
        return object;
    }

    private static void put(ObjectNode object, String name, @Nullable Cbor value) {
        if (value != null) {
            object.set(name, Json.of(value));
        }
    }
}
