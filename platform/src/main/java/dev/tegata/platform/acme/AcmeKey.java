// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.acme;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// A key of external account binding: who has it may make one account, for one device.
///
/// @param id public
/// @param address where http-01 is fetched, instead of asking the DNS
public record AcmeKey(
        String id,
        FleetId fleet,
        DeviceId device,
        @Nullable String address,
        Instant createdAt,
        Instant expiresAt,
        @Nullable Instant usedAt) {
    /// A key with its secret, which is shown once.
    public record Created(AcmeKey key, String secret) {
        @Override
        public String toString() {
            return "Created[" + key.id() + "]";
        }
    }
}
