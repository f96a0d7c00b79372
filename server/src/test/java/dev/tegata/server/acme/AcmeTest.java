// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.acme;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.server.RunningServer;
import dev.tegata.server.cli.Shell;
import dev.tegata.server.est.EstDevice;
import dev.tegata.server.est.EstTenant;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/// ACME request by request, for what no well-behaved client does.
@DisplayName("ACME")
class AcmeTest extends AcmeDialogue {
    private static final EstTenant TENANT = new EstTenant("ACME");
    private static final String FLEET = TENANT.fleet("");

    AcmeTest() {
        super(TENANT, FLEET);
    }

    @BeforeEach
    void offerAcme() {
        TENANT.offerAcme(FLEET, "*.gateways.example", 1);
    }

    private JsonNode order(String names) {
        HttpResponse<String> made = post("/new-order", "{\"identifiers\":[" + names + "]}", key);
        assertThat(made.statusCode()).as(made.body()).isEqualTo(201);
        return RunningServer.json(made.body());
    }

    private static String dns(String name) {
        return "{\"type\":\"dns\",\"value\":\"" + name + "\"}";
    }

    @Test
    @DisplayName("RFC 8555 §6.5: a nonce that was used, is of another tenant, or is nobody's")
    void nonces() {
        register(TENANT.claim(FLEET));
        String url = url(FLEET, "/new-order");
        String once = nonce(FLEET);
        String payload = "{\"identifiers\":[" + dns("a.gateways.example") + "]}";
        assertThat(post(url, jws(header(once, url), payload, key)).statusCode()).isEqualTo(201);
        assertProblem(post(url, jws(header(once, url), payload, key)), 400, "badNonce");
        EstTenant other = new EstTenant("ACME elsewhere");
        String foreign = other.fleet("");
        other.offerAcme(foreign, "*.gateways.example", 1);
        assertProblem(post(url, jws(header(nonce(foreign), url), payload, key)), 400, "badNonce");
        assertProblem(post(url, jws(header("AAAA", url), payload, key)), 400, "badNonce");
        assertProblem(post(url, jws(header("A+/=", url), payload, key)), 400, "malformed");

        String elsewhere = url(foreign, "/new-order");
        String walls = "{\"alg\":\"ES256\",\"kid\":\"%s\",\"nonce\":\"%s\",\"url\":\"%s\"}"
                .formatted(account.replace(FLEET, foreign), nonce(foreign), elsewhere);
        assertProblem(post(elsewhere, jws(walls, payload, key)), 400, "accountDoesNotExist");
        assertProblem(
                post(elsewhere, jws(header(nonce(foreign), elsewhere), payload, key)), 400, "accountDoesNotExist");
    }

    @Test
    @DisplayName("RFC 8555 §6.2: other URLs, keys, algorithms, media types and sizes")
    void signatures() {
        register(TENANT.claim(FLEET));
        String url = url(FLEET, "/new-order");
        String payload = "{\"identifiers\":[" + dns("a.gateways.example") + "]}";
        SoftwareKey other = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        assertProblem(post(url, jws(header(nonce(FLEET), url), payload, other)), 403, "unauthorized");
        assertProblem(post(url, jws(header(nonce(FLEET), url(FLEET, "/revoke")), payload, key)), 403, "unauthorized");
        String none = header(nonce(FLEET), url).replace("ES256", "none");
        assertProblem(post(url, jws(none, payload, key)), 400, "badSignatureAlgorithm");
        assertProblem(
                send(HttpRequest.newBuilder(URI.create(url))
                        .header("Content-Type", "application/json")
                        .POST(BodyPublishers.ofString("{}"))),
                415,
                "malformed");
        assertThat(post(url, "x".repeat(1_000_000)).statusCode()).isEqualTo(413);
        String without = TENANT.fleet("");
        assertThat(send(HttpRequest.newBuilder(URI.create(url(without, "/directory"))))
                        .statusCode())
                .isEqualTo(404);
    }

