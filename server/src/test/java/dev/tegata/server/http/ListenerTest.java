// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.server.http.ListenerOptions.Transport;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class ListenerTest {
    private static final Duration LONGEST = Duration.ofSeconds(60);
    private static final CountDownLatch WAITING = new CountDownLatch(1);
    private static final CountDownLatch RELEASE = new CountDownLatch(1);

    @TempDir
    static Path folder;

    private static TlsIdentity identity;
    private static PrometheusMeterRegistry metrics;
    private static HttpStack stack;
    private static Listener api;
    private static Listener devices;
    private static Listener narrow;
    private static HttpClient client;

    record Note(String text, int count) {}

    @BeforeAll
    static void start() throws Exception {
        identity = new LocalTlsIdentity(folder.resolve("tls"), List.of("tegata.example"), InstantSource.system());
        metrics = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        stack = new HttpStack(metrics, identity);
        List<Route> routes = List.of(
                Route.get("/hello/{name}", r -> Response.text(200, "text/plain", "hello " + r.pathParameter("name"))),
                Route.post("/note", r -> Response.json(201, r.json(Note.class))),
                Route.post("/count", ListenerTest::count).withStreamedBody().withBodyLimit(64 * 1024 * 1024),
                Route.post("/early", r -> refuse()).withStreamedBody().withBodyLimit(64 * 1024 * 1024),
                Route.get("/large", r -> Response.streamed("text/plain", ListenerTest::writeLarge)),
                Route.get(
                        "/cut",
                        r -> Response.streamed("text/plain", out -> {
                            writeLarge(out);
                            throw new IllegalStateException("on purpose");
                        })),
                Route.get("/broken", r -> {
                    throw new IllegalStateException("a secret of the server");
                }),
                Route.get("/slow", r -> sleep()).withTimeout(Duration.ofMillis(500)),
                Route.get(
                        "/peer",
                        r -> Response.json(
                                r.peerChain().stream().map(Bytes::hex).toList())));
        api = stack.listen(ListenerOptions.of("api", "localhost", 0, Transport.TLS), routes);
        devices = stack.listen(ListenerOptions.of("devices", "localhost", 0, Transport.MUTUAL_TLS), routes);
        narrow = stack.listen(
                new ListenerOptions("narrow", "localhost", 0, Transport.PLAIN, 1, 100, Duration.ofSeconds(2)),
                List.of(
                        Route.get("/wait", r -> await()),
                        Route.post("/echo", r -> Response.of(200, "text/plain", r.body()))));
        client = TlsClient.trusting(identity.authorityFile().orElseThrow());
    }

    @AfterAll
    static void stop() {
        RELEASE.countDown();
        client.close();
        stack.close();
    }

    private static Response count(Request request) throws IOException {
        long total = 0;
        byte[] buffer = new byte[8192];
        for (int read = request.stream().read(buffer);
                read >= 0;
                read = request.stream().read(buffer)) {
            total += read;
        }
        return Response.text(200, "text/plain", Long.toString(total));
    }

    private static Response refuse() {
        throw new RefusedException(ErrorCode.FORBIDDEN, "Not you.");
    }

    private static void writeLarge(java.io.OutputStream out) throws IOException {
        byte[] line = "0123456789abcde\n".repeat(64).getBytes(UTF_8);
        for (int i = 0; i < 4096; i++) {
            out.write(line);
        }
    }

    private static Response sleep() {
        try {
            Thread.sleep(30_000);
            return Response.nothing();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Response await() {
        try {
            WAITING.countDown();
            RELEASE.await(LONGEST.toSeconds(), TimeUnit.SECONDS);
            return Response.nothing();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static HttpRequest.Builder to(String path) {
        return HttpRequest.newBuilder(URI.create(api.url() + path));
    }

    private static HttpResponse<String> send(HttpRequest.Builder request) throws Exception {
        return client.send(request.build(), BodyHandlers.ofString());
    }

    private static HttpResponse<String> post(String path, String json) throws Exception {
        return send(
                to(path).header("Content-Type", "application/json").POST(HttpRequest.BodyPublishers.ofString(json)));
    }

    private static void assertProblem(HttpResponse<String> response, ErrorCode code) {
        assertThat(response.body()).contains("\"code\":\"" + code.code() + "\"");
        assertThat(response.statusCode()).isEqualTo(code.httpStatus());
        assertThat(response.headers().firstValue("Content-Type")).contains(Problem.MEDIA_TYPE);
        JsonNode problem = JsonMapper.shared().readTree(response.body());
        assertThat(problem.get("type").asString()).isEqualTo("/docs/errors#" + code.code());
        assertThat(problem.get("status").asInt()).isEqualTo(code.httpStatus());
        assertThat(response.headers().firstValue("X-Request-Id"))
                .contains(problem.get("requestId").asString());
        for (String member : List.of("title", "detail", "next")) {
            assertThat(problem.get(member).asString()).isNotBlank();
        }
    }

    @Test
    void aHandlerAnswersWithWhatItWasAskedFor() throws Exception {
        HttpResponse<String> response = send(to("/hello/a%20b+c"));

        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(response.body()).isEqualTo("hello a b+c");
        assertThat(response.headers().firstValue("X-Content-Type-Options")).contains("nosniff");
        assertThat(response.headers().firstValue("Cache-Control")).contains("no-store");
    }

    @Test
    void headIsAnsweredAsGetWithoutABody() throws Exception {
        HttpResponse<String> response = send(to("/hello/x").method("HEAD", HttpRequest.BodyPublishers.noBody()));

        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(response.body()).isEmpty();
    }

    @Test
    void jsonIsReadIntoARecord() throws Exception {
        HttpResponse<String> response = post("/note", "{\"text\":\"a\",\"count\":2}");

        assertThat(response.statusCode()).isEqualTo(201);
        assertThat(response.body()).isEqualTo("{\"text\":\"a\",\"count\":2}");
    }

    @Test
    void badJsonIsRefusedWithThePartThatIsBad() throws Exception {
        assertProblem(post("/note", ""), ErrorCode.MALFORMED_REQUEST);
        assertProblem(post("/note", "{\"text\":\"a\",\"cou"), ErrorCode.MALFORMED_REQUEST);
        assertProblem(post("/note", "{\"text\":\"a\",\"count\":2} x"), ErrorCode.MALFORMED_REQUEST);
        assertProblem(post("/note", "{\"text\":\"a\",\"count\":2}{}"), ErrorCode.MALFORMED_REQUEST);
        assertProblem(post("/note", "{\"text\":\"a\",\"text\":\"b\",\"count\":2}"), ErrorCode.MALFORMED_REQUEST);
        assertProblem(post("/note", "[".repeat(20_000)), ErrorCode.MALFORMED_REQUEST);
        assertProblem(post("/note", "[]"), ErrorCode.MALFORMED_REQUEST);
        assertProblem(post("/note", "null"), ErrorCode.INVALID_FIELD);
        assertProblem(
                post("/note", "{\"text\":\"a\",\"count\":2,\"more\":" + "[".repeat(40) + "]".repeat(40) + "}"),
                ErrorCode.MALFORMED_REQUEST);
        for (String wrong : List.of(
                "{\"text\":\"a\",\"count\":2,\"more\":1}",
                "{\"text\":1,\"count\":2}",
                "{\"text\":\"a\",\"count\":\"2\"}",
                "{\"text\":\"a\",\"count\":2.5}",
                "{\"text\":\"a\",\"count\":99999999999}",
                "{\"text\":\"a\",\"count\":null}",
                "{\"count\":2}")) {
            assertProblem(post("/note", wrong), ErrorCode.INVALID_FIELD);
        }
        assertThat(post("/note", "{\"text\":\"a\",\"count\":\"2\"}").body()).contains("'count'");
        assertThat(post("/note", "{\"count\":2}").body()).contains("'text' is missing");
    }

    @Test
    void mutatedJsonIsAnsweredOrRefusedButNeverBreaksAnything() {
        byte[] good = "{\"text\":\"\\u00e9a\",\"count\":2}".getBytes(UTF_8);
        Random random = new Random(7);
        for (int i = 0; i < 20_000; i++) {
            byte[] mutant = good.clone();
            for (int j = random.nextInt(3); j >= 0; j--) {
                mutant[random.nextInt(mutant.length)] = (byte) random.nextInt(256);
            }
            try {
                Json.read(mutant, Note.class);
            } catch (RefusedException e) {
                assertThat(e.detail()).isNotBlank();
            }
        }
    }

    @Test
    void theFrameworksOwnRefusalsAreProblemsToo() throws Exception {
        assertProblem(send(to("/nothing")), ErrorCode.NOT_FOUND);
        assertProblem(send(to("/hello/")), ErrorCode.NOT_FOUND);
        assertProblem(send(to("/hello/a/")), ErrorCode.NOT_FOUND);
        assertProblem(send(to("/hello/a").DELETE()), ErrorCode.METHOD_NOT_ALLOWED);
        assertThat(send(to("/hello/a").DELETE()).headers().firstValue("Allow")).contains("GET");
        assertProblem(
                send(to("/note").POST(HttpRequest.BodyPublishers.ofString("{}"))), ErrorCode.UNSUPPORTED_MEDIA_TYPE);
        assertProblem(post("/note", "x".repeat(70_000)), ErrorCode.TOO_LARGE);
        assertProblem(send(to("/hello/a").header("X-Long", "x".repeat(20_000))), ErrorCode.MALFORMED_REQUEST);
        assertProblem(send(to("/" + "x".repeat(5000))), ErrorCode.MALFORMED_REQUEST);
    }

    @Test
    void whatBreaksInsideIsNotTold() throws Exception {
        HttpResponse<String> response = send(to("/broken"));

        assertProblem(response, ErrorCode.INTERNAL);
        assertThat(response.body()).doesNotContain("secret");
    }

    @Test
    void aHandlerThatTakesTooLongIsGivenUp() throws Exception {
        assertProblem(send(to("/slow")), ErrorCode.UNAVAILABLE);
    }

    @Test
    void anUploadIsReadAsItComes() throws Exception {
        byte[] large = new byte[20 * 1024 * 1024];

        assertThat(send(to("/count").POST(HttpRequest.BodyPublishers.ofByteArray(large)))
                        .body())
                .isEqualTo(Integer.toString(large.length));
        assertThat(send(to("/count")
                                .POST(HttpRequest.BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(large))))
                        .body())
                .isEqualTo(Integer.toString(large.length));
    }

    @Test
    void anUploadThatIsTooLargeIsRefused() throws Exception {
        byte[] chunk = new byte[1024 * 1024];
        List<byte[]> chunks = new ArrayList<>();
        for (int i = 0; i < 65; i++) {
            chunks.add(chunk);
        }

        assertProblem(send(to("/count").POST(HttpRequest.BodyPublishers.ofByteArrays(chunks))), ErrorCode.TOO_LARGE);
    }

    @Test
    void anUploadThatIsRefusedAtOnceStillGetsItsAnswer() throws Exception {
        byte[] large = new byte[64 * 1024 * 1024];

        assertProblem(send(to("/early").POST(HttpRequest.BodyPublishers.ofByteArray(large))), ErrorCode.FORBIDDEN);
        assertThat(send(to("/hello/x")).statusCode()).isEqualTo(200);
    }

    @Test
    void aLongAnswerIsStreamed() throws Exception {
        assertThat(send(to("/large")).body()).hasSize(4096 * 1024);
    }

    @Test
    void anAnswerThatFailsHalfwayIsCutAndNotEnded() {
        assertThat(client.sendAsync(to("/cut").build(), BodyHandlers.ofString()))
                .failsWithin(LONGEST);
    }

    @Test
    @DisplayName("RFC 9325 §3.1.1: TLS 1.2 and 1.3 are spoken")
    void currentTlsIsSpoken() throws Exception {
        SSLContext context = TlsClient.context(identity.authorityFile().orElseThrow(), null, null);
        for (String version : List.of("TLSv1.2", "TLSv1.3")) {
            try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket("localhost", api.port())) {
                socket.setEnabledProtocols(new String[] {version});
                socket.startHandshake();
                assertThat(socket.getSession().getProtocol()).isEqualTo(version);
            }
        }
    }

    @Test
    void anyClientCertificateIsTakenAndShownToTheHandler() throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(256);
        KeyPair pair = generator.generateKeyPair();
        X509Certificate expired =
                SelfSigned.certificate(pair, InstantSource.system().instant().minusSeconds(86_400 * 30L));
        SSLContext context = TlsClient.context(
                identity.authorityFile().orElseThrow(), pair.getPrivate(), new Certificate[] {expired});

        try (HttpClient device = HttpClient.newBuilder().sslContext(context).build()) {
            HttpRequest request =
                    HttpRequest.newBuilder(URI.create(devices.url() + "/peer")).build();
            assertThat(device.send(request, BodyHandlers.ofString()).body())
                    .isEqualTo("[\"" + Bytes.of(expired.getEncoded()).hex() + "\"]");
        }
    }

    @Test
    void aClientWithoutACertificateIsServedTooAndHasNoChain() throws Exception {
        HttpRequest request =
                HttpRequest.newBuilder(URI.create(devices.url() + "/peer")).build();

        assertThat(client.send(request, BodyHandlers.ofString()).body()).isEqualTo("[]");
    }

    @Test
    void whenTheCeilingIsReachedMoreRequestsAreToldToComeBack() throws Exception {
        try (HttpClient plain = HttpClient.newHttpClient()) {
            URI wait = URI.create(narrow.url() + "/wait");
            CompletableFuture<HttpResponse<String>> first =
                    plain.sendAsync(HttpRequest.newBuilder(wait).build(), BodyHandlers.ofString());
            assertThat(WAITING.await(LONGEST.toSeconds(), TimeUnit.SECONDS)).isTrue();
            HttpResponse<String> second =
                    plain.send(HttpRequest.newBuilder(wait).build(), BodyHandlers.ofString());

            assertProblem(second, ErrorCode.UNAVAILABLE);
            assertThat(second.headers().firstValue("Retry-After")).contains("1");
            RELEASE.countDown();
            assertThat(first.get(LONGEST.toSeconds(), TimeUnit.SECONDS).statusCode())
                    .isEqualTo(204);
        }
    }

    @Test
    void closingWaitsForTheRequestsThatRun() throws Exception {
        CountDownLatch running = new CountDownLatch(1);
        HttpStack closing = new HttpStack(new SimpleMeterRegistry(), null);
        Listener listener = closing.listen(
                ListenerOptions.of("closing", "localhost", 0, Transport.PLAIN), List.of(Route.get("/", r -> {
                    running.countDown();
                    return pause();
                })));
        try (HttpClient plain = HttpClient.newHttpClient()) {
            CompletableFuture<HttpResponse<String>> answer = plain.sendAsync(
                    HttpRequest.newBuilder(URI.create(listener.url() + "/")).build(), BodyHandlers.ofString());
            assertThat(running.await(LONGEST.toSeconds(), TimeUnit.SECONDS)).isTrue();
            closing.close();

            assertThat(answer.get(LONGEST.toSeconds(), TimeUnit.SECONDS).statusCode())
                    .isEqualTo(204);
        }
    }

    private static Response pause() {
        try {
            Thread.sleep(700);
            return Response.nothing();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void aHeadThatComesByteByByteDoesNotHoldAConnection() throws Exception {
        try (Socket socket = new Socket("localhost", narrow.port())) {
            byte[] head = "GET /wait HTTP/1.1\r\nHost: localhost\r\nX-A: ".getBytes(UTF_8);
            boolean cut = false;
            for (int i = 0; i < LONGEST.toSeconds() * 10 && !cut; i++) {
                try {
                    socket.getOutputStream().write(head[Math.min(i, head.length - 1)]);
                    Thread.sleep(100);
                } catch (IOException e) {
                    cut = true;
                }
            }
            assertThat(cut).isTrue();
        }
    }

    @Test
    void connectionsBeyondTheLimitAreClosed() throws Exception {
        Listener full = stack.listen(
                new ListenerOptions("full", "localhost", 0, Transport.PLAIN, 1, 8, LONGEST),
                List.of(Route.get("/", r -> Response.nothing())));
        BlockingQueue<Socket> closed = new LinkedBlockingQueue<>();
        BlockingQueue<Socket> answered = new LinkedBlockingQueue<>();
        List<Socket> sockets = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
            Socket socket = new Socket("localhost", full.port());
            sockets.add(socket);
            Thread.startVirtualThread(() -> (isClosed(socket) ? closed : answered).add(socket));
        }
        for (int i = 0; i < 4; i++) {
            sockets.remove(closed.poll(LONGEST.toSeconds(), TimeUnit.SECONDS));
        }
        assertThat(sockets).hasSize(8);
        for (Socket within : sockets) {
            within.getOutputStream().write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".getBytes(UTF_8));
        }
        for (int i = 0; i < 8; i++) {
            assertThat(answered.poll(LONGEST.toSeconds(), TimeUnit.SECONDS)).isIn(sockets);
        }
        for (Socket socket : sockets) {
            socket.close();
        }
    }

    private static boolean isClosed(Socket socket) {
        try {
            return socket.getInputStream().read() < 0;
        } catch (IOException e) {
            return true; // by a reset
        }
    }

    @Test
    void aRequestWithTwoLengthsIsNoRequest() throws Exception {
        for (String smuggled : List.of(
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "\u0000\u0001\u0002\r\n\r\n")) {
            try (Socket socket = new Socket("localhost", narrow.port())) {
                socket.setSoTimeout((int) LONGEST.toMillis());
                socket.getOutputStream().write(smuggled.getBytes(UTF_8));
                String answer = new String(socket.getInputStream().readAllBytes(), UTF_8);
                assertThat(answer).contains("400 Bad Request", "malformed-request");
            }
        }
    }

    @Test
    void requestsAreCountedByRouteAndNotByPath() throws Exception {
        send(to("/hello/one"));
        send(to("/hello/two"));

        assertThat(metrics.scrape()).contains("route=\"GET /hello/{name}\"").doesNotContain("/hello/one");
    }

    @Test
    void theErrorReferenceIsServedWhereProblemsPointTo() throws Exception {
        assertThat(send(to("/docs/errors")).body()).contains("## device-unknown");
    }
}
