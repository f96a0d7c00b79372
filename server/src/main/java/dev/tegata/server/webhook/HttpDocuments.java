// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.webhook;

import dev.tegata.platform.claim.Documents;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Fetches documents over plain HTTP, where they have changed, and asks OCSP responders: from public
/// addresses, and from those of own networks where the operator allows them.
public final class HttpDocuments implements Documents {
    private static final int LONGEST_MARK = 256;

    private final OutboundHttp http;

    public HttpDocuments(OutboundHttp http) {
        this.http = http;
    }

    @Override
    public Fetched fetch(String url, Marks known, int longest) {
        Map<String, String> headers = new HashMap<>();
        if (known.tag() != null) {
            headers.put("If-None-Match", known.tag());
        } else if (known.lastModified() != null) {
            headers.put("If-Modified-Since", known.lastModified());
        }
        return exchange(url, target -> OutboundHttp.Request.get(target, headers, longest));
    }

    /// Asks an OCSP responder (RFC 6960 §A.1).
    public Fetched ask(String url, byte[] question, int longest) {
        Map<String, String> headers =
                Map.of("Content-Type", "application/ocsp-request", "Accept", "application/ocsp-response");
        return exchange(url, target -> new OutboundHttp.Request("POST", target, headers, question, longest));
    }

    private Fetched exchange(String url, Function<URI, OutboundHttp.Request> request) {
        try {
            URI target = new URI(url);
            if (!"http".equalsIgnoreCase(target.getScheme()) || target.getHost() == null) {
                return new Fetched.Failed("only http addresses are fetched from");
            }
            OutboundHttp.Reply reply = http.ask(request.apply(target), http::checkPublic);
            return switch (reply.status()) {
                case 200 ->
                    new Fetched.Document(
                            reply.body(),
                            new Marks(
                                    mark(reply.headers().get("etag")),
                                    mark(reply.headers().get("last-modified"))));
                case 304 -> new Fetched.Unchanged();
                default -> new Fetched.Failed("it answers with status " + reply.status());
            };
        } catch (IOException | URISyntaxException e) {
            return new Fetched.Failed(String.valueOf(e.getMessage()));
        }
    }

    /// Goes back into a request: nothing but what may stand there.
    private static @Nullable String mark(@Nullable String text) {
        return text != null && text.length() <= LONGEST_MARK && text.matches("[ -~]+") ? text : null;
    }
}
