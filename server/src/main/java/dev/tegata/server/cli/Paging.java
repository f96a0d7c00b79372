// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// Which part of a listing to show.
final class Paging {
    @Option(names = "--limit", paramLabel = "N", description = "How many to show, up to 1000 (default: 100).")
    @Nullable
    Integer limit;

    @Option(names = "--cursor", paramLabel = "CURSOR", description = "Where to go on: the cursor of the part before.")
    @Nullable
    String cursor;

    /// The query of this part.
    Map<String, Object> query() {
        Map<String, Object> query = new LinkedHashMap<>();
        if (limit != null) {
            query.put("limit", limit);
        }
        if (cursor != null) {
            query.put("cursor", cursor);
        }
        return query;
    }

    /// The query of this part, with a filter where `value` is given.
    static void filter(Map<String, Object> query, String name, @Nullable String value) {
        if (value != null) {
            query.put(name, value);
        }
    }
}
