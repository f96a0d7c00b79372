// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.demo;

import dev.tegata.server.http.ClientTrust;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// The REST API as a maker's own script would use it.
public final class DemoApi implements AutoCloseable {
    private final String base;
    private final String key;
    private final HttpClient http;

    /// @param authority PEM file with the CA of the server's TLS certificate
    public DemoApi(String url, String key, Path authority) throws IOException {
        this.base = url + "/api/v1";
        this.key = key;
        this.http = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .sslContext(trusting(authority))
                .build();
    }

    private static SSLContext trusting(Path pem) throws IOException {
        try {
            return ClientTrust.of(pem);
        } catch (GeneralSecurityException e) {
            throw new IOException("the server's CA in " + pem + " cannot be used", e);
        }
    }

    public JsonNode get(String path) {
        return send(request(path).GET());
    }

    public JsonNode post(String path, String json) {
        return send(request(path)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(json)));
    }

    public JsonNode put(String path, String json) {
        return send(request(path)
                .header("Content-Type", "application/json")
                .PUT(HttpRequest.BodyPublishers.ofString(json)));
    }

    /// Hands on what is answered line by line, however much it is.
    public void lines(String path, Consumer<String> line) {
        HttpResponse<Stream<String>> response = answer(request(path).GET(), HttpResponse.BodyHandlers.ofLines());
        try (Stream<String> lines = response.body()) {
            if (response.statusCode() >= 400) {
                throw refused(lines.collect(Collectors.joining("\n")));
            }
            lines.forEach(line);
        }
    }

    public JsonNode upload(String path, Path file) throws IOException {
        return send(request(path)
                .header("Content-Type", "application/octet-stream")
                .POST(HttpRequest.BodyPublishers.ofFile(file)));
    }

    private HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create(base + path)).header("Authorization", "Bearer " + key);
    }

    private JsonNode send(HttpRequest.Builder request) {
        HttpResponse<String> response = answer(request, HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() >= 400) {
            throw refused(response.body());
        }
        return JsonMapper.shared().readTree(response.body());
    }

    private static IllegalStateException refused(String body) {
        String why = body;
        try {
            JsonNode problem = JsonMapper.shared().readTree(body);
            if (problem.has("code")) {
                why = problem.path("detail").asString("") + " ("
                        + problem.path("code").asString("") + ")";
            }
        } catch (JacksonException e) {
            // Not one of ours; told as it is.
        }
        return new IllegalStateException("the server refused: " + why);
    }

    private <T> HttpResponse<T> answer(HttpRequest.Builder request, HttpResponse.BodyHandler<T> handler) {
        try {
            return http.send(request.build(), handler);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException("the server cannot be reached", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }

    @Override
    public void close() {
        http.close();
    }
}
