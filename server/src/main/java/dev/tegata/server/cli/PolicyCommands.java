// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.policy.PolicyDocument;
import dev.tegata.attestation.policy.PolicyTests;
import dev.tegata.pki.Bytes;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Appraisal policies: rules that judge evidence, with the tests that they pass.
@Command
final class PolicyCommands {
    private static final String PATH = "/appraisal-policies";

    private final Session session;

    PolicyCommands(Session session) {
        this.session = session;
    }

    private static String path(String id, int version) {
        return PATH + "/" + ApiClient.segment(id) + "/" + version;
    }

    @Command(
            description = "Run a policy's own tests on this machine. A test that fails is exit code 1.",
            footer = "  tegata policy test policy.json")
    int test(
            @Parameters(paramLabel = "FILE", description = "JSON with 'policy' and 'tests'; - reads the input.")
                    Path file) {
        List<PolicyTests.Outcome> outcomes;
        try {
            outcomes = PolicyDocument.parseNew(Bytes.of(Inputs.bytes(file, session.terminal())))
                    .test();
        } catch (MalformedException e) {
            throw CommandFailure.refused("the policy is wrong: " + e.getMessage());
        }
        ObjectNode report = ApiClient.object();
        ArrayNode tests = report.putArray("items");
        for (PolicyTests.Outcome outcome : outcomes) {
            ObjectNode test = tests.addObject().put("name", outcome.name()).put("passed", outcome.passed());
            Bodies.put(test, "difference", outcome.difference());
        }
        session.output().table(report, "The policy has no tests.", "name", "passed", "difference");
        return !outcomes.isEmpty() && outcomes.stream().allMatch(PolicyTests.Outcome::passed) ? 0 : 1;
    }

    @Command(
            description = "Add a version of a policy. It must pass its tests; 'activate' puts it in force.",
            footer = "  tegata policy add policy.json")
    void add(
            @Parameters(paramLabel = "FILE", description = "JSON with 'policy' and 'tests'; - reads the input.")
                    Path file) {
        try (ApiClient api = session.api()) {
            JsonNode added = api.send(PATH, Map.of(), "application/json", Inputs.bytes(file, session.terminal()));
            session.output().fields(((ObjectNode) added).without("document"));
        }
    }

    @Command(description = "List the policies and their versions.", footer = "  tegata policy list")
    void list() {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(api.get(PATH), "There are none.", "id", "version", "active", "createdAt", "createdBy");
        }
    }

    @Command(description = "Show a version of a policy.", footer = "  tegata policy show strict 2")
    void show(
            @Parameters(paramLabel = "ID", description = "The policy.") String id,
            @Parameters(paramLabel = "VERSION", description = "Its version.") int version) {
        try (ApiClient api = session.api()) {
            session.output().print(api.get(path(id, version)));
        }
    }

    @Command(
            description = "Put a version in force. All stored evidence is judged by it.",
            footer = "  tegata policy activate strict 2")
    void activate(
            @Parameters(paramLabel = "ID", description = "The policy; tegata-default is the built-in one.") String id,
            @Parameters(paramLabel = "VERSION", description = "Its version.") int version) {
        try (ApiClient api = session.api()) {
            api.act(path(id, version) + "/activate");
            session.output().done("The policy is in force.");
        }
    }

    @Command(description = "Put that policy in force which was before.", footer = "  tegata policy rollback")
    void rollback() {
        try (ApiClient api = session.api()) {
            session.output().fields(((ObjectNode) api.act(PATH + "/rollback")).without("document"));
        }
    }

    @Command(description = "List what was in force when.", footer = "  tegata policy history")
    void history() {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH + "/activations"),
                            "The built-in policy has been in force all the time.",
                            "number",
                            "id",
                            "version",
                            "activatedAt",
                            "activatedBy");
        }
    }
}
