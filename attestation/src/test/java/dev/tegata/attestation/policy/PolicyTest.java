// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.Mutations;
import dev.tegata.attestation.corim.Versions;
import dev.tegata.attestation.result.Tier;
import dev.tegata.attestation.result.TrustClaim;
import dev.tegata.attestation.result.TrustVector;
import dev.tegata.pki.Bytes;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@DisplayName("Policies")
class PolicyTest {
    private static final TrustVector GOOD = new TrustVector(Map.of(TrustClaim.EXECUTABLES, 2));
    private static final PolicyInput PSA =
            new PolicyInput("psa", Map.of("lifecycle", "secured"), List.of(), List.of(), Map.of());

    private static Bytes utf8(String text) {
        return Bytes.of(text.getBytes(StandardCharsets.UTF_8));
    }

    private static Bytes document(String when, String set) {
        return utf8("""
                {"id": "test", "version": 3, "rules": [
                  {"name": "r", "when": "%s", "set": {%s}, "reason": "why", "remedy": "what"}]}""".formatted(when, set));
    }

    private static Policy policy(String when) throws MalformedException {
        return Policy.parse(document(when, "\"executables\": 96"));
    }

    @Test
    @DisplayName("the default policy does what its description says")
    void defaultPolicy() throws MalformedException {
        List<PolicyTests.Outcome> outcomes = PolicyTests.run(Policy.defaultPolicy(), utf8("""
                [
                 {"name": "secured", "scheme": "psa", "evidence": {"lifecycle": "secured"}, "vector": {"executables": 2},
                  "expect": {"status": "affirming", "rules": []}},
                 {"name": "decommissioned", "scheme": "psa", "evidence": {"lifecycle": "decommissioned"},
                  "vector": {"executables": 2}, "expect": {"status": "contraindicated", "vector": {"instance-identity": 96}}},
                 {"name": "debug", "scheme": "psa", "evidence": {"lifecycle": "non_root_of_trust_debug"},
                  "vector": {"executables": 2}, "expect": {"status": "warning", "rules": ["psa-debug"]}},
                 {"name": "client", "scheme": "psa", "evidence": {"lifecycle": "secured", "client_id": -1},
                  "device": {"psa_client_id": 1}, "expect": {"rules": ["psa-client"]}},
                 {"name": "outdated", "scheme": "psa", "evidence": {"lifecycle": "secured"}, "vector": {"executables": 2},
                  "endorsed": [{"release": {"status": "outdated", "vulnerabilities": []}}],
                  "expect": {"vector": {"executables": 32}}},
                 {"name": "outdated stays unknown", "scheme": "psa", "evidence": {"lifecycle": "secured"},
                  "vector": {"executables": 33}, "endorsed": [{"release": {"status": "outdated", "vulnerabilities": []}}],
                  "expect": {"vector": {"executables": 33}}},
                 {"name": "revoked", "scheme": "tpm", "vector": {"executables": 2},
                  "endorsed": [{"release": {"status": "revoked", "vulnerabilities": []}}],
                  "expect": {"status": "contraindicated", "rules": ["release-revoked"]}},
                 {"name": "vulnerable", "scheme": "tpm", "vector": {"executables": 2},
                  "endorsed": [{"release": {"status": "certified", "vulnerabilities": ["CVE-1"]}}],
                  "expect": {"vector": {"executables": 32}}},
                 {"name": "eat debug", "scheme": "eat", "evidence": {"dbgstat": "enabled", "oemboot": true},
                  "expect": {"vector": {"configuration": 96}}},
                 {"name": "dice", "scheme": "dice", "evidence": {"layers": [{"mode": "normal"}, {"mode": "debug"}]},
                  "expect": {"vector": {"configuration": 32}}}
                ]"""));
        assertThat(outcomes)
                .hasSize(10)
                .allSatisfy(outcome ->
                        assertThat(outcome.difference()).as(outcome.name()).isNull());
    }

