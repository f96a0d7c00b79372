// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.platform.access.Permission;
import dev.tegata.platform.access.Role;
import dev.tegata.server.Contract;
import dev.tegata.server.Contract.Operation;
import dev.tegata.server.RunningServer;
import dev.tegata.server.RunningServer.TestTenant;
import dev.tegata.server.http.Route;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/// Holds the contract against the router and the roles, and walks over all of it with what does not belong
/// there.
class ContractTest {
    private static final RunningServer SERVER = RunningServer.shared();
    private static final Contract CONTRACT = Contract.load();
    private static final String NO_ID = "01890000-0000-7000-8000-000000000000";

    private static TestTenant a;
    private static TestTenant b;
    private static Map<String, String> idsOfA;

    @BeforeAll
    static void createTenants() {
        a = SERVER.createTenant("Wall A");
        b = SERVER.createTenant("Wall B");
        String fleet = id(SERVER.post(a.ownerKey(), "/api/v1/fleets", "{\"name\":\"secret product\"}"), "/id");
        HttpRequest.Builder upload = SERVER.to(
                        a.ownerKey(), "/api/v1/fleets/" + fleet + "/manifests?fileName=a.csv&statement=true")
                .POST(BodyPublishers.ofString("serial\n01020304050607\n"));
        String manifest = id(SERVER.send(upload), "/id");
        String device = id(SERVER.get(a.ownerKey(), "/api/v1/devices"), "/items/0/id");
        String order = id(
                SERVER.post(a.ownerKey(), "/api/v1/devices/" + device + "/orders", "{\"kind\":\"renew-key\"}"), "/id");
        String transfer =
                id(SERVER.post(a.ownerKey(), "/api/v1/transfers", "{\"devices\":[\"" + device + "\"]}"), "/id");
        String job = id(
                SERVER.post(
                        a.ownerKey(),
                        "/api/v1/devices/bulk",
                        "{\"action\":\"suspend\",\"reason\":\"x\",\"dryRun\":true,\"ids\":[\"" + device + "\"]}"),
                "/id");
        idsOfA = and(
                transfer,
                NO_ID,
                Map.of(
                        "order",
                        order,
                        "tenant",
                        a.id(),
                        "authority",
                        a.created().at("/authorities/1/id").asString(),
                        "fleet",
                        fleet,
                        "manifest",
                        manifest,
                        "device",
                        device,
                        "apiKey",
                        a.created().at("/apiKey/apiKey/id").asString(),
                        "purpose",
                        "birth-ca",
                        "acmeKey",
                        "zzzzzzzz",
                        "fingerprint",
                        "00".repeat(32)));
        idsOfA.put("job", job);
        idsOfA.put(
                "webhook",
                id(
                        SERVER.post(
                                a.ownerKey(),
                                "/api/v1/webhooks",
                                "{\"name\":\"w\",\"url\":\"https://localhost/\",\"types\":[\"dev.tegata.webhook\"]}"),
                        "/id"));
        idsOfA.put("month", "2020-01");
    }

    /// `ids` and three more.
    private static Map<String, String> and(String transfer, String grant, Map<String, String> ids) {
        Map<String, String> more = new HashMap<>(ids);
        more.put("transfer", transfer);
        more.put("grant", grant);
        more.put("job", grant);
        more.put("month", grant);
        return more;
    }

    private static String id(HttpResponse<String> response, String pointer) {
        assertThat(response.statusCode()).as(response.body()).isBetween(200, 202);
        return RunningServer.body(response).at(pointer).asString();
    }

    private static String path(Operation operation, Map<String, String> ids) {
        String path = operation.template();
        for (Map.Entry<String, String> id : ids.entrySet()) {
            path = path.replace("{" + id.getKey() + "}", id.getValue());
        }
        // Of what is not made here, nobody has any.
        path = path.replace("{version}", ids.getOrDefault("*", "1"))
                .replaceAll("\\{[^}]+}", Matcher.quoteReplacement(ids.getOrDefault("*", NO_ID)));
        return operation.template().endsWith("/manifests") && operation.method().equals("POST")
                ? path + "?fileName=x"
                : path;
    }

    private static HttpResponse<String> send(Operation operation, String key, Map<String, String> ids, String body) {
        return SERVER.send(request(operation, key, ids, body));
    }

    private static HttpRequest.Builder request(Operation operation, String key, Map<String, String> ids, String body) {
        HttpRequest.Builder request = SERVER.to(key, path(operation, ids)).header("If-Match", "\"1\"");
        boolean takesPem = operation.node().at("/requestBody/content").has("application/x-pem-file");
        request.header("Content-Type", takesPem ? "application/x-pem-file" : "application/json");
        return request.method(operation.method(), BodyPublishers.ofString(body));
    }

