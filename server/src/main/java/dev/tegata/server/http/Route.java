// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import java.time.Duration;
import java.util.List;

/// One operation: method, path template, who answers, and what a request may cost.
///
/// A template is a path whose segments are literal or `{name}`, which takes exactly one segment. The last
/// one may be `{name...}`, which takes all that follows, slashes included.
public final class Route {
    private static final int DEFAULT_BODY_LIMIT = 64 * 1024;
    private static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(30);

    private final String method;
    private final String template;
    private final Handler handler;
    private final long bodyLimit;
    private final boolean streamed;
    private final Duration timeout;
    private final List<String> produces;

    private Route(
            String method,
            String template,
            Handler handler,
            long bodyLimit,
            boolean streamed,
            Duration timeout,
            List<String> produces) {
        this.method = method;
        this.template = template;
        this.handler = handler;
        this.bodyLimit = bodyLimit;
        this.streamed = streamed;
        this.timeout = timeout;
        this.produces = produces;
    }

    /// An operation with the usual bounds: a body of at most 64 KiB read before the handler runs, 30
    /// seconds in all, and no check of `Accept`.
    public static Route of(String method, String template, Handler handler) {
        return new Route(method, template, handler, DEFAULT_BODY_LIMIT, false, DEFAULT_TIMEOUT, List.of());
    }

    public static Route get(String template, Handler handler) {
        return of("GET", template, handler);
    }

    public static Route post(String template, Handler handler) {
        return of("POST", template, handler);
    }

    /// With another limit for the body.
    public Route withBodyLimit(long bytes) {
        return new Route(method, template, handler, bytes, streamed, timeout, produces);
    }

    /// The handler runs at once and reads the body from [Request#stream()].
    public Route withStreamedBody() {
        return new Route(method, template, handler, bodyLimit, true, timeout, produces);
    }

    /// With another time until the request is given up.
    public Route withTimeout(Duration longest) {
        return new Route(method, template, handler, bodyLimit, streamed, longest, produces);
    }

    /// Refuses requests whose `Accept` takes none of these media types.
    public Route withProduces(String... mediaTypes) {
        return new Route(method, template, handler, bodyLimit, streamed, timeout, List.of(mediaTypes));
    }

    /// The same operation answered by `other`: how checks are put around handlers.
    public Route withHandler(Handler other) {
        return new Route(method, template, other, bodyLimit, streamed, timeout, produces);
    }

    public String method() {
        return method;
    }

    public String template() {
        return template;
    }

    public Handler handler() {
        return handler;
    }

    long bodyLimit() {
        return bodyLimit;
    }

    boolean streamed() {
        return streamed;
    }

    String produced() {
        return String.join(" or ", produces);
    }

    Duration timeout() {
        return timeout;
    }

    /// Whether the answer is of a kind that `accept` (RFC 9110 §12.5.1) takes. Weights are ignored but for
    /// `q=0`.
    boolean satisfies(String accept) {
        if (produces.isEmpty()) {
            return true;
        }
        for (String range : accept.split(",", -1)) {
            String[] parts = range.split(";", -1);
            String type = parts[0].strip();
            boolean excluded = false;
            for (int i = 1; i < parts.length; i++) {
                excluded |= parts[i].strip().matches("q=0(\\.0*)?");
            }
            if (!excluded && produces.stream().anyMatch(produced -> matches(type, produced))) {
                return true;
            }
        }
        return false;
    }

    private static boolean matches(String range, String type) {
        return range.equals("*/*")
                || range.equalsIgnoreCase(type)
                || (range.endsWith("/*") && type.regionMatches(true, 0, range, 0, range.length() - 1));
    }

    @Override
    public String toString() {
        return method + " " + template;
    }
}
