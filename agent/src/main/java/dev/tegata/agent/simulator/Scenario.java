// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.simulator;

import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.DoubleStream;

/// What befalls a fleet. Shares, and points of the time, are from 0 to 1.
///
/// @param duration how long the fleet is watched
/// @param checkIn how long a device waits between two check-ins, whatever the server says
/// @param certificateLife how long a certificate's life is in the simulator: its renewal falls at two
/// thirds of this
/// @param firmware what runs on the devices at first
/// @param updates what they get later
/// @param trustManager the share of devices with a chip like TrustMANAGER: they make their birth key
/// themselves and show a claim token; the others' chips are like Trust&GO
public record Scenario(
        Duration duration,
        Duration checkIn,
        Duration certificateLife,
        List<Firmware> firmware,
        List<Update> updates,
        Troubles troubles,
        Fates fates,
        Attestation attestation,
        double trustManager) {
    /// A bit of everything.
    public static final Scenario USUAL = new Scenario(
            Duration.ofMinutes(1),
            Duration.ofSeconds(10),
            Duration.ofSeconds(40),
            List.of(new Firmware("app", "1.4.0", 0.8), new Firmware("app", "1.3.9", 0.2)),
            List.of(new Update(Optional.of("1.3.9"), "1.4.0", 0.5, 0.7)),
            new Troubles(0.01, 0.05, 0.05, 20, 0.01),
            new Fates(0.01, 0.01, 0.01, 0.01, 0.01),
            new Attestation(0.9, 0.1, 0.005, 0.005, Optional.of(new Vulnerable("1.3.9", 0.5))),
            0);

    /// @param share of the devices that run this
    public record Firmware(String component, String version, double share) {
        public Firmware {
            requireShares(share);
        }
    }

    /// New firmware.
    ///
    /// @param from what runs on the devices that get it; empty where that does not matter
    /// @param share of those devices
    /// @param at when, as a point of the time
    public record Update(Optional<String> from, String to, double share, double at) {
        public Update {
            requireShares(share, at);
        }
    }

    /// What goes wrong without anybody's will.
    ///
    /// @param failures the share of connections that never come about
    /// @param powerCuts the share of devices whose power fails, at a random moment of a change
    /// @param wrongClocks the share of devices whose clock is years off
    /// @param clockYears how many years at most, in either direction
    /// @param clockDrift by what share of the time clocks run fast or slow, at most
    public record Troubles(double failures, double powerCuts, double wrongClocks, int clockYears, double clockDrift) {
        static final Troubles NONE = new Troubles(0, 0, 0, 0, 0);

        public Troubles {
            requireShares(failures, powerCuts, wrongClocks, clockDrift);
            if (clockYears < 0 || clockYears > 1000) {
                throw new IllegalArgumentException("a clock is off by 0 to 1000 years, not by " + clockYears);
            }
        }
    }

    /// The shares of devices to which something befalls, each at most once.
    ///
    /// @param stolen devices that are stolen; the operator revokes them, and the thief goes on using them
    /// @param refurbished devices that are refurbished
    /// @param sold devices that are sold to another tenant
    /// @param asleep devices that are not there for longer than their certificate lives
    /// @param cloned devices of which there are two from then on, with the same keys and memory
    public record Fates(double stolen, double refurbished, double sold, double asleep, double cloned) {
        static final Fates NONE = new Fates(0, 0, 0, 0, 0);

        public Fates {
            requireShares(stolen, refurbished, sold, asleep, cloned);
            requireParts(
                    "'stolen', 'refurbished', 'sold', 'asleep' and 'cloned'",
                    stolen,
                    refurbished,
                    sold,
                    asleep,
                    cloned);
        }
    }

    /// How devices prove what they are.
    ///
    /// @param psa the share of devices that send PSA tokens
    /// @param chip the share of devices whose chip vouches for its key; the rest gives no evidence
    /// @param stolenKeys the share of devices whose tokens are signed by another device's key
    /// @param replayed the share of devices that send their first token again and again
    public record Attestation(
            double psa, double chip, double stolenKeys, double replayed, Optional<Vulnerable> vulnerable) {
        static final Attestation NONE = new Attestation(0, 0, 0, 0, Optional.empty());

        public Attestation {
            requireShares(psa, chip, stolenKeys, replayed);
            requireParts("'psa' and 'chip'", psa, chip);
            requireParts("'stolen-keys' and 'replayed'", stolenKeys, replayed);
        }

        /// Whether any device gives evidence.
        public boolean isWanted() {
            return psa + chip > 0;
        }
    }

    /// A release that is found vulnerable.
    ///
    /// @param at when, as a point of the time
    public record Vulnerable(String version, double at) {
        public Vulnerable {
            requireShares(at);
        }
    }

    public Scenario {
        requireShares(trustManager);
        firmware = List.copyOf(firmware);
        updates = List.copyOf(updates);
        if (firmware.isEmpty()) {
            throw new IllegalArgumentException("something runs on the devices: name a firmware");
        }
        if (!duration.isPositive() || !checkIn.isPositive() || !certificateLife.isPositive()) {
            throw new IllegalArgumentException("durations are longer than nothing");
        }
        Set<String> known = versions(firmware, updates);
        updates.stream().flatMap(update -> update.from().stream()).forEach(from -> requireKnown(known, from));
        attestation.vulnerable().ifPresent(vulnerable -> requireKnown(known, vulnerable.version()));
    }

    private static void requireShares(double... shares) {
        for (double share : shares) {
            if (!(share >= 0 && share <= 1)) {
                throw new IllegalArgumentException("a share, or a point of the time, is from 0 to 1, not " + share);
            }
        }
    }

    private static void requireParts(String names, double... shares) {
        if (DoubleStream.of(shares).sum() > 1.000_001) {
            throw new IllegalArgumentException(names + " are more than all devices");
        }
    }

    private static void requireKnown(Set<String> versions, String version) {
        if (!versions.contains(version)) {
            throw new IllegalArgumentException("no device ever runs version " + version);
        }
    }

    /// All versions that ever run.
    public Set<String> versions() {
        return versions(firmware, updates);
    }

    private static Set<String> versions(List<Firmware> firmware, List<Update> updates) {
        Set<String> versions = new LinkedHashSet<>();
        firmware.forEach(each -> versions.add(each.version()));
        updates.forEach(update -> versions.add(update.to()));
        return versions;
    }

    /// The same for another time.
    public Scenario lasting(Duration time) {
        return new Scenario(
                time, checkIn, certificateLife, firmware, updates, troubles, fates, attestation, trustManager);
    }

    /// The same where nobody buys.
    public Scenario withoutSales() {
        Fates others = new Fates(fates.stolen, fates.refurbished, 0, fates.asleep, fates.cloned);
        return new Scenario(
                duration, checkIn, certificateLife, firmware, updates, troubles, others, attestation, trustManager);
    }

    /// The same without what befalls single devices: load, and nothing else.
    public Scenario asLoad() {
        return new Scenario(
                duration,
                Duration.ofNanos(1),
                Duration.ofDays(3650),
                firmware,
                List.of(),
                Troubles.NONE,
                Fates.NONE,
                Attestation.NONE,
                trustManager);
    }
}
