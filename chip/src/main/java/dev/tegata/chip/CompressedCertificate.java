// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import java.time.Instant;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;

/// The 72 bytes a chip keeps of a certificate; the rest comes from a template, its serial number and its keys.
///
/// Layout: signature (r ‖ s) 64, dates 3, signer id 2, template id and chain id 1, serial source and format 1,
/// reserved 1.
///
/// @param dates year since 2000 (5 bits), month (4), day (5), hour (5), years of life (5, 0 = for ever)
/// @param signerId the signer's number, which its name carries
/// @param template what kind of certificate this is
record CompressedCertificate(byte[] signature, int dates, int signerId, int template) {
    static final int LENGTH = 72;

    static final Instant NEVER = Instant.parse("9999-12-31T23:59:59Z");

    /// The serial number is a digest of the public key and the dates.
    private static final int SERIAL_FROM_KEY_AND_DATES = 0xA0;

    /// Packs a beginning, cut to the hour, and a number of years.
    ///
    /// @throws IllegalArgumentException where the form cannot say them: years 2000 to 2031, 0 to 31 years of life
    static int dates(Instant notBefore, int years) {
        ZonedDateTime begin = notBefore.atZone(ZoneOffset.UTC);
        int year = begin.getYear() - 2000;
        if (year < 0 || year > 31 || years < 0 || years > 31) {
            throw new IllegalArgumentException("a compressed certificate begins in 2000 to 2031 and lives 31 years");
        }
        return year << 19 | begin.getMonthValue() << 15 | begin.getDayOfMonth() << 10 | begin.getHour() << 5 | years;
    }

    static byte[] datesBytes(int dates) {
        return new byte[] {(byte) (dates >> 16), (byte) (dates >> 8), (byte) dates};
    }

    static Instant notBefore(int dates) {
        return Instant.parse("20%02d-%02d-%02dT%02d:00:00Z"
                .formatted(dates >> 19 & 31, dates >> 15 & 15, dates >> 10 & 31, dates >> 5 & 31));
    }

    static Instant notAfter(int dates) {
        int years = dates & 31;
        return years == 0
                ? NEVER
                : notBefore(dates)
                        .atZone(ZoneOffset.UTC)
                        .plus(years, ChronoUnit.YEARS)
                        .toInstant();
    }

    byte[] encode() {
        byte[] bytes = Arrays.copyOf(signature, LENGTH);
        System.arraycopy(datesBytes(dates), 0, bytes, 64, 3);
        bytes[67] = (byte) (signerId >> 8);
        bytes[68] = (byte) signerId;
        bytes[69] = (byte) (template << 4);
        bytes[70] = (byte) SERIAL_FROM_KEY_AND_DATES;
        return bytes;
    }

    /// Reads the 72 bytes; the dates are checked when they are used.
    static CompressedCertificate parse(byte[] bytes) {
        if (bytes.length != LENGTH) {
            throw new IllegalArgumentException("a compressed certificate has " + LENGTH + " bytes");
        }
        return new CompressedCertificate(
                Arrays.copyOf(bytes, 64),
                (bytes[64] & 0xFF) << 16 | (bytes[65] & 0xFF) << 8 | bytes[66] & 0xFF,
                (bytes[67] & 0xFF) << 8 | bytes[68] & 0xFF,
                bytes[69] >> 4 & 0xF);
    }
}
