// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/// Reads the files that command lines name; `-` is the standard input.
final class Inputs {
    private static final int LARGEST = 1 << 20;
    private static final int LARGEST_LIST = 64 << 20;
    private static final Path STANDARD_INPUT = Path.of("-");

    private Inputs() {}

    static boolean isStandardInput(Path file) {
        return file.equals(STANDARD_INPUT);
    }

    /// The file, to be read to its end.
    static InputStream open(Path file, Terminal terminal) {
        if (isStandardInput(file)) {
            return terminal.in();
        }
        try {
            return Files.newInputStream(file);
        } catch (IOException e) {
            throw unreadable(file);
        }
    }

    /// The whole of a small file.
    static byte[] bytes(Path file, Terminal terminal) {
        return bytes(file, terminal, LARGEST);
    }

    private static byte[] bytes(Path file, Terminal terminal, int largest) {
        try (InputStream in = open(file, terminal)) {
            byte[] content = in.readNBytes(largest + 1);
            if (content.length > largest) {
                throw CommandFailure.usage(file + " is larger than " + largest + " bytes");
            }
            return content;
        } catch (IOException e) {
            throw unreadable(file);
        }
    }

    /// The text of a small file, without white space around it.
    static String text(Path file, Terminal terminal) {
        return new String(bytes(file, terminal), StandardCharsets.UTF_8).strip();
    }

    /// The text of a list, which may be long.
    static String largeText(Path file, Terminal terminal) {
        return new String(bytes(file, terminal, LARGEST_LIST), StandardCharsets.UTF_8);
    }

    static CommandFailure unreadable(Path file) {
        return CommandFailure.usage(
                Files.exists(file) ? "the file " + file + " cannot be read" : "there is no file " + file);
    }
}
