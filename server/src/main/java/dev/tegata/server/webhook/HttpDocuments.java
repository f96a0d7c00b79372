// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.webhook;

import dev.tegata.platform.claim.Documents;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Fetches documents over plain HTTP, where it has changed: from public addresses, and from those of own
/// networks where the operator allows them.
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
        try {
            URI target = new URI(url);
            if (!"http".equalsIgnoreCase(target.getScheme()) || target.getHost() == null) {
                return new Fetched.Failed("only http addresses are fetched from");
            }
            OutboundHttp.Reply reply = http.ask(OutboundHttp.Request.get(target, headers, longest), http::checkPublic);
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
