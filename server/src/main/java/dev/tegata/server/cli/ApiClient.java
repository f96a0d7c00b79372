// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.platform.Texts;
import dev.tegata.server.http.ClientTrust;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.channels.UnresolvedAddressException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateNotYetValidException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Collectors;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// The REST API as the command line uses it. A refusal becomes a [CommandFailure] in the server's own
/// words.
final class ApiClient implements AutoCloseable {
    private static final JsonMapper JSON = JsonMapper.builder().build();
    private static final Duration CONNECT = Duration.ofSeconds(10);
    private static final Duration USUAL = Duration.ofSeconds(60);
    private static final Duration LONGEST = Duration.ofHours(12);
    private static final int PIECE = 1 << 16;

    private final URI base;
    private final String key;
    private final @Nullable String approval;
    private final HttpClient http;

    /// @param key an API key, or the operator's
    ApiClient(Access access, String key) {
        this(access, key, null);
    }

    /// @param approval of a second person, for what is sent; null for none
    ApiClient(Access access, String key, @Nullable String approval) {
        if (!key.matches("[\\x21-\\x7e]{1,256}")) {
            throw CommandFailure.usage(
                    "the key that was given is none: it has spaces, other odd characters or too many");
        }
        this.approval = approval;
        this.base = URI.create(access.url().value());
        this.key = key;
        HttpClient.Builder builder =
                HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(CONNECT);
        access.ca().ifPresent(ca -> builder.sslContext(trusting(Path.of(ca.value()))));
        this.http = builder.build();
    }

    static ObjectNode object() {
        return JSON.createObjectNode();
    }

    /// A segment of a path, whatever the user typed.
    static String segment(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }

    private static SSLContext trusting(Path pem) {
        try {
            return ClientTrust.of(pem);
        } catch (IOException | GeneralSecurityException e) {
            throw CommandFailure.usage("the file " + pem + " holds no CA certificates that can be read");
        }
    }

    JsonNode get(String path, Map<String, ?> query) {
        return json(send(request(path, query).timeout(USUAL).GET()));
    }

    JsonNode get(String path) {
        return get(path, Map.of());
    }

    String text(String path) {
        try (InputStream body =
                send(request(path, Map.of()).timeout(USUAL).GET()).body()) {
            return new String(body.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw brokenOff(e);
        }
    }

    /// Creates something; the server carries out a repeated request once.
    JsonNode create(String path, JsonNode body) {
        return create(path, Map.of(), body);
    }

    JsonNode create(String path, Map<String, ?> query, JsonNode body) {
        return json(send(request(path, query)
                .timeout(USUAL)
                .header("Idempotency-Key", UUID.randomUUID().toString())
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(JSON.writeValueAsString(body)))));
    }

    /// As [#create], from a file of this media type.
    JsonNode createFrom(String path, Map<String, ?> query, String type, byte[] file) {
        return json(send(request(path, query)
                .timeout(LONGEST)
                .header("Idempotency-Key", UUID.randomUUID().toString())
                .header("Content-Type", type)
                .POST(HttpRequest.BodyPublishers.ofByteArray(file))));
    }

