// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.Locale;
import java.util.regex.Pattern;

/// Makes what is from outside, or a name in the code, fit to stand in a message.
public final class Texts {
    private static final int LIMIT = 80;
    private static final Pattern CONTROL = Pattern.compile("\\p{Cntrl}");

    private Texts() {}

    /// A constant as sentences and outside formats have it: `in-progress`.
    public static String word(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /// `text` cut to 80 characters, with control characters replaced.
    public static String quoted(String text) {
        String cut = text.length() > LIMIT ? text.substring(0, LIMIT) + "…" : text;
        return CONTROL.matcher(cut).replaceAll("·");
    }

    /// Why something with a file or a connection failed, for a sentence that names it. What the JDK says of
    /// a file is often its path alone.
    public static String reason(IOException e) {
        return switch (e) {
            case NoSuchFileException _ -> "there is no such file or folder";
            case AccessDeniedException _ -> "permission denied";
            case FileAlreadyExistsException _ -> "something else has that name";
            case FileSystemException known when known.getReason() != null -> String.valueOf(known.getReason());
            default -> e.getMessage() == null ? e.getClass().getSimpleName() : String.valueOf(e.getMessage());
        };
    }
}
