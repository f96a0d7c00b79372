// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;
import tools.jackson.databind.node.ObjectNode;

/// Makes the bodies of requests from options.
final class Bodies {
    private Bodies() {}

    /// Puts a member where the option is given.
    static void put(ObjectNode body, String name, @Nullable String value) {
        if (value != null) {
            body.put(name, value);
        }
    }

    static void put(ObjectNode body, String name, @Nullable Boolean value) {
        if (value != null) {
            body.put(name, value);
        }
    }

    /// Puts an object of members where any of their options is given.
    static void put(ObjectNode body, String name, ObjectNode members) {
        if (!members.isEmpty()) {
            body.set(name, members);
        }
    }

    /// `1y`, `90d`, `12h` and `5m` as ISO 8601 has them; what begins with `P` is ISO already.
    static final class Length implements ITypeConverter<String> {
        @Override
        public String convert(String text) {
            if (text.matches("[0-9]{1,6}[yd]")) {
                return "P" + text.toUpperCase(Locale.ROOT);
            }
            if (text.matches("[0-9]{1,6}[hms]")) {
                return "PT" + text.toUpperCase(Locale.ROOT);
            }
            if (text.startsWith("P") || text.equals("unlimited")) {
                return text;
            }
            throw new TypeConversionException("'" + text + "' is no length of time like 1y, 90d, 12h or 5m");
        }
    }
}
