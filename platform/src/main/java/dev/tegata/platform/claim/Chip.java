// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import java.util.Locale;
import java.util.Optional;

/// Who numbers a chip. A serial number means something only together with it.
enum Chip {
    MICROCHIP,
    INFINEON,
    ESPRESSIF,
    TPM,
    /// The tenant or somebody unknown: such a number is unique within the tenant only.
    OTHER;

    /// As it is stored and shown.
    String id() {
        return name().toLowerCase(Locale.ROOT);
    }

    /// The chip whose [#id] this is, in either case.
    static Optional<Chip> of(String id) {
        for (Chip chip : values()) {
            if (chip.name().equalsIgnoreCase(id)) {
                return Optional.of(chip);
            }
        }
        return Optional.empty();
    }
}
