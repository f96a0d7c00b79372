// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import org.jspecify.annotations.Nullable;

/// Fetches what stands at an address that a certificate names: this package knows no network.
@FunctionalInterface
public interface Documents {
    /// By what a server tells whether a document has changed.
    record Marks(@Nullable String tag, @Nullable String lastModified) {
        public static final Marks NONE = new Marks(null, null);
    }

    /// What came of it.
    sealed interface Fetched {
        record Document(byte[] content, Marks marks) implements Fetched {}

        /// It is the one that is known.
        record Unchanged() implements Fetched {}

        /// @param problem for people
        record Failed(String problem) implements Fetched {}
    }

    /// Fetches within bounded time.
    ///
    /// @param known of the document that is here
    /// @param longest how many bytes are taken
    Fetched fetch(String url, Marks known, int longest);
}
