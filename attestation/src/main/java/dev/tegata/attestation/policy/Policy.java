// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.policy;

import dev.cel.common.CelFunctionDecl;
import dev.cel.common.CelOptions;
import dev.cel.common.CelOverloadDecl;
import dev.cel.common.CelValidationException;
import dev.cel.common.types.ListType;
import dev.cel.common.types.MapType;
import dev.cel.common.types.SimpleType;
import dev.cel.compiler.CelCompiler;
import dev.cel.compiler.CelCompilerFactory;
import dev.cel.parser.CelStandardMacro;
import dev.cel.runtime.CelEvaluationException;
import dev.cel.runtime.CelFunctionBinding;
import dev.cel.runtime.CelRuntime;
import dev.cel.runtime.CelRuntimeFactory;
import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.corim.Versions;
import dev.tegata.attestation.json.Json;
import dev.tegata.attestation.result.Tier;
import dev.tegata.attestation.result.TrustClaim;
import dev.tegata.attestation.result.TrustVector;
import dev.tegata.pki.Bytes;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Rules that change the values that evidence and endorsements gave, compiled and ready. Rules run in
/// order; each whose condition holds sets its values.
///
/// Bounded: the number and size of rules, the iterations of an evaluation and the size of regular
/// expressions have limits. A rule that cannot be evaluated counts as one that holds, as far as it makes
/// things worse: a mistake in a policy never lets a device in.
public final class Policy {
    private static final int MAX_RULES = 200;
    private static final CelOptions OPTIONS = CelOptions.current()
            .maxExpressionCodePointSize(8_192)
            .maxParseRecursionDepth(64)
            .comprehensionMaxIterations(10_000)
            // The faster of the two runtimes demands it.
            .enableHeterogeneousNumericComparisons(true)
            .maxRegexProgramSize(2_000)
            .build();
    private static final String COMPARE_VERSIONS = "compareVersions";
    private static final String COMPARE_OVERLOAD = "compare_versions_string_string";
    private static final MapType OBJECT = MapType.create(SimpleType.STRING, SimpleType.DYN);
    private static final CelCompiler COMPILER = CelCompilerFactory.standardCelCompilerBuilder()
            .setOptions(OPTIONS)
            .setStandardMacros(CelStandardMacro.STANDARD_MACROS)
            .addVar("scheme", SimpleType.STRING)
            .addVar("evidence", OBJECT)
            .addVar("elements", ListType.create(OBJECT))
            .addVar("endorsed", ListType.create(OBJECT))
            .addVar("device", OBJECT)
            .addVar("vector", MapType.create(SimpleType.STRING, SimpleType.INT))
            .addFunctionDeclarations(CelFunctionDecl.newFunctionDeclaration(
                    COMPARE_VERSIONS,
                    CelOverloadDecl.newGlobalOverload(
                            COMPARE_OVERLOAD, SimpleType.INT, SimpleType.STRING, SimpleType.STRING)))
            .setResultType(SimpleType.BOOL)
            .build();
    private static final CelRuntime RUNTIME = CelRuntimeFactory.plannerRuntimeBuilder()
            .setOptions(OPTIONS)
            .addFunctionBindings(CelFunctionBinding.from(
                    COMPARE_OVERLOAD, String.class, String.class, (a, b) -> (long) Versions.compare(a, b)))
            .build();

    /// A rule that held. `remedy` is what would make it not hold.
    public record Fired(String rule, Map<TrustClaim, Integer> values, String reason, String remedy) {}

    /// What the rules made of a vector.
    public record Decision(TrustVector vector, List<Fired> fired) {}

    private record Rule(
            String name,
            @Nullable String scheme,
            CelRuntime.Program when,
            Map<TrustClaim, Integer> values,
            String reason,
            String remedy) {}

    private final String id;
    private final long version;
    private final List<Rule> rules;
    private final boolean ignoresUnknownParts;
    private final boolean acceptsUnknownRevocation;

    private Policy(String id, long version, List<Rule> rules, ObjectNode document) throws MalformedException {
        this.id = id;
        this.version = version;
        this.rules = List.copyOf(rules);
        this.ignoresUnknownParts = option(document, "unknownParts", "contraindicated", "none");
        this.acceptsUnknownRevocation = option(document, "unknownRevocation", "refuse", "accept");
    }

    /// Whether the member has its lenient value; the strict one holds where it is absent.
    private static boolean option(ObjectNode document, String name, String strict, String lenient)
            throws MalformedException {
        JsonNode value = document.get(name);
        String text = value == null ? strict : Json.text(value, "the policy's '" + name + "'");
        if (text.equals(strict) || text.equals(lenient)) {
            return text.equals(lenient);
        }
        throw new MalformedException("the policy's '" + name + "' is '" + strict + "' or '" + lenient + "'");
    }

    /// The policy that holds where there is no other.
    public static Policy defaultPolicy() {
        try {
            return parse(defaultDocument());
        } catch (MalformedException e) {
            throw new IllegalStateException("the default policy is wrong", e);
        }
    }

