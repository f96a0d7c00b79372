// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.policy;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.json.Json;
import dev.tegata.attestation.result.TrustClaim;
import dev.tegata.attestation.result.TrustVector;
import dev.tegata.pki.Bytes;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// Runs a policy against cases that its author wrote: a policy that fails one of them is not to be activated.
///
/// A case has `name`, `scheme`, any of the inputs (`evidence`, `elements`, `endorsed`, `device`), the `vector`
/// before, and in `expect` the `status`, the `vector` after, or the names of the `rules` that held.
public final class PolicyTests {
    private static final int MAX_CASES = 1_000;

    /// What became of a case; `difference` is null where it passed.
    public record Outcome(String name, @Nullable String difference) {
        public boolean passed() {
            return difference == null;
        }
    }

    private PolicyTests() {}

    /// Runs the cases of a JSON list.
    public static List<Outcome> run(Policy policy, Bytes cases) throws MalformedException {
        JsonNode list = Json.parse(cases);
        if (!list.isArray() || list.size() > MAX_CASES) {
            throw new MalformedException("policy tests are a list of at most " + MAX_CASES + " cases");
        }
        List<Outcome> outcomes = new ArrayList<>();
        for (JsonNode node : list) {
            outcomes.add(run(policy, Json.object(node, "a case")));
        }
        return outcomes;
    }

    private static Outcome run(Policy policy, ObjectNode test) throws MalformedException {
        String name = Json.text(test.get("name"), "a case's name");
        PolicyInput input = new PolicyInput(
                Json.text(test.get("scheme"), "the scheme of case '" + name + "'"),
                object(test.get("evidence")),
                objects(test.get("elements")),
                objects(test.get("endorsed")),
                object(test.get("device")));
        Policy.Decision decision = policy.apply(input, new TrustVector(vector(test.get("vector"))));
        ObjectNode expected = Json.object(test.get("expect"), "the expectation of case '" + name + "'");
        return new Outcome(name, difference(expected, decision));
    }

    private static @Nullable String difference(ObjectNode expected, Policy.Decision decision)
            throws MalformedException {
        JsonNode status = expected.get("status");
        String word = decision.vector().status().word();
        if (status != null && !Json.text(status, "the expected status").equals(word)) {
            return "the status is " + word + ", not " + status.stringValue();
        }
        for (Map.Entry<TrustClaim, Integer> entry :
                vector(expected.get("vector")).entrySet()) {
            int value = decision.vector().values().getOrDefault(entry.getKey(), 0);
            if (value != entry.getValue()) {
                return entry.getKey().claimName() + " is " + value + ", not " + entry.getValue();
            }
        }
        JsonNode rules = expected.get("rules");
        if (rules != null) {
            List<String> names = new ArrayList<>();
            for (JsonNode rule : rules) {
                names.add(Json.text(rule, "the name of a rule"));
            }
            List<String> fired =
                    decision.fired().stream().map(Policy.Fired::rule).toList();
            if (!fired.equals(names)) {
                return "the rules that held are " + fired + ", not " + names;
            }
        }
        return null;
    }

    private static Map<TrustClaim, Integer> vector(@Nullable JsonNode node) throws MalformedException {
        Map<TrustClaim, Integer> values = new EnumMap<>(TrustClaim.class);
        if (node != null) {
            for (Map.Entry<String, JsonNode> entry :
                    Json.object(node, "a vector").properties()) {
                values.put(TrustClaim.named(entry.getKey()), (int) Json.integer(entry.getValue(), "a value"));
            }
        }
        return values;
    }

    private static List<Map<String, Object>> objects(@Nullable JsonNode node) throws MalformedException {
        List<Map<String, Object>> objects = new ArrayList<>();
        if (node != null) {
            for (JsonNode item : node) {
                objects.add(object(item));
            }
        }
        return objects;
    }

    private static Map<String, Object> object(@Nullable JsonNode node) throws MalformedException {
        return node == null ? Map.of() : PolicyValues.object(Json.toCbor(Json.object(node, "an input")));
    }
}
