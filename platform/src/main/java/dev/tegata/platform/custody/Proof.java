// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.Fields;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.regex.Pattern;

/// What somebody shows to prove that a device lies before them. It names the device by its chip.
public sealed interface Proof {
    /// Who numbers the chip: `microchip`, …
    String chip();

    /// The chip's serial number.
    String serial();

    /// The code from the device's label.
    record Label(String chip, String serial, String code) implements Proof {
        public Label {
            chip = checkedChip(chip);
            serial = checkedSerial(serial);
            code = normalized(code);
        }

        /// Without the code.
        @Override
        public String toString() {
            return "Label[" + chip + "/" + serial + "]";
        }

        /// What is stored of a code.
        Bytes hash() {
            return Bytes.sha256(("tegata-label " + chip + "/" + serial + " " + code).getBytes(StandardCharsets.UTF_8));
        }
    }

    /// A signature of the device's birth key (ECDSA in DER, over the SHA-256 for a P-256 key) over
    /// [#message].
    record Chip(String chip, String serial, Bytes challenge, Bytes signature) implements Proof {
        public Chip {
            chip = checkedChip(chip);
            serial = checkedSerial(serial);
        }

        /// What the chip signs.
        byte[] message() {
            return Proof.message(chip, serial, challenge).toArray();
        }
    }

    /// What a chip signs to prove possession.
    static Bytes message(String chip, String serial, Bytes challenge) {
        String text = "tegata-possession-v1 " + chip + "/" + serial + " " + challenge.hex();
        return Bytes.of(text.getBytes(StandardCharsets.UTF_8));
    }

    /// A code as it is compared: people type dashes, spaces and either case.
    ///
    /// Sixteen characters of 32 are 80 bits, so that a plain hash of it keeps it secret.
    private static String normalized(String code) {
        String plain = code.replaceAll("[\\s-]", "").toLowerCase(Locale.ROOT);
        if (!CODE.matcher(plain).matches()) {
            throw Fields.invalid("code", "must have 16 to 64 letters and digits");
        }
        return plain;
    }

    private static String checkedChip(String chip) {
        if (!CHIP.matcher(chip).matches()) {
            throw Fields.invalid("chip", "must be microchip, infineon, espressif, tpm or other");
        }
        return chip;
    }

    private static String checkedSerial(String serial) {
        if (serial.isBlank() || serial.length() > 128) {
            throw Fields.invalid("serial", "must have 1 to 128 characters");
        }
        return serial.strip().toLowerCase(Locale.ROOT);
    }

    Pattern CODE = Pattern.compile("[a-z0-9]{16,64}");
    Pattern CHIP = Pattern.compile("[a-z]{1,16}");
}
