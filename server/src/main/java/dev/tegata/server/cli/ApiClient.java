// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Collectors;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// The REST API as the command line uses it. A refusal becomes a [CommandFailure] in the server's own words.
final class ApiClient implements AutoCloseable {
    static final JsonMapper JSON = JsonMapper.builder().build();

    private final URI base;
    private final Optional<String> apiKey;
    private final HttpClient http;

    ApiClient(Profile profile) {
        this.base = profile.url();
        this.apiKey = profile.apiKey();
        HttpClient.Builder builder =
                HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(10));
        profile.ca().ifPresent(ca -> builder.sslContext(trusting(ca)));
        this.http = builder.build();
    }

    private static SSLContext trusting(Path pem) {
        try (InputStream in = Files.newInputStream(pem)) {
            KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
            store.load(null, null);
            for (Certificate certificate :
                    CertificateFactory.getInstance("X.509").generateCertificates(in)) {
                store.setCertificateEntry("ca-" + store.size(), certificate);
            }
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(store);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, trust.getTrustManagers(), null);
            return context;
        } catch (IOException | GeneralSecurityException e) {
            throw new CommandFailure("cannot read the CA certificates in " + pem + ": " + e.getMessage());
        }
    }

    JsonNode get(String path, Map<String, ?> query) {
        return json(send(request(path, query).GET()));
    }

    JsonNode get(String path) {
        return get(path, Map.of());
    }

    /// Creates something; a repeated request after a lost answer creates nothing twice.
    JsonNode post(String path, @Nullable JsonNode body) {
        HttpRequest.Builder request = request(path, Map.of())
                .header("Idempotency-Key", UUID.randomUUID().toString());
        if (body == null) {
            request.POST(HttpRequest.BodyPublishers.noBody());
        } else {
            request.header("Content-Type", "application/json")
                    .POST(HttpRequest.BodyPublishers.ofString(JSON.writeValueAsString(body)));
        }
        return json(send(request));
    }

    /// Changes what has not been changed by others since it was read.
    JsonNode put(String path, JsonNode body, String etag) {
        return json(send(request(path, Map.of())
                .header("Content-Type", "application/json")
                .header("If-Match", etag)
                .PUT(HttpRequest.BodyPublishers.ofString(JSON.writeValueAsString(body)))));
    }

    void delete(String path) {
        send(request(path, Map.of()).DELETE());
    }

    /// Uploads a body as it is read.
    JsonNode upload(String path, Map<String, ?> query, HttpRequest.BodyPublisher body) {
        return json(send(request(path, query)
                .timeout(Duration.ofHours(6))
                .header("Content-Type", "application/octet-stream")
                .POST(body)));
    }

    /// The answer's body, as it comes.
    InputStream download(String path) {
        return send(request(path, Map.of()).timeout(Duration.ofHours(6)).GET()).body();
    }

    /// The answer's ETag beside its content.
    record Tagged(JsonNode content, String etag) {}

    Tagged getTagged(String path) {
        HttpResponse<InputStream> response = send(request(path, Map.of()).GET());
        return new Tagged(json(response), response.headers().firstValue("ETag").orElse("*"));
    }

    private HttpRequest.Builder request(String path, Map<String, ?> query) {
        String parameters = query.entrySet().stream()
                .map(entry -> entry.getKey() + "="
                        + URLEncoder.encode(String.valueOf(entry.getValue()), StandardCharsets.UTF_8))
                .collect(Collectors.joining("&"));
        HttpRequest.Builder request = HttpRequest.newBuilder(
                        base.resolve("/api/v1" + path + (parameters.isEmpty() ? "" : "?" + parameters)))
                .timeout(Duration.ofSeconds(60))
                .header("Accept", "application/json, application/problem+json, */*;q=0.1");
        apiKey.ifPresent(key -> request.header("Authorization", "Bearer " + key));
        return request;
    }

    private HttpResponse<InputStream> send(HttpRequest.Builder request) {
        try {
            HttpResponse<InputStream> response = http.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
            if (response.statusCode() >= 400) {
                throw refused(response);
            }
            return response;
        } catch (ConnectException e) {
            throw new CommandFailure(
                    CommandFailure.UNREACHABLE,
                    "no server answers at " + base + ". Start one with './tegata serve', or set TEGATA_URL.");
        } catch (SSLException e) {
            throw new CommandFailure(
                    CommandFailure.UNREACHABLE,
                    "the server at " + base + " cannot be trusted: " + e.getMessage()
                            + ". Set TEGATA_CA to the PEM file with its CA (tls/ca.pem in the server's data folder).");
        } catch (IOException e) {
            throw new CommandFailure(
                    CommandFailure.UNREACHABLE, "the connection to " + base + " failed: " + e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CommandFailure(CommandFailure.UNREACHABLE, "interrupted");
        }
    }

    private static CommandFailure refused(HttpResponse<InputStream> response) throws IOException {
        try (InputStream body = response.body()) {
            if (JSON.readTree(body) instanceof ObjectNode problem && problem.has("code")) {
                return new CommandFailure(
                        CommandFailure.REFUSED,
                        "%s %s\n%s [%s]"
                                .formatted(
                                        problem.path("title").asString(""),
                                        problem.path("detail").asString(""),
                                        problem.path("next").asString(""),
                                        problem.path("code").asString("")));
            }
        } catch (JacksonException e) {
            // Not one of ours; told by its status.
        }
        return new CommandFailure(CommandFailure.REFUSED, "the server answered with status " + response.statusCode());
    }

    private static JsonNode json(HttpResponse<InputStream> response) {
        try (InputStream body = response.body()) {
            byte[] content = body.readAllBytes();
            return content.length == 0 ? JSON.createObjectNode() : JSON.readTree(content);
        } catch (IOException | JacksonException e) {
            throw new CommandFailure(
                    CommandFailure.UNREACHABLE, "the server's answer cannot be read: " + e.getMessage());
        }
    }

    @Override
    public void close() {
        http.close();
    }
}
