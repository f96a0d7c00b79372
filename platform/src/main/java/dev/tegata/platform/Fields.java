// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

/// Checks of what people type into fields.
public final class Fields {
    private static final int MAX_NAME = 64;

    private Fields() {}

    /// The name of something, without the space around it: 1 to 64 characters, none of them a control character.
    ///
    /// The limit is that of a name in a certificate (RFC 5280 appendix A.1), so that every name fits into one.
    ///
    /// @param field what the message calls it
    /// @throws RefusedException where it is something else
    public static String name(String field, String value) {
        String name = value.strip();
        if (name.isEmpty()) {
            throw invalid(field, "must not be empty");
        }
        if (name.codePointCount(0, name.length()) > MAX_NAME) {
            throw invalid(field, "must have " + MAX_NAME + " characters at the most");
        }
        if (!name.codePoints().allMatch(Fields::isVisible)) {
            throw invalid(field, "must not hold control characters");
        }
        return name;
    }

    /// The refusal of a field's value.
    ///
    /// @param reason reads on from the field's name: `must not be empty`
    public static RefusedException invalid(String field, String reason) {
        return new RefusedException(ErrorCode.INVALID_FIELD, field + " " + reason);
    }

    private static boolean isVisible(int character) {
        return switch (Character.getType(character)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.UNASSIGNED,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR -> false;
            default -> true;
        };
    }
}
