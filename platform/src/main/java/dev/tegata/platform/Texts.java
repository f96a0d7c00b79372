// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

import java.util.regex.Pattern;

/// Makes text from outside fit to stand in a message.
public final class Texts {
    private static final int LIMIT = 80;
    private static final Pattern CONTROL = Pattern.compile("\\p{Cntrl}");

    private Texts() {}

    /// `text` cut to 80 characters, with control characters replaced.
    public static String quoted(String text) {
        String cut = text.length() > LIMIT ? text.substring(0, LIMIT) + "…" : text;
        return CONTROL.matcher(cut).replaceAll("·");
    }
}
