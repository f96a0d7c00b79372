// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.decision;

import dev.tegata.platform.DeviceId;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Whether a device may come in.
///
/// @param device null where it is none that the tenant has or may use
/// @param party whose policy it was decided by; `default` where that was nobody's
/// @param posture the verdict, `stale`, `unknown`, or `withheld` where the device is another tenant's
/// @param reasons why not; empty where it may
/// @param validUntil when to ask again
public record Decision(
        boolean allowed,
        @Nullable DeviceId device,
        String party,
        String posture,
        List<Reason> reasons,
        Instant validUntil) {
    /// Why not.
    ///
    /// @param code stable, for programs
    public record Reason(String code, String sentence) {}
}