    @Test
    @DisplayName("RFC 8555 §7.3.4: a binding that is missing, wrong, for another key, or used")
    void bindings() {
        assertProblem(post("/new-account", "{}", key), 403, "externalAccountRequired");
        assertProblem(post("/new-account", "{\"onlyReturnExisting\":true}", key), 400, "accountDoesNotExist");
        JsonNode binding = TENANT.acmeKey(TENANT.claim(FLEET), "127.0.0.1");
        String id = binding.path("id").asString();
        String secret = binding.path("secret").asString();
        assertProblem(post("/new-account", binding(id, "A".repeat(43), key), key), 403, "unauthorized");
        SoftwareKey other = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        assertProblem(post("/new-account", binding(id, secret, other), key), 400, "malformed");
        assertThat(post("/new-account", binding(id, secret, key), key).statusCode())
                .isEqualTo(201);
        assertThat(post("/new-account", binding(id, secret, key), key).statusCode())
                .isEqualTo(200);
        AcmeTest again = new AcmeTest();
        assertProblem(again.post("/new-account", binding(id, secret, again.key), again.key), 403, "unauthorized");
    }

    @Test
    @DisplayName("a key for one name: where operators say the address, no gateway gets another one's name")
    void namesOfAKey() {
        String device = TENANT.claim(FLEET);
        String keys = "/api/v1/devices/" + device + "/acme-keys";
        String without = "{\"validity\":\"PT1H\",\"address\":\"127.0.0.1\"}";
        assertThat(TENANT.running.post(TENANT.tenant.ownerKey(), keys, without).statusCode())
                .isEqualTo(422);
        register(TENANT.acmeKey(device, "127.0.0.1", "GW1.gateways.example"));
        assertProblem(
                post("/new-order", "{\"identifiers\":[" + dns("gw2.gateways.example") + "]}", key),
                403,
                "rejectedIdentifier");
        assertThat(order(dns("gw1.gateways.example")).path("status").asString()).isEqualTo("pending");
    }

    @Test
    @DisplayName("RFC 8555 §7.4: names that are not allowed, orders that are not ready or not one's own")
    void orders() {
        register(TENANT.claim(FLEET));
        for (String wrong : new String[] {"a.b.gateways.example", "*.gateways.example", "gateways.example", "x", ""}) {
            assertProblem(post("/new-order", "{\"identifiers\":[" + dns(wrong) + "]}", key), 403, "rejectedIdentifier");
        }
        assertProblem(
                post("/new-order", "{\"identifiers\":[{\"type\":\"permanent-identifier\",\"value\":\"x\"}]}", key),
                400,
                "unsupportedIdentifier");
        assertProblem(post("/new-order", "{\"identifiers\":[]}", key), 400, "malformed");
        JsonNode order = order(dns("b.gateways.example"));
        String csr = EstDevice.request(SoftwareKey.generate(KeyAlgorithm.EC_P256))
                .encoded()
                .base64Url();
        assertProblem(post(order.path("finalize").asString(), "{\"csr\":\"" + csr + "\"}", key), 403, "orderNotReady");

        AcmeTest other = new AcmeTest();
        other.register(TENANT.claim(FLEET));
        String authorization = order.at("/authorizations/0").asString();
        assertProblem(other.post(authorization, "", other.key), 404, "malformed");
        assertProblem(other.post(order.path("finalize").asString(), "{}", other.key), 404, "malformed");
        assertProblem(other.post(account, "", other.key), 403, "unauthorized");
    }

    @Test
    @DisplayName("RFC 8555 §8.3: a challenge that nobody answers makes authorization and order invalid")
    void unanswered() throws Exception {
        register(TENANT.claim(FLEET));
        JsonNode order = order(dns("c.gateways.example"));
        String authorization = order.at("/authorizations/0").asString();
        JsonNode challenge =
                RunningServer.json(post(authorization, "", key).body()).at("/challenges/0");
        assertThat(challenge.path("type").asString()).isEqualTo("http-01");
        post(challenge.path("url").asString(), "{}", key);
        long deadline = System.nanoTime() + 60_000_000_000L;
        String status;
        do {
            Thread.sleep(50); // nothing says when a validation has ended but its state
            status = RunningServer.json(post(authorization, "", key).body())
                    .path("status")
                    .asString();
            assertThat(System.nanoTime()).isLessThan(deadline);
        } while (status.equals("pending"));
        assertThat(status).isEqualTo("invalid");
        String orderUrl = order.path("finalize").asString().replace("/finalize", "");
        assertThat(RunningServer.json(post(orderUrl, "", key).body())
                        .path("status")
                        .asString())
                .isEqualTo("invalid");
    }

