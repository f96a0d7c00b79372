// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import dev.tegata.platform.ErrorCode;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import io.vertx.core.Context;
import io.vertx.core.MultiMap;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import java.io.IOException;
import java.io.InputStream;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One request and its answer.
///
/// It is begun and ended on the connection's event loop; in between, one virtual thread runs the handler.
/// Handler, deadline and a peer that goes away race for `answered`: whoever sets it decides what is sent.
final class Exchange {
    private static final Logger LOG = LoggerFactory.getLogger(Exchange.class);
    private static final long BODY_NANOS = 30_000_000_000L;
    private static final long DISCARD_NANOS = 10_000_000_000L;
    private static final long DISCARD_BYTES = 512 * 1024 * 1024;
    private static final byte[] NO_BODY = new byte[0];

    private final Listener listener;
    private final Context loop;
    private final Peer peer;
    private final HttpServerRequest http;
    private final String id = "%016x".formatted(ThreadLocalRandom.current().nextLong());
    private final String path;
    private final long started = System.nanoTime();
    private final AtomicBoolean answered = new AtomicBoolean();
    private volatile @Nullable Thread worker;

    // Owned by the event loop.
    private long deadline = started + BODY_NANOS;
    private String route = "none";
    private boolean received;
    private boolean discarding;

    Exchange(Listener listener, Context loop, Peer peer, HttpServerRequest http) {
        this.listener = listener;
        this.loop = loop;
        this.peer = peer;
        this.http = http;
        String sent = http.path();
        this.path = sent == null ? "" : sent;
    }

    void begin() {
        peer.begins(this);
        http.exceptionHandler(_ -> abandon());
        try {
            Router.Match match = listener.router().find(http.method().name(), path);
            route = match.route().toString();
            receive(match);
        } catch (RuntimeException e) {
            refuse(Problem.of(e), e);
        }
    }

    void refuseUnreadable(Throwable cause) {
        peer.begins(this);
        received = true;
        String detail = cause instanceof TooLongHttpHeaderException || cause instanceof TooLongHttpLineException
                ? "the request line or the headers are too long"
                : "this is no HTTP/1.1 request";
        if (answered.compareAndSet(false, true)) {
            Response response = new Problem(ErrorCode.MALFORMED_REQUEST, detail).toResponse(id);
            send(response.with("Connection", "close"));
        }
    }

    private void receive(Router.Match match) {
        Route found = match.route();
        MultiMap query = query();
        boolean hasBody = http.headers().contains(HttpHeaders.TRANSFER_ENCODING) || contentLength() > 0;
        if (contentLength() > found.bodyLimit()) {
            throw BodyStream.tooLarge(found.bodyLimit());
        }
        if (!hasBody) {
            received = true;
            run(match, query, NO_BODY, InputStream.nullInputStream());
            return;
        }
        if ("100-continue".equalsIgnoreCase(http.getHeader(HttpHeaders.EXPECT))) {
            http.response().writeContinue();
        }
        if (found.streamed()) {
            http.pause();
            BodyStream stream = new BodyStream(http, loop, found.bodyLimit(), () -> received = true);
            stream.start();
            run(match, query, NO_BODY, stream);
        } else {
            collect(match, query);
        }
    }

    private void collect(Router.Match match, MultiMap query) {
        long limit = match.route().bodyLimit();
        Buffer body = Buffer.buffer();
        http.handler(chunk -> {
            if (body.length() + chunk.length() > limit) {
                refuse(BodyStream.tooLarge(limit).problem(), null);
            } else {
                body.appendBuffer(chunk);
            }
        });
        http.endHandler(_ -> {
            received = true;
            run(match, query, body.getBytes(), InputStream.nullInputStream());
        });
    }

    private long contentLength() {
        String length = http.getHeader(HttpHeaders.CONTENT_LENGTH);
        try {
            return length == null ? 0 : Long.parseLong(length);
        } catch (NumberFormatException e) {
            throw new ProblemException(new Problem(ErrorCode.MALFORMED_REQUEST, "Content-Length is no number"));
        }
    }

    private MultiMap query() {
        try {
            return http.params(false);
        } catch (IllegalArgumentException e) {
            throw new ProblemException(
                    new Problem(ErrorCode.MALFORMED_REQUEST, "the query has a percent sign that encodes nothing"));
        }
    }

    private void run(Router.Match match, MultiMap query, byte[] body, InputStream stream) {
        if (!listener.enter()) {
            Problem busy = listener.stopping()
                    ? new Problem(ErrorCode.UNAVAILABLE, "the server is stopping")
                    : new Problem(ErrorCode.UNAVAILABLE, "the server answers as many requests as it can already")
                            .with("Retry-After", "1");
            refuse(busy, null);
            return;
        }
        Request request = new Request(
                id,
                started,
                http.method().name(),
                path,
                http.uri(),
                match.parameters(),
                query,
                http.headers(),
                peer.address(),
                peer.chain(),
                body,
                stream);
        deadline = System.nanoTime() + match.route().timeout().toNanos();
        worker = Thread.ofVirtual().name("http-" + id).start(() -> {
            try {
                handle(match.route(), request);
            } finally {
                listener.leave();
            }
        });
    }

