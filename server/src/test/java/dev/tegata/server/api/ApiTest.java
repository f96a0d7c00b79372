// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.access.Role;
import dev.tegata.platform.testing.Waits;
import dev.tegata.server.RunningServer;
import dev.tegata.server.RunningServer.TestTenant;
import dev.tegata.server.http.TlsClient;
import java.net.InetAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

class ApiTest {
    private static final RunningServer SERVER = RunningServer.shared();
    private static TestTenant tenant;

    @BeforeAll
    static void createTenant() {
        tenant = SERVER.createTenant("Api");
    }

    private static JsonNode created(HttpResponse<String> response) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(201);
        return RunningServer.body(response);
    }

    private static void assertRefused(HttpResponse<String> response, ErrorCode code) {
        assertThat(response.body()).contains("\"code\":\"" + code.code() + "\"");
        assertThat(response.statusCode()).isEqualTo(code.httpStatus());
    }

    private static String createKey(Role role) {
        return created(SERVER.post(
                        tenant.ownerKey(), "/api/v1/api-keys", "{\"name\":\"a key\",\"role\":\"" + role.id() + "\"}"))
                .at("/secret")
                .asString();
    }

    @Test
    void aNewTenantHasTwoAuthoritiesAndAKeyThatWorks() {
        assertThat(tenant.created().at("/authorities").size()).isEqualTo(2);
        HttpResponse<String> own = SERVER.get(tenant.ownerKey(), "/api/v1/tenant");

        assertThat(own.statusCode()).isEqualTo(200);
        assertThat(RunningServer.body(own).at("/subject/organization").asString())
                .isEqualTo("Api GmbH");
    }

    @Test
    void theOperatorSeesTenantsButOpensNone() {
        assertThat(SERVER.get(SERVER.operatorKey(), "/api/v1/tenants?limit=1000")
                        .body())
                .contains(tenant.id());
        assertThat(SERVER.get(SERVER.operatorKey(), "/api/v1/tenants/" + tenant.id())
                        .statusCode())
                .isEqualTo(200);
        assertRefused(
                SERVER.sendFromElsewhere(SERVER.to(SERVER.operatorKey(), "/api/v1/fleets")), ErrorCode.UNAUTHENTICATED);
        assertRefused(
                SERVER.sendFromElsewhere(SERVER.to(tenant.ownerKey(), "/api/v1/tenants")), ErrorCode.UNAUTHENTICATED);
    }

    @Test
    void whoeverHasNoKeyIsToldHowToShowOne() throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(SERVER.server().apiUrl() + "/api/v1/fleets"))
                .build();
        HttpResponse<String> response = SERVER.client().send(request, BodyHandlers.ofString());

        assertRefused(response, ErrorCode.UNAUTHENTICATED);
        assertThat(response.headers().firstValue("WWW-Authenticate")).contains("Bearer realm=\"tegata\"");
    }

    @Test
    void aFleetIsMadeReadChangedAndKeptFromLostUpdates() {
        HttpResponse<String> made = SERVER.post(tenant.ownerKey(), "/api/v1/fleets", "{\"name\":\"Sensors\"}");
        String path = made.headers().firstValue("Location").orElseThrow();
        assertThat(created(made).at("/profile/keyUsages/0").asString()).isEqualTo("digitalSignature");
        assertThat(made.headers().firstValue("ETag")).contains("\"1\"");

        HttpRequest.Builder change = SERVER.to(tenant.ownerKey(), path)
                .header("Content-Type", "application/json")
                .method(
                        "PATCH",
                        HttpRequest.BodyPublishers.ofString(
                                "{\"policy\":{\"approvalRequired\":true},\"profile\":{\"lifetime\":\"P90D\"}}"));
        assertRefused(SERVER.send(change), ErrorCode.PRECONDITION_REQUIRED);
        HttpResponse<String> changed = SERVER.send(change.copy().header("If-Match", "\"1\""));
        assertThat(changed.statusCode()).isEqualTo(200);
        assertThat(RunningServer.body(changed).at("/policy/approvalRequired").asBoolean())
                .isTrue();
        assertThat(RunningServer.body(changed).at("/profile/lifetime").asString())
                .isEqualTo("P90D");
        assertRefused(SERVER.send(change.copy().header("If-Match", "\"1\"")), ErrorCode.PRECONDITION_FAILED);
    }

    @Test
    void aWrongProfileIsRefusedByTheNameOfItsField() {
        HttpResponse<String> response = SERVER.post(
                tenant.ownerKey(), "/api/v1/fleets", "{\"name\":\"x\",\"profile\":{\"lifetime\":\"soon\"}}");

        assertRefused(response, ErrorCode.INVALID_FIELD);
        assertThat(response.body()).contains("profile.lifetime");
    }

    @Test
    void listingsComeInPartsAndUnknownFiltersAreRefused() {
        TestTenant many = SERVER.createTenant("Many");
        for (int i = 0; i < 5; i++) {
            created(SERVER.post(many.ownerKey(), "/api/v1/fleets", "{\"name\":\"f" + i + "\"}"));
        }
        List<String> ids = new ArrayList<>();
        String query = "?limit=2";
        while (!query.isEmpty()) {
            JsonNode page = RunningServer.body(SERVER.get(many.ownerKey(), "/api/v1/fleets" + query));
            page.at("/items").forEach(item -> ids.add(item.at("/id").asString()));
            query = page.has("next") ? "?limit=2&cursor=" + page.at("/next").asString() : "";
        }
        assertThat(ids).hasSize(5).doesNotHaveDuplicates();
        for (String wrong :
                List.of("?limit=0", "?limit=x", "?limit=1001", "?cursor=%00", "?sate=active", "?limit=1&limit=2")) {
            assertThat(SERVER.get(many.ownerKey(), "/api/v1/fleets" + wrong).statusCode())
                    .isBetween(400, 422);
        }
    }

    @Test
    void aRepeatedRequestIsAnsweredAsTheFirstTimeAndCreatesNothing() {
        Map<String, String> key = Map.of("Idempotency-Key", "one-" + System.nanoTime());
        String body = "{\"name\":\"once\",\"role\":\"auditor\"}";
        JsonNode first = created(SERVER.post(tenant.ownerKey(), "/api/v1/api-keys", body, key));
        HttpResponse<String> again = SERVER.post(tenant.ownerKey(), "/api/v1/api-keys", body, key);

        assertThat(created(again)).isEqualTo(first);
        assertThat(again.headers().firstValue("Idempotency-Replayed")).contains("true");
        assertRefused(
                SERVER.post(tenant.ownerKey(), "/api/v1/api-keys", body.replace("once", "twice"), key),
                ErrorCode.IDEMPOTENCY_KEY_REUSED);
    }

    @Test
    void aRefusedRequestFreesItsIdempotencyKey() {
        Map<String, String> key = Map.of("Idempotency-Key", "free-" + System.nanoTime());

        assertRefused(
                SERVER.post(tenant.ownerKey(), "/api/v1/fleets", "{\"name\":\"\"}", key), ErrorCode.INVALID_FIELD);
        created(SERVER.post(tenant.ownerKey(), "/api/v1/fleets", "{\"name\":\"right\"}", key));
    }

    @Test
    void ofManyEqualRequestsAtOnceOneCreates() {
        Map<String, String> key = Map.of("Idempotency-Key", "race-" + System.nanoTime());
        List<CompletableFuture<HttpResponse<String>>> all = new ArrayList<>();
        for (int i = 0; i < 16; i++) {
            all.add(CompletableFuture.supplyAsync(
                    () -> SERVER.post(tenant.ownerKey(), "/api/v1/fleets", "{\"name\":\"race\"}", key),
                    task -> Thread.ofVirtual().start(task)));
        }
        Set<String> ids = new HashSet<>();
        for (CompletableFuture<HttpResponse<String>> answer : all) {
            HttpResponse<String> response = answer.join();
            if (response.statusCode() == 201) {
                ids.add(RunningServer.body(response).at("/id").asString());
            } else {
                assertRefused(response, ErrorCode.CONFLICT);
            }
        }
        assertThat(ids).hasSize(1);
    }

    @Test
    void theOperatorsRepetitionMakesNoSecondTenant() {
        Map<String, String> key = Map.of("Idempotency-Key", "tenant-" + System.nanoTime());
        String body = RunningServer.tenantJson("Twice");

        assertThat(created(SERVER.post(SERVER.operatorKey(), "/api/v1/tenants", body, key)))
                .isEqualTo(created(SERVER.post(SERVER.operatorKey(), "/api/v1/tenants", body, key)));
    }

    @Test
    void aRoleOpensWhatItIncludesAndNothingElse() {
        String auditor = createKey(Role.AUDITOR);
        String importer = createKey(Role.DEVICE_IMPORT);

        assertThat(SERVER.get(auditor, "/api/v1/audit/records").statusCode()).isEqualTo(200);
        assertRefused(SERVER.post(auditor, "/api/v1/fleets", "{\"name\":\"x\"}"), ErrorCode.FORBIDDEN);
        assertRefused(SERVER.get(importer, "/api/v1/devices"), ErrorCode.FORBIDDEN);
        assertRefused(
                SERVER.post(createKey(Role.ADMIN), "/api/v1/api-keys", "{\"name\":\"x\",\"role\":\"owner\"}"),
                ErrorCode.FORBIDDEN);
    }

    @Test
    void refusalsStandInTheAuditChain() throws Exception {
        TestTenant watched = SERVER.createTenant("Watched");
        SERVER.sendFromElsewhere(SERVER.to(watched.ownerKey().substring(0, 24) + "A".repeat(43), "/api/v1/fleets"));
        SERVER.get(watched.ownerKey(), "/api/v1/fleets/" + watched.id() + "-zzzzzz");
        // They are written together, a little later.
        Waits.until("both refusals", () -> {
            String records =
                    SERVER.get(watched.ownerKey(), "/api/v1/audit/records").body();
            return Stream.of("request.refused", "\"code\":\"not-found\"", "\"code\":\"unauthenticated\"")
                    .allMatch(records::contains);
        });
    }

    @Test
    void aRevokedKeyOpensNothing() {
        JsonNode made = created(
                SERVER.post(tenant.ownerKey(), "/api/v1/api-keys", "{\"name\":\"gone\",\"role\":\"operator\"}"));
        String secret = made.at("/secret").asString();
        assertThat(SERVER.get(secret, "/api/v1/fleets").statusCode()).isEqualTo(200);
        HttpResponse<String> revoked = SERVER.send(SERVER.to(
                        tenant.ownerKey(),
                        "/api/v1/api-keys/" + made.at("/apiKey/id").asString())
                .DELETE());

        assertThat(revoked.statusCode()).isEqualTo(204);
        assertRefused(SERVER.sendFromElsewhere(SERVER.to(secret, "/api/v1/fleets")), ErrorCode.UNAUTHENTICATED);
    }

    @Test
    void whoeverGuessesIsToldToWait() {
        try (HttpClient guesser = TlsClient.trustingFrom(
                SERVER.server().authorityFile().orElseThrow(), InetAddress.ofLiteral("127.2.0.1"))) {
            String wrong = tenant.ownerKey().substring(0, 24) + "A".repeat(43);
            HttpResponse<String> last = SERVER.send(guesser, SERVER.to(wrong, "/api/v1/fleets"));
            // Twice as often as it takes: the minute in which they are counted may end on the way.
            for (int i = 0; i < 50 && last.statusCode() != 429; i++) {
                last = SERVER.send(guesser, SERVER.to(wrong, "/api/v1/fleets"));
            }
            assertRefused(last, ErrorCode.TOO_MANY_ATTEMPTS);
            assertThat(last.headers().firstValue("Retry-After")).contains("60");
        }
        assertThat(SERVER.get(tenant.ownerKey(), "/api/v1/fleets").statusCode()).isEqualTo(200);
    }

    @Test
    void anAuthorityWhoseRootIsElsewhereIsMadeInTwoSteps() throws Exception {
        String made = created(SERVER.post(
                        tenant.ownerKey(),
                        "/api/v1/authorities",
                        "{\"name\":\"Outside\",\"subject\":\"CN=Outside CA,O=Api GmbH,C=DE\"}"))
                .at("/id")
                .asString();
        assertThat(SERVER.get(tenant.ownerKey(), "/api/v1/authorities/" + made + "/request")
                        .body())
                .startsWith("-----BEGIN CERTIFICATE REQUEST-----");
        assertRefused(
                SERVER.get(tenant.ownerKey(), "/api/v1/authorities/" + made + "/chain"), ErrorCode.AUTHORITY_NOT_READY);
    }

    @Test
    void theChainIsServedAsPemAndTheCertificatesToAnybodyAsDer() throws Exception {
        JsonNode issuing = tenant.created().at("/authorities/1");
        String chain = SERVER.get(
                        tenant.ownerKey(),
                        "/api/v1/authorities/" + issuing.at("/id").asString() + "/chain")
                .body();
        assertThat(chain.split("BEGIN CERTIFICATE", -1)).hasSize(3);

        HttpRequest request = HttpRequest.newBuilder(URI.create(SERVER.server().publicUrl() + "/ca/" + tenant.id() + "/"
                        + issuing.at("/id").asString() + ".cer"))
                .build();
        HttpResponse<byte[]> der = SERVER.client().send(request, BodyHandlers.ofByteArray());
        assertThat(der.statusCode()).isEqualTo(200);
        assertThat(dev.tegata.pki.Bytes.of(der.body()).sha256().hex())
                .isEqualTo(issuing.at("/certificate/fingerprint").asString());
    }

    @Test
    void theAuditChainIsExportedWhole() {
        HttpResponse<String> export = SERVER.get(tenant.ownerKey(), "/api/v1/audit/export");

        assertThat(export.statusCode()).isEqualTo(200);
        assertThat(export.body().lines().count()).isGreaterThan(3);
    }

    @Test
    void statusSaysWhoAsksAndHowManyDevicesThereAre() {
        JsonNode status = RunningServer.body(SERVER.get(tenant.ownerKey(), "/api/v1/status"));

        assertThat(status.at("/tenant").asString()).isEqualTo(tenant.id());
        assertThat(status.at("/role").asString()).isEqualTo("owner");
        assertThat(status.at("/devices/active").asInt()).isZero();
    }

    @Test
    void healthAndMetricsAreServed() throws Exception {
        for (String url : List.of(
                SERVER.server().publicUrl() + "/livez",
                SERVER.server().publicUrl() + "/readyz",
                SERVER.server().metricsUrl() + "/metrics")) {
            HttpResponse<String> response =
                    SERVER.client().send(HttpRequest.newBuilder(URI.create(url)).build(), BodyHandlers.ofString());
            assertThat(response.statusCode()).as(url).isEqualTo(200);
        }
    }
}
