// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.platform.DeviceId;
import java.time.Instant;

/// A one-time secret with which a device that has no birth key enrols. Its text is known only to whoever asked for it.
public record ClaimToken(DeviceId device, String serial, String secret, Instant expiresAt) {
    @Override
    public String toString() {
        return "ClaimToken[device=" + device + ", expiresAt=" + expiresAt + "]";
    }
}