    private static HttpResponse<String> send(Operation operation, String key, Map<String, String> ids) {
        JsonNode content = operation.node().at("/requestBody/content");
        if (content.has("application/x-pem-file")) {
            return send(
                    operation,
                    key,
                    ids,
                    a.created().at("/authorities/1/certificate/pem").asString());
        }
        if (content.has("application/octet-stream")) {
            return send(operation, key, ids, "serial\n11121314151617\n");
        }
        return send(operation, key, ids, CONTRACT.exampleBody(operation).orElse(""));
    }

    private static List<Operation> tenantOperations() {
        return CONTRACT.operations().stream().filter(Operation::isForTenants).toList();
    }

    @Test
    void everyRouteIsDescribedAndEveryDescribedOperationIsThere() {
        List<String> routes =
                SERVER.server().apiRoutes().stream().map(Route::toString).toList();
        List<String> described = CONTRACT.operations().stream()
                .map(Operation::toString)
                .filter(operation -> !operation.equals("GET /docs/errors"))
                .toList();

        assertThat(described).containsExactlyInAnyOrderElementsOf(routes);
    }

    @Test
    void theContractIsServedAndItsExamplesAreOfTheFormThatItAsksFor() {
        assertThat(SERVER.get("", "/openapi.yaml").body()).startsWith("# SPDX");
        assertThat(SERVER.get("", "/docs/errors").statusCode()).isEqualTo(200);
        CONTRACT.checkExamples();
    }

    @Test
    void everyOperationIsNamedOnceAndSaysWhatItNeeds() {
        assertThat(CONTRACT.operations())
                .extracting(operation -> operation.node().path("operationId").asString())
                .doesNotHaveDuplicates()
                .doesNotContain("");
        assertThat(tenantOperations())
                .allSatisfy(operation -> assertThat(permission(operation)).isNotNull());
    }

    private static Permission permission(Operation operation) {
        return Permission.valueOf(operation
                .node()
                .get("x-permission")
                .asString()
                .toUpperCase(Locale.ROOT)
                .replace('-', '_'));
    }

    @Test
    void nobodyGetsInWithoutAKey() {
        for (Operation operation : CONTRACT.operations()) {
            if (operation.isForTenants() || operation.template().startsWith("/api/v1/tenants")) {
                assertThat(SERVER.sendFromElsewhere(request(operation, "nonsense", idsOfA, "{}"))
                                .statusCode())
                        .as(operation.toString())
                        .isEqualTo(401);
            }
        }
    }

    @Test
    void everyRoleMayDoWhatItsPermissionsSayAndNothingElse() {
        TestTenant tenant = SERVER.createTenant("Roles");
        Map<String, String> nothing = and(
                NO_ID,
                NO_ID,
                Map.of(
                        "order",
                        NO_ID,
                        "authority",
                        NO_ID,
                        "fleet",
                        tenant.id() + "-zzzzzz",
                        "manifest",
                        NO_ID,
                        "device",
                        NO_ID,
                        "apiKey",
                        "zzzzzzzz",
                        "purpose",
                        "birth-ca",
                        "acmeKey",
                        "zzzzzzzz",
                        "fingerprint",
                        "00".repeat(32)));
        for (Role role : Role.values()) {
            JsonNode made = RunningServer.body(SERVER.post(
                    tenant.ownerKey(), "/api/v1/api-keys", "{\"name\":\"r\",\"role\":\"" + role.id() + "\"}"));
            for (Operation operation : tenantOperations()) {
                HttpResponse<String> response =
                        send(operation, made.at("/secret").asString(), nothing, "{}");
                assertThat(response.statusCode() == 403)
                        .as("%s as %s: %s", operation, role, response.body())
                        .isEqualTo(!role.allows(permission(operation)));
            }
        }
    }

    @Test
    void theTenantsWallStandsAtEveryOperation() {
        for (Operation operation : tenantOperations()) {
            HttpResponse<String> response = send(operation, b.ownerKey(), idsOfA);
            // A decision about whoever is unknown is a no, not an error.
            if (operation.template().contains("{") && !operation.template().contains("{subject}")) {
                assertThat(response.statusCode())
                        .as("%s with an id of another tenant: %s", operation, response.body())
                        .isEqualTo(404);
            }
            assertThat(response.body())
                    .as("%s tells of another tenant", operation)
                    .doesNotContain("secret product", "Wall A", "01020304050607");
        }
        assertThat(SERVER.get(a.ownerKey(), "/api/v1/fleets").body()).contains("secret product");
    }

