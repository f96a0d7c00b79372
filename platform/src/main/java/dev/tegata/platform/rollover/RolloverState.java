// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.rollover;

import java.util.Optional;

/// Where a campaign stands. The only place that decides what may follow what.
public enum RolloverState {
    /// The new authorities are there and both roots are handed out; no device has been told anything.
    PREPARED,
    /// Devices are moved, wave after wave.
    MOVING,
    /// No further device is begun with. Those that were may go on.
    PAUSED,
    /// The fleets name the new authorities; stragglers are still moved.
    FINISHED,
    /// Over: the old root is handed out no more.
    CLOSED,
    /// Devices that had moved are moved back.
    ROLLING_BACK,
    /// Over: all is as it was before.
    ROLLED_BACK;

    /// What an operator does with a campaign, and what its job finds.
    public enum Action {
        START,
        PAUSE,
        RESUME,
        FINISH,
        CLOSE,
        ROLL_BACK,
        /// The last device is back.
        RETURNED
    }

    /// The state after `action`; empty where it is not allowed.
    public Optional<RolloverState> after(Action action) {
        return Optional.ofNullable(
                switch (action) {
                    case START -> this == PREPARED ? MOVING : null;
                    case PAUSE -> this == MOVING ? PAUSED : null;
                    case RESUME -> this == PAUSED ? MOVING : null;
                    case FINISH -> this == MOVING || this == PAUSED ? FINISHED : null;
                    case CLOSE -> this == FINISHED ? CLOSED : null;
                    case ROLL_BACK ->
                        switch (this) {
                            case PREPARED, MOVING, PAUSED, FINISHED -> ROLLING_BACK;
                            case CLOSED, ROLLING_BACK, ROLLED_BACK -> null;
                        };
                    case RETURNED -> this == ROLLING_BACK ? ROLLED_BACK : null;
                });
    }

    /// Whether a job works on it.
    boolean isWorkedOn() {
        return this == MOVING || this == FINISHED || this == ROLLING_BACK;
    }
}
