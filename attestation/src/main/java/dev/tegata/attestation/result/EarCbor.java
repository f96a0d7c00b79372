// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.result;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cmw.Cmw;
import dev.tegata.attestation.eat.Eat;
import dev.tegata.pki.Bytes;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The CBOR form of the EAR.
final class EarCbor {
    private static final int STATUS = 1000;
    private static final int VECTOR = 1001;
    private static final int RAW_EVIDENCE = 1002;
    private static final int POLICY_IDS = 1003;
    private static final int VERIFIER_ID = 1004;
    private static final int ATTESTER_CLAIMS = 1005;
    private static final int VERIFIER_CLAIMS = 1006;
    private static final int TOPOLOGY = 1007;
    private static final int ATTESTED_KEY = -70002;
    private static final Set<Cbor> OF_APPRAISAL = Set.of(
            Cbor.of(STATUS),
            Cbor.of(VECTOR),
            Cbor.of(POLICY_IDS),
            Cbor.of(ATTESTER_CLAIMS),
            Cbor.of(VERIFIER_CLAIMS),
            Cbor.of(Eat.NONCE),
            Cbor.of(ATTESTED_KEY));

    private EarCbor() {}

    static Ear read(Cbor.MapItem map) throws MalformedException {
        EarProfile profile =
                EarProfile.of(map.require(Eat.PROFILE, "the profile").text("the profile"));
        Cbor.MapItem verifier = map.require(VERIFIER_ID, "the verifier").mapping("the verifier");
        Map<String, Appraisal> submodules = new LinkedHashMap<>();
        for (Map.Entry<Cbor, Cbor> entry : map.require(Eat.SUBMODULES, "submods")
                .mapping("submods")
                .entries()
                .entrySet()) {
            submodules.put(
                    entry.getKey().text("an attester's label"),
                    appraisal(entry.getValue().mapping("an appraisal")));
        }
        if (submodules.isEmpty()) {
            throw new MalformedException("submods must name at least one attester");
        }
        Cbor expires = map.get(Eat.EXPIRES);
        Cbor raw = map.get(RAW_EVIDENCE);
        Ear ear = new Ear(
                profile,
                instant(map.require(Eat.ISSUED_AT, "iat")),
                expires == null ? null : instant(expires),
                new Ear.VerifierId(
                        verifier.require(0, "the developer").text("the verifier's developer"),
                        verifier.require(1, "the build").text("the verifier's build")),
                raw == null ? null : rawEvidence(raw),
                nonce(map.get(Eat.NONCE)),
                submodules,
                topology(map.get(TOPOLOGY)));
        Cbor status = map.get(STATUS);
        if (status != null && Tier.of(status.integer("the status")).compareTo(ear.status()) < 0) {
            throw new MalformedException("the overall status is better than that of an attester");
        }
        return ear;
    }

    private static Appraisal appraisal(Cbor.MapItem map) throws MalformedException {
        Cbor vector = map.get(VECTOR);
        Cbor key = map.get(ATTESTED_KEY);
        List<String> policyIds = new ArrayList<>();
        Cbor ids = map.get(POLICY_IDS);
        if (ids != null) {
            for (Cbor id : ids.array("the policy ids", 1, 64)) {
                policyIds.add(id.text("a policy id"));
            }
        }
        Map<Cbor, Cbor> extensions = new LinkedHashMap<>(map.entries());
        extensions.keySet().removeAll(OF_APPRAISAL);
        Cbor akpub = key == null ? null : key.mapping("a key attestation").get("akpub");
        if (key != null && akpub == null) {
            throw new MalformedException("a key attestation has no key");
        }
        return new Appraisal(
                Tier.of(map.require(STATUS, "the status").integer("the status")),
                vector == null ? null : TrustVector.of(vector),
                policyIds,
                map.get(ATTESTER_CLAIMS),
                map.get(VERIFIER_CLAIMS),
                nonce(map.get(Eat.NONCE)),
                akpub == null ? null : akpub.bytes("the attested key"),
                extensions);
    }

