// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.simulator;

import java.time.Duration;
import java.util.List;

/// What befalls a fleet. Shares are from 0 to 1.
///
/// @param duration how long the fleet is watched
/// @param checkIn how long a device waits between two check-ins, whatever the server says
/// @param certificateLife how long a certificate's life is in the simulator: its renewal falls at two
/// thirds of this
/// @param firmware what runs on the devices
/// @param failures the share of connections that never come about
/// @param powerCuts the share of devices whose power fails, at a random moment of a change
/// @param wrongClocks the share of devices whose clock is years off
/// @param clockYears how many years at most, in either direction
/// @param stolen the share of devices that are stolen; the operator revokes them, and the thief goes on
/// using them
/// @param refurbished the share of devices that are refurbished
/// @param sold the share of devices that are sold to another tenant
public record Scenario(
        Duration duration,
        Duration checkIn,
        Duration certificateLife,
        List<Firmware> firmware,
        double failures,
        double powerCuts,
        double wrongClocks,
        int clockYears,
        double stolen,
        double refurbished,
        double sold) {
    /// A bit of everything.
    public static final Scenario USUAL = new Scenario(
            Duration.ofMinutes(1),
            Duration.ofSeconds(10),
            Duration.ofSeconds(40),
            List.of(new Firmware("app", "1.4.0", 0.8), new Firmware("app", "1.3.9", 0.2)),
            0.01,
            0.05,
            0.05,
            20,
            0.01,
            0.01,
            0.01);

    /// @param share of the devices that run this
    public record Firmware(String component, String version, double share) {}

    public Scenario {
        firmware = List.copyOf(firmware);
        if (firmware.isEmpty()) {
            throw new IllegalArgumentException("something runs on the devices: name a firmware");
        }
        for (double share : new double[] {failures, powerCuts, wrongClocks, stolen, refurbished, sold}) {
            if (!(share >= 0 && share <= 1)) {
                throw new IllegalArgumentException("a share is from 0 to 1, not " + share);
            }
        }
        if (stolen + refurbished + sold > 1) {
            throw new IllegalArgumentException("'stolen', 'refurbished' and 'sold' are more than all devices");
        }
        if (!duration.isPositive() || !checkIn.isPositive() || !certificateLife.isPositive()) {
            throw new IllegalArgumentException("durations are longer than nothing");
        }
    }

    /// The same for another time.
    public Scenario lasting(Duration time) {
        return new Scenario(
                time,
                checkIn,
                certificateLife,
                firmware,
                failures,
                powerCuts,
                wrongClocks,
                clockYears,
                stolen,
                refurbished,
                sold);
    }

    /// The same where nobody buys.
    public Scenario withoutSales() {
        return new Scenario(
                duration,
                checkIn,
                certificateLife,
                firmware,
                failures,
                powerCuts,
                wrongClocks,
                clockYears,
                stolen,
                refurbished,
                0);
    }

    /// The same without what befalls single devices: load, and nothing else.
    public Scenario asLoad() {
        return new Scenario(
                duration, Duration.ofNanos(1), Duration.ofDays(3650), firmware, 0, 0, 0, clockYears, 0, 0, 0);
    }
}
