// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import io.vertx.core.MultiMap;
import java.io.InputStream;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// A request as its handler sees it.
public final class Request {
    private final String id;
    private final long moment;
    private final String method;
    private final String path;
    private final String target;
    private final Map<String, String> pathParameters;
    private final MultiMap queryParameters;
    private final MultiMap headers;
    private final String remoteAddress;
    private final List<Bytes> peerChain;
    private final byte[] body;
    private final InputStream stream;

    Request(
            String id,
            long moment,
            String method,
            String path,
            String target,
            Map<String, String> pathParameters,
            MultiMap queryParameters,
            MultiMap headers,
            String remoteAddress,
            List<Bytes> peerChain,
            byte[] body,
            InputStream stream) {
        this.id = id;
        this.moment = moment;
        this.method = method;
        this.path = path;
        this.target = target;
        this.pathParameters = pathParameters;
        this.queryParameters = queryParameters;
        this.headers = headers;
        this.remoteAddress = remoteAddress;
        this.peerChain = peerChain;
        this.body = body;
        this.stream = stream;
    }

    /// Names this request in the log, in its answer's `X-Request-Id`, and in its problem document.
    public String id() {
        return id;
    }

    /// When it came ([System#nanoTime]).
    public long moment() {
        return moment;
    }

    public String method() {
        return method;
    }

    /// The path as it was sent, without the query.
    public String path() {
        return path;
    }

    /// The path and the query as they were sent.
    public String target() {
        return target;
    }

    /// The value of a parameter that the route's template names.
    public String pathParameter(String name) {
        String value = pathParameters.get(name);
        if (value == null) {
            throw new IllegalArgumentException("the route has no parameter '" + name + "'");
        }
        return value;
    }

    /// The value of a query parameter.
    ///
    /// @throws RefusedException where it stands there twice or holds control characters
    public Optional<String> query(String name) {
        List<String> values = queryParameters.getAll(name);
        if (values.size() > 1) {
            throw new RefusedException(
                    ErrorCode.MALFORMED_REQUEST, "the query parameter '" + name + "' is there more than once");
        }
        if (values.stream().anyMatch(value -> value.chars().anyMatch(Character::isISOControl))) {
            throw new RefusedException(
                    ErrorCode.INVALID_FIELD, "the query parameter '" + name + "' holds a control character");
        }
        return values.stream().findFirst();
    }

    /// The names of all query parameters.
    public Set<String> queryNames() {
        return queryParameters.names();
    }

    /// The value of a header, the first one where it stands there twice.
    public Optional<String> header(String name) {
        return Optional.ofNullable(headers.get(name));
    }

    /// The media type of the body in lower case, without parameters; empty where none is named.
    public String contentType() {
        String type = header("Content-Type").orElse("");
        int semicolon = type.indexOf(';');
        return (semicolon < 0 ? type : type.substring(0, semicolon)).strip().toLowerCase(Locale.ROOT);
    }

    /// The peer's IP address.
    public String remoteAddress() {
        return remoteAddress;
    }

    /// The client's certificates as DER, its own first; empty where it sent none. The TLS layer has proven that the
    /// client holds the first one's private key, and nothing else: not that anybody trusts it, nor that it is
    /// in date.
    public List<Bytes> peerChain() {
        return peerChain;
    }

    /// The body of a route that is not streamed. The array is the caller's.
    public byte[] body() {
        return body;
    }

    /// The body of a streamed route, read with back-pressure. Reading throws [ProblemException] where the body is too
    /// large or stops coming, and [java.io.IOException] where the peer has gone.
    public InputStream stream() {
        return stream;
    }

    /// The JSON body as a record.
    ///
    /// @throws RefusedException where it is no JSON of that form
    public <T extends Record> T json(Class<T> type) {
        if (!contentType().equals("application/json")) {
            throw new RefusedException(
                    ErrorCode.UNSUPPORTED_MEDIA_TYPE, "send the body with 'Content-Type: application/json'");
        }
        return Json.read(body, type);
    }
}
