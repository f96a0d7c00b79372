// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.result;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.json.Json;
import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// Trustworthiness values by claim; a claim that is absent says nothing.
public record TrustVector(Map<TrustClaim, Integer> values) {
    /// The cryptography of the evidence failed: nothing it says can be believed.
    public static final int CRYPTO_FAILED = 99;

    /// There is something in the evidence that the verifier does not know.
    public static final int UNKNOWN = 1;

    public TrustVector {
        values = values.isEmpty() ? Map.of() : Collections.unmodifiableMap(new EnumMap<>(values));
    }

    /// All claims with the same value.
    public static TrustVector all(int value) {
        Map<TrustClaim, Integer> values = new EnumMap<>(TrustClaim.class);
        for (TrustClaim claim : TrustClaim.values()) {
            values.put(claim, value);
        }
        return new TrustVector(values);
    }

    /// The worst tier of the values; `NONE` where there are none.
    public Tier status() {
        Tier worst = Tier.NONE;
        for (int value : values.values()) {
            Tier tier = Tier.ofValue(value);
            worst = tier.compareTo(worst) > 0 ? tier : worst;
        }
        return worst;
    }

    static TrustVector of(Cbor item) throws MalformedException {
        Map<TrustClaim, Integer> values = new EnumMap<>(TrustClaim.class);
        for (Map.Entry<Cbor, Cbor> entry :
                item.mapping("the trustworthiness vector").entries().entrySet()) {
            int key = entry.getKey().integer("a trustworthiness claim", 0, TrustClaim.values().length - 1);
            values.put(TrustClaim.values()[key], value(entry.getValue().integer("a trustworthiness value")));
        }
        return nonEmpty(values);
    }

    static TrustVector of(JsonNode node) throws MalformedException {
        Map<TrustClaim, Integer> values = new EnumMap<>(TrustClaim.class);
        for (Map.Entry<String, JsonNode> entry :
                Json.object(node, "the trustworthiness vector").properties()) {
            values.put(
                    TrustClaim.named(entry.getKey()), value(Json.integer(entry.getValue(), "a trustworthiness value")));
        }
        return nonEmpty(values);
    }

    private static int value(long value) throws MalformedException {
        if (value < Byte.MIN_VALUE || value > Byte.MAX_VALUE) {
            throw new MalformedException("a trustworthiness value is between -128 and 127, not " + value);
        }
        return (int) value;
    }

    private static TrustVector nonEmpty(Map<TrustClaim, Integer> values) throws MalformedException {
        if (values.isEmpty()) {
            throw new MalformedException("a trustworthiness vector must not be empty");
        }
        return new TrustVector(values);
    }

    Cbor toCbor() {
        Cbor.Builder map = Cbor.map();
        values.forEach((claim, value) -> map.put(claim.ordinal(), Cbor.of(value)));
        return map.build();
    }

    ObjectNode toJson() {
        ObjectNode object = Json.object();
        values.forEach((claim, value) -> object.put(claim.claimName(), value));
        return object;
    }
}