    @Test
    @DisplayName("RFC 8555 §7.4: however many ask for an order at once, while it is finalized or after it was approved,"
            + " one certificate is issued for it")
    void manyAskForOneOrder() throws Exception {
        Map<String, String> answers = new ConcurrentHashMap<>();
        HttpServer host = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        host.createContext("/.well-known/acme-challenge/", exchange -> {
            String token = exchange.getRequestURI().getPath().replaceFirst(".*/", "");
            byte[] answer = answers.getOrDefault(token, "").getBytes(StandardCharsets.US_ASCII);
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        host.start();
        try {
            String fleet = TENANT.fleet("\"policy\":{\"approvalRequired\":true}");
            TENANT.offerAcme(fleet, "*.gateways.example", host.getAddress().getPort());
            String device = TENANT.claim(fleet);
            Gateway gateway = new Gateway(fleet);
            gateway.register(device);

            JsonNode waiting = gateway.ready(answers, "d.gateways.example");
            assertThat(gateway.finish(waiting).path("status").asString()).isEqualTo("processing");
            assertThat(gateway.pollAtOnce(waiting)).as("nobody approved it").containsOnly("processing");
            TENANT.change(device, "approve");
            gateway.pollUntilValid(waiting, () -> {});
            assertThat(TENANT.certificates(device)).hasSize(1);

            for (int round = 2; round <= 6; round++) {
                JsonNode order = gateway.ready(answers, "d.gateways.example");
                gateway.pollUntilValid(order, () -> gateway.finish(order));
                assertThat(TENANT.certificates(device)).hasSize(round);
                assertThat(Certificate.parsePem(gateway.post(gateway.certificateUrl(order), "", gateway.key)
                                        .body())
                                .getFirst())
                        .isEqualTo(TENANT.certificates(device).getFirst());
            }
        } finally {
            host.stop(0);
        }
    }

    @Test
    @DisplayName("RFC 8555 §7.3.5, §7.3.6: an account with another key, and one that was given up")
    void accounts() {
        register(TENANT.claim(FLEET));
        SoftwareKey next = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        String url = url(FLEET, "/key-change");
        String inner = "{\"alg\":\"ES256\",\"jwk\":%s,\"url\":\"%s\"}".formatted(jwk(next), url);
        String change = "{\"account\":\"%s\",\"oldKey\":%s}".formatted(account, jwk(key));
        assertProblem(post("/key-change", jws(inner, change, key), key), 403, "unauthorized");
        assertThat(post("/key-change", jws(inner, change, next), key).statusCode())
                .isEqualTo(200);
        assertProblem(post(account, "", key), 403, "unauthorized");
        assertThat(post(account, "", next).statusCode()).isEqualTo(200);
        assertThat(post(account, "{\"status\":\"deactivated\"}", next).statusCode())
                .isEqualTo(200);
        assertProblem(
                post("/new-order", "{\"identifiers\":[" + dns("a.gateways.example") + "]}", next), 403, "unauthorized");
    }

    @Test
    @DisplayName("tegata acme update: what is left out stays as it is")
    void changedInPart(@TempDir Path folder) {
        Shell shell = Shell.of(TENANT.running, folder).with("TEGATA_API_KEY", TENANT.tenant.ownerKey());
        String fleet = TENANT.fleet("");
        shell.run("acme", "set", fleet, "--name", "*.a.example", "--network", "10.0.0.0/8", "--http-port", "8080")
                .text();
        JsonNode changed = RunningServer.json(
                shell.run("acme", "update", fleet, "--attestation", "--json").text());
        assertThat(changed.path("attestation").asBoolean()).isTrue();
        assertThat(changed.path("httpPort").asInt()).isEqualTo(8080);
        assertThat(changed.at("/names/0").asString()).isEqualTo("*.a.example");
        changed = RunningServer.json(
                shell.run("acme", "update", fleet, "--network", "10.1.0.0/16", "--no-attestation", "--json")
                        .text());
        assertThat(changed.path("networks").toString()).isEqualTo("[\"10.1.0.0/16\"]");
        assertThat(changed.path("attestation").asBoolean()).isFalse();
        assertThat(shell.run("acme", "update", fleet).err()).contains("say what changes");
    }

    @Test
    @DisplayName("changed requests are answered with a problem")
    void fuzz() {
        register(TENANT.claim(FLEET));
        String url = url(FLEET, "/new-order");
        String payload = "{\"identifiers\":[" + dns("a.gateways.example") + "]}";
        Random random = new Random(3);
        for (int i = 0; i < 300; i++) {
            byte[] good = jws(header(nonce(FLEET), url), payload, key).getBytes(StandardCharsets.US_ASCII);
            byte[] changed = random.nextInt(4) == 0 ? Arrays.copyOf(good, random.nextInt(good.length)) : good.clone();
            for (int n = 0; n < 1 + random.nextInt(3) && changed.length > 0; n++) {
                changed[random.nextInt(changed.length)] = (byte) (32 + random.nextInt(95));
            }
            if (Arrays.equals(changed, good)) {
                continue;
            }
            HttpResponse<String> response = post(url, new String(changed, StandardCharsets.US_ASCII));
            assertThat(response.statusCode())
                    .as("change %d: %s", i, new String(changed, StandardCharsets.US_ASCII))
                    .isBetween(400, 429);
        }
    }

    /// A client that proves names, and asks for its orders from several sides at once.
    private static final class Gateway extends AcmeDialogue {
        Gateway(String fleet) {
            super(TENANT, fleet);
        }

        /// An order whose one name is proven.
        JsonNode ready(Map<String, String> answers, String name) {
            JsonNode order = RunningServer.json(post("/new-order", "{\"identifiers\":[" + dns(name) + "]}", key)
                    .body());
            String authorization = order.at("/authorizations/0").asString();
            JsonNode challenge =
                    RunningServer.json(post(authorization, "", key).body()).at("/challenges/0");
            String token = challenge.path("token").asString();
            Bytes thumbprint =
                    Bytes.of(jwk(key).getBytes(StandardCharsets.US_ASCII)).sha256();
            answers.put(token, token + "." + thumbprint.base64Url());
            post(challenge.path("url").asString(), "{}", key);
            await(order, "ready");
            return order;
        }

        JsonNode finish(JsonNode order) {
            String csr = namedRequest(order.at("/identifiers/0/value").asString());
            HttpResponse<String> answer = post(order.path("finalize").asString(), "{\"csr\":\"" + csr + "\"}", key);
            assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
            return RunningServer.json(answer.body());
        }

        static String namedRequest(String name) {
            SoftwareKey wanted = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            return CertificateRequest.create(
                            Name.parse("CN=" + name),
                            wanted.publicKey(),
                            List.of(),
                            data -> wanted.sign(SignatureAlgorithm.ECDSA_SHA256, data))
                    .encoded()
                    .base64Url();
        }

        String status(JsonNode order) {
            HttpResponse<String> answer = post(orderUrl(order), "", key);
            assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
            return RunningServer.json(answer.body()).path("status").asString();
        }

        static String orderUrl(JsonNode order) {
            return order.path("finalize").asString().replace("/finalize", "");
        }

        String certificateUrl(JsonNode order) {
            return RunningServer.json(post(orderUrl(order), "", key).body())
                    .path("certificate")
                    .asString();
        }

        List<String> pollAtOnce(JsonNode order) throws Exception {
            try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
                Callable<String> poll = () -> status(order);
                return threads.invokeAll(Collections.nCopies(8, poll)).stream()
                        .map(Future::resultNow)
                        .toList();
            }
        }

        /// Asks for the order from several sides until each has seen it valid, and does something
        /// meanwhile.
        void pollUntilValid(JsonNode order, Runnable meanwhile) throws Exception {
            try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
                List<Future<?>> polls = new ArrayList<>();
                for (int i = 0; i < 8; i++) {
                    polls.add(threads.submit(() -> await(order, "valid")));
                }
                meanwhile.run();
                for (Future<?> poll : polls) {
                    poll.get();
                }
            }
        }

        void await(JsonNode order, String wanted) {
            long deadline = System.nanoTime() + 60_000_000_000L;
            String status = status(order);
            while (!status.equals(wanted)) {
                assertThat(status).isIn("pending", "ready", "processing");
                assertThat(System.nanoTime()).as("the order is %s", status).isLessThan(deadline);
                LockSupport.parkNanos(1_000_000);
                status = status(order);
            }
        }
    }
}