    @Test
    void anIdOfAnotherTenantInABodyIsNotFoundEither() {
        String authority = idsOfA.get("authority");

        assertThat(SERVER.post(b.ownerKey(), "/api/v1/fleets", "{\"name\":\"x\",\"authority\":\"" + authority + "\"}")
                        .statusCode())
                .isEqualTo(422);
        assertThat(SERVER.post(
                                b.ownerKey(),
                                "/api/v1/authorities",
                                "{\"name\":\"x\",\"subject\":\"CN=x\",\"parent\":\"" + authority + "\"}")
                        .statusCode())
                .isEqualTo(404);
        assertThat(RunningServer.body(SERVER.get(b.ownerKey(), "/api/v1/devices?fleet=" + idsOfA.get("fleet")))
                        .at("/items")
                        .size())
                .isZero();
    }

    @Test
    void badJsonIsRefusedByEveryOperationThatTakesJson() {
        Map<String, Supplier<String>> bad = Map.of(
                "nothing", () -> "",
                "cut off", () -> "{\"name\":\"x\"",
                "a list", () -> "[]",
                "a text", () -> "\"x\"",
                "null", () -> "null",
                "deep", () -> "{\"name\":".repeat(2000) + "1" + "}".repeat(2000),
                "twice",
                        () -> "{\"name\":\"x\",\"name\":\"y\",\"reason\":\"x\",\"reason\":\"y\",\"validity\":\"P1D\","
                                + "\"validity\":\"P2D\",\"purpose\":\"x\",\"purpose\":\"y\"}",
                "unknown", () -> "{\"nobody knows this\":1}",
                "large", () -> "{\"name\":\"" + "x".repeat(70_000) + "\"}",
                "no UTF-8", () -> "{\"name\":\"\u0000\"}");
        for (Operation operation : CONTRACT.operations()) {
            if (!operation.takesJson()) {
                continue;
            }
            String key = operation.isForTenants() ? a.ownerKey() : SERVER.operatorKey();
            bad.forEach((what, body) -> assertThat(
                            send(operation, key, idsOfA, body.get()).statusCode())
                    .as("%s with %s", operation, what)
                    .isIn(400, 413, 422));
        }
    }

    @Test
    void membersOfTheWrongTypeAreRefusedByTheirNames() {
        for (Operation operation : CONTRACT.operations()) {
            String example = CONTRACT.exampleBody(operation).orElse("");
            if (example.isEmpty()) {
                continue;
            }
            String key = operation.isForTenants() ? a.ownerKey() : SERVER.operatorKey();
            for (String member : RunningServer.json(example).propertyNames()) {
                for (String wrong : List.of("17", "true", "[[]]", "{\"a\":{}}")) {
                    String body = RunningServer.with(example, member, wrong);
                    HttpResponse<String> response = send(operation, key, idsOfA, body);
                    assertThat(response.statusCode())
                            .as("%s with %s: %s", operation, body, response.body())
                            .isEqualTo(422);
                    assertThat(response.body()).contains(member);
                }
            }
        }
    }

    @Test
    void cursorsOfOtherListingsAreRefused() {
        int listings = 0;
        for (Operation operation : CONTRACT.operations()) {
            if (!operation.node().at("/parameters").toString().contains("ursor")) {
                continue;
            }
            listings++;
            String key = operation.isForTenants() ? a.ownerKey() : SERVER.operatorKey();
            for (String position : List.of("", "\0", "x", "-1", "9".repeat(40), NO_ID, "/", NO_ID + "/zz", "'--")) {
                String cursor = Base64.getUrlEncoder()
                        .withoutPadding()
                        .encodeToString(position.getBytes(StandardCharsets.UTF_8));
                HttpRequest.Builder request = request(
                        operation, key, idsOfA, CONTRACT.exampleBody(operation).orElse(""));
                URI listing = request.build().uri();
                HttpResponse<String> response = SERVER.send(request.uri(URI.create(listing + "?cursor=" + cursor)));
                assertThat(response.statusCode())
                        .as("%s from '%s': %s", operation, position, response.body())
                        .isIn(200, 201, 404, 422);
            }
        }
        assertThat(listings).isGreaterThan(20);
    }

    @Test
    void idsOfTheWrongFormAreRefused() {
        for (Operation operation : tenantOperations()) {
            for (String wrong : List.of("x", "%00", "%2e%2e", "'%20or%201=1", "x".repeat(300), "%F0%9F%92%A9")) {
                Map<String, String> ids = and(
                        wrong,
                        wrong,
                        Map.of(
                                "order",
                                wrong,
                                "authority",
                                wrong,
                                "fleet",
                                wrong,
                                "manifest",
                                wrong,
                                "device",
                                wrong,
                                "apiKey",
                                wrong,
                                "purpose",
                                wrong,
                                "acmeKey",
                                wrong,
                                "fingerprint",
                                wrong,
                                "*",
                                wrong));
                if (operation.template().contains("{")) {
                    assertThat(send(operation, a.ownerKey(), ids).statusCode())
                            .as("%s with %s", operation, wrong)
                            .isIn(400, 404, 422);
                }
            }
        }
    }
}
