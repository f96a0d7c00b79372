// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.health;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// Something that is wrong, and whom it affects.
///
/// @param subject `authority:…`: the authority itself, or the one that issued the certificates; `vault`
/// @param affected devices; 0 where it is about the subject itself
/// @param detail of one of them
public record Finding(FindingCode code, String subject, long affected, String detail, Instant foundAt) {
    private static final String AUTHORITY = "authority:";

    /// The one request that mends it; null where none does.
    public FindingCode.@Nullable Call fix() {
        return code.fix(subject.startsWith(AUTHORITY) ? subject.substring(AUTHORITY.length()) : subject);
    }
}
