// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.ManifestId;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// An import: how far it is, or what came of it.
///
/// @param format id of a [ManifestFormat], once the content has been recognised
/// @param digest SHA-256 of the whole file, known when it was read to its end
/// @param failure one sentence for a person, where the import failed. What was claimed before stays claimed
/// @param elements how many have been looked at: the sum of the four numbers after it
public record ManifestReport(
        ManifestId id,
        FleetId fleet,
        String fileName,
        @Nullable String format,
        @Nullable Bytes digest,
        State state,
        @Nullable String failure,
        long elements,
        long claimed,
        long alreadyClaimed,
        long rejected,
        long conflicts,
        Instant startedAt,
        Instant updatedAt) {

    /// Where an import is in its life.
    public enum State {
        RUNNING,
        COMPLETED,
        FAILED,
        CANCELLED
    }

    /// How the audit chain names it.
    public String subject() {
        return "manifest:" + id;
    }
}
