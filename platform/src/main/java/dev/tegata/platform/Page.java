// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// A part of a listing, and the cursor that asks for the next part. No cursor: there is no more.
public record Page<T>(List<T> items, @Nullable String next) {
    public Page {
        items = List.copyOf(items);
    }

    /// Which part of a listing is wanted.
    ///
    /// @param after where the part before ended, decoded from its cursor; null for the first part
    /// @param limit how many items at the most, 1 to 1000
    public record Request(@Nullable String after, int limit) {
        public static final int DEFAULT_LIMIT = 100;
        private static final int MAX_LIMIT = 1000;

        public Request {
            if (limit < 1 || limit > MAX_LIMIT) {
                throw new RefusedException(
                        ErrorCode.INVALID_FIELD, "limit must be from 1 to " + MAX_LIMIT + ", not " + limit);
            }
        }

        /// The first part, of the usual size.
        public static Request first() {
            return new Request(null, DEFAULT_LIMIT);
        }

        /// Reads what a client sent back.
        ///
        /// @throws RefusedException where the cursor is none of ours or the limit is out of range
        public static Request of(@Nullable String cursor, int limit) {
            if (cursor == null) {
                return new Request(null, limit);
            }
            try {
                String after = new String(Base64.getUrlDecoder().decode(cursor), StandardCharsets.UTF_8);
                if (after.indexOf('\0') < 0) {
                    return new Request(after, limit);
                }
            } catch (IllegalArgumentException ignored) {
                // Told below.
            }
            throw foreign();
        }

        /// Where the part before ended.
        ///
        /// @param parse reads a position
        /// @param first what to begin with where the first part is wanted
        /// @throws RefusedException where the position is none of this listing's
        public <T extends @Nullable Object> T after(Function<String, ? extends T> parse, T first) {
            try {
                return after == null ? first : parse.apply(after);
            } catch (IllegalArgumentException | RefusedException e) {
                throw foreign();
            }
        }

        private static RefusedException foreign() {
            return new RefusedException(ErrorCode.INVALID_FIELD, "the cursor is not one that this listing gave");
        }
    }

    /// Makes a page from a query that fetched one row more than the limit.
    ///
    /// @param key the position of an item, from which the next part starts
    public static <T> Page<T> of(List<T> rows, Request request, Function<T, String> key) {
        if (rows.size() <= request.limit()) {
            return new Page<>(rows, null);
        }
        List<T> items = rows.subList(0, request.limit());
        String position = key.apply(items.get(items.size() - 1));
        return new Page<>(
                items,
                Base64.getUrlEncoder().withoutPadding().encodeToString(position.getBytes(StandardCharsets.UTF_8)));
    }
}
