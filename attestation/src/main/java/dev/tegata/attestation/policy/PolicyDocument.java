// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.policy;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.json.Json;
import dev.tegata.pki.Bytes;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// A policy with the cases that it must pass: a JSON object with `policy` and `tests`.
public record PolicyDocument(Policy policy, Bytes tests) {
    private static final int MAX_SIZE = 512 * 1024;

    private static final Set<String> POLICY =
            Set.of("id", "version", "description", "rules", "unknownParts", "unknownRevocation");
    private static final Set<String> RULE = Set.of("name", "scheme", "when", "set", "reason", "remedy");
    private static final Set<String> CASE =
            Set.of("name", "scheme", "evidence", "elements", "endorsed", "device", "vector", "expect");
    private static final Set<String> EXPECTATION = Set.of("status", "vector", "rules");

    /// Reads a document that somebody has just written: as [#parse], but what nobody would look at is
    /// refused. A word that is misspelt would leave its rule weaker than it was meant.
    public static PolicyDocument parseNew(Bytes document) throws MalformedException {
        PolicyDocument parsed = parse(document);
        ObjectNode object = Json.parseObject(document);
        ObjectNode policy = Json.object(object.get("policy"), "the policy");
        requireKnown(policy, POLICY, "the policy");
        for (JsonNode rule : policy.path("rules")) {
            requireKnown(rule, RULE, "the rule " + rule.path("name"));
        }
        for (JsonNode test : object.path("tests")) {
            requireKnown(test, CASE, "the case " + test.path("name"));
            requireKnown(test.path("expect"), EXPECTATION, "what is expected of the case " + test.path("name"));
        }
        return parsed;
    }

    private static void requireKnown(JsonNode node, Set<String> known, String what) throws MalformedException {
        for (String name : node.propertyNames()) {
            if (!known.contains(name)) {
                throw new MalformedException("the member '" + name + "' of " + what + " is not known: there are "
                        + String.join(", ", new TreeSet<>(known)));
            }
        }
    }

    public static PolicyDocument parse(Bytes document) throws MalformedException {
        if (document.size() > MAX_SIZE) {
            throw new MalformedException("a policy and its tests must not have more than " + MAX_SIZE + " bytes");
        }
        ObjectNode object = Json.parseObject(document);
        for (String name : object.propertyNames()) {
            if (!name.equals("policy") && !name.equals("tests")) {
                throw new MalformedException("the member '" + name + "' is not known: there are 'policy' and 'tests'");
            }
        }
        JsonNode tests = object.get("tests");
        return new PolicyDocument(
                Policy.parse(Json.write(Json.object(object.get("policy"), "the policy"))),
                Json.write(tests == null ? Json.array() : tests));
    }

    /// Runs the cases.
    public List<PolicyTests.Outcome> test() throws MalformedException {
        return PolicyTests.run(policy, tests);
    }
}
