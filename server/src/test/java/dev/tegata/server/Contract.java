// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server;

import static org.assertj.core.api.Assertions.assertThat;

import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// What `openapi.yaml` promises, held against what the server answers.
public final class Contract {
    private static final Set<String> METHODS = Set.of("get", "put", "post", "delete", "patch");
    private static final SchemaRegistry SCHEMAS = SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12);

    private final JsonNode document;
    private final List<Operation> operations = new ArrayList<>();

    private Contract(JsonNode document) {
        this.document = document;
        // What is on the port for devices is tested with the device protocol.
        document.at("/paths")
                .propertyStream()
                .filter(path -> !path.getKey().startsWith("/device/"))
                .forEach(path -> path.getValue()
                        .propertyStream()
                        .filter(member -> METHODS.contains(member.getKey()))
                        .forEach(member -> operations.add(new Operation(
                                member.getKey().toUpperCase(Locale.ROOT),
                                path.getKey(),
                                member.getValue(),
                                path.getValue()))));
    }

    /// One described operation.
    public record Operation(String method, String template, JsonNode node, JsonNode pathNode) {
        public boolean matches(String wantedMethod, String path) {
            return method.equals(wantedMethod) && path.matches(template.replaceAll("\\{[^}]+}", "[^/]+"));
        }

        /// Whether it is for keys of tenants, and not for the operator or everybody.
        public boolean isForTenants() {
            return node.has("x-permission");
        }

        public boolean takesJson() {
            return node.at("/requestBody").toString().contains("application/json")
                    || node.at("/requestBody/$ref").isString();
        }

        @Override
        public String toString() {
            return method + " " + template;
        }
    }

    public static Contract load() {
        try (InputStream in = Objects.requireNonNull(Contract.class.getResourceAsStream("/openapi.yaml"))) {
            Object yaml = new Load(LoadSettings.builder()
                            .setMaxAliasesForCollections(0)
                            .build())
                    .loadFromInputStream(in);
            return new Contract(JsonMapper.shared().valueToTree(yaml));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public List<Operation> operations() {
        return List.copyOf(operations);
    }

    /// The example of an operation's JSON body; empty where it takes none.
    public Optional<String> exampleBody(Operation operation) {
        JsonNode json = resolve(operation.node().path("requestBody")).at("/content/application~1json");
        return json.has("example") ? Optional.of(json.get("example").toString()) : Optional.empty();
    }

    /// Checks each example of a request against its schema.
    public void checkExamples() {
        for (Operation operation : operations) {
            JsonNode json = resolve(operation.node().path("requestBody")).at("/content/application~1json");
            if (!json.isMissingNode()) {
                assertThat(json.has("example"))
                        .as("%s has an example", operation)
                        .isTrue();
                checkSchema(
                        operation.toString(),
                        json.get("schema"),
                        json.get("example").toString());
            }
        }
    }

    /// Checks an answer: is its status described, its media type, and its body of the form that was
    /// promised?
    public void check(String method, String path, HttpResponse<String> response) {
        String what = method + " " + path + ": " + response.statusCode();
        Optional<Operation> operation =
                operations.stream().filter(o -> o.matches(method, path)).findFirst();
        JsonNode responses = operation.map(o -> o.node().path("responses")).orElse(document.path("none"));
        String status = Integer.toString(response.statusCode());
        JsonNode described = resolve(responses.path(status));
        if (response.statusCode() >= 400) {
            described = document.at("/components/responses/Problem");
        }
        assertThat(described.isMissingNode()).as("%s is described", what).isFalse();
        checkBody(what, described.path("content"), response);
    }

    private void checkBody(String what, JsonNode content, HttpResponse<String> response) {
        Map<String, JsonNode> byType = new TreeMap<>();
        content.propertyStream().forEach(member -> byType.put(member.getKey(), member.getValue()));
        String type = response.headers().firstValue("Content-Type").orElse("").replaceFirst(";.*", "");
        if (byType.isEmpty()) {
            assertThat(response.body()).as("%s has no body", what).isEmpty();
            return;
        }
        assertThat(byType).as("%s, media type", what).containsKey(type);
        if (type.equals("application/json") || type.equals("application/problem+json")) {
            checkSchema(what, Objects.requireNonNull(byType.get(type)).get("schema"), response.body());
        }
    }

    private void checkSchema(String what, JsonNode schema, String json) {
        ObjectNode whole = JsonMapper.shared().createObjectNode();
        whole.setAll((ObjectNode) schema);
        whole.set("components", document.get("components"));
        Schema compiled = SCHEMAS.getSchema(whole);
        assertThat(compiled.validate(
                        json,
                        InputFormat.JSON,
                        context -> context.executionConfig(config -> config.formatAssertionsEnabled(true))))
                .as("%s, body %s", what, json)
                .isEmpty();
    }

    private JsonNode resolve(JsonNode node) {
        String reference = node.path("$ref").asString("");
        return reference.isEmpty() ? node : document.at(reference.substring(1));
    }
}
