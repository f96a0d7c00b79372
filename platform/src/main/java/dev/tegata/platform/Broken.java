// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// Those whom a refused change would break, for one reason.
///
/// @param reason a stable name, such as `key-not-allowed`
/// @param detail one sentence for a person
/// @param what they are: `device`, `authority` or `fleet`
/// @param count of them, up to a limit
/// @param more whether there are more than were counted
/// @param first ids of some, a screen full at the most
/// @param path of the API that lists them all, a page at a time; null where `first` names them all
/// @param command that lists them all; null where `first` names them all
public record Broken(
        String reason,
        String detail,
        String what,
        long count,
        boolean more,
        List<String> first,
        @Nullable String path,
        @Nullable String command) {
    /// How many are counted.
    public static final int COUNTED = 10_000;

    /// How many are named.
    public static final int NAMED = 20;

    public Broken {
        first = List.copyOf(first);
    }
}
