// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import java.util.Optional;

/// What only one tenant of the installation may hold: a number that a vendor gave out, or, where the number is not a
/// vendor's, the chip's first key.
record OwnedChip(String chip, String serial) implements Comparable<OwnedChip> {
    private static final String BY_KEY = "key";

    /// Nothing for a bare number of unknown origin: two tenants may both have a device "1".
    static Optional<OwnedChip> of(Candidate candidate) {
        if (candidate.chip() != Chip.OTHER) {
            return Optional.of(new OwnedChip(candidate.chip().id(), candidate.serial()));
        }
        return candidate.keys().stream()
                .findFirst()
                .map(key -> new OwnedChip(BY_KEY, key.fingerprint().hex()));
    }

    @Override
    public int compareTo(OwnedChip other) {
        int byChip = chip.compareTo(other.chip);
        return byChip != 0 ? byChip : serial.compareTo(other.serial);
    }
}
