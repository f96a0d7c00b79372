// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.server.RunningServer;
import dev.tegata.server.RunningServer.TestTenant;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

@DisplayName("Where a tenant wants two people to change trust")
class ApprovalTest {
    private static final RunningServer SERVER = RunningServer.shared();
    private static final String RULE = "/api/v1/tenant/approvals";
    private static final String AUTHORITY = "{\"name\":\"Second\",\"subject\":\"CN=Second\"}";

    private TestTenant tenant = SERVER.createTenant("Two people");
    private String second = "";

    @BeforeEach
    void require() {
        second = key("owner");
        assertThat(rule(tenant.ownerKey(), true, Map.of()).statusCode()).isEqualTo(200);
    }

    private String key(String role) {
        return RunningServer.body(SERVER.post(
                        tenant.ownerKey(), "/api/v1/api-keys", "{\"name\":\"k\",\"role\":\"" + role + "\"}"))
                .path("secret")
                .asString();
    }

    private HttpResponse<String> rule(String key, boolean required, Map<String, String> headers) {
        var request = SERVER.to(key, RULE).header("Content-Type", "application/json");
        headers.forEach(request::header);
        return SERVER.send(request.PUT(BodyPublishers.ofString("{\"people\":\"" + (required ? "two" : "one") + "\"}")));
    }

    private HttpResponse<String> create(String body, Map<String, String> headers) {
        return SERVER.post(tenant.ownerKey(), "/api/v1/authorities", body, headers);
    }

    private String ask() {
        HttpResponse<String> held = create(AUTHORITY, Map.of());
        assertThat(held.statusCode()).isEqualTo(409);
        assertThat(held.body()).contains("approval-required");
        JsonNode newest =
                RunningServer.body(SERVER.get(second, "/api/v1/approvals")).at("/items/0");
        assertThat(newest.path("state").asString()).isEqualTo("pending");
        return newest.path("id").asString();
    }

    private HttpResponse<String> decide(String key, String approval, String decision) {
        return SERVER.post(key, "/api/v1/approvals/" + approval + "/" + decision, "");
    }

    private static Map<String, String> with(String approval) {
        return Map.of("Tegata-Approval", approval);
    }

    @Test
    void aRequestIsCarriedOutOnceAfterAnotherKeyApprovedIt() throws Exception {
        String approval = ask();
        assertThat(ask()).as("the same request waits once").isEqualTo(approval);
        assertThat(create(AUTHORITY, with(approval)).statusCode()).isEqualTo(409);
        assertThat(decide(tenant.ownerKey(), approval, "approve").statusCode()).isEqualTo(403);
        assertThat(decide(second, approval, "approve").statusCode()).isEqualTo(200);
        assertThat(create(AUTHORITY.replace("Second", "Third"), with(approval)).statusCode())
                .as("another request")
                .isEqualTo(409);

        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            Callable<Integer> attempt = () -> create(AUTHORITY, with(approval)).statusCode();
            List<Future<Integer>> attempts = threads.invokeAll(List.of(attempt, attempt, attempt, attempt));
            assertThat(attempts.stream().map(Future::resultNow).filter(status -> status == 201))
                    .hasSize(1);
        }