    private static Instant instant(Cbor item) throws MalformedException {
        try {
            return Instant.ofEpochSecond(item.integer("a date"));
        } catch (DateTimeException _) {
            throw new MalformedException("a date is out of range");
        }
    }

    private static @Nullable Bytes nonce(@Nullable Cbor item) throws MalformedException {
        return item == null ? null : item.bytes("the nonce");
    }

    private static Cmw.Single rawEvidence(Cbor item) throws MalformedException {
        if (item instanceof Cbor.ByteString(Bytes bytes)) {
            return new Cmw.Single(new Cmw.MediaType("application/octet-stream"), bytes, 0);
        }
        if (Cmw.of(item) instanceof Cmw.Single single) {
            return single;
        }
        throw new MalformedException("the raw evidence must be a record");
    }

    private static Map<String, List<String>> topology(@Nullable Cbor item) throws MalformedException {
        Map<String, List<String>> topology = new LinkedHashMap<>();
        if (item != null) {
            for (Map.Entry<Cbor, Cbor> entry :
                    item.mapping("the topology").entries().entrySet()) {
                List<String> parts = new ArrayList<>();
                for (Cbor part : entry.getValue().array("the parts of an attester")) {
                    parts.add(part.text("a part of an attester"));
                }
                topology.put(entry.getKey().text("an attester's label"), parts);
            }
        }
        return topology;
    }

    static Cbor.MapItem write(Ear ear) {
        if (ear.profile() == EarProfile.VERAISON_2023) {
            throw new IllegalArgumentException("the 2023 profile has no CBOR form");
        }
        boolean latest = ear.profile() == EarProfile.DRAFT_04;
        Cbor.Builder submodules = Cbor.map();
        ear.submodules().forEach((label, appraisal) -> submodules.put(label, write(appraisal)));
        Cbor.Builder topology = Cbor.map();
        ear.topology()
                .forEach((label, parts) -> topology.put(
                        label, new Cbor.ArrayItem(parts.stream().map(Cbor::of).toList())));
        Instant expires = ear.expires();
        Cmw.Single raw = ear.rawEvidence();
        Bytes nonce = ear.nonce();
        return Cbor.map()
                .put(Eat.PROFILE, Cbor.of(ear.profile().uri()))
                .put(Eat.ISSUED_AT, Cbor.of(ear.issuedAt().getEpochSecond()))
                .put(Eat.EXPIRES, expires == null ? null : Cbor.of(expires.getEpochSecond()))
                .put(STATUS, latest ? Cbor.of(ear.status().number()) : null)
                .put(
                        VERIFIER_ID,
                        Cbor.map()
                                .put(0, Cbor.of(ear.verifier().developer()))
                                .put(1, Cbor.of(ear.verifier().build()))
                                .build())
                .put(RAW_EVIDENCE, raw == null ? null : latest ? raw.toCbor() : Cbor.of(raw.value()))
                .put(Eat.NONCE, nonce == null ? null : Cbor.of(nonce))
                .put(Eat.SUBMODULES, submodules.build())
                .put(TOPOLOGY, ear.topology().isEmpty() ? null : topology.build())
                .build();
    }

    private static Cbor write(Appraisal appraisal) {
        TrustVector vector = appraisal.vector();
        Bytes nonce = appraisal.evidenceNonce();
        Bytes key = appraisal.attestedKey();
        Cbor.Builder map = Cbor.map()
                .put(STATUS, Cbor.of(appraisal.status().number()))
                .put(VECTOR, vector == null ? null : vector.toCbor())
                .put(
                        POLICY_IDS,
                        appraisal.policyIds().isEmpty()
                                ? null
                                : new Cbor.ArrayItem(appraisal.policyIds().stream()
                                        .map(Cbor::of)
                                        .toList()))
                .put(ATTESTER_CLAIMS, appraisal.attesterClaims())
                .put(VERIFIER_CLAIMS, appraisal.verifierClaims())
                .put(Eat.NONCE, nonce == null ? null : Cbor.of(nonce))
                .put(
                        ATTESTED_KEY,
                        key == null
                                ? null
                                : Cbor.map().put("akpub", Cbor.of(key)).build());
        appraisal.extensions().forEach(map::put);
        return map.build();
    }
}
