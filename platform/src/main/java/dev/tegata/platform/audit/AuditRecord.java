// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.audit;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.store.Json;
import java.time.Instant;
import java.util.Collections;
import java.util.Map;

/// One record of a chain, as it is shown.
///
/// @param hash the chain's hash after this record
public record AuditRecord(
        long sequence,
        Instant time,
        String actor,
        String action,
        String subject,
        Map<String, Object> detail,
        Bytes hash) {

    /// What a record's JSON holds.
    private record Stored(
            long sequence,
            Instant time,
            String actor,
            String action,
            String subject,
            Map<String, Object> detail,
            String previous) {}

    static AuditRecord parse(String record, Bytes hash) {
        Stored stored = Json.read(record, Stored.class);
        return new AuditRecord(
                stored.sequence,
                stored.time,
                stored.actor,
                stored.action,
                stored.subject,
                Collections.unmodifiableMap(stored.detail),
                hash);
    }
}
