// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import java.util.Locale;
import java.util.regex.Pattern;

/// How chips' serial numbers are spelled here: lower case, and where the vendor's are hex, without separators.
final class SerialNumbers {
    private static final Pattern TEXT = Pattern.compile("[ -~]{1,128}");
    private static final Pattern MICROCHIP = Pattern.compile("[0-9a-f]{18}");
    private static final Pattern INFINEON = Pattern.compile("[0-9a-f]{8,64}");
    private static final Pattern MAC = Pattern.compile("[0-9a-f]{12}");

    private SerialNumbers() {}

    static String of(Chip chip, String text) throws RejectedException {
        if (chip == Chip.MICROCHIP && MICROCHIP.matcher(text).matches()) {
            return text; // as manifests spell it
        }
        String lower = text.strip().toLowerCase(Locale.ROOT);
        return switch (chip) {
            case MICROCHIP -> matching(MICROCHIP, hex(lower), "a Microchip serial number has 18 hex digits");
            case INFINEON -> matching(INFINEON, hex(lower), "an Infineon chip id has 8 to 64 hex digits");
            case ESPRESSIF -> matching(MAC, hex(lower), "a MAC address has 12 hex digits");
            case TPM, OTHER ->
                matching(TEXT, lower, "a serial number has 1 to 128 letters, digits or signs of plain ASCII");
        };
    }

    private static String hex(String text) {
        return text.replace(":", "").replace("-", "").replace(" ", "");
    }

    private static String matching(Pattern pattern, String serial, String otherwise) throws RejectedException {
        if (!pattern.matcher(serial).matches()) {
            throw new RejectedException(IssueReason.MALFORMED, otherwise);
        }
        return serial;
    }
}
