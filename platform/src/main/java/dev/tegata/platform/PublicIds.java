// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

import java.util.random.RandomGenerator;

/// Short identifiers that people read aloud: lower-case letters and digits without `i`, `l`, `o` and `u`.
public final class PublicIds {
    private static final String ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

    private PublicIds() {}

    /// A new identifier of `length` characters, five random bits each.
    public static String random(RandomGenerator random, int length) {
        StringBuilder id = new StringBuilder(length);
        for (int i = 0; i < length; i++) {
            id.append(ALPHABET.charAt(random.nextInt(ALPHABET.length())));
        }
        return id.toString();
    }

    /// Whether every character of `id` is one of these.
    public static boolean isValid(String id) {
        return id.chars().allMatch(c -> ALPHABET.indexOf(c) >= 0);
    }

    static void require(String what, String value, boolean valid) {
        if (!valid) {
            throw new RefusedException(ErrorCode.INVALID_IDENTIFIER, "'" + Texts.quoted(value) + "' is no " + what);
        }
    }
}
