// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.access;

import dev.tegata.platform.TenantId;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// An API key as it is listed: everything but its secret.
public record ApiKey(
        TenantId tenant,
        String keyId,
        String name,
        Role role,
        Instant createdAt,
        @Nullable Instant expiresAt,
        @Nullable Instant lastUsedAt,
        @Nullable Instant revokedAt) {

    /// The part of the key's text that may be seen: `tgt_<tenant>_<key>`.
    public String prefix() {
        return ApiKeyText.PREFIX + tenant + "_" + keyId;
    }

    /// Whether the key opens anything at `now`.
    public boolean isValidAt(Instant now) {
        return revokedAt == null && (expiresAt == null || now.isBefore(expiresAt));
    }
}
