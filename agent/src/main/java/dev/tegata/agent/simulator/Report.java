// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.simulator;

import java.time.Duration;
import java.util.List;
import java.util.SortedMap;

/// What happened to a fleet, as the devices saw it.
///
/// @param elapsed of the scenario's time
/// @param whole the same, with the time in which the devices were switched on
/// @param withIdentity devices that have an operational identity
/// @param lacks why the others have none, and the serial numbers of which
/// @param wrongClocks devices whose clock is years off
/// @param wrongClocksWithIdentity those of them that have an identity all the same
/// @param counts how often what happened
/// @param fates how many devices were stolen, refurbished, sold, asleep, cloned
/// @param firmware how many devices run what
/// @param proofs how many devices prove themselves how
/// @param reasons why something was refused or failed, and how often
/// @param medianStep how long half of the steps took at most: connecting, asking, storing
/// @param latest how late the latest step was, because all threads were busy
public record Report(
        Duration elapsed,
        Duration whole,
        int devices,
        long withIdentity,
        SortedMap<String, List<String>> lacks,
        long wrongClocks,
        long wrongClocksWithIdentity,
        SortedMap<String, Long> counts,
        SortedMap<String, Long> fates,
        SortedMap<String, Long> firmware,
        SortedMap<String, Long> proofs,
        SortedMap<String, Long> reasons,
        Duration medianStep,
        Duration slowestOfHundred,
        Duration latest) {
    public long count(String what) {
        return counts.getOrDefault(what, 0L);
    }

    /// How often it happened in a second.
    public double rate(String what) {
        double seconds = whole.toNanos() / 1e9;
        return seconds > 0 ? count(what) / seconds : 0;
    }
}