    @Test
    @DisplayName("a case that a policy fails tells the difference")
    void failingCase() throws MalformedException {
        List<PolicyTests.Outcome> outcomes = PolicyTests.run(policy("true"), utf8("""
                [{"name": "a", "scheme": "psa", "expect": {"status": "affirming"}},
                 {"name": "b", "scheme": "psa", "expect": {"rules": []}}]"""));
        assertThat(outcomes)
                .extracting(PolicyTests.Outcome::difference)
                .containsExactly("the status is contraindicated, not affirming", "the rules that held are [r], not []");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        1 +                     | condition of rule 'r'
        1 + 1                   | condition of rule 'r'
        nothing == 1            | condition of rule 'r'
        scheme.matches('(')     |
        """)
    @DisplayName("a condition that does not compile, or gives no truth value, is refused when the policy is read")
    void refused(String when, @Nullable String reason) throws MalformedException {
        if (reason == null) {
            // A wrong regular expression shows only when it runs, and then makes things worse, not better.
            assertThat(policy(when).apply(PSA, GOOD).vector().status()).isEqualTo(Tier.CONTRAINDICATED);
        } else {
            assertThatThrownBy(() -> policy(when))
                    .isInstanceOf(MalformedException.class)
                    .hasMessageContaining(reason);
        }
    }

    @Test
    @DisplayName("unknown claims, values out of range and rules of one name are refused")
    void refusedDocuments() {
        assertThatThrownBy(() -> Policy.parse(document("true", "\"executable\": 2")))
                .hasMessageContaining("no trustworthiness claim");
        assertThatThrownBy(() -> Policy.parse(document("true", "\"executables\": 200")))
                .hasMessageContaining("-128");
        assertThatThrownBy(() -> Policy.parse(document("true", ""))).hasMessageContaining("sets nothing");
        String rule = "{\"name\":\"r\",\"when\":\"true\",\"set\":{\"hardware\":2},\"reason\":\"\",\"remedy\":\"\"}";
        assertThatThrownBy(
                        () -> Policy.parse(utf8("{\"id\":\"a\",\"version\":1,\"rules\":[" + rule + "," + rule + "]}")))
                .hasMessageContaining("two rules");
    }

    @Test
    @DisplayName("an evaluation that costs too much ends soon, and lets nobody in")
    void bounded() throws MalformedException {
        List<Map<String, Object>> many = Collections.nCopies(1_000, Map.of("a", 1L));
        PolicyInput input = new PolicyInput("psa", Map.of(), many, many, Map.of());
        Policy nested = policy("elements.all(a, elements.all(b, elements.all(c, endorsed.all(d, a == d))))");
        assertThat(assertTimeoutPreemptively(Duration.ofSeconds(60), () -> nested.apply(input, GOOD))
                        .vector()
                        .status())
                .isEqualTo(Tier.CONTRAINDICATED);
        Policy better =
                Policy.parse(document("elements.all(a, elements.all(b, elements.all(c, true)))", "\"executables\": 2"));
        TrustVector bad = new TrustVector(Map.of(TrustClaim.EXECUTABLES, 33));
        assertThat(better.apply(input, bad).vector()).isEqualTo(bad);
        assertThatThrownBy(() -> policy("(".repeat(5_000) + "true" + ")".repeat(5_000)))
                .isInstanceOf(MalformedException.class);
        assertThatThrownBy(() -> policy("'" + "a".repeat(20_000) + "' == ''")).isInstanceOf(MalformedException.class);
    }

    @ParameterizedTest
    @CsvSource({"1.2.3,1.2.10,-1", "2.0,1.9.9,1", "1.0,1.0.0,0", "1.0.0-rc1,1.0.0,-1", "1.0.0-rc2,1.0.0-rc1,1"})
    @DisplayName("versions are compared by their numbers")
    void versions(String left, String right, int order) throws MalformedException {
        assertThat(Versions.compare(left, right)).isEqualTo(order);
        Policy policy = policy("compareVersions('" + left + "', '" + right + "') == " + order);
        assertThat(policy.apply(PSA, GOOD).fired()).hasSize(1);
    }

    @Test
    @DisplayName("mutations of policies are read or refused, nothing else")
    void fuzz() {
        Bytes seed = document(
                "scheme == 'psa' && endorsed.exists(e, has(e.release) && e.release.status == 'revoked')",
                "\"executables\": 96");
        Mutations.feed(List.of(seed), 2_000, input -> Policy.parse(input).apply(PSA, GOOD));
    }
}
