// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;

/// What time it is, as far as a device can know.
///
/// The machine's clock may be years off, and counts only as a measure of what has passed. The time itself
/// comes from the server. Before it has been heard, one thing is sure: it is not earlier than the latest
/// time that was ever heard. Not for use by several threads.
public final class DeviceClock {
    private final InstantSource machine;
    private Instant heard;
    private Instant machineThen;
    private boolean sure;

    /// @param earliest the time cannot be before this
    public DeviceClock(InstantSource machine, Instant earliest) {
        this.machine = machine;
        this.heard = earliest;
        this.machineThen = machine.instant();
    }

    /// Takes the time that a server has told, who has proven who it is.
    void hear(Instant time) {
        heard = time;
        machineThen = machine.instant();
        sure = true;
    }

    /// Whether a server has told the time since the start.
    boolean isSure() {
        return sure;
    }

    /// The time, where it [is sure][#isSure]; otherwise the earliest that it can be.
    Instant now() {
        Duration passed = Duration.between(machineThen, machine.instant());
        // A clock that was set back tells nothing of what has passed.
        return !sure || passed.isNegative() ? heard : heard.plus(passed);
    }
}
