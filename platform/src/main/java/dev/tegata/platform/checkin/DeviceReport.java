// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.checkin;

import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a device said of itself when it checked in last.
///
/// @param certificates serial numbers in hex
/// @param trustAnchors SHA-256 digests in hex
/// @param lastSequence of the last order that it accepted
/// @param reportedAt when any of this changed last
/// @param cloneSuspectedAt when another device last seemed to have its identity
public record DeviceReport(
        List<Component> firmware,
        long bootCount,
        List<String> certificates,
        List<String> trustAnchors,
        long lastSequence,
        Instant reportedAt,
        @Nullable Instant cloneSuspectedAt) {
    public DeviceReport {
        firmware = List.copyOf(firmware);
        certificates = List.copyOf(certificates);
        trustAnchors = List.copyOf(trustAnchors);
    }

    /// @param digest in hex
    public record Component(
            String component, String version, @Nullable String digest) {}
}