    /// The text of [#defaultPolicy].
    public static Bytes defaultDocument() {
        try (InputStream resource = Policy.class.getResourceAsStream("default-policy.json")) {
            if (resource == null) {
                throw new IllegalStateException("the default policy is missing");
            }
            return Bytes.of(resource.readAllBytes());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Reads and compiles a policy in JSON: `id`, `version` and `rules`, each with `name`, `when`, `set`,
    /// `reason` and `remedy`. A rule with a `scheme` is for evidence of that scheme only, and costs others
    /// nothing. `unknownParts` may be `none` and `unknownRevocation` may be `accept`.
    public static Policy parse(Bytes document) throws MalformedException {
        ObjectNode object = Json.parseObject(document);
        if (!(object.get("rules") instanceof ArrayNode array) || array.size() > MAX_RULES) {
            throw new MalformedException("a policy has a list of at most " + MAX_RULES + " rules");
        }
        List<Rule> rules = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (JsonNode node : array) {
            Rule rule = rule(Json.object(node, "a rule"));
            if (!names.add(rule.name)) {
                throw new MalformedException("there are two rules '" + rule.name + "'");
            }
            rules.add(rule);
        }
        return new Policy(
                Json.text(object.get("id"), "the policy's id"),
                Json.integer(object.get("version"), "the policy's version"),
                rules,
                object);
    }

    private static Rule rule(ObjectNode object) throws MalformedException {
        String name = Json.text(object.get("name"), "a rule's name");
        Map<TrustClaim, Integer> values = new EnumMap<>(TrustClaim.class);
        for (Map.Entry<String, JsonNode> entry : Json.object(object.get("set"), "the values of rule '" + name + "'")
                .properties()) {
            long value = Json.integer(entry.getValue(), "a value of rule '" + name + "'");
            if (value < Byte.MIN_VALUE || value > Byte.MAX_VALUE) {
                throw new MalformedException("a value of rule '" + name + "' is not between -128 and 127");
            }
            values.put(TrustClaim.named(entry.getKey()), (int) value);
        }
        if (values.isEmpty()) {
            throw new MalformedException("the rule '" + name + "' sets nothing");
        }
        JsonNode scheme = object.get("scheme");
        return new Rule(
                name,
                scheme == null ? null : Json.text(scheme, "the scheme of rule '" + name + "'"),
                compile(name, Json.text(object.get("when"), "the condition of rule '" + name + "'")),
                values,
                Json.text(object.get("reason"), "the reason of rule '" + name + "'"),
                Json.text(object.get("remedy"), "the remedy of rule '" + name + "'"));
    }

    private static CelRuntime.Program compile(String name, String expression) throws MalformedException {
        try {
            return RUNTIME.createProgram(COMPILER.compile(expression).getAst());
        } catch (CelValidationException | CelEvaluationException | RuntimeException e) {
            throw new MalformedException("the condition of rule '" + name + "' is wrong: " + e.getMessage());
        }
    }

    public String id() {
        return id;
    }

    public long version() {
        return version;
    }

    /// The id and version, as results name the policy.
    public String reference() {
        return id + "/" + version;
    }

    /// Whether a part of genuine evidence that cannot be judged counts as nothing, not as something bad.
    public boolean ignoresUnknownParts() {
        return ignoresUnknownParts;
    }

    /// Whether a certificate may be believed of which nobody here knows whether it is revoked.
    public boolean acceptsUnknownRevocation() {
        return acceptsUnknownRevocation;
    }

    /// Applies the rules to `vector`.
    public Decision apply(PolicyInput input, TrustVector vector) {
        TrustVector current = vector;
        Map<String, Object> variables = input.variables(current);
        List<Fired> fired = new ArrayList<>();
        for (Rule rule : rules) {
            boolean applies = rule.scheme == null || rule.scheme.equals(input.scheme());
            Fired outcome = applies ? evaluate(rule, variables, current) : null;
            if (outcome != null) {
                fired.add(outcome);
                Map<TrustClaim, Integer> values = new EnumMap<>(TrustClaim.class);
                values.putAll(current.values());
                values.putAll(outcome.values);
                current = new TrustVector(values);
                variables = input.variables(current);
            }
        }
        return new Decision(current, fired);
    }

    private static @Nullable Fired evaluate(Rule rule, Map<String, Object> variables, TrustVector current) {
        try {
            return Boolean.TRUE.equals(rule.when.eval(variables))
                    ? new Fired(rule.name, rule.values, rule.reason, rule.remedy)
                    : null;
        } catch (CelEvaluationException | RuntimeException e) {
            Map<TrustClaim, Integer> worse = new EnumMap<>(TrustClaim.class);
            rule.values.forEach((claim, value) -> {
                Tier present = Tier.ofValue(current.values().getOrDefault(claim, 0));
                if (Tier.ofValue(value).compareTo(present) > 0) {
                    worse.put(claim, value);
                }
            });
            return new Fired(
                    rule.name,
                    worse,
                    "the rule could not be evaluated: " + e.getMessage(),
                    "correct the policy's rule");
        }
    }
}
