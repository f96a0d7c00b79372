// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import dev.tegata.pki.key.VaultException;
import dev.tegata.platform.Broken;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.UnavailableException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;

/// Why a request failed, before it takes the form of a protocol. This is the one place that maps what was
/// thrown to a code, and a code to an RFC 9457 document.
///
/// `headers` go with the answer whatever its form: `Retry-After`, `WWW-Authenticate`, `Allow`. `breaks`
/// names whom a refused change would break.
public record Problem(ErrorCode code, String detail, Map<String, String> headers, List<Broken> breaks) {
    public static final String MEDIA_TYPE = "application/problem+json";

    public Problem {
        headers = Map.copyOf(headers);
        breaks = List.copyOf(breaks);
    }

    public Problem(ErrorCode code, String detail) {
        this(code, detail, defaultHeaders(code), List.of());
    }

    /// This problem with one more header, or another value for one that it has.
    public Problem with(String name, String value) {
        Map<String, String> more = new HashMap<>(headers);
        more.put(name, value);
        return new Problem(code, detail, more, breaks);
    }

    /// What may be told of `thrown`. Only the exceptions that are meant as answers have their words
    /// repeated.
    public static Problem of(Throwable thrown) {
        return switch (thrown) {
            case ProblemException e -> e.problem();
            case RefusedException e -> new Problem(e.code(), e.detail(), defaultHeaders(e.code()), e.broken());
            case UnavailableException _ -> new Problem(ErrorCode.UNAVAILABLE, "the storage cannot be used now");
            case VaultException e
            when e.retryable() -> new Problem(ErrorCode.UNAVAILABLE, "the key vault cannot be used now");
            // A token that is locked, or a key that is lost: whoever asks can do nothing but come again.
            case VaultException _ ->
                new Problem(
                                ErrorCode.UNAVAILABLE,
                                "the key vault refuses; the operator finds the cause in the log, by the request id")
                        .with("Retry-After", "60");
            default -> new Problem(ErrorCode.INTERNAL, "the operator finds the cause in the log, by the request id");
        };
    }

    /// The same, with the cause in the log where it is ours.
    ///
    /// @param request its id
    public static Problem logged(Throwable thrown, Logger log, String request) {
        Problem problem = of(thrown);
        switch (problem.code()) {
            case INTERNAL -> log.error("Request {} failed.", request, thrown);
            case UNAVAILABLE -> log.warn("Request {} could not be answered: {}", request, thrown.getMessage());
            default -> {}
        }
        return problem;
    }

    Response toResponse(String requestId) {
        Document document = new Document(
                "/docs/errors#" + code.code(),
                code.code(),
                code.title(),
                code.httpStatus(),
                detail,
                code.next(),
                requestId,
                breaks.isEmpty() ? null : breaks);
        Response response = Response.of(code.httpStatus(), MEDIA_TYPE, Json.write(document));
        for (Map.Entry<String, String> header : headers.entrySet()) {
            response = response.with(header.getKey(), header.getValue());
        }
        return response;
    }

    private static Map<String, String> defaultHeaders(ErrorCode code) {
        return switch (code) {
            case UNAUTHENTICATED -> Map.of("WWW-Authenticate", "Bearer realm=\"tegata\"");
            case ENROLMENT_IN_PROGRESS -> Map.of("Retry-After", "1");
            case UNAVAILABLE -> Map.of("Retry-After", "5");
            case STATUS_UNKNOWN -> Map.of("Retry-After", "30");
            case AUTHORITY_NOT_READY, TOO_MANY_ATTEMPTS -> Map.of("Retry-After", "60");
            default -> Map.of();
        };
    }

    private record Document(
            String type,
            String code,
            String title,
            int status,
            String detail,
            String next,
            String requestId,
            @Nullable List<Broken> breaks) {}
}
