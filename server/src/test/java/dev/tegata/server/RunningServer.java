// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server;

import dev.tegata.server.http.TlsClient;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// A real server over real TLS with its embedded database, started once for all tests of this run, and a
/// client of it.
public final class RunningServer implements AutoCloseable {
    private static final RunningServer SHARED = new RunningServer();

    private final Path data;
    private final Server server;
    private final HttpClient client;
    private final String operatorKey;
    private final Contract contract = Contract.load();
    private final AtomicInteger addresses = new AtomicInteger();

    private RunningServer() {
        this(RunningServer::config);
    }

    /// A server of a test's own, beside the shared one.
    ///
    /// @param config for the data folder that it is given
    public RunningServer(Function<Path, ServerConfig> config) {
        this(config, InstantSource.system());
    }

    /// A server in another time.
    public RunningServer(InstantSource clock) {
        this(RunningServer::config, clock);
    }

    private RunningServer(Function<Path, ServerConfig> config, InstantSource clock) {
        try {
            data = Files.createTempDirectory(Files.createDirectories(Path.of("target")), "server");
            server = Server.start(config.apply(data), clock);
            Runtime.getRuntime().addShutdownHook(new Thread(this::close));
            client = TlsClient.trusting(server.authorityFile().orElseThrow());
            operatorKey = Files.readString(server.operatorKeyFile()).strip();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static ServerConfig config(Path data) {
        Map<Setting, String> settings = new EnumMap<>(Setting.class);
        settings.put(Setting.DATA, data.toString());
        settings.put(Setting.COAP, "true");
        for (Setting port : List.of(
                Setting.API_PORT, Setting.DEVICE_PORT, Setting.PUBLIC_PORT, Setting.COAP_PORT, Setting.METRICS_PORT)) {
            settings.put(port, "0");
        }
        return ServerConfig.read(settings, Map.of(), null);
    }

    /// Stops a server of a test's own. The shared one stops with the process.
    @Override
    public void close() {
        server.close();
        if (Files.notExists(data)) {
            return;
        }
        try (Stream<Path> files = Files.walk(data)) {
            files.sorted(Comparator.reverseOrder())
                    .forEach(file -> file.toFile().delete());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static RunningServer shared() {
        return SHARED;
    }

    /// A tenant with its owner's key.
    public record TestTenant(String id, String ownerKey, JsonNode created) {}

    public Server server() {
        return server;
    }

    public HttpClient client() {
        return client;
    }

    public String operatorKey() {
        return operatorKey;
    }

    public TestTenant createTenant(String name) {
        JsonNode created = body(post(operatorKey, "/api/v1/tenants", tenantJson(name)));
        return new TestTenant(
                created.at("/tenant/id").asString(),
                created.at("/apiKey/secret").asString(),
                created);
    }

    public static String tenantJson(String name) {
        return """
                {"name":"%s","subject":{"organization":"%s GmbH","country":"DE"}}""".formatted(name, name);
    }

    public HttpRequest.Builder to(String key, String path) {
        return HttpRequest.newBuilder(URI.create(server.apiUrl() + path)).header("Authorization", "Bearer " + key);
    }

    public HttpResponse<String> get(String key, String path) {
        return send(to(key, path));
    }

    public HttpResponse<String> post(String key, String path, String json) {
        return post(key, path, json, Map.of());
    }

    public HttpResponse<String> post(String key, String path, String json, Map<String, String> headers) {
        HttpRequest.Builder request = to(key, path).header("Content-Type", "application/json");
        headers.forEach(request::header);
        return send(request.POST(HttpRequest.BodyPublishers.ofString(json)));
    }

    /// Sends a request and holds the answer against the contract.
    public HttpResponse<String> send(HttpRequest.Builder request) {
        return send(client, request);
    }

    /// As [#send(HttpRequest.Builder)], from an address of its own that no other request comes from: failed
    /// logins make the server wary of an address.
    public HttpResponse<String> sendFromElsewhere(HttpRequest.Builder request) {
        int number = addresses.incrementAndGet();
        HttpClient elsewhere = TlsClient.trustingFrom(
                server.authorityFile().orElseThrow(),
                InetAddress.ofLiteral("127.1." + number / 250 + "." + (number % 250 + 1)));
        try {
            return send(elsewhere, request);
        } finally {
            elsewhere.shutdownNow();
        }
    }

    public HttpResponse<String> send(HttpClient sender, HttpRequest.Builder request) {
        try {
            HttpRequest built = request.build();
            HttpResponse<String> response = sender.send(built, BodyHandlers.ofString());
            contract.check(built.method(), built.uri().getRawPath(), response);
            return response;
        } catch (IOException e) {
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    public static JsonNode body(HttpResponse<String> response) {
        return json(response.body());
    }

    public static JsonNode json(String text) {
        return JsonMapper.shared().readTree(text);
    }

    /// The object with another value for one member.
    public static String with(String object, String member, String value) {
        return ((ObjectNode) json(object)).set(member, json(value)).toString();
    }
}
