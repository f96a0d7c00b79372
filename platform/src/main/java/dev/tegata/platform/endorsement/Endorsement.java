// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.endorsement;

import dev.tegata.pki.Bytes;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A manifest that was accepted, without its statements.
///
/// @param name the manifest's own id, as people write it
/// @param digest SHA-256 of the document
/// @param signer its signer's name; empty where it came without a signature, by an API key
/// @param notBefore from when manifest and signature both hold; null where always
/// @param notAfter until when they do; null where there is no end
public record Endorsement(
        EndorsementId id,
        String name,
        @Nullable String profile,
        Bytes digest,
        String signer,
        @Nullable Instant notBefore,
        @Nullable Instant notAfter,
        EndorsementState state,
        @Nullable EndorsementId supersededBy,
        Instant submittedAt,
        String submittedBy,
        @Nullable Instant endedAt,
        List<EndorsementTag> tags) {
    /// A tag of the manifest.
    ///
    /// @param kind `comid`, `cotl` or `other`
    public record EndorsementTag(String kind, String name, long version) {}
}
