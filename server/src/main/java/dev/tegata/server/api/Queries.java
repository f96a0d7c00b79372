// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.platform.Fields;
import dev.tegata.platform.Page;
import dev.tegata.platform.Texts;
import dev.tegata.server.http.Request;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Reads query parameters, and writes the parts of listings that they ask for.
final class Queries {
    private static final Set<String> PAGING = Set.of("cursor", "limit");

    private Queries() {}

    /// A part of a listing as JSON. `next` is left out at the end.
    record Listing<T>(List<T> items, @Nullable String next) {
        static <S, T> Listing<T> of(Page<S> page, Function<S, T> view) {
            return new Listing<>(page.items().stream().map(view).toList(), page.next());
        }
    }

    /// The part of a listing that `cursor` and `limit` ask for. Beside these and `filters`, there is
    /// nothing to ask.
    static Page.Request page(Request request, String... filters) {
        Set<String> known = new HashSet<>(PAGING);
        known.addAll(List.of(filters));
        requireKnown(request, known);
        return Page.Request.of(request.query("cursor").orElse(null), limit(request));
    }

    /// Refuses parameters that the operation does not know: a misspelt filter must not list everything.
    static void requireKnown(Request request, Set<String> known) {
        for (String name : request.queryNames()) {
            if (!known.contains(name)) {
                throw Fields.invalid("the query parameter '" + Texts.quoted(name) + "'", "is not known here");
            }
        }
    }

    /// A parameter that says yes or no; left out, it says no.
    static boolean flag(Request request, String name) {
        return request.query(name)
                .map(text -> switch (text) {
                    case "true", "" -> true;
                    case "false" -> false;
                    default -> throw Fields.invalid(name, "must be true or false, not '" + Texts.quoted(text) + "'");
                })
                .orElse(false);
    }

    /// A parameter that is an instant of RFC 3339, where it is given.
    static @Nullable Instant instant(Request request, String name) {
        try {
            return request.query(name).map(Instant::parse).orElse(null);
        } catch (DateTimeException e) {
            throw Fields.invalid(name, "must be a time such as 2026-12-31T00:00:00Z");
        }
    }

    private static int limit(Request request) {
        String text = request.query("limit").orElse(Integer.toString(Page.Request.DEFAULT_LIMIT));
        try {
            return Integer.parseInt(text);
        } catch (NumberFormatException e) {
            throw Fields.invalid("limit", "must be a number, not '" + Texts.quoted(text) + "'");
        }
    }
}
