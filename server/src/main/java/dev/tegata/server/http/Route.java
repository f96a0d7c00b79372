// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import java.time.Duration;

/// One operation: method, path template, who answers, and what a request may cost.
///
/// A template is a path whose segments are literal or `{name}`, which takes exactly one segment. The last
/// one may be `{name...}`, which takes all that follows, slashes included.
///
/// @param bodyLimit in bytes
/// @param streamed whether the handler runs at once and reads the body from [Request#stream()]
/// @param timeout until the request is given up
public record Route(
        String method, String template, Handler handler, long bodyLimit, boolean streamed, Duration timeout) {
    private static final int DEFAULT_BODY_LIMIT = 64 * 1024;
    private static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(30);

    /// An operation with the usual bounds: a body of at most 64 KiB read before the handler runs, and 30
    /// seconds in all.
    public static Route of(String method, String template, Handler handler) {
        return new Route(method, template, handler, DEFAULT_BODY_LIMIT, false, DEFAULT_TIMEOUT);
    }

    public static Route get(String template, Handler handler) {
        return of("GET", template, handler);
    }

    public static Route post(String template, Handler handler) {
        return of("POST", template, handler);
    }

    public Route withBodyLimit(long bytes) {
        return new Route(method, template, handler, bytes, streamed, timeout);
    }

    public Route withStreamedBody() {
        return new Route(method, template, handler, bodyLimit, true, timeout);
    }

    public Route withTimeout(Duration longest) {
        return new Route(method, template, handler, bodyLimit, streamed, longest);
    }

    @Override
    public String toString() {
        return method + " " + template;
    }
}
