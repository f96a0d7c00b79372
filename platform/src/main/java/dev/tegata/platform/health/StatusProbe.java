// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.health;

import java.util.Optional;

/// Whether an address that stands in certificates answers.
@FunctionalInterface
public interface StatusProbe {
    /// Asks nobody.
    StatusProbe NONE = (url, mustServe) -> Optional.empty();

    /// Asks, within a bounded time.
    ///
    /// @param mustServe whether a document is to be had there by GET; else any answer will do, as of a
    /// responder
    /// @return what is wrong, in a few words; empty where it answers
    Optional<String> problem(String url, boolean mustServe);
}