    /// Does something to what there is.
    JsonNode act(String path, JsonNode body) {
        return json(send(request(path, Map.of())
                .timeout(USUAL)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(JSON.writeValueAsString(body)))));
    }

    JsonNode act(String path) {
        return json(send(request(path, Map.of()).timeout(USUAL).POST(HttpRequest.BodyPublishers.noBody())));
    }

    /// Changes what has no versions.
    JsonNode patch(String path, JsonNode body) {
        return json(send(request(path, Map.of())
                .timeout(USUAL)
                .header("Content-Type", "application/json")
                .method("PATCH", HttpRequest.BodyPublishers.ofString(JSON.writeValueAsString(body)))));
    }

    /// Changes what nobody else has changed in the meantime.
    JsonNode change(String path, JsonNode body) {
        HttpResponse<InputStream> before =
                send(request(path, Map.of()).timeout(USUAL).GET());
        String etag = before.headers().firstValue("ETag").orElse("*");
        json(before);
        return json(send(request(path, Map.of())
                .timeout(USUAL)
                .header("Content-Type", "application/json")
                .header("If-Match", etag)
                .method("PATCH", HttpRequest.BodyPublishers.ofString(JSON.writeValueAsString(body)))));
    }

    JsonNode put(String path, String contentType, byte[] content) {
        return json(send(request(path, Map.of())
                .timeout(USUAL)
                .header("Content-Type", contentType)
                .PUT(HttpRequest.BodyPublishers.ofByteArray(content))));
    }

    /// Sends a document of another type than JSON.
    JsonNode send(String path, Map<String, ?> query, String contentType, byte[] content) {
        return json(send(request(path, query)
                .timeout(USUAL)
                .header("Content-Type", contentType)
                .header("Accept", "application/json")
                .POST(HttpRequest.BodyPublishers.ofByteArray(content))));
    }

    void delete(String path) {
        json(send(request(path, Map.of()).timeout(USUAL).DELETE()));
    }

    /// Sends `body` as it is read.
    JsonNode upload(String path, Map<String, ?> query, HttpRequest.BodyPublisher body) {
        try {
            return json(send(request(path, query)
                    .timeout(LONGEST)
                    .header("Content-Type", "application/octet-stream")
                    .POST(body)));
        } catch (CommandFailure e) {
            throw e.exitCode() == CommandFailure.UNREACHABLE
                    ? CommandFailure.unreachable(
                            e.message() + "\nA server that refuses a long file while it is sent may be heard no more:"
                                    + " see whether a piece of it is taken, such as the first megabyte.")
                    : e;
        }
    }

    /// Writes the answer to `out` as it comes.
    ///
    /// @throws IOException where `out` takes no more
    void download(String path, OutputStream out) throws IOException {
        copy(request(path, Map.of()).GET(), out);
    }

    /// Writes a backup of the tenant, sealed with `passphrase`, to `out`.
    ///
    /// @throws IOException where `out` takes no more
    void backup(String passphrase, OutputStream out) throws IOException {
        String encoded = Base64.getEncoder().encodeToString(passphrase.getBytes(StandardCharsets.UTF_8));
        copy(
                request("/backup", Map.of())
                        .header("Tegata-Backup-Passphrase", encoded)
                        .POST(HttpRequest.BodyPublishers.noBody()),
                out);
    }

    private void copy(HttpRequest.Builder request, OutputStream out) throws IOException {
        try (InputStream body = send(request.timeout(LONGEST)).body()) {
            byte[] buffer = new byte[PIECE];
            for (int count = next(body, buffer); count >= 0; count = next(body, buffer)) {
                out.write(buffer, 0, count);
            }
            out.flush();
        }
    }

    private int next(InputStream body, byte[] buffer) {
        try {
            return body.read(buffer);
        } catch (IOException e) {
            throw brokenOff(e);
        }
    }

    private HttpRequest.Builder request(String path, Map<String, ?> query) {
        String parameters = query.entrySet().stream()
                .map(entry -> entry.getKey() + "=" + segment(String.valueOf(entry.getValue())))
                .collect(Collectors.joining("&"));
        HttpRequest.Builder request = HttpRequest.newBuilder(
                        base.resolve("/api/v1" + path + (parameters.isEmpty() ? "" : "?" + parameters)))
                .header("Authorization", "Bearer " + key);
        return approval == null ? request : request.header("Tegata-Approval", approval);
    }

    private HttpResponse<InputStream> send(HttpRequest.Builder request) {
        try {
            HttpResponse<InputStream> response = http.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
            if (response.statusCode() >= 400) {
                throw refused(response);
            }
            return response;
        } catch (ConnectException e) {
            String reason = causes(e).stream().anyMatch(UnresolvedAddressException.class::isInstance)
                    ? "the name '" + base.getHost() + "' is not known to this machine"
                    : "no server answers at " + base;
            throw CommandFailure.unreachable(
                    reason + ".\nStart one with 'tegata serve', or say where it is with --url or TEGATA_URL.");
        } catch (SSLException e) {
            throw CommandFailure.unreachable(
                    "the server at " + base + " cannot be trusted: " + e.getMessage() + ".\n" + remedy(e));
        } catch (IOException e) {
            throw brokenOff(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw CommandFailure.unreachable("interrupted");
        }
    }

    /// What to do where a server is not trusted.
    private static String remedy(SSLException e) {
        if (causes(e).stream()
                .anyMatch(cause -> cause instanceof CertificateExpiredException
                        || cause instanceof CertificateNotYetValidException)) {
            return "Its certificate is not valid now: compare the clocks of both machines, and renew the certificate"
                    + " where it was made elsewhere (--tls-certificate).";
        }
        String told = causes(e).stream()
                .map(cause -> String.valueOf(cause.getMessage()))
                .collect(Collectors.joining("\n"));
        if (told.contains("plaintext")) {
            return "What listens there speaks no TLS: name the port of the API, which is 8443 unless it was set.";
        }
        if (told.contains("No subject alternative") || told.contains("No name matching")) {
            return "Its certificate is for other names: call it by one of them, or start it with --tls-names.";
        }
        return "Set TEGATA_CA to the PEM file with its CA (tls/ca.pem in the server's data folder).";
    }

    private static List<Throwable> causes(Throwable e) {
        List<Throwable> causes = new ArrayList<>();
        for (Throwable cause = e; cause != null; cause = cause.getCause()) {
            causes.add(cause);
        }
        return causes;
    }

    private CommandFailure brokenOff(IOException e) {
        return CommandFailure.unreachable("the connection to " + base + " broke off: " + Texts.reason(e));
    }

    private static CommandFailure refused(HttpResponse<InputStream> response) throws IOException {
        try (InputStream body = response.body()) {
            if (JSON.readTree(body) instanceof ObjectNode problem && problem.has("code")) {
                return CommandFailure.refused(
                        "%s (%s)%n%s%n%s%s"
                                .formatted(
                                        problem.path("title").asString(""),
                                        problem.path("code").asString(""),
                                        sentence(problem.path("detail").asString("")),
                                        breaks(problem.path("breaks")),
                                        next(problem))
                                .strip(),
                        problem.toString());
            }
        } catch (JacksonException e) {
            // Not one of ours; told by its status.
        }
        return CommandFailure.refused("the server answered with status " + response.statusCode());
    }

    private static String next(JsonNode problem) {
        return problem.path("code").asString("").equals("unauthenticated")
                ? "'tegata profile show' says which key was sent, and where it was found."
                : problem.path("next").asString("");
    }

    /// Whom a refused change would break: for each reason how many, some of them, and the command that
    /// lists all.
    private static String breaks(JsonNode breaks) {
        StringBuilder text = new StringBuilder();
        for (JsonNode one : breaks) {
            text.append("  %s%s %s, %s: %s%n"
                    .formatted(
                            one.path("count").asString(),
                            one.path("more").asBoolean(false) ? " and more" : "",
                            counted(one.path("count").asLong(), one.path("what").asString()),
                            one.path("reason").asString(),
                            one.path("detail").asString()));
            one.path("first").forEach(id -> text.append("    %s%n".formatted(id.asString())));
            text.append("    All: %s%n".formatted(one.path("command").asString()));
        }
        return text.toString();
    }

    private static String counted(long count, String what) {
        return count == 1 ? what : what.equals("authority") ? "authorities" : what + "s";
    }

    private static String sentence(String detail) {
        return detail.isEmpty() || detail.endsWith(".")
                ? detail
                : Character.toUpperCase(detail.charAt(0)) + detail.substring(1) + ".";
    }

    private JsonNode json(HttpResponse<InputStream> response) {
        try (InputStream body = response.body()) {
            byte[] content = body.readAllBytes();
            return content.length == 0 ? object() : JSON.readTree(content);
        } catch (IOException e) {
            throw brokenOff(e);
        } catch (JacksonException e) {
            throw CommandFailure.unreachable("what answers at " + base + " is no Tegata server");
        }
    }

    @Override
    public void close() {
        http.shutdownNow();
    }
}
