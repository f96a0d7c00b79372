// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.policy;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.json.Json;
import dev.tegata.pki.Bytes;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// A policy with the cases that it must pass: a JSON object with `policy` and `tests`.
public record PolicyDocument(Policy policy, Bytes tests) {
    private static final int MAX_SIZE = 512 * 1024;

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