        assertThat(create(AUTHORITY, with(approval)).statusCode()).isEqualTo(409);
        String records = SERVER.get(tenant.ownerKey(), "/api/v1/audit/records?subject=approval:" + approval)
                .body();
        assertThat(records).contains("approval.requested", "approval.approved", "approval.used");
    }

    @Test
    void whatIsRejectedOrOfAnotherTenantIsWorthNothing() {
        String approval = ask();
        TestTenant other = SERVER.createTenant("Elsewhere");
        assertThat(decide(other.ownerKey(), approval, "approve").statusCode()).isEqualTo(404);
        assertThat(SERVER.get(other.ownerKey(), "/api/v1/approvals").body()).doesNotContain(approval);
        assertThat(decide(second, approval, "reject").statusCode()).isEqualTo(200);
        assertThat(decide(second, approval, "approve").statusCode()).isEqualTo(409);
        assertThat(create(AUTHORITY, with(approval)).statusCode()).isEqualTo(409);
    }

    @Test
    void anAdminCannotApproveWhatOnlyOwnersMay() {
        String admin = approvedKey("admin");
        String approval = ask();
        assertThat(decide(admin, approval, "approve").statusCode()).isEqualTo(403);
    }

    /// Keys are made by two people too: else one would make the second for themselves.
    private String approvedKey(String role) {
        String body = "{\"name\":\"k\",\"role\":\"" + role + "\"}";
        assertThat(SERVER.post(tenant.ownerKey(), "/api/v1/api-keys", body).body())
                .contains("approval-required");
        String approval = RunningServer.body(SERVER.get(second, "/api/v1/approvals"))
                .at("/items/0/id")
                .asString();
        decide(second, approval, "approve");
        return RunningServer.body(SERVER.post(tenant.ownerKey(), "/api/v1/api-keys", body, with(approval)))
                .path("secret")
                .asString();
    }

    @Test
    void aPrivateKeyIsNotKeptAndARefusalGivesTheApprovalBack() {
        String body = "{\"name\":\"x\",\"certificates\":\"y\",\"privateKey\":\"very secret\"}";
        HttpResponse<String> held = SERVER.post(tenant.ownerKey(), "/api/v1/authorities/import", body);
        assertThat(held.body()).contains("approval-required");
        JsonNode asked =
                RunningServer.body(SERVER.get(second, "/api/v1/approvals")).at("/items/0");
        assertThat(asked.toString()).doesNotContain("very secret");
        String approval = asked.path("id").asString();
        decide(second, approval, "approve");
        assertThat(SERVER.post(tenant.ownerKey(), "/api/v1/authorities/import", body, with(approval))
                        .statusCode())
                .isEqualTo(422);
        assertThat(RunningServer.body(SERVER.get(second, "/api/v1/approvals/" + approval))
                        .path("state")
                        .asString())
                .isEqualTo("approved");
    }

    @Test
    void turningItOffNeedsASecondPersonToo() {
        assertThat(rule(tenant.ownerKey(), false, Map.of()).statusCode()).isEqualTo(409);
        String approval = RunningServer.body(SERVER.get(second, "/api/v1/approvals"))
                .at("/items/0/id")
                .asString();
        decide(second, approval, "approve");
        assertThat(rule(tenant.ownerKey(), false, with(approval)).statusCode()).isEqualTo(200);
        assertThat(create(AUTHORITY, Map.of()).statusCode()).isEqualTo(201);
    }

    @Test
    void oneOwnerAloneCannotTurnItOn() {
        tenant = SERVER.createTenant("Alone");
        assertThat(rule(tenant.ownerKey(), true, Map.of()).body()).contains("two API keys");
    }

    private HttpResponse<String> send(String method, String path, String body, Map<String, String> headers) {
        var request = SERVER.to(tenant.ownerKey(), path).header("Content-Type", "application/json");
        headers.forEach(request::header);
        return SERVER.send(request.method(method, BodyPublishers.ofString(body)));
    }

    private String authority(String kind) {
        return RunningServer.body(SERVER.get(second, "/api/v1/authorities"))
                .path("items")
                .valueStream()
                .filter(item -> item.path("kind").asString().equals(kind))
                .findFirst()
                .orElseThrow()
                .path("id")
                .asString();
    }

    @Test
    void eachChangeOfTrustIsHeldUp() {
        String fleet = RunningServer.body(SERVER.post(
                        tenant.ownerKey(),
                        "/api/v1/fleets",
                        "{\"name\":\"F\",\"authority\":\"" + authority("issuing") + "\"}"))
                .path("id")
                .asString();
        String issuing = "/api/v1/authorities/" + authority("issuing");
        List<List<String>> changes = List.of(
                List.of("POST", "/api/v1/authorities", "{\"name\":\"R\",\"subject\":\"CN=R\",\"root\":true}"),
                List.of("POST", "/api/v1/authorities", AUTHORITY),
                List.of(
                        "POST",
                        "/api/v1/authorities/import",
                        "{\"name\":\"x\",\"certificates\":\"\",\"privateKey\":\"\"}"),
                List.of("POST", issuing + "/revoke", "{}"),
                List.of("POST", issuing + "/retire", "{\"leaveBehind\":true}"),
                List.of("POST", issuing + "/compromise", "{}"),
                List.of("POST", "/api/v1/rollovers", "{\"authority\":\"" + authority("root") + "\"}"),
                List.of("POST", "/api/v1/backup", "{\"passphrase\":\"a long enough passphrase\"}"),
                List.of("PATCH", "/api/v1/fleets/" + fleet, "{\"policy\":{\"approvalRequired\":true}}"),
                List.of("PATCH", "/api/v1/fleets/" + fleet, "{\"profile\":{\"lifetime\":\"P30D\"}}"),
                List.of("PUT", RULE, "{\"people\":\"one\"}"));
        for (List<String> change : changes) {
            HttpResponse<String> held = send(change.get(0), change.get(1), change.get(2), Map.of("If-Match", "\"1\""));
            assertThat(held.body()).as("%s", change).contains("approval-required");
            assertThat(held.statusCode()).as("%s", change).isEqualTo(409);
        }
        assertThat(RunningServer.body(SERVER.get(second, "/api/v1/authorities")).path("items"))
                .hasSize(2);
    }

    /// Nobody is bothered with what is refused anyway, and what breaks only meanwhile is refused still.
    @Test
    void whatBreaksChainsIsRefusedBeforeAnybodyIsAskedAndAgainAtTheEnd() {
        String retire = "/api/v1/authorities/" + authority("issuing") + "/retire";
        assertThat(send("POST", retire, "{}", Map.of()).body()).contains("approval-required");
        String approval = RunningServer.body(SERVER.get(second, "/api/v1/approvals"))
                .at("/items/0/id")
                .asString();
        assertThat(decide(second, approval, "approve").statusCode()).isEqualTo(200);
        String fleet = RunningServer.body(SERVER.post(
                        tenant.ownerKey(),
                        "/api/v1/fleets",
                        "{\"name\":\"F\",\"authority\":\"" + authority("issuing") + "\"}"))
                .path("id")
                .asString();
        HttpResponse<String> refused = send("POST", retire, "{}", with(approval));
        assertThat(refused.statusCode()).isEqualTo(409);
        assertThat(refused.body()).contains("\"breaks-chains\"");
        assertThat(RunningServer.body(SERVER.get(second, "/api/v1/approvals/" + approval))
                        .path("state")
                        .asString())
                .isEqualTo("approved");

        int asked = approvals();
        assertThat(send("POST", retire, "{}", Map.of()).body()).contains("\"breaks-chains\"");
        String path = "/api/v1/fleets/" + fleet;
        for (Map<String, String> version : List.of(Map.of("If-Match", "\"7\""), Map.<String, String>of())) {
            assertThat(send("PATCH", path, "{\"policy\":{\"approvalRequired\":true}}", version)
                            .body())
                    .contains("precondition");
        }
        String stranger = "{\"authority\":\"" + authority("root") + "\"}";
        assertThat(send("PATCH", path, stranger, Map.of("If-Match", "\"1\"")).statusCode())
                .isEqualTo(422);
        assertThat(approvals()).isEqualTo(asked);
    }

    private int approvals() {
        return RunningServer.body(SERVER.get(second, "/api/v1/approvals"))
                .path("items")
                .size();
    }

    @Test
    void theAppraisalPolicyIsChangedAndChangedBackWhenTwoPeopleWantIt() {
        String path = "/api/v1/appraisal-policies";
        String policy = """
                {"policy":{"id":"strict","version":1,"rules":[{"name":"all","when":"true","set":{"hardware":96},
                "reason":"nothing is good enough","remedy":"none"}]},
                "tests":[{"name":"any","scheme":"psa","expect":{"status":"contraindicated"}}]}""";
        // A policy that is there decides nothing yet.
        assertThat(SERVER.post(tenant.ownerKey(), path, policy).statusCode()).isEqualTo(201);
        for (String change : List.of("/strict/1/activate", "/rollback")) {
            HttpResponse<String> held = send("POST", path + change, "", Map.of());
            assertThat(held.statusCode()).isEqualTo(409);
            assertThat(held.body()).contains("approval-required");
            String approval = RunningServer.body(SERVER.get(second, "/api/v1/approvals"))
                    .at("/items/0/id")
                    .asString();
            assertThat(activations()).hasSize(change.equals("/rollback") ? 1 : 0);
            assertThat(send("POST", path + change, "", with(approval)).statusCode())
                    .isEqualTo(409);
            assertThat(decide(tenant.ownerKey(), approval, "approve").statusCode())
                    .isNotEqualTo(200);
            assertThat(decide(second, approval, "approve").statusCode()).isEqualTo(200);
            HttpResponse<String> done = send("POST", path + change, "", with(approval));
            assertThat(done.statusCode()).as(done.body()).isEqualTo(200);
        }
        assertThat(activations()).hasSize(2);
    }

    private JsonNode activations() {
        return RunningServer.body(SERVER.get(second, "/api/v1/appraisal-policies/activations"))
                .path("items");
    }

    @Test
    void anAuthorityIsRevokedWhenTwoPeopleWantIt() {
        String path = "/api/v1/authorities/" + authority("issuing") + "/revoke";
        assertThat(send("POST", path, "{}", Map.of()).body()).contains("approval-required");
        String approval = RunningServer.body(SERVER.get(second, "/api/v1/approvals"))
                .at("/items/0/id")
                .asString();
        assertThat(send("POST", path, "{}", with(approval)).statusCode()).isEqualTo(409);
        assertThat(decide(second, approval, "approve").statusCode()).isEqualTo(200);
        HttpResponse<String> revoked = send("POST", path, "{}", with(approval));
        assertThat(revoked.statusCode()).as(revoked.body()).isEqualTo(200);
        assertThat(RunningServer.body(revoked).path("state").asString()).isEqualTo("retired");
    }
}
