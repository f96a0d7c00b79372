// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import java.util.Locale;

/// How chips' serial numbers are spelled here: lower case, and where the vendor's are hex, without separators.
final class SerialNumbers {
    private static final int MICROCHIP = 18;
    private static final int MAC = 12;

    private SerialNumbers() {}

    static String of(Chip chip, String text) throws RejectedException {
        if (chip == Chip.MICROCHIP && isHex(text, MICROCHIP, MICROCHIP)) {
            return text; // as manifests spell it
        }
        String lower = text.strip().toLowerCase(Locale.ROOT);
        return switch (chip) {
            case MICROCHIP -> hex(lower, MICROCHIP, MICROCHIP, "a Microchip serial number has 18 hex digits");
            case INFINEON -> hex(lower, 8, 64, "an Infineon chip id has 8 to 64 hex digits");
            case ESPRESSIF -> hex(lower, MAC, MAC, "a MAC address has 12 hex digits");
            case TPM, OTHER -> {
                if (lower.isEmpty() || lower.length() > 128 || !lower.chars().allMatch(c -> c >= ' ' && c <= '~')) {
                    throw malformed("a serial number has 1 to 128 letters, digits or signs of plain ASCII");
                }
                yield lower;
            }
        };
    }

    private static String hex(String text, int shortest, int longest, String otherwise) throws RejectedException {
        String digits = text.replace(":", "").replace("-", "").replace(" ", "");
        if (!isHex(digits, shortest, longest)) {
            throw malformed(otherwise);
        }
        return digits;
    }

    /// Lower case only. A regular expression would be a fortieth of what an element takes.
    private static boolean isHex(String text, int shortest, int longest) {
        if (text.length() < shortest || text.length() > longest) {
            return false;
        }
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) {
                return false;
            }
        }
        return true;
    }

    private static RejectedException malformed(String detail) {
        return new RejectedException(IssueReason.MALFORMED, detail);
    }
}