    /// Runs on the virtual thread.
    private void handle(Route found, Request request) {
        Response response;
        try {
            response = found.handler().handle(request);
        } catch (Throwable e) {
            Problem problem = Problem.of(e);
            if (!answered.get()) {
                log(problem, e);
            }
            response = problem.toResponse(id);
        }
        if (!answered.compareAndSet(false, true)) {
            return;
        }
        if (response.body() instanceof Response.Streamed streamed
                && !http.method().name().equals("HEAD")) {
            stream(response, streamed.writer());
        } else {
            Response complete = response;
            loop.runOnContext(_ -> send(complete));
        }
    }

    private void stream(Response response, Response.Writer writer) {
        loop.runOnContext(_ -> prepare(response).setChunked(true));
        try {
            // Closed only when all is written: closing ends the answer, and a part of it must not look whole.
            ResponseStream stream = new ResponseStream(http.response(), loop);
            writer.writeTo(stream);
            stream.close();
        } catch (IOException | RuntimeException e) {
            if (!(e instanceof IOException)) {
                LOG.error("Request {} ({}) failed while its answer was written.", id, route, e);
            }
            loop.runOnContext(_ -> peer.close());
        } finally {
            loop.runOnContext(_ -> finished(response.status()));
        }
    }

    /// On the event loop.
    private void refuse(Problem problem, @Nullable Throwable cause) {
        if (answered.compareAndSet(false, true)) {
            if (cause != null) {
                log(problem, cause);
            }
            send(problem.toResponse(id));
        }
    }

    private void log(Problem problem, Throwable cause) {
        switch (problem.code()) {
            case INTERNAL -> LOG.error("Request {} ({}) failed.", id, route, cause);
            case UNAVAILABLE -> LOG.warn("Request {} ({}) could not be answered.", id, route, cause);
            default -> LOG.debug("Request {} ({}) was refused: {}: {}", id, route, problem.code(), problem.detail());
        }
    }

    /// On the event loop, by whoever set `answered`.
    private void send(Response response) {
        HttpServerResponse out = http.response();
        if (out.closed() || out.ended()) {
            finished(response.status());
            return;
        }
        prepare(response);
        boolean empty = response.status() == 204 || response.status() == 304;
        if (empty) {
            out.end();
        } else {
            out.end(Buffer.buffer(response.content()));
        }
        if (received) {
            finished(response.status());
        } else {
            discardRest(response.status());
        }
    }

    private HttpServerResponse prepare(Response response) {
        HttpServerResponse out = http.response().setStatusCode(response.status());
        MultiMap headers = out.headers();
        headers.set("X-Request-Id", id);
        headers.set("X-Content-Type-Options", "nosniff");
        headers.set("Cache-Control", "no-store");
        headers.set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
        headers.set("Referrer-Policy", "no-referrer");
        for (Map.Entry<String, String> header : response.headers().entrySet()) {
            headers.set(header.getKey(), header.getValue());
        }
        if (listener.stopping()) {
            headers.set(HttpHeaders.CONNECTION, HttpHeaders.CLOSE);
        }
        return out;
    }

    /// Reads what the peer still sends, so that it gets to see the answer before the connection goes.
    private void discardRest(int status) {
        listener.meters().answered(route, status, System.nanoTime() - started);
        discarding = true;
        deadline = System.nanoTime() + DISCARD_NANOS;
        long[] discarded = new long[1];
        http.endHandler(_ -> peer.ended(this));
        http.handler(chunk -> {
            discarded[0] += chunk.length();
            if (discarded[0] > DISCARD_BYTES) {
                peer.close();
            }
        });
        http.resume();
    }

    private void finished(int status) {
        listener.meters().answered(route, status, System.nanoTime() - started);
        peer.ended(this);
    }

    /// Called each second by the connection's sweep.
    void check(long now) {
        if (now < deadline) {
            return;
        }
        if (discarding) {
            peer.close();
            return;
        }
        Thread running = worker;
        if (running == null) {
            refuse(new Problem(ErrorCode.REQUEST_TIMEOUT, "the body did not arrive in time"), null);
        } else if (answered.get()) {
            peer.close();
        } else {
            LOG.warn("Request {} ({}) took too long and is given up.", id, route);
            refuse(new Problem(ErrorCode.UNAVAILABLE, "the answer took too long"), null);
            running.interrupt();
        }
    }

    /// The peer has gone: nobody waits for an answer, but the handler may finish what it does.
    void abandon() {
        answered.set(true);
        peer.ended(this);
    }
}
