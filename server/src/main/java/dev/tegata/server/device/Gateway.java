// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.device;

import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.protocol.KeyActivation;
import dev.tegata.protocol.RelayedCheckIn;
import dev.tegata.protocol.RelayedEnrolment;
import dev.tegata.server.http.HttpStack;
import dev.tegata.server.http.Listener;
import dev.tegata.server.http.ListenerOptions;
import dev.tegata.server.http.ListenerOptions.Transport;
import dev.tegata.server.http.Problem;
import dev.tegata.server.http.ProblemException;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import javax.net.ssl.SSLContext;

/// Carries check-ins of devices that have no network of their own, and their requests for certificates. It
/// holds no keys: devices sign what they say, and the server signs what it answers, so that it can neither
/// read more than anybody on the wire nor change anything.
///
/// Only signed messages go through. One that rests on a TLS client certificate would be the gateway's.
public final class Gateway implements AutoCloseable {
    private static final Duration LONGEST = Duration.ofSeconds(20);
    private static final String EST = "/.well-known/est/{fleet}/{operation}";
    private static final int LARGEST_ANSWER = 1024 * 1024;

    private final URI server;
    private final HttpClient client;
    private final HttpStack stack;
    private final Listener listener;

    private Gateway(String host, int port, URI server, SSLContext trust) {
        this.server = server;
        this.client = HttpClient.newBuilder()
                .sslContext(trust)
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(Duration.ofSeconds(10))
                .build();
        this.stack = new HttpStack(new SimpleMeterRegistry(), null);
        this.listener = stack.listen(
                ListenerOptions.of("gateway", host, port, Transport.PLAIN),
                List.of(
                        signed(DeviceEndpoint.CHECK_IN, RelayedCheckIn.CONTENT_TYPE, RelayedCheckIn.MAX_SIZE),
                        signed(DeviceEndpoint.ENROLMENT, RelayedEnrolment.CONTENT_TYPE, RelayedEnrolment.MAX_SIZE),
                        Route.get(DeviceEndpoint.NONCE, this::nonce).withTimeout(LONGEST.plusSeconds(10)),
                        Route.post(EST, Gateway::refuse),
                        Route.post(KeyActivation.PATH, Gateway::refuse),
                        Route.post(KeyActivation.ANSWER_PATH, Gateway::refuse)));
    }

    /// What rests on TLS between device and server, said to whoever tries: with a token in hand a gateway
    /// could enrol in the device's place.
    private static Response refuse(Request request) {
        throw new RefusedException(
                ErrorCode.FORBIDDEN,
                "a gateway carries signed messages only. A claim token and the introduction of a TPM need a TLS"
                        + " connection of the device's own: let it enrol once where it reaches the server, or claim it"
                        + " with its birth key, or have an operator introduce its TPM (tegata attest activate)");
    }

    /// Starts a gateway; when this returns it answers.
    ///
    /// @param server the server's port for devices, such as `https://tegata.example:8444`
    /// @param trust by which the server is known. Devices do not rely on it
    public static Gateway start(String host, int port, URI server, SSLContext trust) {
        return new Gateway(host, port, server, trust);
    }

    public String url() {
        return listener.url();
    }

    private Route signed(String path, String contentType, int limit) {
        return Route.post(path, request -> {
                    if (!request.contentType().equals(contentType)) {
                        throw new RefusedException(
                                ErrorCode.UNSUPPORTED_MEDIA_TYPE,
                                "a gateway carries what is signed, and nothing else: " + contentType);
                    }
                    return carry(HttpRequest.newBuilder(server.resolve(path))
                            .header("Content-Type", contentType)
                            .POST(BodyPublishers.ofByteArray(request.body())));
                })
                .withBodyLimit(limit)
                .withTimeout(LONGEST.plusSeconds(10));
    }

    private Response nonce(Request request) {
        String fleet = URLEncoder.encode(request.query("fleet").orElse(""), StandardCharsets.UTF_8);
        return carry(HttpRequest.newBuilder(server.resolve(DeviceEndpoint.NONCE + "?fleet=" + fleet)));
    }

    private Response carry(HttpRequest.Builder request) {
        try {
            HttpResponse<InputStream> response =
                    client.send(request.timeout(LONGEST).build(), BodyHandlers.ofInputStream());
            try (InputStream body = response.body()) {
                byte[] content = body.readNBytes(LARGEST_ANSWER + 1);
                if (content.length > LARGEST_ANSWER) {
                    throw unavailable("the server's answer is too large");
                }
                String type = response.headers().firstValue("Content-Type").orElse("application/octet-stream");
                Response answer = Response.of(response.statusCode(), type, content);
                return response.headers()
                        .firstValue("Retry-After")
                        .map(after -> answer.with("Retry-After", after))
                        .orElse(answer);
            }
        } catch (IOException e) {
            throw unavailable("the server at " + server + " cannot be reached: "
                    + (e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage()));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw unavailable("the gateway is stopping");
        }
    }

    private static ProblemException unavailable(String detail) {
        return new ProblemException(new Problem(ErrorCode.UNAVAILABLE, detail));
    }

    @Override
    public void close() {
        stack.close();
        client.close();
    }
}
