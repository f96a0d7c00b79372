// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.webhook;

import dev.tegata.platform.Fields;
import dev.tegata.platform.webhook.Messenger;
import dev.tegata.server.webhook.OutboundHttp.RefusedTargetException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Posts messages over HTTP: to public addresses with TLS, and to those of own networks where the operator
/// allows them.
public final class HttpMessenger implements Messenger {
    private static final long LONGEST_RETRY = Duration.ofDays(7).toSeconds();

    private final OutboundHttp http;
    private final InstantSource clock;

    public HttpMessenger(OutboundHttp http, InstantSource clock) {
        this.http = http;
        this.clock = clock;
    }

    @Override
    public void requireAcceptable(URI target) {
        String scheme = target.getScheme() == null ? "" : target.getScheme().toLowerCase(Locale.ROOT);
        if (!scheme.equals("https") && !(http.allowsPrivateTargets() && scheme.equals("http"))) {
            throw Fields.invalid("url", "must be an https URL");
        }
        try {
            check(target, InetAddress.ofLiteral(OutboundHttp.literal(target)));
        } catch (IllegalArgumentException ignored) {
            // A name: its address is looked at when it is connected to.
        } catch (RefusedTargetException e) {
            throw Fields.invalid("url", String.valueOf(e.getMessage()));
        }
    }

    private void check(URI target, InetAddress address) throws RefusedTargetException {
        http.checkPublic(address);
        if (!Targets.isPrivate(address) && target.getScheme().equalsIgnoreCase("http")) {
            throw new RefusedTargetException("leads out of the own network, where it must be https");
        }
    }

    @Override
    public Answer post(URI target, Map<String, String> headers, byte[] body) {
        try {
            return answer(
                    http.ask(
                            new OutboundHttp.Request("POST", target, headers, body, 0),
                            address -> check(target, address)),
                    clock.instant());
        } catch (IOException e) {
            return Answer.none(String.valueOf(e.getMessage()));
        }
    }

    static Answer answer(OutboundHttp.Reply reply, Instant now) {
        String retryAfter = reply.headers().get("retry-after");
        return new Answer(
                reply.status(), problem(reply.status()), retryAfter == null ? null : retryAfter(retryAfter, now));
    }

    private static @Nullable String problem(int status) {
        if (status < 300) {
            return null;
        }
        return status < 400
                ? "the receiver answered " + status + ": redirections are not followed"
                : "the receiver answered " + status;
    }

    /// Seconds, or a date; what is neither is nothing.
    static @Nullable Duration retryAfter(String text, Instant now) {
        if (text.matches("[0-9]{1,9}")) {
            return Duration.ofSeconds(Math.min(Long.parseLong(text), LONGEST_RETRY));
        }
        try {
            Instant until = ZonedDateTime.parse(text, DateTimeFormatter.RFC_1123_DATE_TIME)
                    .toInstant();
            return until.isAfter(now) ? Duration.between(now, until) : Duration.ZERO;
        } catch (DateTimeParseException e) {
            return null;
        }
    }
}
