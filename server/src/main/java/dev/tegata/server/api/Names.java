// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.Fields;
import dev.tegata.platform.Texts;
import java.util.Arrays;
import java.util.Locale;
import java.util.function.Function;
import java.util.stream.Collectors;

/// How constants are spelt in JSON and in queries: `two-tier`, `device-import`.
final class Names {
    private Names() {}

    static String of(Enum<?> constant) {
        return Texts.word(constant);
    }

    /// `digitalSignature`, as RFC 5280 spells such names.
    static String camelCase(Enum<?> constant) {
        String[] words = constant.name().toLowerCase(Locale.ROOT).split("_", -1);
        StringBuilder name = new StringBuilder(words[0]);
        for (int i = 1; i < words.length; i++) {
            name.append(Character.toUpperCase(words[i].charAt(0))).append(words[i], 1, words[i].length());
        }
        return name.toString();
    }

    /// The reason for a revocation that is spelt `text`: `caCompromise`, or `cACompromise` as RFC 5280 has
    /// it.
    ///
    /// @throws dev.tegata.platform.RefusedException naming the field and what there is
    static <E extends Enum<E>> E reason(Class<E> type, String field, String text) {
        return constant(type, Names::camelCase, field, text.replaceFirst("^(c|a)ACompromise$", "$1aCompromise"));
    }

    /// The constant that is spelt `text`.
    ///
    /// @throws dev.tegata.platform.RefusedException naming the field and what there is
    static <E extends Enum<E>> E constant(Class<E> type, String field, String text) {
        return constant(type, Names::of, field, text);
    }

    static <E extends Enum<E>> E constant(Class<E> type, Function<E, String> spelling, String field, String text) {
        return Arrays.stream(type.getEnumConstants())
                .filter(constant -> spelling.apply(constant).equals(text))
                .findFirst()
                .orElseThrow(() -> Fields.invalid(
                        field,
                        "must be one of "
                                + Arrays.stream(type.getEnumConstants())
                                        .map(spelling)
                                        .collect(Collectors.joining(", "))
                                + ", not '" + Texts.quoted(text) + "'"));
    }

    static KeyAlgorithm algorithm(String field, String text) {
        return constant(KeyAlgorithm.class, KeyAlgorithm::id, field, text);
    }
}
