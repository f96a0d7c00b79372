// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.pki.Bytes;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// What one entry of a custody chain says.
///
/// @param owner the id of the tenant that says so
/// @param ownerKey the fingerprint of the key that signed it
/// @param next of a hand-over: the id of the next owner
/// @param nextName of a hand-over: what it is called
public record CustodyStep(
        int sequence,
        CustodyKind kind,
        Instant at,
        String owner,
        String ownerName,
        Bytes ownerKey,
        @Nullable String next,
        @Nullable String nextName) {
    static CustodyStep of(CustodyEntry entry) {
        return new CustodyStep(
                entry.sequence(),
                entry.kind(),
                entry.at(),
                entry.owner().tenant(),
                entry.owner().name(),
                entry.owner().key().fingerprint(),
                entry.next() == null ? null : entry.next().tenant(),
                entry.next() == null ? null : entry.next().name());
    }
}
